"""What the X-ray can look into: the parts of a model, by their names in the files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from minigpt.models.attention import causal_mask, merge_heads, split_heads
from minigpt.models.cache import LayerKV
from minigpt.models.gpt2 import GPT2
from minigpt.models.layers import gelu, softmax
from minigpt.models.llama import Llama, apply_rope, silu
from minigpt.models.rope import cos_sin, rope_angles
from tokenizer.suggest import did_you_mean

Function = Callable[..., Any]
OF_ALL_LAYERS = ("gpt2", "llama", "hidden", "unembed", "embedding", "rope", "rope_angles", "causal_mask")
ONLY = {"GPT2": ("gpt2", "layer_norm", "gelu"), "Llama": ("llama", "rms_norm", "silu", "swiglu")}  # of one family
ONLY["Llama"] += ("rope", "rope_angles", "apply_rope")


@dataclass(frozen=True)
class Part:
    """Functions whose lines are traced while a module runs; for one that it calls several times, the first call."""

    module: nn.Module
    functions: tuple[Function, ...]


def parts(model: GPT2 | Llama, layer: int = 0) -> dict[str, Part]:
    """The parts of a model that have names of their own, those of a block in that layer.

    >>> from minigpt.models.config import GPT2Config
    >>> list(parts(GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=1, n_head=1, n_embd=2))))[:4]
    ['gpt2', 'hidden', 'unembed', 'embedding']
    """
    whole: Any = type(model)
    block: Any = model.h[layer] if isinstance(model, GPT2) else model.layers[layer]
    attn: Any = block.attn if isinstance(model, GPT2) else block.self_attn
    if isinstance(model, GPT2):
        name, embedding, linear, norm, bend = "gpt2", model.wte, attn.c_attn, {"layer_norm": block.ln_1}, gelu
    else:
        name, embedding, linear, bend = "llama", model.embed_tokens, attn.q_proj, silu
        norm = {"rms_norm": block.input_layernorm}
    found = {
        name: Part(model, (whole.forward, whole.hidden, whole.unembed)),
        "hidden": Part(model, (whole.hidden,)),
        "unembed": Part(model, (whole.unembed,)),
        "embedding": Part(embedding, forwards(embedding)),
        "block": Part(block, forwards(block)),
        **{kind: Part(module, forwards(module)) for kind, module in norm.items()},
        "attention": Part(attn, (*forwards(attn), *forwards(attn.attention))),
        "linear": Part(linear, forwards(linear)),
        "split_heads": Part(attn, (split_heads,)),
        "causal_mask": Part(model, (causal_mask,)),
        "softmax": Part(attn.attention.softmax, (softmax,)),
        "merge_heads": Part(attn, (merge_heads,)),
        "cache": Part(attn, (LayerKV.write,)),
        "mlp": Part(block.mlp, (*forwards(block.mlp), bend)),
        bend.__name__: Part(block.mlp, (bend,)),
    }
    if isinstance(model, Llama):
        found["swiglu"] = found["mlp"]
        found["rope"] = Part(model, (rope_angles, cos_sin, apply_rope))
        found["rope_angles"] = Part(model, (rope_angles, cos_sin))
        found["apply_rope"] = Part(attn, (apply_rope,))
    return found


def forwards(module: nn.Module) -> tuple[Function, ...]:
    """The `forward` of a module's class, and those of the classes that it extends."""
    kinds: list[Any] = list(type(module).__mro__[: type(module).__mro__.index(nn.Module)])
    return tuple(kind.forward for kind in kinds if "forward" in vars(kind))


def find_part(model: GPT2 | Llama, what: str, layer: int | None = None) -> Part:
    """The part of that name, or the module that a block or the model has under it, such as "mlp.c_fc" or "ln_f".

    Raises ValueError for a name that this model does not have, for a layer that it lacks, and for a layer given with a
    part that is the same for all layers.
    """
    n = model.config.n_layer
    if layer is not None and not 0 <= layer < n:
        raise ValueError(f"layer {layer}: the model has {n}, 0 to {n - 1}")
    known = parts(model, layer or 0)
    block = (model.h if isinstance(model, GPT2) else model.layers)[layer or 0]
    of_block = {name: module for name, module in block.named_modules() if name}
    of_model = {name: module for name, module in model.named_children() if not isinstance(module, nn.ModuleList)}
    if layer is not None and (what in OF_ALL_LAYERS or what in of_model) and what in {**known, **of_model}:
        raise ValueError(f"layer {layer}: {what} is the same for all layers, leave the layer out")
    if what in known:
        return known[what]
    module = of_block.get(what) or of_model.get(what)
    if module is None:
        raise ValueError(missing(type(model).__name__, what, [*known], [*of_block, *of_model]))
    return Part(module, forwards(module))


def missing(kind: str, what: str, known: list[str], modules: list[str]) -> str:
    """Why there is no such part, and what there is."""
    family = next((family for family, names in ONLY.items() if what in names), "")
    if family:
        why = f"{what} is a part of {family} models, this is a {kind}"
    else:
        synonyms = {name.replace("_", ""): name for name in known} | {"causalselfattention": "attention"}
        hint = did_you_mean(what, [*known, *modules], {what: synonyms.get(what.lower().replace("_", ""), "")})
        why = f"there is no part {what!r}" + (f" ({hint})" if hint else "")
    return f"{why}: there are {', '.join(known)}, and the modules {', '.join(dict.fromkeys(modules))}"
