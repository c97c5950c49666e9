"""Byte-pair encoding as a tree: the bytes of a word at the bottom, each merge above, the tokens at the top.

Source: Sennrich et al. 2016, algorithm 1; on bytes as in Radford et al. 2019, section 2.2.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells, fill, label

BYTE, ROW, HEIGHT = 34.0, 46.0, 36.0  # the width of a byte, the distance between two steps, the height of a box
LEFT, BETWEEN, WIDTH = 6 * SIZE, 14.0, 900.0
MOST = 60  # bytes in one picture
Merges = Sequence[tuple[int, Sequence[bytes]]]  # of one piece, as `Tokenizer.trace` gives them: rank, tokens after it


class Node(NamedTuple):
    """A byte, or the result of a merge: its bytes, where they begin and end in the piece, step and rank (0 and -1 for a
    byte), and the nodes that it joins."""

    data: bytes
    start: int
    end: int
    step: int
    rank: int
    parts: "Sequence[Node]"


def merge_tree(pieces: Sequence[tuple[str, Merges]], ids: Mapping[bytes, int], title: str) -> Drawing:
    """A tree for each token of each piece, step by step from the bottom up; `ids` has the id of each token. Raises
    ValueError for more than 60 bytes, which nobody could read.

    >>> merge_tree([("ana", [(256, [b"an", b"a"]), (257, [b"ana"])])], {b"ana": 257}, "Merges").table[1]
    [['ana', '0', '', 'a n a'], ['ana', '1', '256', 'an a'], ['ana', '2', '257', 'ana']]
    """
    sizes = [len(piece.encode()) for piece, _ in pieces]
    if sum(sizes) > MOST:
        raise ValueError(f"a text of {sum(sizes)} bytes: a merge tree has room for {MOST}, show a shorter one")
    told = [
        "Each step joins the pair of neighbours of lowest rank.",
        "The number in a box is its rank, which is the token's id.",
    ]
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    shapes += [Text(SIZE, (3.2 + 1.3 * n) * SIZE, line, "soft", size=13) for n, line in enumerate(told)]
    y, right = 5.5 * SIZE, (max(len(told[1]), cells(title)) + 1) * ADVANCE * SIZE
    for band in fill([BYTE * size for size in sizes], WIDTH - LEFT, BETWEEN):
        steps = max(len(pieces[n][1]) for n in band)
        width = BYTE * sum(sizes[n] for n in band) + BETWEEN * (len(band) - 1)
        shapes += scale(y, steps, LEFT + width)
        x, bottom = LEFT, y + (steps + 1) * ROW + HEIGHT
        for n in band:
            shapes += trees(forest(*pieces[n]), ids, x, y, steps)
            shapes += characters(pieces[n][0], x, bottom)
            x += BYTE * sizes[n] + BETWEEN
        right = max(right, LEFT + width)
        y = bottom + (1 if all(pieces[n][0].isascii() for n in band) else 3.2) * SIZE
    rows = [row for piece, merges in pieces for row in rows_of(piece, merges)]
    n = sum(len(forest(*piece)) for piece in pieces)
    ends = f"become {n} token{'' if n == 1 else 's'} at the top"
    what = f"{title}: {sum(sizes)} bytes at the bottom {ends}. {' '.join(told)}"
    return Drawing(right + SIZE, y, title, what, (["piece", "step", "rank", "tokens"], rows), shapes)


def forest(piece: str, merges: Merges) -> list[Node]:
    """The trees of a piece, one for each of its tokens.

    >>> [root] = forest("ana", [(256, [b"an", b"a"]), (257, [b"ana"])])
    >>> root.step, [(part.data, part.start, part.end, part.step) for part in root.parts]
    (2, [(b'an', 0, 2, 1), (b'a', 2, 3, 0)])
    """
    data = piece.encode()
    nodes = [Node(data[i : i + 1], i, i + 1, 0, -1, ()) for i in range(len(data))]
    for step, (rank, tokens) in enumerate(merges, 1):
        ends = {node.end: i + 1 for i, node in enumerate(nodes)}
        grown, first, start = [], 0, 0
        for token in tokens:
            last = ends[start + len(token)]
            parts = nodes[first:last]
            grown += parts if len(parts) == 1 else [Node(token, start, parts[-1].end, step, rank, parts)]
            first, start = last, start + len(token)
        nodes = grown
    return nodes


def scale(y: float, steps: int, right: float) -> list[Shape]:
    """The names of the rows at the left, and a thin line along each."""
    names = ["tokens", *(f"step {step}" for step in range(steps, 0, -1)), "bytes"]
    shapes: list[Shape] = []
    for n, name in enumerate(names):
        middle = y + n * ROW + HEIGHT / 2
        shapes.append(Line(((LEFT - 8, middle), (right, middle)), "rule", 1))
        shapes.append(Text(SIZE, middle + 4, name, "soft", size=13))
    return shapes


def trees(roots: Sequence[Node], ids: Mapping[bytes, int], x: float, y: float, steps: int) -> list[Shape]:
    """The tokens of a piece whose first byte is at x, and the trees below them, lines first."""
    lines: list[Shape] = []
    boxes: list[Shape] = []

    def draw(node: Node, above: float, color: str) -> None:
        top = y + (steps + 1 - node.step) * ROW
        middle = x + BYTE * (node.start + node.end) / 2
        lines.append(Line(((middle, top), (middle, above)), color))
        boxes.extend(box(node, x, top, str(node.rank) if node.parts else "", joined(node)))
        for part in node.parts:
            draw(part, top + HEIGHT, "soft")

    for root in roots:
        draw(root, y + HEIGHT, "second")
        boxes += box(root, x, y, str(ids.get(root.data, "—")), "a token", "second", 0.3)
    return [*lines, *boxes]


def box(
    node: Node, x: float, top: float, number: str, what: str, color: str = "tint", shade: float = 0.12
) -> list[Shape]:
    """A node of the piece whose first byte is at x, over what it spans, with its number, if it has one."""
    left, width = x + BYTE * node.start + 2, BYTE * (node.end - node.start) - 4
    middle, name = left + width / 2, label(node.data)
    short = name if node.end - node.start > 1 else name.strip("<>") or name
    shapes: list[Shape] = [Box(left, top, width, HEIGHT, "paper")]
    shapes.append(Box(left, top, width, HEIGHT, color, shade if number else 0.0, "rule", f"{name}: {what}"))
    shapes.append(Text(middle, top + (16 if number else 23), short, "ink", "middle", bold=color == "second"))
    return [*shapes, Text(middle, top + 31, number, "ink", "middle", 12.5)] if number else shapes


def joined(node: Node) -> str:
    """What a merge joins, at which step.

    >>> joined(forest("an", [(256, [b"an"])])[0])
    'step 1: a + n, rank 256'
    """
    if not node.parts:
        return "a byte"
    return f"step {node.step}: {' + '.join(label(part.data) for part in node.parts)}, rank {node.rank}"


def characters(piece: str, x: float, y: float) -> list[Shape]:
    """Under the bytes, at y, the characters that take more than one of them."""
    shapes: list[Shape] = []
    for character in piece:
        width = BYTE * len(character.encode())
        if width > BYTE:
            shapes.append(Line(((x + 4, y + 4), (x + 4, y + 9), (x + width - 4, y + 9), (x + width - 4, y + 4))))
            shapes.append(Text(x + width / 2, y + 27, label(character.encode()), "ink", "middle", 16))
        x += width
    return shapes


def rows_of(piece: str, merges: Merges) -> list[list[str]]:
    """The rows of the table: the bytes of a piece, then the tokens after each merge."""
    data = piece.encode()
    steps = [("", [data[i : i + 1] for i in range(len(data))]), *((str(rank), tokens) for rank, tokens in merges)]
    return [[label(data), str(n), rank, " ".join(map(label, tokens))] for n, (rank, tokens) in enumerate(steps)]
