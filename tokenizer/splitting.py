r"""Cutting a text into pieces by a pattern (lesson 03). Python's `re` lacks \p{L} and \p{N}: they are written out."""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module

from tokenizer.unicode import members

PART = re.compile(r"\[\^?(?:\\.|[^]\\])+\]|\\[pP]\{[LN]\}|\\.|\$")  # what may have to be rewritten for `re`
# \w, \p{Lu}, named groups, and repeated groups, which may take forever: `regex` has these, and a time limit
BEYOND_RE = re.compile(r"\\[^\W_nrtfvZ]|\(\?(?!i?:|[=!]|<[=!])|\)[*+{]")


def split(text: str, pattern: str) -> list[str]:
    r"""The pieces of a text, in order; what matches no part of the pattern is a piece too, so nothing is lost.

    >>> split("Hello  world!", r" ?\p{L}+|\s")
    ['Hello', ' ', ' world', '!']
    """
    pieces, last = [], 0
    for start, end in spans(text, pattern):
        pieces += [text[last:start], text[start:end]]
        last = end
    return [piece for piece in [*pieces, text[last:]] if piece]


def spans(text: str, pattern: str) -> Iterator[tuple[int, int]]:
    """Where the pattern matches, from left to right."""
    compiled = compile_pattern(pattern, text.isascii())
    if isinstance(compiled, re.Pattern):
        return (match.span() for match in compiled.finditer(text))
    return import_module("tokenizer.steps.engine").spans(compiled, text)


@lru_cache(maxsize=64)
def compile_pattern(pattern: str, ascii_only: bool = False) -> re.Pattern[str]:
    """The pattern, compiled for ASCII texts or, more slowly, for all texts; a ValueError if it is invalid."""
    sets = {r"\p{L}": members("L", ascii_only), r"\p{N}": members("N", ascii_only), r"\s": members("s", ascii_only)}
    outside = {name: f"[{chars}]" for name, chars in sets.items()}
    outside |= {name.replace("p", "P").replace("s", "S"): f"[^{chars}]" for name, chars in sets.items()}

    def written_out(match: re.Match[str]) -> str:
        part = match.group()
        if part[0] == "[":
            return re.sub(r"\\p\{[LN]\}|\\.", lambda item: sets.get(item.group(), item.group()), part)
        return outside.get(part, r"\Z" if part == "$" else part)  # in `re` a dollar also matches before a last line end

    written = PART.sub(written_out, pattern)
    try:
        if not BEYOND_RE.search(written):
            return re.compile(written)
    except (re.error, RecursionError, OverflowError):
        pass  # it may be valid for `regex`, which otherwise says what is wrong with it
    return import_module("tokenizer.steps.engine").compile_pattern(pattern)  # slow, so only where it is needed
