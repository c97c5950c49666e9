"""A linear layer with its numbers: matrix times vector, plus bias."""

from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text

CELL = 34.0  # the height of a number's box
MOST = 8  # rows and columns that can be read
BETWEEN = 40.0  # room for a sign


def linear_layer(weight: Sequence[Sequence[float]], x: Sequence[float], bias: Sequence[float], title: str) -> Drawing:
    """W x + b = y for a weight (n_out, n_in), a vector (n_in,) and a bias (n_out,), each number in a box.

    Raises ValueError for sizes that do not fit, and for more numbers than can be read.

    >>> linear_layer([[1, 2], [0, 3]], [10, 1], [0, -5], "y = Wx + b").table
    (['output', 'its row of W', 'b', 'y'], [['0', '1.00 2.00', '0.00', '12.00'], ['1', '0.00 3.00', '-5.00', '-2.00']])
    """
    n_out, n_in = len(weight), len(x)
    if any(len(row) != n_in for row in weight) or len(bias) != n_out:
        raise ValueError(f"weight must be (n_out, {n_in}) for {n_in} inputs, bias (n_out,), here ({len(bias)},)")
    if not 1 <= n_out <= MOST or not 1 <= n_in <= MOST:
        raise ValueError(f"({n_out}, {n_in}): up to {MOST} rows and columns can be read")
    y = [sum(w * value for w, value in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)]
    parts = [
        ("W", f"({n_out}, {n_in})", "", [list(row) for row in weight]),
        ("x", f"({n_in},)", "·", [[value] for value in x]),
        ("b", f"({n_out},)", "+", [[value] for value in bias]),
        ("y", f"({n_out},)", "=", [[value] for value in y]),
    ]
    room = max(len(show(value)) for *_, rows in parts for row in rows for value in row) * ADVANCE * SIZE + 16
    most = max(abs(value) for *_, rows in parts for row in rows for value in row) or 1.0
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    left, top, high = 1.5 * SIZE, 5.4 * SIZE, max(n_out, n_in) * CELL
    for name, size, sign, rows in parts:
        if sign:
            shapes.append(Text(left + BETWEEN / 2, top + high / 2 + 6, sign, align="middle", size=20, bold=True))
            left += BETWEEN
        width, start = max(room * len(rows[0]), 4.5 * SIZE), top + (high - len(rows) * CELL) / 2
        middle = left + width / 2
        shapes.append(Text(middle, top - 22, name, align="middle", bold=True))
        shapes.append(Text(middle, top - 6, size, "soft", "middle", 12))
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                shapes += box(middle + (j - len(row) / 2) * room, start + i * CELL, room, value, abs(value) / most)
        left += width
    told = f"{title}. W is a matrix of {n_out} rows, one for each output, and {n_in} columns, one for each input: each "
    told += "output is the sum of the products of its row and x, plus its bias."
    table = [[str(i), " ".join(map(show, weight[i])), show(bias[i]), show(y[i])] for i in range(n_out)]
    head = (["output", "its row of W", "b", "y"], table)
    return Drawing(left + 1.5 * SIZE, top + high + 1.5 * SIZE, title, told, head, shapes)


def box(x: float, y: float, width: float, value: float, shade: float) -> list[Shape]:
    """A number in its box; a negative one has the second colour, and its sign."""
    color = "second" if value < 0 else "tint"
    inside = Box(x, y, width - 2, CELL - 2, color, shade, edge="rule")
    return [inside, Text(x + width / 2 - 1, y + CELL / 2 + 4, show(value), on_tint(shade), "middle")]


def show(value: float) -> str:
    """A number with two decimals.

    >>> show(-0.004), show(1.2544)
    ('0.00', '1.25')
    """
    return f"{value:.2f}".replace("-0.00", "0.00")
