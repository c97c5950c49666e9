"""A picture in the terminal: its table, with each cell shaded."""

import re
from collections.abc import Sequence

from minigpt.pictures.drawing import Drawing
from minigpt.terminal import aligned, heading, table, wrap
from tokenizer.display import DIM, cells, clip, fill, paint

SHADES = (None, 189, 153, 117, 75, 33, 26)  # of the 256 colours, from white to blue; the first is the terminal's own
DARK = 33  # from here on the text is white
FEW = 4  # columns that may be stacked if there is no room; with more it would be unclear whose they are
NUMBER = re.compile(r"[-<]?[\d.,]*( %)?")


def terminal_lines(drawing: Drawing, width: int = 80, color: bool = False) -> list[str]:
    """Title and table in lines of at most `width` cells; columns that do not fit are counted, not squeezed in.

    >>> from minigpt.pictures.attention import attention_head
    >>> print(*terminal_lines(attention_head(["the", " cat"], [[1, 0], [0.25, 0.75]], "Head 0")), sep="\\n")
    Head 0
    token   the  ·cat
    the    1.00  0.00
    ·cat   0.25  0.75
    """
    head, rows = drawing.table
    title = heading(drawing.title, width, color)
    if not drawing.shades and len(head) <= FEW:
        numbers = [n for n in range(1, len(head)) if all(NUMBER.fullmatch(row[n]) for row in rows)]
        return [*title, *table([head, *rows], width, numbers, color)]
    grid = aligned([head, *rows], range(1, len(head)))
    shown = max(1, len(fill([*map(cells, grid[0])], width, 2)[0]))
    lines = []
    for row, shades in zip(grid[1:], drawing.shades or [[0.0] * len(head)] * len(rows), strict=True):
        parts = [tinted(cell, shade if color else 0.0) for cell, shade in zip(row[1:shown], shades, strict=False)]
        lines.append("  ".join([clip(row[0], width), *parts]).rstrip())
    lines.insert(0, paint(clip("  ".join(grid[0][:shown]), width).rstrip(), DIM, color))
    missing = len(head) - shown
    note = f"… and {missing} column{'s' * (missing > 1)} more: make the window wider, or --html FILE"
    return [*title, *lines, *(wrap(note, width) if missing else [])]


def tinted(text: str, shade: float) -> str:
    """The text on a shade from 0 to 1.

    >>> tinted("a", 0.0), tinted("a", 1.0)
    ('a', '\\x1b[48;5;26;38;5;231ma\\x1b[0m')
    """
    ground = SHADES[min(len(SHADES) - 1, max(0, round(shade * (len(SHADES) - 1))))]
    return text if ground is None else paint(text, f"48;5;{ground};38;5;{231 if ground <= DARK else 16}")


def flowing(tokens: Sequence[str], shades: Sequence[Sequence[float]], width: int, color: bool) -> list[str]:
    """Shaded tokens one after the other, in lines of at most `width` cells.

    >>> flowing(["a", "bc", "d"], [[0], [1], [0]], 3, color=False)
    ['abc', 'd']
    """
    painted = [tinted(token, shade if color else 0.0) for token, (shade, *_) in zip(tokens, shades, strict=True)]
    return ["".join(painted[n] for n in row) for row in fill([*map(cells, tokens)], width, 0)]
