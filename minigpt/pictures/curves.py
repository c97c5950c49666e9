"""Functions of one number as curves in one field, such as activations beside each other."""

import math
from collections.abc import Mapping, Sequence

from minigpt.pictures.drawing import ADVANCE, SIZE, Drawing, Line, Shape, Text
from minigpt.pictures.product import show
from minigpt.pictures.training import round_values

WIDTH, HIGH = 560.0, 300.0  # of the field
STYLES = (
    ("tint", 3.0, False),
    ("second", 2.5, True),
    ("soft", 2.0, False),
)  # colour, width, dashed: one for each curve
ROWS = 9  # of the table: as many as one reads


def curves(xs: Sequence[float], functions: Mapping[str, Sequence[float]], title: str) -> Drawing:
    """Up to three functions by name, with their values at the same xs, which rise in even steps.

    >>> curves([-1, 0, 1], {"relu": [0, 0, 1], "x": [-1, 0, 1]}, "Two functions").table
    (['x', 'relu', 'x'], [['-1.00', '0.00', '-1.00'], ['0.00', '0.00', '0.00'], ['1.00', '1.00', '1.00']])

    Raises ValueError for more functions, fewer than two xs, and a different number of values.
    """
    if not 1 <= len(functions) <= len(STYLES):
        raise ValueError(f"{len(functions)} functions: from 1 to {len(STYLES)} can be told apart")
    if len(xs) < 2 or any(len(ys) != len(xs) for ys in functions.values()):
        raise ValueError(f"{len(xs)} xs: give 2 or more, and as many values of each function")
    values = [y for ys in functions.values() for y in ys]
    low, high = min(values), max(values)
    high = high if high > low else low + 1
    left = 2 * SIZE + max(len(f"{y:g}") for y in marks(low, high)) * ADVANCE * SIZE
    top = (4.2 + 1.6 * len(functions)) * SIZE

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x - xs[0]) / (xs[-1] - xs[0]) * WIDTH, top + (high - y) / (high - low) * HIGH

    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    for y in marks(low, high):
        shapes.append(Line(((left, at(0, y)[1]), (left + WIDTH, at(0, y)[1])), "rule", 1))
        shapes.append(Text(left - 8, at(0, y)[1] + 5, f"{y:g}", "soft", "end"))
    for x in marks(xs[0], xs[-1]):
        shapes.append(Text(at(x, low)[0], top + HIGH + 1.6 * SIZE, f"{x:g}", "soft", "middle"))
    if xs[0] < 0 < xs[-1]:
        shapes.append(Line((at(0, low), at(0, high)), "rule", 1))
    for n, ((name, ys), (color, width, dashed)) in enumerate(zip(functions.items(), STYLES, strict=False)):
        key = (3.4 + 1.6 * n) * SIZE
        shapes.append(Line(((left, key - 5), (left + 40, key - 5)), color, width, dashed))
        shapes.append(Text(left + 52, key, name))
        shapes.append(Line(tuple(at(x, y) for x, y in zip(xs, ys, strict=True)), color, width, dashed))
    told = f"{title}: {', '.join(functions)}, from {xs[0]:g} to {xs[-1]:g}."
    step = max(1, (len(xs) - 1) // (ROWS - 1))
    rows = [[show(v) for v in (xs[i], *(ys[i] for ys in functions.values()))] for i in range(0, len(xs), step)]
    room = left + max(WIDTH + 2 * SIZE, 52 + max(map(len, functions)) * ADVANCE * SIZE)
    return Drawing(room, top + HIGH + 2.4 * SIZE, title, told, (["x", *functions], rows), shapes)


def marks(low: float, high: float) -> list[float]:
    """About five round numbers between two numbers.

    >>> marks(-0.17, 4.0), marks(-4, 4)
    ([0.0, 1.0, 2.0, 3.0, 4.0], [-4, -2, 0, 2, 4])
    """
    step = round_values(high - low)[1]
    return [round(n * step, 9) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
