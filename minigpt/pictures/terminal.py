"""A picture in the terminal: its table, each cell on its shade."""

from collections.abc import Sequence

from minigpt.pictures.drawing import Drawing
from minigpt.terminal import DIM, RESET, pad
from tokenizer.display import cells, clip

SHADES = (None, 189, 153, 117, 75, 33, 26)  # of the 256 colours, from white to blue; the first is the terminal's own
DARK = 33  # from here on the text is white


def terminal_lines(drawing: Drawing, width: int = 80, color: bool = False) -> list[str]:
    """Title and table in lines of at most `width` cells; columns that find no room are counted, not squeezed in.

    >>> from minigpt.pictures.attention import attention_head
    >>> print(*terminal_lines(attention_head(["the", " cat"], [[1, 0], [0.25, 0.75]], "Head 0")), sep="\\n")
    Head 0
    token   the  ·cat
    the    1.00  0.00
    ·cat   0.25  0.75
    """
    head, rows = drawing.table
    widths = [max(map(cells, column)) for column in zip(head, *rows, strict=True)]
    shown, used = 0, -2
    while shown < len(widths) and used + widths[shown] + 2 <= width:
        used += widths[shown] + 2
        shown += 1
    lines = [clip(drawing.title, width)]
    shades = drawing.shades if color and drawing.shades else [()] * len(rows)
    for row, shade in zip([head, *rows], [(), *shades], strict=True):
        parts = [pad(clip(row[0], width), min(widths[0], width))]
        for n in range(1, shown):
            text = " " * (widths[n] - cells(row[n])) + row[n]
            parts.append(f"  {tinted(text, shade[n - 1]) if shade else text}")
        lines.append("".join(parts).rstrip() if row is not head or not color else f"{DIM}{''.join(parts)}{RESET}")
    missing = len(widths) - max(shown, 1)
    return [*lines, f"… and {missing} columns more: make the window wider, or --html FILE"] if missing else lines


def tinted(text: str, shade: float) -> str:
    """The text on a shade from 0 to 1.

    >>> tinted("a", 0.0), tinted("a", 1.0)
    ('a', '\\x1b[48;5;26;38;5;231ma\\x1b[0m')
    """
    paint = SHADES[min(len(SHADES) - 1, max(0, round(shade * (len(SHADES) - 1))))]
    return text if paint is None else f"\033[48;5;{paint};38;5;{231 if paint <= DARK else 16}m{text}{RESET}"


def flowing(tokens: Sequence[str], shades: Sequence[Sequence[float]], width: int, color: bool) -> list[str]:
    """Tokens one after the other on their shades, in lines of at most `width` cells.

    >>> flowing(["a", "bc", "d"], [[0], [1], [0]], 3, color=False)
    ['abc', 'd']
    """
    lines, used = [""], 0
    for token, (shade, *_) in zip(tokens, shades, strict=True):
        if used and used + cells(token) > width:
            lines.append("")
            used = 0
        lines[-1] += tinted(token, shade) if color else token
        used += cells(token)
    return lines
