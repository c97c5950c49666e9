"""Tokens made visible: tinted text with ids under it, bytes for what is not text, vocabularies side by side.

Every function gives a string and prints nothing.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from tokenizer.bpe import Tokenizer
from tokenizer.formats.byte_alphabet import bytes_to_unicode

TINTS = (151, 223, 182, 153, 217, 187)  # pale colours of the 256-colour palette, to carry black letters
SIGNS = str.maketrans({" ": "·", "\n": "↵", "\t": "→", "\r": "␍"})


def use_color(wish: str = "auto", stream: TextIO | None = None) -> bool:
    """Whether to colour: "always", "never", or "auto", which means a terminal that can and no NO_COLOR.

    >>> use_color("always"), use_color("never")
    (True, False)
    """
    if wish not in ("auto", "always", "never"):
        raise ValueError(f"color {wish!r}: give auto, always or never")
    able = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wish == "always" or (wish == "auto" and able and (stream or sys.stdout).isatty())


def cells(text: str) -> int:
    """How many cells of a terminal the text takes.

    >>> cells("abc"), cells("漢字"), cells("e\\u0301"), cells("👨‍👩‍👧"), cells("🇩🇪")
    (3, 4, 1, 2, 2)
    """
    if text.isascii() or max(text) < "\u0300":  # up to here all are one cell wide
        return len(text)
    from wcwidth import wcswidth  # takes longer to load than the tokenizer

    width = wcswidth(text)
    return width if width >= 0 else sum(max(0, wcswidth(c)) for c in text)  # control characters have none


def clip(text: str, width: int) -> str:
    """The text, its end cut off where it takes more cells, which an ellipsis shows.

    >>> clip("antidote", 5), clip("漢字漢字", 6), clip("Wolf", 4)
    ('anti…', '漢字…', 'Wolf')
    """
    if cells(text) <= width:
        return text
    from wcwidth import iter_graphemes

    kept = ""
    for character in iter_graphemes(text):
        if cells(kept + character) >= width:
            break
        kept += character
    return kept + "…"


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


def show(tokenizer: Tokenizer, ids: Sequence[int], color: bool = False, width: int = 80, raw: bool = False) -> str:
    """The tokens in lines of at most `width` cells, and under each token its id; `raw` as vocabulary files write them.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b" hi": 256})
    >>> print(show(tok, tok.encode("O hi")))
    O  ·hi
    79 256
    >>> print(show(tok, tok.encode("O hi"), raw=True))
    O  Ġhi
    79 256
    """
    lines: list[str] = []
    top = bottom = ""
    used = 0
    for n, i in enumerate(ids):
        token = tokenizer.decode_bytes([i])
        text = clip(bytes_to_unicode(token) if raw else label(token), width)
        cell = max(cells(text), len(str(i)))
        if used and used + 1 + cell > width:
            lines += [top.rstrip(), bottom.rstrip(), ""]
            top, bottom, used = "", "", 0
        gap = " " if used else ""
        blanks = " " * (cell - cells(text))
        tinted = f"\x1b[30;48;5;{TINTS[n % len(TINTS)]}m{text}\x1b[0m" if color else text
        top += gap + tinted + blanks
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
        head = joined(f"{name}: vocabulary of {tok.n_vocab:,}, {count(text, ids)}".split(" "), width, "  ")
        parts.append(f"{head}\n{show(tok, ids, color, width, raw)}")
    return "\n\n".join(parts)


def joined(words: Sequence[str], width: int, indent: str) -> str:
    """Words with blanks between them, in lines of at most `width` cells, indented from the second on.

    >>> joined(["one", "two", "three"], 8, "  ")
    'one two\\n  three'
    """
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if cells(longer) > width and lines[-1].strip():
            lines.append(indent + clip(word, width - len(indent)))
        else:
            lines[-1] = clip(longer, width)
    return "\n".join(lines)


def show_trace(tokenizer: Tokenizer, text: str, width: int = 80) -> str:
    """Every merge of every piece, in order, with its rank, in lines of at most `width` cells.

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
        letters = [(f"{'':9}", [data[i : i + 1] for i in range(len(data))])]
        merges = [(f"{rank:7}  ", parts) for rank, parts in steps]
        lines.append(clip(label(data), width))
        for head, parts in (*letters, *merges):
            first, *rest = map(label, parts)
            lines.append(joined([head + first, *rest], width, " " * 9))
    return "\n".join(lines)
