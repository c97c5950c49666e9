"""A run of `minigpt bench`: how many times as fast as what one would use instead, and the targets."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells

ROW, FIELD = 24.0, 420.0


class Bar(NamedTuple):
    """A row: what is compared with what, the ratio with its interval, the target if there is one, whether it is hit."""

    what: str
    against: str
    ratio: float
    low: float
    high: float
    target: float | None = None
    hit: bool = True


def benchmark_bars(bars: Sequence[Bar], title: str, machine: str) -> Drawing:
    """The ratios as bars from 1, as fast as the other, on a logarithmic axis: to the right we are faster.

    A bar's whisker is its 95 % interval, its notch the target; rows that miss their target have the other colour.

    >>> bars = [Bar("decode", "a loop", 2.0, 1.9, 2.1, 1.7), Bar("train", "a loop", 0.9, 0.8, 1.0, 1.1, False)]
    >>> benchmark_bars(bars, "Speed", "a machine").table[1][0]
    ['decode', 'a loop', '2.00×', '1.90 to 2.10', '1.7×', 'hit']

    Raises ValueError if there is no bar.
    """
    if not bars:
        raise ValueError("no row of the run has a ratio: there is nothing to draw")
    values = [value for bar in bars for value in (bar.low, bar.high, bar.target or 1.0)]
    low, high = min(0.5, *values), max(2.0, *values)
    names = [f"{bar.what} / {bar.against}" for bar in bars]
    left = 2 * SIZE + max(map(cells, names)) * ADVANCE * SIZE
    top, right = 7 * SIZE, 26 * ADVANCE * SIZE

    def at(value: float) -> float:
        return left + math.log(value / low) / math.log(high / low) * FIELD

    below = top + len(bars) * ROW
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 3.2 * SIZE, machine, "soft")]
    for value in marks(low, high):
        shapes.append(Line(((at(value), top), (at(value), below)), "ink" if value == 1 else "rule", 1))
        shapes.append(Text(at(value), top - 8, f"{value:g}×", "soft", "middle"))
    for k, (bar, name) in enumerate(zip(bars, names, strict=True)):
        y, color = top + k * ROW, "tint" if bar.hit else "second"
        shapes.append(Text(left - 10, y + 0.7 * ROW, name, align="end"))
        start, end = sorted((at(1.0), at(bar.ratio)))
        shapes.append(Box(start, y + 5, max(end - start, 1), ROW - 10, color, 0.7, hint=f"{name}: {bar.ratio:.2f}×"))
        shapes.append(Line(((at(bar.low), y + ROW / 2), (at(bar.high), y + ROW / 2)), "ink", 1.5))
        if bar.target is not None:
            shapes.append(Line(((at(bar.target), y + 2), (at(bar.target), y + ROW - 2)), "ink", 2.5))
        goal = "" if bar.target is None else f" of {bar.target:g}×: {'hit' if bar.hit else 'missed'}"
        shapes.append(Text(left + FIELD + 12, y + 0.7 * ROW, f"{bar.ratio:.2f}×{goal}"))
    key = "bar: the peer's time over ours · line: its 95 % interval · notch: the target"
    shapes.append(Text(SIZE, below + 1.6 * SIZE, key, "soft"))
    missed = sum(not bar.hit for bar in bars)
    told = f"{title}, on {machine}: {len(bars)} comparisons, {missed} below their target."
    return Drawing(left + FIELD + right, below + 2.6 * SIZE, title, told, (HEAD, [line(bar) for bar in bars]), shapes)


HEAD = ["what", "against", "ratio", "95 %", "target", "verdict"]


def line(bar: Bar) -> list[str]:
    """A row of the numbers behind the picture."""
    goal = ("", "") if bar.target is None else (f"{bar.target:g}×", "hit" if bar.hit else "missed")
    return [bar.what, bar.against, f"{bar.ratio:.2f}×", f"{bar.low:.2f} to {bar.high:.2f}", *goal]


def marks(low: float, high: float) -> list[float]:
    """Powers of two between two ratios, every other one if there would be too many.

    >>> marks(0.5, 60)
    [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    """
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    step = 1 if last - first < 8 else 2
    return [2.0**n for n in range(first, last + 1) if n % step == 0]
