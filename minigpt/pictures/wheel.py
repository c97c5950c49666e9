"""Sampling as a wheel: each token has a slice as large as its probability; beside it, what many draws actually gave."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from minigpt.analysis.draws import Outcome
from minigpt.pictures.bars import percent
from minigpt.pictures.drawing import ADVANCE, SIZE, Area, Box, Drawing, Line, Shape, Text
from minigpt.pictures.temperature import others
from tokenizer.display import cells, clip, label

RADIUS, CENTRE = 130.0, (235.0, 216.0)
LIST, TOP, ROW, BAR = 566.0, 70.0, 32.0, 86.0  # of the list: where its bars begin, its rows, and its longest bar
SHADES = (0.75, 0.4, 0.57)  # in turn; the third for a last slice that would be next to one of its own shade
COLUMNS = (("probability", 190.0), ("drawn", 248.0), ("arrival", 320.0))  # heads, right edges from the bars' left
NOTE = "In a draw, each token arrives after -ln(u) / probability, with its own random u; the first is drawn."


def sampling_wheel(outcomes: Sequence[Outcome], texts: Mapping[int, str], title: str, how: str) -> Drawing:
    """The outcomes clockwise from the top, each with its probability, how often it was drawn, and when it arrived in
    the one draw that the hand shows: it points to the middle of the slice of the token that came first. `texts` has the
    text of each id, `how` the settings in words.

    >>> found = [Outcome(7, 1, 0.75, 77, 0.5), Outcome(8, 1, 0.25, 23, 0.25)]
    >>> sampling_wheel(found, {7: " cat", 8: " dog"}, "Draw", "temperature 0.7").table[1]
    [['·cat', '75.0 %', '77', '0.50'], ['·dog', '25.0 %', '23', '0.25']]
    """
    names = [clip(label(texts[one.id].encode()), 12) if one.n == 1 else others(one.n) for one in outcomes]
    first = min(range(len(outcomes)), key=lambda n: outcomes[n].arrival)
    n_draws = max(1, sum(one.count for one in outcomes))
    numbers = [
        [percent(one.probability), f"{one.count:,}", f"{one.arrival:.2f}" if one.arrival < 1000 else ">999"]
        for one in outcomes
    ]
    bottom = max(CENTRE[1] + RADIUS + 2.5 * SIZE, TOP + len(outcomes) * ROW + 30)
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 3.1 * SIZE, how, "soft")]
    shapes += wheel(outcomes, names, first)
    shapes += listed(outcomes, names, numbers, first, n_draws)
    shapes.append(Text(SIZE, bottom + 24, NOTE))
    told = f"{title} ({how}): {len(outcomes)} slices, each as large as its probability, and beside them how "
    told += f"often each came in {n_draws:,} draws. The hand points to the slice of the token that was drawn. {NOTE}"
    rows = [[name, *row] for name, row in zip(names, numbers, strict=True)]
    table = (["token", *(head for head, _ in COLUMNS)], rows)
    shades = [[one.probability, one.count / n_draws, float(n == first)] for n, one in enumerate(outcomes)]
    width = max(LIST + COLUMNS[-1][1] + SIZE, (cells(title) + 3) * ADVANCE * SIZE)
    return Drawing(width, bottom + 24 + SIZE, title, told, table, shapes, shades)


def wheel(outcomes: Sequence[Outcome], names: Sequence[str], first: int) -> list[Shape]:
    """The slices, the names of those that have room for them, and the hand."""
    ends = [0.0, *accumulate(one.probability for one in outcomes)]
    shapes: list[Shape] = []
    for n, (one, name) in enumerate(zip(outcomes, names, strict=True)):
        arc = tuple(at(ends[n] + one.probability * i / 90) for i in range(91))
        turn = 2 if n % 2 == 0 and n == len(outcomes) - 1 else n % 2
        color, shade = ("soft", 0.35) if one.n > 1 else ("tint", SHADES[turn])
        points = arc[:-1] if one.probability > 0.9999 else (CENTRE, *arc)
        shapes.append(Area(points, color, shade, "paper", f"{name}: {percent(one.probability)}"))
    middles = [(a + b) / 2 for a, b in pairwise(ends)]
    shorts = [clip(name, 9) if one.n == 1 else "others" for one, name in zip(outcomes, names, strict=True)]
    placed: list[tuple[float, float, float]] = []  # left edge, right edge, baseline
    for n in sorted(range(len(outcomes)), key=lambda n: n != first):
        (x, y), side = at(middles[n], RADIUS + 12), math.sin(2 * math.pi * middles[n])
        align = "middle" if abs(side) < 0.12 else "start" if side > 0 else "end"
        wide = cells(shorts[n]) * ADVANCE * SIZE
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[align] * wide
        if all(left > right or left + wide < other or abs(y - base) > 1.2 * SIZE for other, right, base in placed):
            placed.append((left, left + wide, y))
            shapes.append(Text(x, y + 5, shorts[n], align=align, bold=n == first))
    return [*shapes, *hand(middles[first])]


def hand(turn: float) -> list[Shape]:
    """A hand from the wheel's centre, with an arrow's head and a hub."""
    (x, y), sine, cosine = at(turn, 0.8 * RADIUS), math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
    back_x, back_y = at(turn, 0.62 * RADIUS)
    head = ((x, y), (back_x + 9 * cosine, back_y + 9 * sine), (back_x - 9 * cosine, back_y - 9 * sine))
    hub = tuple((CENTRE[0] + 9 * math.sin(i / 4), CENTRE[1] + 9 * math.cos(i / 4)) for i in range(25))
    shaft = (CENTRE, (back_x, back_y))
    shapes: list[Shape] = [Line(shaft, "paper", 10), Line(shaft, "second", 5)]
    return [*shapes, Area(head, "second", edge="paper"), Area(hub, "second", edge="paper")]


def at(turn: float, radius: float = RADIUS) -> tuple[float, float]:
    """The point at this fraction of a turn, clockwise from the top.

    >>> at(0.25) == (CENTRE[0] + RADIUS, CENTRE[1])
    True
    """
    return CENTRE[0] + radius * math.sin(2 * math.pi * turn), CENTRE[1] - radius * math.cos(2 * math.pi * turn)


def listed(
    outcomes: Sequence[Outcome], names: Sequence[str], numbers: Sequence[Sequence[str]], first: int, n_draws: int
) -> list[Shape]:
    """The list beside the wheel: two bars each, the expected share and the drawn one, and the numbers."""
    shapes: list[Shape] = [Text(LIST + right, TOP - 10, head, "soft", "end") for head, right in COLUMNS]
    scale = BAR / max(max(one.probability, one.count / n_draws) for one in outcomes)
    for n, (one, name) in enumerate(zip(outcomes, names, strict=True)):
        y, color = TOP + n * ROW, "soft" if one.n > 1 else "tint"
        shapes.append(Text(LIST - 10, y + 21, name, "soft" if one.n > 1 else "ink", "end", bold=n == first))
        shapes.append(Box(LIST, y + 6, one.probability * scale, 10, color, hint=f"{name}: {numbers[n][0]}"))
        shapes.append(
            Box(LIST, y + 17, one.count / n_draws * scale, 7, "second", hint=f"{name}: drawn {one.count} times")
        )
        for text, (_, right) in zip(numbers[n], COLUMNS, strict=True):
            shapes.append(Text(LIST + right, y + 21, text, align="end", bold=n == first))
    y = TOP + len(outcomes) * ROW + 22
    shapes += [Box(LIST, y - 10, 12, 10), Text(LIST + 20, y, "probability", "soft")]
    x = LIST + 20 + 13 * ADVANCE * SIZE
    return [*shapes, Box(x, y - 9, 12, 7, "second"), Text(x + 20, y, f"share of {n_draws:,} draws", "soft")]
