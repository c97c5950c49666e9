"""Running a pattern: the standard library's `re` where it can, the slower `regex` module where it cannot."""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from types import ModuleType

from tokenizer.unicode import LETTERS, NUMBERS, WHITE_SPACE

Split = Callable[[str], list[str]]


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> Split:
    """The function that cuts a text by `pattern` into its pieces, in order; what fits no part is a piece too.

    A pattern of \\p{L}, \\p{N}, \\s and plain parts runs in `re`, with the classes of `tokenizer.unicode`
    written out; others run in the `regex` module.

    >>> compile_pattern(r" ?\\p{L}+|\\s")("Hello  world!")
    ['Hello', ' ', ' world', '!']
    """
    if translate(pattern, ascii_only=True) is None:
        import regex  # slow to import, so only where it is needed

        return _covering(pattern, regex)

    narrow = _covering(translate(pattern, ascii_only=True) or "", re)
    wide = cache(lambda: _covering(translate(pattern, ascii_only=False) or "", re))  # its classes compile slowly
    return lambda text: narrow(text) if text.isascii() else wide()(text)


def _covering(pattern: str, module: ModuleType) -> Split:
    try:
        compiled = module.compile(pattern)
    except module.error as error:
        raise ValueError(f"not a pattern: {pattern!r} ({error})") from None

    def split(text: str) -> list[str]:
        pieces: list[str] = [] if compiled.groups else compiled.findall(text)
        if "".join(pieces) == text:
            return pieces
        pieces, end = [], 0
        for match in compiled.finditer(text):
            pieces += [text[end : match.start()], match.group()]
            end = match.end()
        return [piece for piece in (*pieces, text[end:]) if piece]

    return split


def translate(pattern: str, ascii_only: bool) -> str | None:
    """The pattern for `re`, with classes written out (for ASCII texts or for all), or None where `re` cannot do it.

    >>> translate(r" ?\\p{N}+|[^\\s\\p{N}]$", ascii_only=True)
    ' ?[0-9]+|[^\\t-\\r 0-9]\\\\Z'
    """
    inside = False

    def part(match: re.Match[str]) -> str:
        nonlocal inside
        found = match.group()
        if found in ("[", "[^", "]"):
            inside = found != "]"
        elif found == "$" and not inside:
            return r"\Z"  # in `re` a dollar also fits before a last line end
        elif found in (r"\s", r"\S") or found.endswith("}"):
            chars = members(found[3] if found[1] in "pP" else "s", ascii_only)
            if inside:
                return chars if found[1].islower() else "\0"
            return f"[{chars}]" if found[1].islower() else f"[^{chars}]"
        strange_escape = found[0] == "\\" and found[1].isalnum() and found[1] not in "rntfv"
        strange_group = found[:2] == "(?" and found[2:] not in (":", "i:", "=", "!", "<=", "<!")
        return "\0" if strange_escape or strange_group else found

    result = re.sub(r"\\[pP]\{[LN]\}|\\.|\[\^?|\]|\$|\(\?(?:i:|<?.)", part, pattern)
    return None if "\0" in result else result


@cache
def members(name: str, ascii_only: bool = False) -> str:
    """The inside of a character class: "L" letters, "N" numbers, "s" white space.

    >>> members("N", ascii_only=True)
    '0-9'
    """
    ranges = [tuple(chr(int(end, 16)) for end in item.split("-"))
              for item in {"L": LETTERS, "N": NUMBERS, "s": WHITE_SPACE}[name].split()]  # fmt: skip
    return "".join("-".join(ends) for ends in ranges if not ascii_only or ends[0].isascii())
