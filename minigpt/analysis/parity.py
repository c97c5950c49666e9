"""Layer by layer against transformers: the same ids through both models, and where they part, if they do.

The ladder has a rung for the embeddings, for each block's attention maps, attention, MLP and residual stream, for the
final norm and for the logits. transformers is needed here and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from minigpt.models import gpt2, llama
from minigpt.models.gpt2 import GPT2

if TYPE_CHECKING:
    from weights.checkpoint import Checkpoint

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
ROUGHER = {torch.float64: 1e-5}  # for Llama, whose norms and rotations transformers computes in float32 always


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


def compare_layers(checkpoint: "Checkpoint", ids: list[int]) -> list[LayerDifference]:
    """The rungs for these ids, the embeddings first, the logits last. Both models run by themselves, uncached.

    Raises ImportError without transformers.
    """
    theirs = reference(checkpoint)
    batch = torch.tensor([ids])
    model = checkpoint.model.to("cpu")
    dtype = next(model.parameters()).dtype
    ours = traces(model, batch)
    expected = traces(theirs.to(dtype), batch)
    tolerance = TOLERANCE.get(dtype, 0.05) if isinstance(model, GPT2) else {**TOLERANCE, **ROUGHER}.get(dtype, 0.05)
    rungs = []
    for name, value in ours.items():
        other = expected[name].reshape(value.shape)
        difference = (value - other).abs().max().item()
        rungs.append(LayerDifference(name, difference, other.abs().max().item(), tolerance))
    return rungs


def traces(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """What a model, ours or transformers', holds in every place when `batch` (B, T) runs through, from below."""
    found: dict[str, Tensor] = {}
    core: Any = next((getattr(model, name) for name in ("transformer", "model") if hasattr(model, name)), model)
    is_ours = core is model
    blocks = core.h if hasattr(core, "h") else core.layers
    final = core.ln_f if hasattr(core, "ln_f") else core.norm
    attention = "attn" if hasattr(core, "h") else "self_attn"

    def note(name: str) -> Any:
        def hook(_: nn.Module, __: Any, out: Any) -> None:
            found[name] = (out[0] if isinstance(out, tuple) else out).detach()
            if isinstance(out, tuple) and name.endswith("attention") and len(out) > 1 and out[1] is not None:
                found[name + " maps"] = out[1].detach()

        return hook

    hooks = [blocks[0].register_forward_pre_hook(lambda _, args: found.update(embeddings=args[0].detach()))]
    for i, block in enumerate(blocks):
        hooks.append(getattr(block, attention).register_forward_hook(note(f"block {i} attention")))
        hooks.append(block.mlp.register_forward_hook(note(f"block {i} MLP")))
        hooks.append(block.register_forward_hook(note(f"block {i} residual stream")))
    hooks.append(final.register_forward_hook(note("final norm")))
    try:
        with torch.no_grad():
            if is_ours:
                with attention_maps(gpt2 if isinstance(model, GPT2) else llama) as maps:
                    found["logits"] = model(batch)
                found.update({f"block {i} attention maps": each for i, each in enumerate(maps)})
            else:
                found["logits"] = model(batch, use_cache=False, output_attentions=True).logits
    finally:
        for hook in hooks:
            hook.remove()
    return {name: found[name] for name in names(len(blocks))}


def names(n_layer: int) -> list[str]:
    """The rungs from below.

    >>> names(1)[:3]
    ['embeddings', 'block 0 attention maps', 'block 0 attention']
    """
    parts = ("attention maps", "attention", "MLP", "residual stream")
    return ["embeddings", *(f"block {i} {part}" for i in range(n_layer) for part in parts), "final norm", "logits"]


def worst(rungs: list[LayerDifference]) -> list[LayerDifference]:
    """The rungs outside the blocks, and of each kind inside the blocks the one that is off most.

    >>> rungs = [LayerDifference(f"block {i} MLP", d, 1.0, 1e-4) for i, d in enumerate([1e-6, 3e-6, 2e-6])]
    >>> [rung.name for rung in worst([*rungs, LayerDifference("logits", 1e-6, 1.0, 1e-4)])]
    ['block 1 MLP', 'logits']
    """
    kinds: dict[str, LayerDifference] = {}
    for rung in rungs:
        kind = rung.name.split(" ", 2)[2] if rung.name.startswith("block ") else rung.name
        if kind not in kinds or not rung.off <= kinds[kind].off:
            kinds[kind] = rung
    return list(kinds.values())


@contextmanager
def attention_maps(module: Any) -> Iterator[list[Tensor]]:
    """While it lasts, the attention weights (B, H, T, T) of every layer that runs are collected."""
    maps: list[Tensor] = []
    used = module.attention

    def listening(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        n = q.shape[1] // k.shape[1]
        scores = q @ k.repeat_interleave(n, dim=1).transpose(-2, -1) / q.shape[-1] ** 0.5
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        maps.append(torch.softmax(scores.masked_fill(future, -torch.inf), dim=-1))
        return used(q, k, v, mask)

    module.attention = listening
    try:
        yield maps
    finally:
        module.attention = used


def reference(checkpoint: "Checkpoint") -> Any:
    """transformers' own model of the same files, with attention that shows its maps."""
    try:
        import transformers
    except ImportError:
        raise ImportError("parity compares with transformers, which is missing: pip install transformers") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    dtype = next(checkpoint.model.parameters()).dtype
    options: dict[str, Any] = {"attn_implementation": "eager"}
    if checkpoint.path.suffix != ".gguf":
        load = transformers.AutoModelForCausalLM.from_pretrained
        return load(checkpoint.path, dtype=dtype, local_files_only=True, **options).eval()
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = transformers.AutoConfig.from_pretrained(checkpoint.path.parent, gguf_file=checkpoint.path.name)
    model = transformers.AutoModelForCausalLM.from_config(config, **options)
    read = load_gguf_checkpoint(str(checkpoint.path), return_tensors=True, model_to_load=model)
    model.load_state_dict(read["tensors"], strict=False)
    model.tie_weights()
    return model.eval()
