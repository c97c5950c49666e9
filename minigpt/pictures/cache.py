"""The KV cache as it fills: a row for each forward pass, a column for each slot, and what the passes cost."""

from collections.abc import Sequence

from minigpt.analysis.passes import CachePass
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import clip, label
from weights.report import size_text

WIDTH, ROW, LETTERS = 900.0, 28.0, 13.0
LEFT, COLUMN, GUTTER = 100.0, 88.0, 26.0  # the last name reaches into the gutter
COSTS = (("", "with cache"), ("tokens through the model", "without"), ("the cache", "holds"))
READABLE = 4  # letters of a token's name, the fewest that are recognizable
DRAWN = 48  # slots at most, the last ones: those before them look the same


def cache_filling(tokens: Sequence[str], passes: Sequence[CachePass], title: str) -> Drawing:
    """What each pass of a generation writes into the cache and reads from it; `tokens` are those of the S slots.

    >>> prefill = CachePass((1, 2), (0, 1), (0, 1), 2, 2, 64)
    >>> decode = CachePass((1, 2, 3), (2,), (0, 1, 2), 1, 3, 96)
    >>> cache_filling(["a", "b", "c"], [prefill, decode], "Cache").table[1][1:]
    [['decode 1', '1', '3', '96 B', '2', '0-2'], ['in all', '3', '5', '', '', '']]
    """
    drawn = range(max(0, len(tokens) - DRAWN), len(tokens))
    cell = min(44.0, (WIDTH - LEFT - GUTTER - len(COSTS) * COLUMN - 2 * SIZE) / len(drawn))
    top, right = 5.4 * SIZE, LEFT + len(drawn) * cell + GUTTER
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    shapes += slot_names(tokens, drawn, cell, top)
    for n, lines in enumerate(COSTS):
        shapes += [
            Text(right + (n + 1) * COLUMN, top - 22 + k * 16, line, "soft", "end", 12)
            for k, line in enumerate(lines)
            if line
        ]
    rows = []
    for n, step in enumerate(passes):
        name = f"decode {n}" if n else "prefill"
        y = top + n * ROW
        shapes.append(Text(LEFT - 10, y + 0.68 * ROW, name, align="end"))
        shapes += slots(step, drawn, cell, y)
        costs = [f"{step.n_tokens:,}", f"{step.n_uncached:,}", held(step.n_bytes)]
        shapes += figures(costs, right, y)
        rows.append([name, *costs, spans(step.written), spans(step.read)])
    y = top + len(passes) * ROW
    sums = [f"{sum(step.n_tokens for step in passes):,}", f"{sum(step.n_uncached for step in passes):,}"]
    shapes.append(Line(((right + 8, y + 3), (right + 2 * COLUMN, y + 3)), "soft", 1))
    shapes.append(Text(LEFT - 10, y + 4 + 0.68 * ROW, "in all", align="end", bold=True))
    shapes += figures(sums, right, y + 4, bold=True)
    rows.append(["in all", *sums, "", "", ""])
    start = len(passes[0].ids)
    if start >= drawn[0]:
        x = LEFT + (start - drawn[0]) * cell - 0.5
        shapes.append(Line(((x, top - 4), (x, y)), "ink", 2, dashed=True))
    shapes += legend(y + 1.9 * ROW)
    if drawn[0]:
        shapes.append(Text(LEFT, y + 4 + 0.68 * ROW, f"slots 0 to {drawn[0] - 1} are not drawn", "soft", size=12))
    told = f"{title}. A row for each forward pass, a column for each slot: the prefill writes the prompt's {start} at "
    told += "once, each decode step writes one slot and reads all that are filled. Beside it, how many tokens went "
    told += "through the model, how many go through it without a cache, and what the keys and values take. The last "
    told += "token that was chosen is not written: no pass reads it."
    head = ["pass", "tokens", "without cache", "cache holds", "writes slots", "reads slots"]
    return Drawing(WIDTH, y + 3.2 * ROW, title, told, (head, rows), shapes)


def slot_names(tokens: Sequence[str], drawn: range, cell: float, top: float) -> list[Shape]:
    """The tokens above their slots, alternating between two lines; if there is no room, the slots' numbers."""
    letters = int((2 * cell - 4) / (ADVANCE * LETTERS))
    if letters >= READABLE:
        names = [(j, clip(label(tokens[j].encode()), letters), 16.0 * (j % 2 == 0)) for j in drawn]
    else:
        names = [(j, str(j), 0.0) for j in drawn if j % 5 == 0]
    return [
        Text(LEFT + (j - drawn[0] + 0.5) * cell, top - 6 - up, name, "soft", "middle", LETTERS) for j, name, up in names
    ]


def slots(step: CachePass, drawn: range, cell: float, y: float) -> list[Shape]:
    """One pass: a strong cell with a plus where it wrote, a light one where it only read, a frame if it is empty."""
    shapes: list[Shape] = []
    for n, slot in enumerate(drawn):
        wrote, read = slot in step.written, slot in step.read
        hint = f"slot {slot}: {'written' if wrote else 'read' if read else 'empty'}"
        shade = 1.0 if wrote else 0.25 if read else 0.0
        shapes.append(Box(LEFT + n * cell, y, cell - 1, ROW - 1, "tint", shade, "rule", hint))
        if wrote:
            shapes.append(Text(LEFT + (n + 0.5) * cell - 0.5, y + 0.68 * ROW, "+", "paper", "middle", bold=True))
    return shapes


def figures(texts: Sequence[str], right: float, y: float, bold: bool = False) -> list[Shape]:
    """Numbers in the columns at the right."""
    return [
        Text(right + (n + 1) * COLUMN, y + 0.68 * ROW, text, align="end", bold=bold) for n, text in enumerate(texts)
    ]


def legend(y: float) -> list[Shape]:
    """What the cells mean."""
    shapes: list[Shape] = []
    x = SIZE
    for shade, text in ((1.0, "written in this pass"), (0.25, "read"), (0.0, "empty")):
        shapes.append(Box(x, y, 24, 20, "tint", shade, "rule"))
        if shade == 1:
            shapes.append(Text(x + 12, y + 15, "+", "paper", "middle", bold=True))
        shapes.append(Text(x + 32, y + 15, text, size=LETTERS))
        x += 60 + len(text) * ADVANCE * LETTERS
    shapes.append(Line(((x, y), (x, y + 20)), "ink", 2, dashed=True))
    sides = "left of it the prompt, right of it what was chosen, but for the last"
    return [*shapes, Text(x + 10, y + 15, sides, size=LETTERS)]


def held(n_bytes: int) -> str:
    """Bytes with enough digits that one more token makes a visible difference.

    >>> held(49_152), held(2_531_328)
    ('49.2 kB', '2,531 kB')
    """
    return f"{n_bytes / 1000:,.0f} kB" if 1e6 <= n_bytes < 1e9 else size_text(n_bytes)


def spans(slots: Sequence[int]) -> str:
    """Slots as people write them: a run by its ends.

    >>> spans([0, 1, 2, 5]), spans([])
    ('0-2, 5', '')
    """
    runs: list[list[int]] = []
    for slot in slots:
        if runs and slot == runs[-1][1] + 1:
            runs[-1][1] = slot
        else:
            runs.append([slot, slot])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
