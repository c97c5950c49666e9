"""A text as a strip of tokens, each tinted by a number: its probability, or how much it surprised the model."""

from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, label

WIDTH = 860.0
ROW = 44.0


def token_strip(tokens: Sequence[str], values: Sequence[float | None], title: str, unit: str, full: float) -> Drawing:
    """The tokens in lines as wide as a page, the value of each under it, None if it has none; `full` is the value of
    the full shade, `unit` what the values are, for the description.

    >>> token_strip(["a", " b"], [None, 3.5], "Surprise", "bits", 8.0).table
    (['token', 'bits'], [['a', ''], ['·b', '3.5']])
    """
    names = [label(token.encode()) for token in tokens]
    x, y = SIZE, 4 * SIZE
    how = f"below each token its {unit}; the stronger the colour, the more"
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 2.9 * SIZE, how, "soft", size=12)]
    rows, shades = [], []
    for name, value in zip(names, values, strict=True):
        figure = "" if value is None else f"{value:.1f}" if full > 1 else f"{value:.2f}"
        width = max(cells(name), len(figure), 1) * ADVANCE * SIZE + 8
        if x + width > WIDTH:
            x, y = SIZE, y + ROW
        shade = 0.0 if value is None else min(1.0, max(0.0, value / full))
        shapes.append(Box(x, y, width - 2, 24, shade=shade, edge="rule", hint=f"{name}: {figure or 'none'} {unit}"))
        shapes.append(Text(x + width / 2 - 1, y + 17, name, on_tint(shade), "middle"))
        shapes.append(Text(x + width / 2 - 1, y + 37, figure, "soft", "middle", 12))
        rows.append([name, figure])
        shades.append([shade])
        x += width
    told = f"{title}: each token with its {unit} below, the stronger the colour the more."
    return Drawing(WIDTH + SIZE, y + ROW + SIZE / 2, title, told, (["token", unit], rows), shapes, shades)
