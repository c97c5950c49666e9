"""The fastest form that computes what the plain one does: compared when it is made, else the plain one serves."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from operator import is_
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from minigpt.fast.fused import fused
from minigpt.models.cache import KVCache
from minigpt.models.gpt2 import GPT2
from minigpt.models.interface import Model
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.models.variants.gpt2 import GPT2Variant

M = TypeVar("M", bound=Model)
SIZES: dict[str, Any] = {"vocab_size": 29, "n_ctx": 8, "n_layer": 1, "n_head": 4, "n_embd": 24, "n_inner": 40}
# relative differences that rounding may cause: of the code alone, in float64 (Llama's norms and angles are float32 even
# then), and of a model's first block in its own dtype
EXACT = {GPT2: 1e-10, GPT2Variant: 1e-10, Llama: 1e-5}
ROUNDING = {torch.float64: 1e-5, torch.float32: 1e-3}
_chosen: "WeakKeyDictionary[nn.Module, tuple[list[object], nn.Module | None]]" = WeakKeyDictionary()


def fast_form(model: M, plain: bool = False) -> M:
    """The model in its fastest form, with the same parameters and the same interface; itself with `plain`.

    A model that was changed since (another class in a part's place, a hook, a patched function) is compared anew.
    Where the forms differ, or the model is none of ours, the plain form is returned, and one line on stderr says so.
    """
    if plain or type(model) not in EXACT:
        return model
    assert isinstance(model, GPT2 | Llama)
    state = state_of(model)
    found = _chosen.get(model)
    if found is None or not (len(found[0]) == len(state) and all(map(is_, found[0], state))):
        watched = hooked(model.modules())
        wrong = "" if watched else what_differs(model)
        if wrong:
            say_once(f"minigpt/fast differs from minigpt/models {wrong}: the plain form is used")
        found = (state, None if wrong or watched else fused(model))
        _chosen[model] = found
    if found[1] is None:
        return model
    for part, twin in zip(model.modules(), found[1].modules(), strict=True):
        if twin.training is not part.training:
            twin.training = part.training
    return found[1]  # type: ignore[return-value]


def state_of(model: nn.Module) -> list[object]:
    """What decides how a model computes, its numbers aside: its parts, their code, hooks, dtype and device.

    The objects themselves, to be compared by identity; the model is not among them, so that it can be forgotten.
    """
    parts, first = list(model.modules()), next(model.parameters())
    kinds = list(dict.fromkeys(map(type, parts)))
    code = [thing for kind in kinds for thing in code_of(kind)]
    return [hooked(parts), first.dtype, sys.intern(str(first.device)), *parts[1:], *kinds, *code]


def code_of(kind: type[nn.Module]) -> list[object]:
    """A class's forward function and what the names in its code stand for in its module."""
    forward: Any = kind.forward
    code, names = getattr(forward, "__code__", None), getattr(forward, "__globals__", {})
    return [forward, *(names.get(name) for name in code.co_names)] if code else [forward]


def hooked(parts: Iterable[nn.Module]) -> bool:
    """Whether hooks look at what goes through any of these parts."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in parts)


def what_differs(model: GPT2 | Llama) -> str:
    """Where the two forms differ, in words; empty where they agree.

    First the code: a tiny model of the same class in float64, so that the last digit of a constant shows. Then this
    model's first block on its own device in its own dtype, which shows a kernel that is wrong there.
    """
    for name, (one, other), tolerance in (
        ("on a tiny model", tiny_pair(model), EXACT[type(model)]),
        ("in the first block", first_blocks(model), ROUNDING.get(next(model.parameters()).dtype, 0.05)),
    ):
        try:
            plain = trace(one)
            off = difference(plain, trace(other))
        except RuntimeError as error:
            return f"{name}: {str(error).splitlines()[0]}"
        damaged = name == "in the first block" and not plain.isfinite().all()  # which the sampler refuses in any form
        if not off <= tolerance and not damaged:
            return f"{name} by {off:.1e}"
    return ""


def tiny_pair(model: GPT2 | Llama) -> tuple[Any, Any]:
    """A model of the same class with small sizes and random numbers, and its fused form."""
    sizes = dict(SIZES)
    if isinstance(model.config, LlamaConfig):
        sizes |= {"n_kv_head": 2, "head_dim": 6}
        sizes |= {"window": 2, "sliding_layers": (0,)} if model.config.sliding_layers else {}
    elif isinstance(model, GPT2Variant):
        sizes["n_layer"] = 2  # the layers' numbers may count
    with torch.device("meta"):
        tiny: nn.Module = type(model)(replace(model.config, **sizes))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)  # of its own: the caller's random numbers stay as they are
    for part in tiny.eval().modules():
        for name, empty in part.named_parameters(recurse=False):
            numbers = torch.randn(empty.shape, generator=generator, dtype=torch.float64)
            setattr(part, name, nn.Parameter(numbers))
    return tiny, fused(tiny)


def first_blocks(model: GPT2 | Llama) -> tuple[Any, Any]:
    """The model with its first block only, plain and fused, over the model's own numbers."""
    name = "h" if isinstance(model, GPT2) else "layers"
    short = object.__new__(type(model))
    short.__dict__.update(model.__dict__, config=replace(model.config, n_layer=1))
    short.__dict__["_modules"] = {**model._modules, name: nn.ModuleList([getattr(model, name)[0]])}
    return fused(short, kinds={}).eval(), fused(short).eval()


@torch.no_grad()
def trace(model: Any) -> Tensor:
    """What a model makes of a few tokens: at once without a cache, then all but the last into one, then that."""
    device = next(model.parameters()).device
    size, n = model.config.vocab_size, min(4, model.config.n_ctx)
    ids = torch.tensor([[7 * i % size for i in range(n)], [(5 * i + 1) % size for i in range(n)]], device=device)
    cache = KVCache(model.config, 2, n, device, next(model.parameters()).dtype)
    pos = torch.arange(n, device=device).expand(2, n)  # (2, T)
    found = [model.hidden(ids)]
    for part in (slice(0, n - 1), slice(n - 1, n)):
        if ids[:, part].numel():  # not where the model has a single position
            found.append(model.hidden(ids[:, part], pos[:, part], cache))
    x = torch.cat(found, dim=1)  # (2, 2T, C)
    return torch.cat((x, model.unembed(x)), dim=-1) if size == SIZES["vocab_size"] else x


def difference(plain: Tensor, fast: Tensor) -> float:
    """The largest difference, relative to the largest value where that is above 1; nan where one is nan."""
    plain, fast = plain.cpu().double(), fast.cpu().double()  # on the CPU, since Apple's MPS has no float64
    return ((plain - fast).abs().amax() / plain.abs().amax().clamp(min=1.0)).item()


@cache
def say_once(line: str) -> None:
    """One line on stderr, the first time it is said."""
    print(f"minigpt: {line}", file=sys.stderr)
