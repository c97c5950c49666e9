"""One text cut in several ways, each token in a box with its id below."""

from collections.abc import Sequence

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, fill, label

WIDTH, LEFT, ROW, SMALL = 860.0, SIZE, 44.0, 12.5
Cut = tuple[str, Sequence[bytes | str], Sequence[int]]  # how it was cut, the tokens, their ids


def text_cuts(cuts: Sequence[Cut], title: str) -> Drawing:
    """The ways to cut a text, one below the other, each under its name and the number of its tokens. A token that is
    not whole characters shows its bytes, in the second colour.

    >>> text_cuts([("words", ["the", "cat"], [17, 2]), ("bytes", [b"t"], [116])], "A text").table[1]
    [['words', '2', 'the cat', '17 2'], ['bytes', '1', 't', '116']]
    """
    shapes: list[Shape] = [Text(LEFT, 1.6 * SIZE, title, bold=True)]
    y, right = 2.4 * SIZE, LEFT
    rows = []
    for name, tokens, ids in cuts:
        data = [token.encode() if isinstance(token, str) else token for token in tokens]
        names = [label(token) for token in data]
        many = f"{len(ids)} token{'' if len(ids) == 1 else 's'}"
        y += SIZE
        shapes.append(Text(LEFT, y + 4, f"{name}: {many}", "soft"))
        y += 12
        sizes = [width(name, id) for name, id in zip(names, ids, strict=True)]
        for band in fill(sizes, WIDTH - LEFT, gap=3):
            x = LEFT
            for n in band:
                color = "second" if names[n] == f"<{data[n].hex(' ')}>" else "tint"
                hint = f"{names[n]}: id {ids[n]}"
                shapes.append(Box(x, y, sizes[n], 25, color, 0.16, "rule", hint))
                shapes.append(Text(x + sizes[n] / 2, y + 17.5, names[n], "ink", "middle"))
                shapes.append(Text(x + sizes[n] / 2, y + 38, str(ids[n]), "soft", "middle", SMALL))
                x += sizes[n] + 3
            y, right = y + ROW, max(right, x)
        y += 4
        rows.append([name, str(len(ids)), " ".join(names), " ".join(map(str, ids))])
    counts = ", ".join(f"{len(ids)} by {name}" for name, _, ids in cuts)
    told = f"{title}: each token in a box, its id below; {counts}."
    return Drawing(right + SIZE, y + 4, title, told, (["cut by", "tokens", "as text", "ids"], rows), shapes)


def width(name: str, id: int) -> float:
    """The width of a token's box, with room for its text and its id."""
    return max(cells(name) * SIZE, len(str(id)) * SMALL, SIZE) * ADVANCE + 8
