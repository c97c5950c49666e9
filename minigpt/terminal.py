"""Texts side by side in a terminal: how wide a character is, where a line breaks, what must not reach the screen."""

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

import regex

CLUSTER = regex.compile(r"\X")  # what a reader sees as one character
GAP = " │ "
UNSHOWN = regex.compile(r"[\p{Cc}\p{Bidi_Control}--[\n\t]]", regex.V1)  # would steer the terminal, not show


def plain(text: str) -> str:
    """The text without what a terminal would obey: control characters, changes of direction.

    >>> plain("a\\x1b[31mb\\tc")
    'a\\ufffd[31mb    c'
    """
    return UNSHOWN.sub("\ufffd", text).replace("\t", "    ")


def width_of(text: str) -> int:
    """How many cells of a terminal the text takes.

    >>> width_of("abc"), width_of("日本"), width_of("e\\u0301"), width_of("👩‍👩‍👧")
    (3, 4, 1, 2)
    """
    if text.isascii():
        return len(text)
    return sum(max(map(cells, cluster)) for cluster in CLUSTER.findall(text))


def cells(char: str) -> int:
    """How many cells one code point takes: 2 for wide ones, flags and the emoji sign, 0 for marks, else 1."""
    if unicodedata.east_asian_width(char) in "WF" or char == "\ufe0f" or "\U0001f1e6" <= char <= "\U0001f1ff":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me", "Cf") else 1


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken at blanks, and within a word only where it must be.

    >>> wrap("to be or not\\nto be, antidisestablishmentarianism", 12)
    ['to be or not', 'to be, antid', 'isestablishm', 'entarianism']
    """
    lines = []
    for paragraph in plain(text).split("\n"):
        line = ""
        for word in regex.findall(r" *[^ ]+| +", paragraph):
            if line and width_of(line + word) > width and width_of(word.lstrip()) <= width:
                lines.append(line)
                line = word.lstrip()
                continue
            line += word
            while width_of(line) > width:
                head = fitting(line, width)
                lines.append(head)
                line = line[len(head) :]
        if line or not paragraph:
            lines.append(line)
    return [line.rstrip() for line in lines]


def fitting(text: str, width: int) -> str:
    """As many of the first characters as fit, one at least.

    >>> fitting("日本語", 5)
    '日本'
    """
    clusters = CLUSTER.findall(text)
    taken, used = clusters[:1], width_of(clusters[0])
    for cluster in clusters[1:]:
        used += width_of(cluster)
        if used > width:
            break
        taken.append(cluster)
    return "".join(taken)


def pad(text: str, width: int) -> str:
    """The text with blanks up to the width."""
    return text + " " * (width - width_of(text))


def side_by_side(columns: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows of the columns' lines, each column `width` cells wide.

    >>> side_by_side([["ab", "c"], ["d"]], 3)
    ['ab  │ d', 'c   │']
    """
    rows = zip_longest(*columns, fillvalue="")
    return [GAP.join(pad(cell, width) for cell in row).rstrip() for row in rows]
