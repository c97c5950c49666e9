"""The logit lens as a table: what the model would say after each layer, at each position."""

from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, clip, label

ROW = 26.0


def lens_table(
    tokens: Sequence[str], best: Sequence[Sequence[str]], probabilities: Sequence[Sequence[float]], title: str
) -> Drawing:
    """The most likely next token after each layer, `best` (L + 1, T), shaded by its probability (L + 1, T), above the
    text's own T tokens; the last layer stands at the top, as what the model says in the end.

    >>> lens_table(["a", "b"], [["x", "y"], ["b", "c"]], [[0.1, 0.2], [0.9, 0.5]], "Lens").table[1][0]
    ['after layer 1', 'b 0.90', 'c 0.50']
    """
    names = [clip(label(token.encode()), 9) for token in tokens]
    said = [[clip(label(token.encode()), 9) for token in row] for row in best]
    widest = max((cells(name) for row in [names, *said] for name in row), default=1)
    column, left, top = (widest + 1.2) * ADVANCE * SIZE, 9.5 * SIZE, 2.8 * SIZE
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    rows = []
    last = len(said) - 1
    for layer in range(last, -1, -1):
        y = top + (last - layer) * ROW
        name = f"after layer {layer}" if layer else "embeddings"
        shapes.append(Text(left - 10, y + 0.68 * ROW, name, "soft", "end"))
        rows.append([name, *(f"{t} {p:.2f}" for t, p in zip(said[layer], probabilities[layer], strict=True))])
        for j, (token, p) in enumerate(zip(said[layer], probabilities[layer], strict=True)):
            hint = f"{name}, position {j}: {token} with {p:.3f}"
            shapes.append(Box(left + j * column, y, column - 1, ROW - 1, shade=float(p), edge="rule", hint=hint))
            shapes.append(Text(left + (j + 0.5) * column, y + 0.68 * ROW, token, on_tint(p), "middle"))
    y = top + len(said) * ROW
    shapes.append(Text(left - 10, y + 0.8 * ROW, "the text", "soft", "end"))
    shapes += [
        Text(left + (j + 0.5) * column, y + 0.8 * ROW, name, "ink", "middle", bold=True) for j, name in enumerate(names)
    ]
    told = f"{title}: what would come next if the model stopped after that layer, the stronger the colour the surer."
    return Drawing(
        left + len(names) * column + SIZE,
        y + 1.4 * ROW,
        title,
        told,
        (["", *names], rows),
        shapes,
        probabilities[::-1],
    )
