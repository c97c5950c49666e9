"""Tokens made visible: tinted text with ids under it, bytes for what is not text, vocabularies side by side.

Every function returns a string and prints nothing.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TextIO

from tokenizer.bpe import Tokenizer
from tokenizer.formats.byte_alphabet import bytes_to_unicode

# Terminal styles for `paint`: the blue and orange of the pictures (minigpt.pictures.drawing.COLORS), from the 256
# colours those readable on white and on black; and both as pale backgrounds for black text, for alternating tokens.
TINT, SECOND, BOLD, DIM = "38;5;32", "38;5;166", "1", "2"
PALE = ("38;5;16;48;5;153", "38;5;16;48;5;223")
SIGNS = str.maketrans({" ": "·", "\n": "↵", "\t": "→", "\r": "␍"})


def use_color(wish: str = "auto", stream: TextIO | None = None) -> bool:
    """Whether to colour: "always", "never", or "auto", which means on a capable terminal and without NO_COLOR.

    >>> use_color("always"), use_color("never")
    (True, False)
    """
    if wish not in ("auto", "always", "never"):
        raise ValueError(f"color {wish!r}: give auto, always or never")
    able = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wish == "always" or (wish == "auto" and able and (stream or sys.stdout).isatty())


def paint(text: str, look: str, color: bool = True) -> str:
    """The text in a look, except trailing blanks; unchanged without colour.

    >>> paint("a  ", TINT), paint("a", TINT, color=False), paint("a", "")
    ('\\x1b[38;5;32ma\\x1b[0m  ', 'a', 'a')
    """
    body = text.rstrip()
    return f"\033[{look}m{body}\033[0m{text[len(body) :]}" if color and look and body else text


def cells(text: str) -> int:
    """How many terminal cells the text takes.

    >>> cells("abc"), cells("漢字"), cells("e\\u0301"), cells("👨‍👩‍👧"), cells("🇩🇪")
    (3, 4, 1, 2, 2)
    """
    if text.isascii() or max(text) < "\u0300":  # up to here all are one cell wide
        return len(text)
    from wcwidth import wcswidth  # takes longer to load than the tokenizer

    width = wcswidth(text)
    return width if width >= 0 else sum(max(0, wcswidth(c)) for c in text)  # control characters have no width


def clip(text: str, width: int) -> str:
    """The text, truncated with an ellipsis if it takes more than `width` cells.

    >>> clip("antidote", 5), clip("漢字漢字", 6), clip("Wolf", 4)
    ('anti…', '漢字…', 'Wolf')
    """
    if cells(text) <= width:
        return text
    kept = fitting(text, width - 1)
    return (kept if cells(kept) < width else "") + "…"


def fitting(text: str, width: int) -> str:
    """As many of the first characters as fit, at least one.

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
    """The text padded with blanks to the width."""
    return text + " " * (width - cells(text))


def fill(sizes: Sequence[float], width: float, gap: float = 1) -> list[range]:
    """Which things, given their sizes and the gap between them, go on which line; every line has at least one.

    >>> fill([3, 4, 2, 9], 8)
    [range(0, 2), range(2, 3), range(3, 4)]
    """
    starts, used = [0], 0.0
    for n, size in enumerate(sizes):
        if n > starts[-1] and used + gap + size > width:
            starts.append(n)
        used = used + gap + size if n > starts[-1] else size
    return [range(start, end) for start, end in pairwise([*starts, len(sizes)])]


def label(token: bytes) -> str:
    """A token as one line of text: signs for white space, hexadecimal bytes if it is not printable text.

    >>> label(b" the"), label("🌟".encode()[:2]), label(b"\\x00")
    ('·the', '<f0 9f>', '<00>')
    """
    try:
        text = token.decode("utf-8").translate(SIGNS)
    except UnicodeDecodeError:
        return f"<{token.hex(' ')}>"
    return text if text.isprintable() else f"<{token.hex(' ')}>"


def show(tokenizer: Tokenizer, ids: Sequence[int], color: bool = False, width: int = 80, raw: bool = False) -> str:
    """The tokens in lines of at most `width` cells, each with its id below; `raw`: as vocabulary files write them.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b" hi": 256})
    >>> print(show(tok, tok.encode("O hi")))
    O  ·hi
    79 256
    >>> print(show(tok, tok.encode("O hi"), raw=True))
    O  Ġhi
    79 256
    """
    tokens = [tokenizer.decode_bytes([i]) for i in ids]
    texts = [clip(bytes_to_unicode(token) if raw else label(token), width) for token in tokens]
    sizes = [max(cells(text), len(str(i))) for text, i in zip(texts, ids, strict=True)]
    lines = []
    for row in fill(sizes, width):
        tops = [paint(texts[n], PALE[n % 2], color) + " " * (sizes[n] - cells(texts[n])) for n in row]
        numbers = " ".join(str(ids[n]).ljust(sizes[n]) for n in row)
        lines += [" ".join(tops).rstrip(), paint(numbers.rstrip(), DIM, color), ""]
    return "\n".join(lines[:-1])


def count(text: str, ids: Sequence[int]) -> str:
    """The length of a text in three units.

    >>> count("né", [77, 102])
    '2 tokens, 2 characters, 3 bytes'
    """
    sizes = (len(ids), "token"), (len(text), "character"), (len(text.encode("utf-8", "surrogatepass")), "byte")
    return ", ".join(f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in sizes)


def compare(
    text: str, tokenizers: Mapping[str, Tokenizer], color: bool = False, width: int = 80, raw: bool = False
) -> str:
    """The same text in several vocabularies, one below the other, each with its size and its count.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)})
    >>> print(compare("Hi", {"bytes": tok}))
    bytes: vocabulary of 256, 2 tokens, 2 characters, 2 bytes
    H  i
    72 105
    """
    parts = []
    for name, tok in tokenizers.items():
        ids = tok.encode(text)
        words = f"{name}: vocabulary of {tok.n_vocab:,}, {count(text, ids)}".split(" ")
        words = [clip(word, width - 2) for word in words]
        for row in fill([*map(cells, words)], width - 2):
            parts.append("  " * (row.start > 0) + paint(" ".join(words[n] for n in row), BOLD, color))
        parts += [show(tok, ids, color, width, raw), ""]
    return "\n".join(parts[:-1])


def show_trace(tokenizer: Tokenizer, text: str, width: int = 80, color: bool = False) -> str:
    """Every merge of every piece, in order, with its rank, in lines of at most `width` cells; new tokens are coloured.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"an": 256, b"ana": 257})
    >>> print(show_trace(tok, "ana"))
    ana
             a n a
        256  an a
        257  ana
    """
    lines = []
    for piece, merges in tokenizer.trace(text):
        data = piece.encode()
        before = [data[i : i + 1] for i in range(len(data))]
        lines.append(paint(clip(label(data), width), BOLD, color))
        for rank, tokens in [("", before), *merges]:
            made = next((n for n, token in enumerate(tokens) if token != before[n]), -1)
            names = [clip(label(token), width - 9) for token in tokens]
            for row in fill([*map(cells, names)], width - 9):
                head = paint(f"{'' if row.start else rank:>7}  ", DIM, color)
                lines.append(head + " ".join(paint(names[n], TINT * (n == made), color) for n in row))
            before = tokens
    return "\n".join(lines)
