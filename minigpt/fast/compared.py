"""A fast form beside the plain one: how far they are apart, and the line that says so."""

import sys
from functools import cache

from torch import Tensor


def difference(plain: Tensor, fast: Tensor) -> float:
    """The largest difference, relative to the largest value where that is above 1; nan where one is nan."""
    plain, fast = plain.cpu().double(), fast.cpu().double()  # on the CPU, since Apple's MPS has no float64
    return ((plain - fast).abs().amax() / plain.abs().amax().clamp(min=1.0)).item()


@cache
def say_once(line: str) -> None:
    """One line on stderr, the first time it is said."""
    print(f"minigpt: {line}", file=sys.stderr)
