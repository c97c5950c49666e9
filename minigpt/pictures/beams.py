"""A beam search as a tree: the new tokens from left to right, at each step the best on top, losers in grey."""

from collections.abc import Mapping, Sequence

from minigpt.analysis.beam_tree import BeamNode
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells, clip, label

ROW, GAP = 34.0, 46.0


def beam_picture(nodes: Sequence[BeamNode], texts: Mapping[int, str], title: str) -> Drawing:
    """The tree of `beam_tree`; `texts` has the text of each id. Under each token is its sum of log-probabilities.

    >>> nodes = [BeamNode(7, None, 1, -0.1, -0.1, "kept", best=True), BeamNode(8, None, 1, -3.0, -3.0, "dropped")]
    >>> beam_picture(nodes, {7: " cat", 8: " dog"}, "Beams").table[1]
    [['1', '·cat', '-0.10', 'kept, wins'], ['1', '·dog', '-3.00', 'dropped']]
    """
    names = [clip(label(texts[node.id].encode()), 12) for node in nodes]
    width = (max(map(cells, names), default=1) + 1.5) * ADVANCE * SIZE
    width = max(width, 7 * ADVANCE * SIZE)
    depth = max((node.depth for node in nodes), default=0)
    places: list[tuple[float, float]] = []
    counts: dict[int, int] = {}
    top = 4.2 * SIZE
    for node in nodes:
        row = counts.get(node.depth, 0)
        counts[node.depth] = row + 1
        places.append((SIZE + (node.depth - 1) * (width + GAP), top + row * (ROW + 12)))
    boxes: list[Shape] = []
    lines: list[Shape] = []
    rows = []
    for node, name, (x, y) in zip(nodes, names, places, strict=True):
        lost = node.state == "dropped"
        fate = node.state + (", wins" if node.best else "")
        hint = f"{name}: {fate}, log-probability {node.logprob:.3f}, sum {node.total:.3f}"
        if node.parent is not None:
            from_x, from_y = places[node.parent]
            points = ((from_x + width, from_y + ROW / 2), (x, y + ROW / 2))
            color = "tint" if node.best else "soft"
            lines.append(Line(points, color, 3 if node.best else 0.8 if lost else 1.5, dashed=lost))
        boxes.append(Box(x, y, width, ROW, "paper", 1.0, hint=hint))
        boxes.append(Box(x, y, width, ROW, "tint", 0.35 if node.best else 0.0 if lost else 0.1, edge="rule"))
        if node.state == "finished":
            boxes.append(Line(((x + width - 2, y + 1), (x + width - 2, y + ROW - 1)), "second", 4))
        color = "soft" if lost else "ink"
        boxes.append(Text(x + width / 2, y + 15, name, color, "middle", 13, bold=node.best))
        boxes.append(Text(x + width / 2, y + 30, f"{node.total:.2f}", color, "middle", 12))
        rows.append([str(node.depth), name, f"{node.total:.2f}", fate])
    told = f"{title}: what the search looked at, one column for each new token, the best on top. The winner's way is "
    told += "strongest, what was dropped has dashed lines, a bar at the right edge says that a text ends there, or has "
    told += "reached the limit of tokens."
    height = top + max(counts.values(), default=1) * (ROW + 12) + SIZE / 2
    room = depth * (width + GAP) - GAP + 2 * SIZE
    how = "below each token the sum of log-probabilities; bold: the winner; dashed: dropped; bar: the end or the limit"
    head: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Text(SIZE, 2.9 * SIZE, how, "soft", size=12)]
    shapes = [*head, *lines, *boxes]
    return Drawing(room, height, title, told, (["step", "token", "sum of log-probabilities", "fate"], rows), shapes)
