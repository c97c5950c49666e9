"""What the heads of a model do: one number for each, layers as rows, heads as columns."""

from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells

ROW = 26.0
NUMBERED = 25  # up to this many heads a cell prints its number: GPT-2 XL has 25
SCORES = {  # what `analysis.heads.head_scores` measures: its name, and what its number says
    "previous": ("Attention to the previous token", "share of the attention, 0 to 1, on average over the text"),
    "induction": ("Induction score", "share of the attention, 0 to 1, on what followed the same token before"),
    "first": ("Attention to the first token", 'share of the attention, 0 to 1; where high, an "attention sink"'),
    "entropy": ("Entropy of the attention, bits", "0: one token alone; 1: two alike; 2: four alike; on average"),
    "ablation": ("Loss without each head, nats per token", "+: worse without it; -: better without it"),
}


def head_table(scores: Sequence[Sequence[float]], score: str, text: str) -> Drawing:
    """The scores (L, H) of a model's heads, one of `SCORES`, measured on `text`; the strongest three in words below.

    Shares of attention are shaded from 0 to 1, other scores up to the largest; a loss that falls without the head has
    the second colour, and its sign.

    >>> drawing = head_table([[0.25, -0.5], [0.0, 0.125]], "ablation", '"a b"')
    >>> drawing.table[1]
    [['layer 0', '+0.250', '-0.500'], ['layer 1', '+0.000', '+0.125']]
    """
    name, meaning = SCORES[score]
    title = f"{name}: {text}"
    n_layer, n_head = len(scores), len(scores[0])
    most = max(abs(value) for row in scores for value in row)
    full = 1.0 if score in ("previous", "induction", "first") else most or 1.0
    words = [[f"{value:+z.3f}" if score == "ablation" else f"{value:.2f}" for value in row] for row in scores]
    numbered = n_head <= NUMBERED
    column = (max(len(word) for row in words for word in row) + 1.2) * ADVANCE * 13 if numbered else 20.0
    left, top = SIZE + 9 * ADVANCE * SIZE, 6.4 * SIZE
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 3.1 * SIZE, meaning, "soft", size=13)]
    shapes.append(Text(left - 8, top - 8, "head", "soft", "end", 13))
    for j in range(0, n_head, 1 if numbered else 4):
        shapes.append(Text(left + (j + 0.5) * column, top - 8, str(j), "soft", "middle", 13))
    for i, row in enumerate(scores):
        y = top + i * ROW
        shapes.append(Text(left - 8, y + 0.7 * ROW, f"layer {i}", "soft", "end", 13))
        for j, value in enumerate(row):
            shade, color = min(1.0, abs(value) / full), "second" if value < 0 else "tint"
            hint = f"layer {i}, head {j}: {value:.4f}"
            shapes.append(Box(left + j * column, y, column - 1, ROW - 1, color, shade, "rule", hint))
            if numbered:
                shapes.append(Text(left + (j + 0.5) * column, y + 0.7 * ROW, words[i][j], on_tint(shade), "middle", 13))
            elif value < 0:
                shapes.append(Text(left + (j + 0.5) * column, y + 0.7 * ROW, "-", on_tint(shade), "middle", 13))
    best = sorted(((-value, i, j) for i, row in enumerate(scores) for j, value in enumerate(row)))[:3]
    found = "highest: " + ", ".join(f"layer {i} head {j} ({words[i][j]})" for _, i, j in best)
    y = top + n_layer * ROW + 1.6 * SIZE
    shapes.append(Text(SIZE, y, found, bold=True, size=13))
    width = max(left + n_head * column, *((cells(t) + 2) * ADVANCE * SIZE for t in (title, meaning, found))) + SIZE
    rows = [[f"layer {i}", *row] for i, row in enumerate(words)]
    shades = [[min(1.0, abs(value) / full) for value in row] for row in scores]
    head = ["", *(f"head {j}" for j in range(n_head))]
    return Drawing(width, y + SIZE, title, f"{title}: {meaning}; {found}.", (head, rows), shapes, shades)
