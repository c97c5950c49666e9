"""The same tokens at several temperatures: the bars fall from left to right, and what they lose goes to all others."""

from collections.abc import Sequence

from minigpt.pictures.bars import percent
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, clip, label

ROW, COLUMN = 38.0, 118.0


def temperature_bars(
    tokens: Sequence[str],
    steps: Sequence[tuple[float, Sequence[float], float]],
    n_others: int,
    title: str,
) -> Drawing:
    """K tokens in a column of bars for each temperature: (temperature, probabilities (K,), entropy in bits). A full
    column is probability 1; below the tokens is what remains for the `n_others` other tokens of the vocabulary.

    >>> steps = [(0, [1.0, 0.0], 0.0), (1, [0.5, 0.25], 1.5)]
    >>> temperature_bars([" cat", " dog"], steps, 7, "Next").table[1][1:]
    [['·dog', '—', '25.0 %'], ['7 others', '—', '25.0 %'], ['entropy, bits', '0.00', '1.50']]
    """
    names = [clip(label(token.encode()), 14) for token in tokens] + [others(n_others)] * bool(n_others)
    left = 2 * SIZE + max(map(cells, [*names, "entropy, bits"])) * ADVANCE * SIZE
    top, room = 5 * SIZE, COLUMN - 16
    heads = [f"{temperature:g}{', greedy' if not temperature else ''}" for temperature, _, _ in steps]
    columns = [[*ps, max(0.0, 1 - sum(ps))][: len(names)] for _, ps, _ in steps]
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    shapes.append(Text(left - 10, top - 10, "temperature", "soft", "end"))
    for k, name in enumerate(names):
        color = "ink" if k < len(tokens) else "soft"
        shapes.append(Text(left - 10, top + k * ROW + 24, name, color, "end"))
    bottom = top + len(names) * ROW
    shapes.append(Text(left - 10, bottom + 24, "entropy, bits", "soft", "end"))
    for n, (head, column) in enumerate(zip(heads, columns, strict=True)):
        x = left + n * COLUMN
        shapes += [Text(x, top - 10, head, bold=True), Text(x, bottom + 24, f"{steps[n][2]:.2f}", bold=True)]
        for k, p in enumerate(column):
            y, color = top + k * ROW, "tint" if k < len(tokens) else "soft"
            shapes.append(Box(x, y + 19, room, 14, color, 0.08, "rule"))
            if p:
                hint = f"{names[k]} at temperature {head}: {percent(p)}"
                shapes.append(Box(x, y + 19, p * room, 14, color, hint=hint))
            shapes.append(Text(x, y + 15, percent(p) if p else "—", "ink" if p else "soft", size=13))
    told = f"{title}: the probabilities of {len(tokens)} tokens, one column for each temperature, {', '.join(heads)}. "
    told += "The higher the temperature, the flatter the distribution and the larger its entropy."
    rows = [[name, *(percent(ps[k]) if ps[k] else "—" for ps in columns)] for k, name in enumerate(names)]
    rows.append(["entropy, bits", *(f"{bits:.2f}" for _, _, bits in steps)])
    shades = [*([ps[k] for ps in columns] for k in range(len(names))), [0.0] * len(steps)]
    width = max(left + len(steps) * COLUMN, (cells(title) + 3) * ADVANCE * SIZE)
    return Drawing(width, bottom + 24 + SIZE, title, told, (["token", *heads], rows), shapes, shades)


def others(n: int) -> str:
    """The rest of a vocabulary as the name of a row.

    >>> others(4088), others(1)
    ('4,088 others', '1 other')
    """
    return f"{n:,} other{'' if n == 1 else 's'}"
