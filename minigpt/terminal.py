"""What is drawn on a terminal: lines that fit, columns, tables, bars, colours; nothing in it steers the terminal.

Widths are counted in cells, of which a wide character takes two; see `tokenizer.display.cells`.
"""

import re
import shutil
from collections.abc import Sequence
from itertools import zip_longest

from tokenizer.display import cells, clip

GAP = " │ "
EIGHTHS = " ▏▎▍▌▋▊▉"
CYAN, YELLOW, DIM, RESET = "\033[36m", "\033[33m", "\033[2m", "\033[0m"
# Control characters but tab and line end, and those that change the direction of writing (Unicode's Bidi_Control).
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ENDLESS = 1 << 16  # cells; for tables in a pipe, where a line is a record


def columns(unknown: int = 80) -> int:
    """How many cells a line has: COLUMNS, else the terminal's width, else `unknown`, as in a pipe."""
    return max(1, shutil.get_terminal_size((unknown, 24)).columns)


def plain(text: str) -> str:
    """The text without what a terminal would obey: control characters, changes of direction.

    >>> plain("a\\x1b[31mb\\tc")
    'a\\ufffd[31mb    c'
    """
    return STEERS.sub("\ufffd", text).replace("\t", "    ")


def wrap(text: str, width: int, indent: int = 0) -> list[str]:
    """The text in lines of at most `width` cells, all but the first one indented.

    Broken at blanks, and within a word only where it must be.

    >>> wrap("to be or not\\nto be, antidisestablishmentarianism", 12)
    ['to be or not', 'to be, antid', 'isestablishm', 'entarianism']
    """
    lines: list[str] = []
    margin = " " * (min(indent, width // 2) if width >= 8 else 0)
    for paragraph in plain(text).split("\n"):
        line = margin if lines else ""
        for word in re.findall(r" *[^ ]+| +", paragraph):
            if line.strip() and cells(line + word) > width and len(margin) + cells(word.lstrip()) <= width:
                lines.append(line)
                line = margin + word.lstrip()
                continue
            line += word
            while cells(line) > width:
                head = fitting(line, width)
                lines.append(head)
                line = margin + line[len(head) :]
        if line or not paragraph:
            lines.append(line)
    return [line.rstrip() for line in lines]


def fitting(text: str, width: int) -> str:
    """As many of the first characters as fit, one at least.

    >>> fitting("日本語", 5)
    '日本'
    """
    from wcwidth import iter_graphemes  # what a reader sees as one character; only long lines need it

    taken = ""
    for character in iter_graphemes(text):
        if taken and cells(taken + character) > width:
            break
        taken += character
    return taken


def pad(text: str, width: int) -> str:
    """The text with blanks up to the width."""
    return text + " " * (width - cells(text))


def side_by_side(texts: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows of the texts' lines, each text `width` cells wide.

    >>> side_by_side([["ab", "c"], ["d"]], 3)
    ['ab  │ d', 'c   │']
    """
    rows = zip_longest(*texts, fillvalue="")
    return [GAP.join(pad(cell, width) for cell in row).rstrip() for row in rows]


def table(rows: Sequence[Sequence[str]], width: int, numbers: Sequence[int] = ()) -> list[str]:
    """Rows of cells as columns, those of `numbers` flush right; where they do not fit, each row as a few lines.

    >>> rows = [("NAME", "SIZE"), ("storyteller", "12 MB")]
    >>> table(rows, 40, numbers=[1]), table(rows, 15, numbers=[1])
    (['NAME          SIZE', 'storyteller  12 MB'], ['NAME', '  SIZE', 'storyteller', '  12 MB'])
    """
    rows = [[plain(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        if sum(widths) + 2 * (len(widths) - 1) <= width:
            blanks = [" " * (n - cells(cell)) for cell, n in zip(row, widths, strict=True)]
            both = enumerate(zip(row, blanks, strict=True))
            lines.append(
                "  ".join(blank + cell if i in numbers else cell + blank for i, (cell, blank) in both).rstrip()
            )
        else:
            rest = "  ".join(cell for cell in row[1:] if cell)
            lines += [clip(row[0].rstrip(), width), *wrap(f"  {rest}", width, indent=2)]
    return lines


def bar(share: float, n: int) -> str:
    """A share of 1 as a bar in n cells, to an eighth of a cell.

    >>> bar(0.5, 4), bar(0.3, 4)
    ('██  ', '█▏  ')
    """
    full, eighths = divmod(int(share * n * 8), 8)
    return ("█" * full + EIGHTHS[eighths].strip()).ljust(n)
