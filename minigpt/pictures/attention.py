"""Where each token looks: one large head with its numbers, or all heads as a grid of small ones."""

from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, clip, label

NUMBERED = 12  # up to this many tokens the cells print their numbers: shades cannot be told apart
ROOT = "shade: square root of the weight"  # else weight spread over forty tokens could not be seen, least in dark mode
FAINT = 0.01  # in the grid: what is less is not drawn, or hundreds of tokens would make a picture of millions of cells


def attention_head(
    tokens: Sequence[str], weights: Sequence[Sequence[float]], title: str, keys: Sequence[str] | None = None
) -> Drawing:
    """One head: the weights (T, T) of a text of T tokens, a row for each token that looks; in cross-attention (T, S),
    where `keys` are the S tokens of the other text.

    >>> attention_head(["the", " cat"], [[1, 0], [0.25, 0.75]], "Block 0, head 3").table[1]
    [['the', '1.00', '0.00'], ['·cat', '0.25', '0.75']]
    """
    names, columns = ([clip(label(token.encode()), 10) for token in side] for side in (tokens, keys or tokens))
    n = max(len(names), len(columns))
    cell = 46.0 if n <= NUMBERED else max(13.0, 560 / n)
    letters = min(SIZE, cell * 0.95)
    left = 2 * SIZE + max(map(cells, names), default=0) * ADVANCE * letters
    top = 4 * SIZE + (2.4 * letters if n <= NUMBERED else 0)
    axes = "each row a query, each column a key"
    axes += "" if n <= NUMBERED else f"; {ROOT}" if keys else f", in the same order; {ROOT}"
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 2.9 * SIZE, axes, "soft", size=12)]
    for j, name in enumerate(columns):
        if n <= NUMBERED:  # alternating between two lines, so that neighbours do not touch
            shapes.append(Text(left + (j + 0.5) * cell, top - 6 - 15 * (j % 2), name, "soft", "middle", 12))
    for i, (name, row) in enumerate(zip(names, weights, strict=True)):
        y = top + i * cell
        shapes.append(Text(left - 8, y + cell / 2 + letters * 0.35, name, align="end", size=letters))
        for j, weight in enumerate(row):
            if j > i and not weight and not keys:
                continue  # what a token may not see stays blank
            hint = f"{names[i]} looks at {columns[j]}: {weight:.3f}"
            edge = "rule" if n <= 2 * NUMBERED else None  # smaller cells would be more line than shade
            shade = float(weight) if n <= NUMBERED else weight**0.5
            shapes.append(Box(left + j * cell, y, cell - 1, cell - 1, shade=shade, edge=edge, hint=hint))
            if n <= NUMBERED:
                number = f"{weight:.2f}"
                shapes.append(Text(left + (j + 0.5) * cell, y + cell / 2 + 5, number, on_tint(weight), "middle"))
    told = f"{title}. Each row is a token that looks (query), each column one that is looked at (key); a row sums to 1."
    rows = [[name, *(f"{weight:.2f}" for weight in row)] for name, row in zip(names, weights, strict=True)]
    width, height = left + len(columns) * cell + SIZE, top + len(names) * cell + SIZE
    return Drawing(width, height, title, told, (["token", *columns], rows), shapes, weights)


def attention_grid(weights: Sequence[Sequence[Sequence[Sequence[float]]]], title: str) -> Drawing:
    """All heads of all layers, small: weights (L, H, T, T), a row for each layer, the first at the top.

    >>> attention_grid([[[[1.0]], [[1.0]]]], "Attention").table[0]
    ['layer', 'head 0', 'head 1']
    """
    n_layer, n_head, n = len(weights), len(weights[0]), len(weights[0][0])
    side = 84.0
    left, top = 5.5 * SIZE, 5.2 * SIZE
    axes = f"in each square {n} queries from top to bottom, {n} keys from left to right; {ROOT}"
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 2.9 * SIZE, axes, "soft", size=12)]
    shapes += [Text(left + (h + 0.46) * side, top - 8, f"head {h}", "soft", "middle", 12) for h in range(n_head)]
    rows = []
    for layer, heads in enumerate(weights):
        y = top + layer * side
        shapes.append(Text(left - 8, y + 0.5 * side, f"layer {layer}", "soft", "end", 12))
        rows.append([str(layer), *(strongest(head) for head in heads)])
        for h, head in enumerate(heads):
            x, cell = left + h * side, (side - 8) / n
            shapes.append(Box(x, y, side - 8, side - 8, "paper", edge="rule", hint=f"layer {layer}, head {h}"))
            shapes += [
                Box(x + j * cell, y + i * cell, cell, cell, shade=weight**0.5)
                for i, row in enumerate(head)
                for j, weight in enumerate(row)
                if weight > FAINT
            ]
    told = f"{title}: one square for each head, its rows the {n} tokens that look, its columns those looked at. "
    told += "The table says where a head looks most: at itself, the token before, or the first one."
    table = (["layer", *(f"head {h}" for h in range(n_head))], rows)
    return Drawing(left + n_head * side + SIZE, top + n_layer * side + SIZE, title, told, table, shapes)


def strongest(head: Sequence[Sequence[float]]) -> str:
    """Where a head looks most, on average over the tokens: itself, the token before, or the text's first.

    >>> strongest([[1, 0], [0.25, 0.75]])
    'itself 0.88'
    """
    n = len(head)
    shares = {
        "itself": sum(head[i][i] for i in range(n)) / n,
        "before": sum(head[i][i - 1] for i in range(1, n)) / max(1, n - 1),
        "first": sum(row[0] for row in head) / n,
    }
    name = max(shares, key=lambda name: shares[name])
    return f"{name} {shares[name]:.2f}"
