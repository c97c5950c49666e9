"""The X-ray: one forward pass of a plain model, line by line through one of its parts, with every value on the way.

B batch, T new tokens, S slots, C channels, H heads, D head size, V vocabulary.
"""

import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from minigpt.analysis.activations import places
from minigpt.analysis.hooks import Listener, listen
from minigpt.analysis.xray_parts import Part, find_part
from minigpt.analysis.xray_shapes import Letters, letters, sizes_of
from minigpt.analysis.xray_source import Source
from minigpt.analysis.xray_trace import Tracer
from minigpt.analysis.xray_values import NOTHING, Step
from minigpt.models.cache import KVCache
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama

Names = dict[int, list[tuple["weakref.ref[Tensor]", str]]]  # of activations, by the identity of their tensors


@dataclass(frozen=True, eq=False)
class Line:
    """A value of a forward pass, and the line, or the expression on it, that it comes from."""

    source: Source
    number: int  # of the line in its file
    columns: tuple[int, int] | None  # of the expression in that line of the source; None for the whole line
    expression: str
    name: str  # that the value is bound to; "return" for a function's result, "" for a value on the way
    value: Tensor | str  # a copy, as it was then; in words if it is no tensor, "" if a line has no value
    letters: Letters  # of its shape, "" where it is not certain
    activations: tuple[str, ...]  # the names that `minigpt.record` has for the same tensor
    before: Tensor | None  # what the name stood for until then, if it had the same shape
    changed: str  # in words

    @property
    def shape(self) -> str:
        """The shape with its letters; "" for what is no tensor."""
        if isinstance(self.value, str):
            return ""
        return shape_text(self.letters, tuple(self.value.shape))


def shape_text(names: Letters, shape: tuple[int, ...]) -> str:
    """A shape with its letters, or numbers where a letter is not certain.

    >>> shape_text(("B", "T", "C"), (1, 3, 8)), shape_text(("", "C"), (3, 8)), shape_text((), ())
    ('(B, T, C) = (1, 3, 8)', '(3, C) = (3, 8)', '()')
    """
    numbers = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if not any(not name.isdecimal() for name in names if name):
        return numbers
    shown = [name or str(n) for name, n in zip(names, shape, strict=True)]
    return f"({', '.join(shown)}{',' * (len(shape) == 1)}) = {numbers}"


@torch.no_grad()
def xray_lines(
    model: GPT2 | Llama, ids: Tensor, what: str, layer: int | None = None, cache: bool = False
) -> list[Line]:
    """What each line of a part binds, returns or computes along the way, in the forward pass of ids (B, T).

    `what` is one of `xray_parts.parts`, or a module's name, such as "mlp.c_fc"; `layer` says in which block, 0 if left
    out. With `cache` only the last token is looked at, in the decode step after the prefill of those before it. If a
    function is called several times, its first call counts. Raises ValueError for what the model lacks.

    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=1, n_head=1, n_embd=2))
    >>> lines = xray_lines(model, torch.tensor([[1, 2]]), "split_heads")
    >>> [(line.name, line.shape) for line in lines if line.name in ("x", "return")]
    [('x', '(B, T, 2) = (1, 2, 2)'), ('return', '(B, H, T, D) = (1, 1, 2, 2)')]
    """
    part, n_tokens = find_part(model, what, layer), ids.shape[1]
    if cache and n_tokens < 2:
        raise ValueError(
            f"{n_tokens} token: a decode step comes after others, give a longer text or leave out cache=True"
        )
    names: Names = {}
    if cache:
        weight = next(model.parameters())
        kv = KVCache(model.config, ids.shape[0], n_tokens, weight.device, weight.dtype)
        pos = torch.arange(n_tokens, device=ids.device).expand(ids.shape)  # (B, T)
        model(ids[:, :-1], pos[:, :-1], kv)
        tracer = traced(model, part, layer or 0, names, (ids[:, -1:], pos[:, -1:], kv))
    else:
        tracer = traced(model, part, layer or 0, names, (ids,))
    if not tracer.steps:
        with_cache = what in ("cache", "causal_mask")
        way = "it does with a KV cache, cache=True" if with_cache else "its MLP has another activation, see mlp"
        raise ValueError(f"{what} does not run in this model's forward pass: {way}")
    for step, key in tracer.entries:
        if tracer.calls[key] > 1:
            step.call = f"the first of {tracer.calls[key]} calls"
    sizes = sizes_of(model.config, ids.shape[0], 1 if cache else n_tokens, n_tokens)
    shapes = {name: place.shape for name, place in places(model).items()}
    return [line_of(step, names, shapes, sizes) for step in tracer.steps]


def traced(model: GPT2 | Llama, part: Part, layer: int, names: Names, given: tuple[object, ...]) -> Tracer:
    """A forward pass, traced while the part's module runs; `names` gets the activations that are recorded in it."""
    with ExitStack() as stack:
        tracer = Tracer(part.functions)

        def begin(*_: object) -> None:
            running.enter_context(tracer)

        def end(*_: object) -> None:
            running.close()

        for name, place in places(model).items():
            if name.startswith("h.") and name.count(".") > 2 and not name.startswith(f"h.{layer}."):
                continue  # the inside of other blocks, which is not shown
            listen(stack, model, replace(place, shared=False), named(name, names))
        running = stack.enter_context(ExitStack())
        stack.callback(part.module.register_forward_pre_hook(begin).remove)
        stack.callback(part.module.register_forward_hook(end, prepend=True).remove)
        model(*given)
    return tracer


def named(name: str, names: Names) -> Listener:
    """Notes which tensor has an activation's name, without keeping it."""

    def see(value: Tensor) -> None:
        names.setdefault(id(value), []).append((weakref.ref(value), name))

    return see


def line_of(step: Step, names: Names, shapes: Mapping[str, str], sizes: Mapping[str, int]) -> Line:
    """A step as it is shown."""
    place, value, before = step.place, step.value, step.before
    if not isinstance(value, Tensor):
        text = "" if value is NOTHING else str(value)
        return Line(step.source, place.line, place.columns, place.text, step.name, text, (), (), None, step.note())
    found = tuple(name for ref, name in names.get(id(step.original), []) if ref() is step.original)
    told = [step.source.comment(place.line)] * step.whole + [f"({', '.join(shapes[name].split())})" for name in found]
    same = before is not None and before.shape == value.shape
    changed = "; ".join(filter(None, [difference(value, before), step.note()]))
    named = letters(value.shape, told, sizes)
    return Line(
        step.source, place.line, place.columns, place.text, step.name, value, named, found, before if same else None,
        changed,
    )  # fmt: skip


def difference(value: Tensor, before: Tensor | None) -> str:
    """How a tensor differs from the one that had its name before, in words.

    >>> difference(torch.tensor([1, 2, 3]), torch.tensor([1, 2, 4])), difference(torch.ones(2), torch.ones(2, 1))
    ('1 of 3 numbers changed', 'was (2, 1)')
    """
    if before is None:
        return ""
    if before.shape != value.shape:
        return f"was {tuple(before.shape)}"
    n = int((value != before).sum())
    return f"{n or 'none'} of {value.numel()} numbers changed"
