"""Tokens made visible: tinted text with ids under it, bytes for what is not text, vocabularies side by side.

Every function gives a string and prints nothing.
"""

import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

from tokenizer.bpe import Tokenizer

TINTS = (151, 223, 182, 153, 217, 187)  # pale colours of the 256-colour palette, to carry black letters
SIGNS = str.maketrans({" ": "·", "\n": "↵", "\t": "→", "\r": "␍"})


def use_color(wish: str = "auto", stream: TextIO | None = None) -> bool:
    """Whether to tint: "always", "never", or "auto", which means a terminal and no NO_COLOR in the environment.

    >>> use_color("always"), use_color("never")
    (True, False)
    """
    if wish not in ("auto", "always", "never"):
        raise ValueError(f"color {wish!r}: give auto, always or never")
    stream = stream or sys.stdout
    return wish == "always" or (wish == "auto" and stream.isatty() and not os.environ.get("NO_COLOR"))


def label(token: bytes) -> str:
    """A token as one line of text: signs for white space, hexadecimal bytes where it is not whole characters.

    >>> label(b" the"), label("🌟".encode()[:2]), label(b"\\x00")
    ('·the', '<f0 9f>', '<00>')
    """
    try:
        text = token.decode("utf-8").translate(SIGNS)
    except UnicodeDecodeError:
        return f"<{token.hex(' ')}>"
    return text if text.isprintable() else f"<{token.hex(' ')}>"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes.

    >>> columns("abc"), columns("漢字"), columns("e\\u0301")
    (3, 4, 1)
    """
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def show(tokenizer: Tokenizer, ids: Sequence[int], color: bool = False, width: int = 80) -> str:
    """The tokens in lines of at most `width` columns, and under each token its id.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b" hi": 256})
    >>> print(show(tok, tok.encode("O hi")))
    O  ·hi
    79 256
    """
    lines: list[str] = []
    top = bottom = ""
    used = 0
    for n, i in enumerate(ids):
        text = label(tokenizer.decode_bytes([i]))
        cell = max(columns(text), len(str(i)))
        if used and used + 1 + cell > width:
            lines += [top.rstrip(), bottom.rstrip(), ""]
            top, bottom, used = "", "", 0
        gap = " " if used else ""
        padded = text + " " * (cell - columns(text))
        tinted = f"\x1b[30;48;5;{TINTS[n % len(TINTS)]}m{text}\x1b[0m{padded[len(text) :]}"
        top += gap + (tinted if color else padded)
        bottom += gap + str(i).ljust(cell)
        used += len(gap) + cell
    return "\n".join([*lines, top.rstrip(), bottom.rstrip()])


def count(text: str, ids: Sequence[int]) -> str:
    """How long a text is in three measures.

    >>> count("né", [77, 102])
    '2 tokens, 2 characters, 3 bytes'
    """
    sizes = (len(ids), "token"), (len(text), "character"), (len(text.encode("utf-8", "surrogatepass")), "byte")
    return ", ".join(f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in sizes)


def compare(text: str, tokenizers: Mapping[str, Tokenizer], color: bool = False, width: int = 80) -> str:
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
        parts.append(f"{name}: vocabulary of {tok.n_vocab:,}, {count(text, ids)}\n{show(tok, ids, color, width)}")
    return "\n\n".join(parts)


def show_trace(tokenizer: Tokenizer, text: str) -> str:
    """Every merge of every piece, in order, with its rank.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"an": 256, b"ana": 257})
    >>> print(show_trace(tok, "ana"))
    ana
             a n a
        256  an a
        257  ana
    """
    lines = []
    for piece, steps in tokenizer.trace(text):
        data = piece.encode()
        lines.append(label(data))
        lines.append(" " * 9 + " ".join(label(data[i : i + 1]) for i in range(len(data))))
        lines += [f"{rank:7}  {' '.join(map(label, parts))}" for rank, parts in steps]
    return "\n".join(lines)
