"""Attention masks side by side: who may look at whom in a decoder, in an encoder, with a KV cache, and between both."""

from collections.abc import Sequence
from dataclasses import dataclass

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Shape, Text
from tokenizer.display import cells, clip, label

WIDTH, PANEL, LETTERS = 900.0, 442.0, 13.0
MASKED = 8  # tokens of a text are enough: a mask of more looks the same
PADDING = ["[PAD]", "[PAD]"]  # as in a batch with a text that is two tokens longer
WRITTEN = 4  # rows of a decoder that has begun to write


@dataclass(frozen=True)
class Mask:
    """Which columns (S tokens) each row (T tokens) may look at, and what that is for."""

    name: str
    used: str  # by whom
    notes: tuple[str, str]  # two lines: what a token sees, what the model can do
    rows: Sequence[str]
    columns: Sequence[str]
    allowed: Sequence[Sequence[bool]]  # (T, S)


def attention_masks(
    tokens: Sequence[str], causal: Sequence[Sequence[bool]], cached: Sequence[Sequence[bool]], title: str
) -> Drawing:
    """The masks of the three kinds of transformer (Vaswani et al. 2017, section 3.2.3) on a text of T tokens.

    `causal` (T, T) and `cached` (T', S), where T' new tokens look at the S slots of a cache, are a decoder's own. An
    encoder hides nothing but padding; a decoder that reads it does the same by cross-attention.

    >>> drawing = attention_masks(["a", "b"], [[True, False], [True, True]], [[True, True, False]], "Masks")
    >>> drawing.table[1][:2]
    [['causal: a', '1', '0', '', ''], ['causal: b', '1', '1', '', '']]
    """
    names = [clip(label(token.encode()), 9) for token in tokens]
    slots = [*names, *["empty"] * (len(cached[0]) - len(names))]
    places, written = [*names, *PADDING], ["start", *names][:WRITTEN]
    real = [True] * len(names) + [False] * len(PADDING)
    masks = [
        Mask(*CAUSAL, names, names, causal),
        Mask(*BIDIRECTIONAL, places, places, [real] * len(places)),
        Mask(*CACHED, names[-len(cached) :], slots, cached),
        Mask(*CROSS, written, places, [real] * len(written)),
    ]
    return mask_panels(masks, title)


Told = tuple[str, str, tuple[str, str]]
CAUSAL: Told = (
    "causal",
    "decoder-only (GPT-2, Llama)",
    ("Each token sees itself and the past alone,", "so the model can write on, token by token."),
)
CACHED: Told = (
    "with a KV cache",
    "the same, while it writes",
    ("Only new tokens look, at the slots up to their own;", "the rest are empty, and never seen."),
)
BIDIRECTIONAL: Told = (
    "bidirectional",
    "encoders (BERT, and in BART, T5)",
    ("Each token sees both sides, but no padding: a text", "is read whole; to write on takes a decoder as well."),
)
CROSS: Told = (
    "cross-attention",
    "encoder-decoder (BART, T5)",
    ("Rows: the decoder, which writes. Columns: the", "encoder's tokens, which have been read, all of them."),
)


def mask_panels(masks: Sequence[Mask], title: str) -> Drawing:
    """Masks in two columns, a filled cell where the row's token may look at the column's, a cross where it may not.

    >>> mask_panels([Mask("all", "none", ("", ""), ["a"], ["a", "b"], [[True, False]])], "One").table
    (['mask: row', '0', '1'], [['all: a', '1', '0']])
    """
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), *legend(SIZE, 2.4 * SIZE)]
    y = bottom = 4.6 * SIZE
    for n, mask in enumerate(masks):
        if n % 2 == 0:
            y = bottom
        drawn, height = panel(mask, SIZE + n % 2 * PANEL, y)
        shapes += drawn
        bottom = max(bottom, y + height)
    most = max(len(mask.columns) for mask in masks)
    rows, shades = [], []
    for mask in masks:
        for name, row in zip(mask.rows, mask.allowed, strict=True):
            missing = most - len(row)
            rows.append([f"{mask.name}: {name}", *("1" if may else "0" for may in row), *[""] * missing])
            shades.append([*(0.35 * may for may in row), *[0.0] * missing])
    told = f"{title}. Each row is a token that looks, each column one that is looked at: 1 where it may, 0 where not. "
    told += " ".join(f"{mask.name}, {mask.used}: {' '.join(mask.notes)}" for mask in masks)
    return Drawing(WIDTH, bottom, title, told, (["mask: row", *map(str, range(most))], rows), shapes, shades)


def legend(x: float, y: float) -> list[Shape]:
    """What a filled cell and a cross mean."""
    return [
        Box(x, y, 16, 16, "tint", 0.8, edge="rule"),
        Text(x + 24, y + 13, "the row's token may look at the column's", size=LETTERS),
        Box(x + PANEL, y, 16, 16, "paper", 0, edge="rule"),
        Text(x + PANEL + 8, y + 13, "×", "ink", "middle"),
        Text(x + PANEL + 24, y + 13, "it may not: a score of -∞, a weight of 0", size=LETTERS),
    ]


def panel(mask: Mask, x: float, y: float) -> tuple[list[Shape], float]:
    """One mask with its name above and its notes below, and its total height."""
    left = x + max(map(cells, mask.rows)) * ADVANCE * LETTERS + 8
    cell = min(36.0, (x + PANEL - 2 * SIZE - left) / len(mask.columns))
    top = y + 1.4 * SIZE + 2.4 * LETTERS
    shapes: list[Shape] = [Text(x, y + 0.6 * SIZE, f"{mask.name}: {mask.used}", bold=True)]
    for j, name in enumerate(mask.columns):  # alternating between two lines, so that neighbours do not touch
        shown = clip(name, int((2 * cell - 4) / (ADVANCE * LETTERS)))
        up = 5 + 1.2 * LETTERS * (j % 2 == 0)
        shapes.append(Text(left + (j + 0.5) * cell, top - up, shown, "soft", "middle", LETTERS))
    for i, (name, row) in enumerate(zip(mask.rows, mask.allowed, strict=True)):
        middle = top + (i + 0.5) * cell
        shapes.append(Text(left - 8, middle + 0.35 * LETTERS, name, align="end", size=LETTERS))
        for j, may in enumerate(row):
            hint = f"{name} {'looks' if may else 'may not look'} at {mask.columns[j]}"
            color, shade = ("tint", 0.8) if may else ("paper", 0.0)
            shapes.append(Box(left + j * cell, top + i * cell, cell - 1, cell - 1, color, shade, "rule", hint))
            if not may:
                shapes.append(Text(left + (j + 0.5) * cell - 0.5, middle + 4.5, "×", "ink", "middle"))
    end = top + len(mask.rows) * cell + 1.4 * SIZE
    shapes += [Text(x, end + n * 1.3 * SIZE, note, size=LETTERS) for n, note in enumerate(mask.notes)]
    return shapes, end + 3.2 * SIZE - y
