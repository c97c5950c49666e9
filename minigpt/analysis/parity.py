"""Layer by layer against transformers: the same ids through both models, and where they differ, if they do.

It compares the embeddings, each block's attention weights, attention, MLP and residual stream, the final norm and the
logits, as both models computed them: hooks record what ran. transformers is needed here and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from minigpt.analysis import activations
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
OURS = {  # what `activations` calls the places, those of a block without its number
    "embeddings": "h.0.in",
    "attention weights": "attn.weights",
    "attention": "attn.out",
    "MLP": "mlp.out",
    "residual stream": "out",
    "final norm": "ln_f",
    "logits": "logits",
}
ROUGHER = {torch.float64: 1e-5}  # for Llama, whose norms and angles transformers always computes in float32


@dataclass(frozen=True)
class LayerDifference:
    """One place in the models: the largest difference there, beside the largest value."""

    name: str
    difference: float
    size: float
    tolerance: float

    @property
    def off(self) -> float:
        """The difference, relative to the largest value where that is above 1."""
        return self.difference / max(1.0, self.size)

    @property
    def equal(self) -> bool:
        """Whether the difference is no more than rounding; nan is more."""
        return self.off <= self.tolerance


def compare_layers(model: GPT2 | Llama, path: Path, ids: list[int]) -> list[LayerDifference]:
    """The differences for these ids, the embeddings first, the logits last, between a model on the CPU and
    transformers' model of the files at `path`, in the model's dtype. Both run separately, uncached.

    Raises ImportError without transformers.
    """
    dtype = next(model.parameters()).dtype
    batch = torch.tensor([ids])  # (1, T)
    ours = record_ours(model, batch)
    theirs = record_theirs(reference(path, dtype), batch)
    tolerance = TOLERANCE.get(dtype, 0.05) if isinstance(model, GPT2) else {**TOLERANCE, **ROUGHER}.get(dtype, 0.05)
    found = []
    for name, value in ours.items():
        other = theirs[name].reshape(value.shape)
        difference = (value - other).abs().max().item()
        found.append(LayerDifference(name, difference, other.abs().max().item(), tolerance))
    return found


def assert_parity(model: GPT2 | Llama, path: str | Path, ids: list[int]) -> None:
    """Raises an AssertionError that names the first place where the model differs from transformers' own."""
    for layer in compare_layers(model, Path(path), ids):
        assert layer.equal, f"{layer.name} differs by {layer.difference:.1e}, allowed {layer.tolerance:.0e} of the size"


def record_ours(model: GPT2 | Llama, batch: Tensor) -> dict[str, Tensor]:
    """What our model computes from `batch` (B, T), by place, from the bottom up."""
    places = {name: activation(name) for name in names(model.config.n_layer)}
    with activations.record(model, places.values()) as seen, torch.no_grad():
        model(batch)
    return {name: seen[place] for name, place in places.items()}


def activation(name: str) -> str:
    """What `activations` calls a place.

    >>> activation("block 3 MLP"), activation("final norm")
    ('h.3.mlp.out', 'ln_f')
    """
    if not name.startswith("block "):
        return OURS[name]
    _, i, part = name.split(" ", 2)
    return f"h.{i}.{OURS[part]}"


def record_theirs(model: Any, batch: Tensor) -> dict[str, Tensor]:
    """The same of transformers' model, whose attention modules return their weights beside the result."""
    core = model.transformer if hasattr(model, "transformer") else model.model
    blocks, final = (core.h, core.ln_f) if hasattr(core, "h") else (core.layers, core.norm)
    found: dict[str, Tensor] = {}

    def note(module: nn.Module, name: str) -> RemovableHandle:
        def hook(_module: nn.Module, _args: Any, out: Any) -> None:
            found[name] = (out[0] if isinstance(out, tuple) else out).detach()
            if isinstance(out, tuple) and name.endswith("attention") and out[1] is not None:
                found[f"{name} weights"] = out[1].detach()

        return module.register_forward_hook(hook)

    hooks = [blocks[0].register_forward_pre_hook(lambda _, args: found.update(embeddings=args[0].detach()))]
    for i, block in enumerate(blocks):
        attention = getattr(block, "attn", None) or block.self_attn
        parts = {"attention": attention, "MLP": block.mlp, "residual stream": block}
        hooks += [note(module, f"block {i} {part}") for part, module in parts.items()]
    hooks.append(note(final, "final norm"))
    try:
        with torch.no_grad():
            found["logits"] = model(batch, use_cache=False, output_attentions=True).logits
    finally:
        for hook in hooks:
            hook.remove()
    return found


def names(n_layer: int) -> list[str]:
    """The places, from the bottom up.

    >>> names(1)[:3]
    ['embeddings', 'block 0 attention weights', 'block 0 attention']
    """
    parts = ("attention weights", "attention", "MLP", "residual stream")
    return ["embeddings", *(f"block {i} {part}" for i in range(n_layer) for part in parts), "final norm", "logits"]


def worst(differences: Iterable[LayerDifference]) -> list[LayerDifference]:
    """The places outside the blocks, and of each kind inside the blocks the one that is furthest off.

    >>> found = [LayerDifference(f"block {i} MLP", d, 1.0, 1e-4) for i, d in enumerate([1e-6, 3e-6, 2e-6])]
    >>> [layer.name for layer in worst([*found, LayerDifference("logits", 1e-6, 1.0, 1e-4)])]
    ['block 1 MLP', 'logits']
    """
    kinds: dict[str, LayerDifference] = {}
    for layer in differences:
        kind = layer.name.split(" ", 2)[2] if layer.name.startswith("block ") else layer.name
        if kind not in kinds or not layer.off <= kinds[kind].off:
            kinds[kind] = layer
    return list(kinds.values())


def reference(path: Path, dtype: torch.dtype) -> Any:
    """transformers' own model of the same files, with attention that returns its weights."""
    try:
        import transformers
    except ImportError:
        raise ImportError("parity compares with transformers, which is missing: pip install transformers") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    options: dict[str, Any] = {"attn_implementation": "eager"}
    if path.suffix != ".gguf":
        load = transformers.AutoModelForCausalLM.from_pretrained
        return load(path, dtype=dtype, local_files_only=True, **options).eval()
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = transformers.AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_config(config, **options)
    read = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)
    model.load_state_dict(read["tensors"], strict=False)
    model.tie_weights()
    return model.to(dtype).eval()
