"""The logit lens as a table: what the model would say after each layer, at each position."""

from collections.abc import Sequence

from minigpt.pictures.colors import on_tint
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, clip, label

WIDTH, ROW = 900.0, 26.0


def lens_table(
    tokens: Sequence[str], best: Sequence[Sequence[str]], probabilities: Sequence[Sequence[float]], title: str
) -> Drawing:
    """The most likely next token after each layer, `best` (L + 1, T), shaded by its probability (L + 1, T), above the
    text's own T tokens; the last layer is at the top, as what the model says in the end.

    >>> lens_table(["a", "b"], [["x", "y"], ["b", "c"]], [[0.1, 0.2], [0.9, 0.5]], "Lens").table[1][0]
    ['after layer 1', 'b 0.90', 'c 0.50']
    """
    names = [clip(label(token.encode()), 9) for token in tokens]
    said = [[clip(label(token.encode()), 9) for token in row] for row in best]
    widest = max((cells(name) for row in [names, *said] for name in row), default=1)
    column, left, last = (widest + 1.2) * ADVANCE * SIZE, 9.5 * SIZE, len(said) - 1
    fitting = max(1, int((WIDTH - left) / column))  # how many tokens fit side by side, the others go below
    how = "after each layer the most likely next token; the stronger the colour, the surer"
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 2.9 * SIZE, how, "soft", size=12)]
    heads = ["embeddings", *(f"after layer {layer}" for layer in range(1, last + 1))]
    top = 4 * SIZE
    for start in range(0, len(names), fitting):
        part = range(start, min(start + fitting, len(names)))
        for row, layer in enumerate(range(last, -1, -1)):
            y = top + row * ROW
            shapes.append(Text(left - 10, y + 0.68 * ROW, heads[layer], "soft", "end"))
            for j in part:
                token, p, x = said[layer][j], float(probabilities[layer][j]), left + (j - start) * column
                hint = f"{heads[layer]}, position {j}: {token} with {p:.3f}"
                shapes.append(Box(x, y, column - 1, ROW - 1, shade=p, edge="rule", hint=hint))
                shapes.append(Text(x + 0.5 * column, y + 0.68 * ROW, token, on_tint(p), "middle"))
        y = top + len(said) * ROW + 0.8 * ROW
        shapes.append(Text(left - 10, y, "the text", "soft", "end"))
        shapes += [Text(left + (j - start + 0.5) * column, y, names[j], "ink", "middle", bold=True) for j in part]
        top += (len(said) + 1.8) * ROW
    rows = [
        [heads[n], *(f"{t} {p:.2f}" for t, p in zip(said[n], probabilities[n], strict=True))]
        for n in range(last, -1, -1)
    ]
    told = f"{title}: what would come next if the model stopped after that layer, the stronger the colour the surer."
    width = left + min(fitting, len(names)) * column + SIZE
    return Drawing(width, top - 0.4 * ROW, title, told, (["", *names], rows), shapes, probabilities[::-1])
