"""A fast form beside the plain one: how far they are apart, and the line that says so."""

import sys
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor


def difference(plain: Tensor, fast: Tensor) -> float:
    """The largest difference, relative to the largest value where that is above 1; nan if any value is nan."""
    plain, fast = plain.cpu().double(), fast.cpu().double()  # on the CPU, since Apple's MPS has no float64
    return ((plain - fast).abs().amax() / plain.abs().amax().clamp(min=1.0)).item()


def difference_learning(
    plain: Callable[..., Tensor], fast: Callable[..., Tensor], inputs: Sequence[Tensor], by_y: Tensor
) -> float:
    """The `difference` of two forms of a function, in its result and in the gradients by its inputs, computed from
    `by_y`, the gradient by the result."""
    found = []
    exact = torch.autocast("cpu", enabled=False)  # the caller may be in autocast, and in inference mode
    with torch.inference_mode(False), torch.enable_grad(), exact:
        for form in (plain, fast):
            given = [x.clone().requires_grad_() for x in inputs]
            y = form(*given)
            found.append(torch.cat([x.detach().flatten() for x in (y, *torch.autograd.grad(y, given, by_y))]))
    return difference(*found)


@cache
def say_once(line: str) -> None:
    """One line on stderr, the first time it is said."""
    print(f"minigpt: {line}", file=sys.stderr)
