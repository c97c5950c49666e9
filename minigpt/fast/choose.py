"""The fastest form that computes what the plain one does: compared when it is made, else the next or the plain one.

Two are tried: the decode step in C (native.py), then PyTorch's fused kernels (fused.py).
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from operator import is_
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from minigpt.fast.compared import difference, say_once
from minigpt.fast.fused import fused, multiplies_bfloat16
from minigpt.fast.int8 import Int8
from minigpt.fast.native import native
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.gpt2 import GPT2
from minigpt.models.interface import Model
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.models.variants.gpt2 import GPT2Variant

M = TypeVar("M", bound=Model)
SIZES: dict[str, Any] = {"vocab_size": 29, "n_ctx": 10, "n_layer": 1, "n_head": 4, "n_embd": 24, "n_inner": 40}
# relative differences that rounding may cause: of the code alone, in float64 (Llama's norms and angles are float32 even
# then; the C code is all float32), and of a model's first block in its own dtype
EXACT = {GPT2: 1e-10, GPT2Variant: 1e-10, Llama: 1e-5}
IN_FLOAT32 = 5e-6
ROUNDING = {torch.float64: 1e-5, torch.float32: 1e-3}
IN_HALF = 0.05
_chosen: "WeakKeyDictionary[nn.Module, tuple[list[object], nn.Module | None]]" = WeakKeyDictionary()


def fast_form(model: M, plain: bool = False) -> M:
    """The model in its fastest form, with the same parameters and the same interface; itself with `plain`.

    A model that has been changed since (another class in a part's place, a hook, a patched function) is compared anew.
    If the forms differ, or the model is not one of ours, the plain form is returned, and one line on stderr says so.
    """
    if plain or type(model) not in EXACT:
        return model
    assert isinstance(model, GPT2 | Llama)
    state = state_of(model)
    found = _chosen.get(model)
    if found is None or not (len(found[0]) == len(state) and all(map(is_, found[0], state))):
        found = (state, None if hooked(model.modules()) else choose(model))
        _chosen[model] = found
    if found[1] is None:
        return model
    for part, twin in zip(model.modules(), found[1].modules(), strict=True):
        if twin.training is not part.training:
            twin.training = part.training
    return found[1]  # type: ignore[return-value]


def choose(model: GPT2 | Llama) -> nn.Module | None:
    """The fastest form that agrees with the plain one, or None; one line on stderr for one that does not."""
    wrong = what_differs(model, fused, torch.float64)
    if wrong:
        say_once(f"minigpt/fast differs from minigpt/models {wrong}: the plain form is used")
        return None
    found = native(model)
    wrong = what_differs(model, native, torch.float32) if found else ""
    if wrong:
        say_once(f"minigpt/fast/native.c differs from minigpt/models {wrong}: PyTorch's kernels are used")
    return fused(model) if wrong or not found else found


def state_of(model: nn.Module) -> list[object]:
    """What determines how a model computes, apart from its numbers: its parts, their code, hooks, dtype and device.

    The objects themselves, to be compared by identity; the model is not among them, so that it can be freed.
    """
    parts, first = list(model.modules()), next(model.parameters())
    kinds = list(dict.fromkeys(map(type, parts)))
    own: Any = type(model)
    functions: list[Any] = [kind.forward for kind in kinds]  # type: ignore[attr-defined]
    functions += [own.hidden, own.unembed, KVCache.layers, LayerKV.write]
    code = [thing for function in functions for thing in code_of(function)]
    return [hooked(parts), first.dtype, sys.intern(str(first.device)), *parts[1:], *kinds, *code]


def code_of(function: Any) -> list[object]:
    """A function and what the names in its code stand for in its module."""
    code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    return [function, *(names.get(name) for name in code.co_names)] if code else [function]


def hooked(parts: Iterable[nn.Module]) -> bool:
    """Whether hooks look at what goes through any of these parts."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in parts)


Make = Callable[..., Any]


def what_differs(model: GPT2 | Llama, make: Make, dtype: torch.dtype) -> str:
    """Where the plain form and the one made from it differ, in words; empty if they agree.

    First the code: a tiny model of the same class in `dtype`, in float64 so that the last digit of a constant shows.
    Then this model's first block on its own device in its own dtype, which shows a kernel that is wrong there.
    """
    exact = EXACT[type(model)] if dtype == torch.float64 else IN_FLOAT32
    for name, plain, tolerance in (
        ("on a tiny model", tiny(model, dtype), exact),
        ("in the first block", first_block(model), rounding_of(model)),
    ):
        try:
            with torch.autocast(next(model.parameters()).device.type, enabled=False):  # the caller may be training
                right = trace(plain)
                off = difference(right, trace(make(plain)))
        except RuntimeError as error:
            return f"{name}: {str(error).splitlines()[0]}"
        damaged = name == "in the first block" and not right.isfinite().all()  # the sampler refuses that in any form
        if not off <= tolerance and not damaged:
            return f"{name} by {off:.1e}"
    return ""


def rounding_of(model: nn.Module) -> float:
    """The difference that rounding may cause in a model's first block; int8 may be multiplied in half precision."""
    halved = multiplies_bfloat16() and any(isinstance(part, Int8) for part in model.modules())
    return IN_HALF if halved else ROUNDING.get(next(model.parameters()).dtype, IN_HALF)


def tiny(model: GPT2 | Llama, dtype: torch.dtype) -> Any:
    """A model of the same class with small sizes and random numbers."""
    sizes = dict(SIZES)
    if isinstance(model.config, LlamaConfig):
        sizes |= {"n_kv_head": 2, "head_dim": 6}
        sizes |= {"window": 2, "sliding_layers": (0,)} if model.config.sliding_layers else {}
    elif isinstance(model, GPT2Variant):
        sizes["n_layer"] = 2  # the layers' numbers may count
    with torch.device("meta"):
        small: nn.Module = type(model)(replace(model.config, **sizes))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)  # of its own: the caller's random numbers stay as they are
    for part in small.eval().modules():
        for name, empty in part.named_parameters(recurse=False):
            numbers = 0.3 * torch.randn(empty.shape, generator=generator, dtype=torch.float64)
            setattr(part, name, nn.Parameter(numbers.to(dtype)))
    return small


def first_block(model: GPT2 | Llama) -> Any:
    """The model with its first block only, over the model's own numbers."""
    name = "h" if isinstance(model, GPT2) else "layers"
    short = object.__new__(type(model))
    short.__dict__.update(model.__dict__, config=replace(model.config, n_layer=1))
    short.__dict__["_modules"] = {**model._modules, name: nn.ModuleList([getattr(model, name)[0]])}
    return fused(short, kinds={}).eval()


@torch.no_grad()
def trace(model: Any) -> Tensor:
    """What a model computes from a few tokens: at once without a cache; then with one, many, some and few tokens at a
    time, which native.c multiplies in different ways."""
    device = next(model.parameters()).device
    size, n = model.config.vocab_size, min(10, model.config.n_ctx)
    ids = torch.tensor([[((7 - 2 * row) * i + row) % size for i in range(n)] for row in range(3)], device=device)
    cache = KVCache(model.config, 3, n, device, next(model.parameters()).dtype)
    pos = torch.arange(n, device=device).repeat(3, 1)  # (3, T)
    pos[1, -1] = max(0, n - 2)  # one of the texts is shorter: there a slot is written again
    found = [model.hidden(ids)]
    for start, end in pairwise((0, max(0, n - 3), max(0, n - 1), n)):
        part = slice(start, end)
        if start < end:  # not where the model has few positions
            found.append(model.hidden(ids[:, part], pos[:, part], cache))
    x = torch.cat(found, dim=1)  # (3, 2T, C)
    return torch.cat((x, model.unembed(x)), dim=-1) if size == SIZES["vocab_size"] else x
