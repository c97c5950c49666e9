"""A few numbers as a picture: each in its box, the larger the darker."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text

CELL = 28.0  # the height of a box
EDGE = 2.0


def heat_map(rows: Sequence[Sequence[float]], title: str) -> Drawing:
    """Rows of numbers, shaded by their size, as a share of the largest that is finite; those below 0 have the second
    colour, and their sign.

    >>> heat_map([[1, -0.5]], "two numbers").table[1]
    [['0', '1.00', '-0.50']]
    """
    words = worded(rows)
    finite = [abs(value) for row in rows for value in row if math.isfinite(value)]
    most = max(finite, default=0.0) or 1.0
    width = max(CELL, max(len(word) for row in words for word in row) * ADVANCE * SIZE + 12)
    shapes: list[Shape] = []
    shades = [[min(1.0, abs(value) / most) if math.isfinite(value) else 0.0 for value in row] for row in rows]
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            x, y, color = EDGE + j * width, EDGE + i * CELL, "second" if value < 0 else "tint"
            shapes.append(Box(x, y, width - 2, CELL - 2, color, shades[i][j], "rule"))
            ink = on_tint(shades[i][j])
            shapes.append(Text(x + width / 2 - 1, y + CELL / 2 + 4, words[i][j], ink, "middle"))
    told = f"{len(rows)} × {len(rows[0])} numbers, shaded by their size; those below 0 in the second colour."
    table = (["row", *map(str, range(len(rows[0])))], [[str(i), *row] for i, row in enumerate(words)])
    sheet = 2 * EDGE + len(rows[0]) * width, 2 * EDGE + len(rows) * CELL
    return Drawing(*sheet, title, told, table, shapes, shades)


def xray(says: str) -> str:
    """An X-ray as it was asked for, "attention The cat sat", drawn anew on the embedded model: HTML, "" if it
    cannot be drawn."""
    import minigpt

    part, _, prompt = says.partition(" ")
    draw = getattr(minigpt, "xray", None)
    try:
        return str(draw(minigpt.load("storyteller", plain=True), part, prompt)._repr_html_()) if draw else ""
    except ValueError:
        return ""


def worded(rows: Sequence[Sequence[float]]) -> list[list[str]]:
    """Numbers formatted for reading: whole ones without a point, all others with the same number of decimals.

    >>> worded([[1, 2]]), worded([[0.5, -0.001]]), worded([[math.inf, 1e-7]])
    ([['1', '2']], [['0.50', '-0.00']], [['inf', '1e-07']])
    """
    finite = [value for row in rows for value in row if math.isfinite(value)]
    if all(value == int(value) for value in finite):
        form = ".0f"
    else:
        form = ".2f" if 0.01 <= max(map(abs, finite)) < 1e4 else ".0e"
    return [[f"{value:{form}}" for value in row] for row in rows]
