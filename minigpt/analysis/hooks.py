"""What `activations` attaches to a model for a while: listeners at the places where its activations pass by."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor, nn

Change = float | Tensor | Callable[[Tensor], Tensor]  # what `patch` puts in an activation's place
Listener = Callable[[Tensor], Tensor | None]  # sees an activation; what it returns, if anything, replaces it
Item = int | slice | EllipsisType
Index = tuple[Item, ...]
INDEX = re.compile(r"\.\.\.|-?\d+|(-?\d+)? *:( *-?\d+)?( *:( *-?\d+)?)?")


@dataclass(frozen=True)
class Place:
    """Where an activation passes by: what a module returns, or the argument of that number that it is given."""

    module: nn.Module
    shape: str
    argument: int | None = None
    shared: bool = False  # others read the very same tensor, so a change must be made in place


def listen(stack: ExitStack, model: nn.Module, place: Place, see: Listener, first: bool = False) -> None:
    """Lets `see` look at what passes by a place, until the stack closes. `first` puts it before the listeners already
    there, so that they record the patched value."""

    def before(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        old = args[place.argument or 0]
        new = see(old.clone() if place.shared else old)  # gradients may need what `see` saw
        if new is None:
            return None
        if place.shared:
            old.copy_(new)
            return None
        return tuple(new if n == place.argument else arg for n, arg in enumerate(args))

    if place.module is model:  # the logits: generation calls `unembed` directly, which is not a module
        head = model.__dict__.get("unembed")
        if not isinstance(head, WatchedHead):
            head = WatchedHead(model.unembed)  # type: ignore[arg-type]
            model.__dict__["unembed"] = head
        head.listeners.insert(0 if first else len(head.listeners), see)
        stack.callback(head.leave, model, see)
        stack.callback(model.register_forward_hook(lambda *_: None).remove)  # a hook keeps the plain form running
    elif place.argument is None:
        stack.callback(place.module.register_forward_hook(lambda _m, _args, out: see(out), prepend=first).remove)
    else:
        stack.callback(place.module.register_forward_pre_hook(before, prepend=first).remove)


class WatchedHead:
    """A model's `unembed`, and the listeners that see the logits it returns."""

    def __init__(self, unembed: Callable[[Tensor], Tensor]) -> None:
        self.unembed = unembed
        self.listeners: list[Listener] = []

    def __call__(self, x: Tensor) -> Tensor:
        logits = self.unembed(x)
        for see in self.listeners:
            new = see(logits)
            logits = logits if new is None else new
        return logits

    def leave(self, model: nn.Module, see: Listener) -> None:
        """Removes a listener; after the last one the model has its own `unembed` again."""
        self.listeners.remove(see)
        if not self.listeners:
            del model.__dict__["unembed"]


def changing(name: str, index: Index, change: Change) -> Listener:
    """A listener that puts a change in an activation's place, or in the part of it that the index names."""

    def see(value: Tensor) -> Tensor:
        try:
            part = value[index]
            new = change(part) if callable(change) else torch.as_tensor(change, dtype=value.dtype, device=value.device)
            if not isinstance(new, Tensor):
                raise ValueError(f"the function for {name} returned {new!r:.40}, not a tensor")
            changed = value.clone()
            changed[index] = new.expand_as(part)
        except (RuntimeError, IndexError, TypeError) as error:
            shape = tuple(value.shape)
            raise ValueError(f"{name} has the shape {shape}: {str(error).splitlines()[0]}") from None
        return changed

    return see


def split_index(key: str) -> tuple[str, Index]:
    """A name and the index behind it, in Python's own notation.

    >>> split_index("h.3.attn.weights[:, 5, -1, 2:4]")
    ('h.3.attn.weights', (slice(None, None, None), 5, -1, slice(2, 4, None)))
    >>> split_index("h.3.out")
    ('h.3.out', (Ellipsis,))
    """
    name, bracket, inside = key.partition("[")
    if not bracket:
        return name, (...,)
    parts = [part.strip() for part in inside.removesuffix("]").split(",")]
    if not inside.endswith("]") or not all(INDEX.fullmatch(part) for part in parts):
        raise ValueError(f"{key!r}: an index is made of numbers, slices and ..., such as [:, 5] or [..., 2:4, :]")

    def one(part: str) -> Item:
        if part == "...":
            return ...
        numbers = [int(number) if number.strip() else None for number in part.split(":")]
        return slice(*numbers) if ":" in part else int(part)

    return name, tuple(one(part) for part in parts)
