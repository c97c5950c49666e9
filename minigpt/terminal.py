"""What is drawn on a terminal: lines that fit, columns, tables, bars, colours; nothing in it steers the terminal.

Widths are counted in cells, of which a wide character takes two; see `tokenizer.display.cells`.
"""

import re
import shutil
from collections.abc import Collection, Sequence
from itertools import zip_longest

from tokenizer.display import BOLD, DIM, cells, clip, fitting, pad, paint

GAP = " │ "
EIGHTHS = " ▏▎▍▌▋▊▉"
# Control characters except tab and line end, and those that change the writing direction (Unicode's Bidi_Control).
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NARROW = 5  # cells; a header is cut no shorter than this
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

    Broken at spaces, and within a word only if necessary.

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


def heading(text: str, width: int, color: bool = False) -> list[str]:
    """A title in lines of at most `width` cells, bold where there is colour."""
    return [paint(line, BOLD, color) for line in wrap(text, width)]


def side_by_side(texts: Sequence[Sequence[str]], width: int, looks: Sequence[str] = ()) -> list[str]:
    """Rows of the texts' lines, each text `width` cells wide and in its look, if given.

    >>> side_by_side([["ab", "c"], ["d"]], 3)
    ['ab  │ d', 'c   │']
    """
    looks = looks or [""] * len(texts)
    rows = zip_longest(*texts, fillvalue="")
    return [
        GAP.join(paint(pad(cell, width), look) for cell, look in zip(row, looks, strict=True)).rstrip() for row in rows
    ]


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> list[list[str]]:
    """Rows of cells, each padded to the width of its column, those of `numbers` flush right.

    >>> aligned([("日本", "1"), ("a", "10")], numbers=[1])
    [['日本', ' 1'], ['a   ', '10']]
    """
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return [
        [" " * (n - cells(cell)) + cell if i in numbers else pad(cell, n) for i, (cell, n) in columns]
        for columns in (enumerate(zip(row, widths, strict=True)) for row in rows)
    ]


def table(rows: Sequence[Sequence[str]], width: int, numbers: Collection[int] = (), color: bool = False) -> list[str]:
    """Rows of cells as columns, those of `numbers` flush right. The first row is the header, dim where there is
    colour. If they do not fit, the header is cut to its column's width; if that fails, each row takes several lines.

    >>> rows = [("name", "size"), ("storyteller", "12 MB")]
    >>> table(rows, 40, numbers=[1]), table(rows, 15, numbers=[1])
    (['name          size', 'storyteller  12 MB'], ['name', '  size', 'storyteller', '  12 MB'])
    """
    rows = [[plain(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max([NARROW, *map(cells, column)]) for column in zip(*rows[1:], strict=True)]
    if rows[1:] and sum(widths) + 2 * (len(widths) - 1) <= width:
        rows[0] = rows[0] if cells("  ".join(aligned(rows)[0])) <= width else [*map(clip, rows[0], widths)]
    lines: list[str] = []
    for row, padded in zip(rows, aligned(rows, numbers), strict=True):
        line = "  ".join(padded)
        if cells(line) <= width:
            new = [line.rstrip()]
        else:
            rest = "  ".join(cell for cell in row[1:] if cell)
            new = [clip(row[0].rstrip(), width), *wrap(f"  {rest}", width, indent=2)]
        lines += new if lines else [paint(line, DIM, color) for line in new]
    return lines


def bar(share: float, n: int) -> str:
    """A share from 0 to 1 as a bar in n cells, to an eighth of a cell.

    >>> bar(0.5, 4), bar(0.3, 4)
    ('██  ', '█▏  ')
    """
    full, eighths = divmod(int(share * n * 8), 8)
    return ("█" * full + EIGHTHS[eighths].strip()).ljust(n)
