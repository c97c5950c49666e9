"""Direct logit attribution: which parts of a model pushed a token up, and which down."""

from collections.abc import Mapping

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from tokenizer.display import cells

ROW, PLOT = 26.0, 420.0
PARTS = {"wte": "token embedding", "wpe": "position embedding", "ln_f.bias": "bias of the final norm"}


def attribution_bars(parts: Mapping[str, float], title: str, k: int = 16) -> Drawing:
    """What each part of `logit_attribution` added to a logit: the k strongest, to the right of zero if they pushed the
    token up, to the left if they pushed it down; the others as one bar; below, the sum of all, which is the logit.

    >>> drawing = attribution_bars({"wte": 0.5, "h.0.attn.1": 2.0, "h.0.mlp": -1.5, "h.0.attn.0": 0.25}, "Parts", k=3)
    >>> for row in drawing.table[1]:
    ...     print(*row)
    layer 0 head 1 +2.00
    token embedding +0.50
    layer 0 MLP -1.50
    1 other part +0.25
    sum +1.25
    """
    strongest = sorted(parts, key=lambda name: -abs(parts[name]))[:k]
    rows = [(part_name(name), parts[name]) for name in sorted(strongest, key=lambda name: -parts[name])]
    others = len(parts) - len(strongest)
    if others:
        rest = sum(value for name, value in parts.items() if name not in strongest)
        rows.append((f"{others} other part{'s' * (others > 1)}", rest))
    total = sum(parts.values())
    left = SIZE + max(cells(name) for name, _ in rows) * ADVANCE * SIZE + 10
    top, number = 3.2 * SIZE, 9 * ADVANCE * SIZE
    low, high = min(0.0, *(value for _, value in rows)), max(0.0, *(value for _, value in rows))
    scale = PLOT / ((high - low) or 1.0)
    zero = left + number - low * scale
    bottom = top + len(rows) * ROW
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), Line(((zero, top), (zero, bottom)), "soft", 1)]
    for n, (name, value) in enumerate(rows):
        y, end = top + n * ROW, zero + value * scale
        soft = "soft" if others and n == len(rows) - 1 else "ink"
        shapes.append(Text(left - 10, y + 0.7 * ROW, name, soft, "end"))
        box = (min(zero, end), y + 4, abs(end - zero), ROW - 8)
        shapes.append(Box(*box, "second" if value < 0 else "tint", hint=f"{name}: {value:+.4f}"))
        shapes.append(
            Text(
                end + (6 if value >= 0 else -6),
                y + 0.7 * ROW,
                f"{value:+z.2f}",
                "ink",
                "start" if value >= 0 else "end",
            )
        )
    right = zero + high * scale + number
    shapes.append(Line(((SIZE, bottom + 4), (right, bottom + 4)), "rule", 1))
    shapes.append(Text(left - 10, bottom + 1.6 * SIZE, "sum", "ink", "end", bold=True))
    shapes.append(Text(zero + 6, bottom + 1.6 * SIZE, f"{total:+z.2f}", bold=True))
    told = f"{title}: bars to the right of zero pushed it up, those to the left down; the sum is {total:+z.2f}."
    table = (["part", "adds"], [*([name, f"{value:+z.2f}"] for name, value in rows), ["sum", f"{total:+z.2f}"]])
    full = max(high, -low) or 1.0
    shades = [*([abs(value) / full] for _, value in rows), [0.0]]
    width = max(right + SIZE, (cells(title) + 4) * ADVANCE * SIZE)
    return Drawing(width, bottom + 3 * SIZE, title, told, table, shapes, shades)


def part_name(name: str) -> str:
    """The name of a part of `logit_attribution` in words.

    >>> part_name("h.3.attn.11"), part_name("h.3.mlp"), part_name("h.3.attn.bias"), part_name("wte")
    ('layer 3 head 11', 'layer 3 MLP', 'layer 3 attention bias', 'token embedding')
    """
    if name in PARTS:
        return PARTS[name]
    _, layer, *part = name.split(".")
    what = {"mlp": "MLP", "bias": "attention bias"}.get(part[-1], f"head {part[-1]}")
    return f"layer {layer} {what}"
