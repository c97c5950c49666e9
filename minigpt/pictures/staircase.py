"""Nucleus sampling (top-p) as a staircase: tokens by falling probability, each a step nearer to 1."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from minigpt.analysis.nucleus import Step
from minigpt.pictures.bars import percent
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells, clip, label

ROW, TRACK = 30.0, 400.0
COLUMNS = (
    ("probability", 142.0),
    ("total", 218.0),
    ("renormalized", 332.0),
)  # heads, right edges from the end of the track


def nucleus_staircase(steps: Sequence[Step], texts: Mapping[int, str], p: float, title: str) -> Drawing:
    """The steps of `nucleus_steps`, up to 1, and the line at p: the step that reaches it is the last one kept;
    `texts` has the text of each id.

    >>> steps = [Step(7, 1, 0.5, 0.625), Step(8, 1, 0.3, 0.375), Step(9, 5, 0.2, 0.0)]
    >>> for row in nucleus_staircase(steps, {7: " cat", 8: " dog", 9: " cow"}, 0.8, "Top-p").table[1]:
    ...     print(*row, sep=", ")
    ·cat, 50.0 %, 50.0 %, 62.5 %
    ·dog, 30.0 %, 80.0 %, 37.5 %
    … 5 more, 20.0 %, 100.0 %, dropped
    """
    names = [clip(label(texts[step.id].encode()), 14) if step.n == 1 else f"… {step.n:,} more" for step in steps]
    totals = list(accumulate(step.probability for step in steps))
    last = max(n for n, step in enumerate(steps) if step.kept)
    left = 2 * SIZE + max(map(cells, names)) * ADVANCE * SIZE
    top, end = 5 * SIZE, left + TRACK
    bottom = top + len(steps) * ROW
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    shapes += [Text(end + right, top - 10, head, "soft", "end") for head, right in COLUMNS]
    shapes += [Line(((x, top), (x, bottom)), "rule", 1) for x in (left, left + TRACK / 2, end)]
    rows = []
    for n, (step, name, total) in enumerate(zip(steps, names, totals, strict=True)):
        y, before = top + n * ROW, total - step.probability
        numbers = [
            percent(step.probability),
            percent(reached(total, p)),
            percent(step.kept) if step.kept else "dropped",
        ]
        if n == last:
            shapes.append(Box(SIZE / 2, y, end + COLUMNS[-1][1], ROW, "second", 0.15))
        shapes += stair(left + before * TRACK, y + 4, step, f"{name}: {', '.join(numbers)}")
        color = "ink" if step.kept else "soft"
        shapes.append(Text(left - 10, y + 20, name, color, "end", bold=n == last))
        for text, (_, right) in zip(numbers, COLUMNS, strict=True):
            shapes.append(Text(end + right, y + 20, text, color, "end", bold=n == last))
        rows.append([name, *numbers])
    edges = [left, *(left + total * TRACK for total in totals)]
    tops = [top + n * ROW + 4 for n in range(len(steps))]
    line = [(x, y) for n, y in enumerate(tops) for x in edges[n : n + 2]]
    shapes.append(Line(tuple(line), "ink", 1.5))
    x, n_kept = left + p * TRACK, sum(step.n for step in steps if step.kept)
    shapes.append(Line(((x, top - 4), (x, bottom)), "second", 2.5))
    shapes.append(Text(x, top - 10, f"p = {p:g}", "second", "middle", bold=True))
    for share, place in ((0.0, left), (0.5, left + TRACK / 2), (1.0, end)):
        shapes.append(Text(place, bottom + 16, f"{100 * share:.0f} %", "soft", "middle", 12))
    n_all = sum(step.n for step in steps)
    found = (
        f"Kept: {n_kept:,} of {n_all:,} tokens, the last is {names[last]}. Divided by {totals[last]:.4f} they sum to 1."
    )
    shapes.append(Text(SIZE, bottom + 44, found))
    told = f"{title}: tokens by falling probability, each step as long as the token is likely. {found}"
    width = max(end + COLUMNS[-1][1] + SIZE, *((cells(text) + 3) * ADVANCE * SIZE for text in (title, found)))
    table = (["token", *(head for head, _ in COLUMNS)], rows)
    shades = [[step.probability, min(1.0, total), step.kept] for step, total in zip(steps, totals, strict=True)]
    return Drawing(width, bottom + 44 + SIZE, title, told, table, shapes, shades)


def reached(total: float, p: float) -> float:
    """A total in tenths of a per cent, truncated if rounding would make it look as if it had reached p.

    >>> reached(0.89998, 0.9), reached(0.90004, 0.9), reached(0.37396, 0.9)
    (0.899, 0.9, 0.374)
    """
    rounded = round(total, 3)
    return math.floor(1000 * total) / 1000 if total < p - 1e-9 <= rounded else rounded


def stair(x: float, y: float, step: Step, hint: str) -> list[Shape]:
    """One step from x on: solid if it is kept, grey with a dashed edge if it is dropped."""
    wide, high = step.probability * TRACK, ROW - 8
    if step.kept:
        return [Box(x, y, wide, high, hint=hint)]
    edge = ((x, y), (x + wide, y), (x + wide, y + high), (x, y + high), (x, y))
    return [Box(x, y, wide, high, "soft", 0.2, hint=hint), Line(edge, "soft", 1.2, dashed=True)]
