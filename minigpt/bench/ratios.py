"""What paired times say: the median of the ratios, an interval around it, and whether a target holds."""

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

Pair = tuple[float, float, float, float]  # ours, the peer's, the peer's again, ours again: A B B A
DRAWS = 2000  # of the bootstrap


class Interval(NamedTuple):
    """A median with the 95 % interval around it."""

    middle: float
    low: float
    high: float


def ratios(pairs: Sequence[Pair], at_most: bool = False) -> list[float]:
    """For each pair the peer's time over ours, so that above 1 ours is faster; with `at_most`, ours over the peer's.

    The order A B B A cancels what drifts evenly, such as a machine that warms up.

    >>> ratios([(1.0, 3.0, 5.0, 3.0)]), ratios([(1.0, 3.0, 5.0, 3.0)], at_most=True)
    ([2.0], [0.5])
    """
    found = [(b + c) / (a + d) for a, b, c, d in pairs]
    return [1 / ratio for ratio in found] if at_most else found


def interval(values: Sequence[float]) -> Interval:
    """The median and its 95 % bootstrap interval (Efron 1979): medians of as many values drawn with replacement.

    The draws are seeded: the same values give the same interval.

    >>> interval([2.0] * 15)
    Interval(middle=2.0, low=2.0, high=2.0)
    """
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(DRAWS))
    cut = DRAWS // 40  # 2.5 % at either end
    return Interval(statistics.median(values), medians[cut], medians[-cut - 1])


def holds(found: Interval, target: float, at_most: bool = False) -> bool:
    """Whether a target holds: only where the whole interval clears it.

    >>> holds(Interval(1.8, 1.6, 2.0), 1.7), holds(Interval(1.8, 1.7, 2.0), 1.7)
    (False, True)
    """
    return found.high <= target if at_most else found.low >= target
