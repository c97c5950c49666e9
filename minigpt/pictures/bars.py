"""The next token as bars: what the model predicts, and what each filter in turn leaves of it."""

from collections.abc import Sequence

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells, clip, label

ROW = 24.0


def next_token_bars(tokens: Sequence[str], steps: Sequence[tuple[str, Sequence[float]]], title: str) -> Drawing:
    """The same K tokens in one column of bars for each step: ("logits", "temperature 0.7", "top-k 5", …), each with the
    probabilities (K,) after it. A token that a step drops has a dash there, and nothing from then on.

    >>> steps = [("softmax", [0.6, 0.4]), ("top-k 1", [1.0, 0.0])]
    >>> next_token_bars([" cat", " dog"], steps, "Next").table
    (['token', 'softmax', 'top-k 1'], [['·cat', '60.0 %', '100.0 %'], ['·dog', '40.0 %', 'dropped']])
    """
    names = [clip(label(token.encode()), 16) for token in tokens]
    left = 2 * SIZE + max(map(cells, names), default=0) * ADVANCE * SIZE
    column = max(170.0, *(len(name) * ADVANCE * SIZE + 24 for name, _ in steps))
    top, room = 4.5 * SIZE, column - 90
    most = max((p for _, probabilities in steps for p in probabilities), default=1.0) or 1.0
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    for k, name in enumerate(names):
        shapes.append(Text(left - 10, top + (k + 0.7) * ROW, name, align="end"))
    for n, (name, probabilities) in enumerate(steps):
        x = left + n * column
        shapes.append(Text(x, top - 10, name, "soft"))
        shapes.append(Line(((x, top - 3), (x, top + len(names) * ROW)), "rule", 1))
        for k, p in enumerate(probabilities):
            y = top + k * ROW
            if p:
                shapes.append(Box(x, y + 4, p / most * room, ROW - 8, "tint", hint=f"{names[k]}: {percent(p)}"))
            shapes.append(
                Text(x + p / most * room + 6, y + 0.7 * ROW, percent(p) if p else "—", "ink" if p else "soft")
            )
    told = f"{title}: the probabilities of {len(names)} tokens, by " + ", then ".join(name for name, _ in steps)
    rows = [[name, *(percent(ps[k]) if ps[k] else "dropped" for _, ps in steps)] for k, name in enumerate(names)]
    table = (["token", *(name for name, _ in steps)], rows)
    shades = [[ps[k] / most for _, ps in steps] for k in range(len(names))]
    return Drawing(left + len(steps) * column, top + len(names) * ROW + SIZE, title, told + ".", table, shapes, shades)


def percent(p: float) -> str:
    """A probability as people read it.

    >>> percent(0.5), percent(0.00004)
    ('50.0 %', '<0.1 %')
    """
    return f"{100 * p:.1f} %" if p >= 0.0005 else "<0.1 %"
