"""The residual stream as a river: how long its vector is after each part has added to it."""

from collections.abc import Sequence

from minigpt.pictures.drawing import ADVANCE, SIZE, Area, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells, clip, label

ROW, RIVER, COLUMN = 28.0, 96.0, 272.0
SAME = 4.0  # a river more than this many times as wide as the narrowest has a scale of its own
NOTE = "Lengths do not add up: what points against the stream makes it narrower."
River = tuple[str, str, list[float], list[float]]  # short name, name; for each part what it adds, the norm after it
Norms = Sequence[Sequence[float]]  # (2L + 1, T)


def stream_rivers(tokens: Sequence[str], added: Norms, after: Norms, title: str) -> Drawing:
    """The norms of what each part adds and of the residual stream after it, (2L + 1, T) each, for a text of T tokens:
    the last token, the mean of those after the first, and the first, whose norms are often far from all the others'.

    The embeddings are at the bottom, as in the papers. A river much wider than the narrowest is drawn narrower, as a
    note above it says.

    >>> drawing = stream_rivers(["a", "b"], [[9, 1], [3, 2], [2, 1]], [[9, 1], [9, 2.2], [8, 3]], "Norms")
    >>> drawing.table[0], drawing.table[1][0]
    (['part', 'last adds', 'norm', 'first adds', 'norm'], ['layer 0 MLP', '+1.0', '3.0', '+2.0', '8.0'])
    """
    parts = ["embeddings", *(f"layer {i // 2} {('attention', 'MLP')[i % 2]}" for i in range(len(after) - 1))]
    rivers = rivers_of(tokens, added, after)
    widest = [max(norms) for *_, norms in rivers]
    common = max(width for width in widest if width <= SAME * min(widest)) or 1.0
    left, top = 1.7 * SIZE + max(map(len, parts)) * ADVANCE * SIZE, (7.4 if max(widest) > common else 6.2) * SIZE
    bottom, right = top + (len(parts) - 1) * ROW, left + len(rivers) * COLUMN
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    for i, part in enumerate(parts):
        y = bottom - i * ROW
        if i % 2 and i > 1:
            shapes.append(Line(((SIZE, y + ROW / 2), (right - SIZE, y + ROW / 2)), "rule", 1))
        shapes.append(Text(left - 10, y + 5, part, "soft", "end"))
    for n, (river, width) in enumerate(zip(rivers, widest, strict=True)):
        x = left + n * COLUMN
        shapes += [Text(x, 3.4 * SIZE, river[1], bold=True), Text(x + RIVER / 2, top - 18, "norm", "soft", "middle")]
        shapes.append(Text(x + RIVER + 14, top - 18, "each part adds", "soft"))
        if width > common:
            shapes.append(Text(x, 4.7 * SIZE, f"drawn {width / common:,.1f} times narrower", "second", bold=True))
        shapes += river_shapes(river, parts, x, bottom, max(width, common))
    told = f"{title}: how wide a river is says how long the vector is; the bars beside it, on the same scale, how long "
    told += f"what each part adds is. {NOTE}"
    head = ["part", *(name for short, *_ in rivers for name in (f"{short} adds", "norm"))]
    columns = [column for _, _, *pair in rivers for column in pair]
    rows = [
        [part, *(("" if n % 2 else "+") + length(column[i]) for n, column in enumerate(columns))]
        for i, part in enumerate(parts)
    ]
    full = [width for width in widest for _ in range(2)]
    shades = [
        [min(1.0, c[i] / (most or 1.0)) for c, most in zip(columns, full, strict=True)] for i in range(len(parts))
    ]
    shapes.append(Text(SIZE, bottom + 1.5 * ROW, NOTE, "soft"))
    room = max(right, *((cells(text) + 4) * ADVANCE * SIZE for text in (title, NOTE)))
    return Drawing(room, bottom + 2 * ROW, title, told, (head, rows[::-1]), shapes, shades[::-1])


def rivers_of(tokens: Sequence[str], added: Norms, after: Norms) -> list[River]:
    """The last token, the mean of those after the first if there are several, and the first."""
    names = [f'"{clip(label(token.encode()), 10)}"' for token in tokens]
    n = len(tokens)
    chosen = [("last", f"last token {names[-1]}", range(n - 1, n))]
    if n > 2:
        chosen.append(("mean", f"mean of tokens 2 to {n}", range(1, n)))
    if n > 1:
        chosen.append(("first", f"first token {names[0]}", range(1)))
    return [(short, name, means(added, at), means(after, at)) for short, name, at in chosen]


def means(rows: Norms, at: range) -> list[float]:
    """The mean of each row over some of its places.

    >>> means([[1.0, 2.0, 4.0]], range(1, 3))
    [3.0]
    """
    return [sum(row[t] for t in at) / len(at) for row in rows]


def river_shapes(river: River, parts: Sequence[str], x: float, bottom: float, full: float) -> list[Shape]:
    """One river from the bottom up with its numbers, and the bars of what flows in; `full` is RIVER pixels."""
    _, name, added, after = river
    middle, tribute = x + RIVER / 2, x + RIVER + 14
    halves = [norm / full * RIVER / 2 for norm in after]
    shapes: list[Shape] = []
    for i, (part, half) in enumerate(zip(parts, halves, strict=True)):
        y = bottom - i * ROW
        left = [(middle - half, y - 8), (middle - half, y + 8), (middle - halves[max(0, i - 1)], y + ROW - 8)]
        points = left[: 2 + (i > 0)]  # nothing flows into the embeddings
        around = (*points, *((2 * middle - x, y) for x, y in reversed(points)))
        shapes.append(Area(around, "tint", 0.4, hint=f"{name}: {after[i]:,.2f} after {part}"))
    for i, part in enumerate(parts):
        y, bar = bottom - i * ROW, added[i] / full * RIVER
        fits = 2 * halves[i] > (len(length(after[i])) + 1) * ADVANCE * SIZE  # else the river would strike it through
        place, align = (middle, "middle") if fits else (middle + halves[i] + 6, "start")
        shapes.append(Text(place, y + 5, length(after[i]), align=align, bold=True))
        shapes.append(Box(tribute, y - 7, bar, 14, "second", 0.8, hint=f"{name}: {part} adds {added[i]:,.2f}"))
        shapes.append(Text(tribute + bar + 6, y + 5, f"+{length(added[i])}"))
    return shapes


def length(norm: float) -> str:
    """A norm in a few digits.

    >>> length(0.52), length(58.66), length(3012.4)
    ('0.5', '58.7', '3,012')
    """
    return f"{norm:,.0f}" if norm >= 1000 else f"{norm:.1f}"
