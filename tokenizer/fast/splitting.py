"""Cutting as `tokenizer.splitting.split` does, by one `findall` if the pattern matches all of the text."""

import re
from collections.abc import Callable
from functools import lru_cache

from tokenizer.splitting import compile_pattern, split


@lru_cache(maxsize=64)
def splitter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text by `pattern`; non-ASCII characters need a form that compiles slowly.

    >>> splitter(r" ?\\p{L}+|\\s")("Hello  world!")
    ['Hello', ' ', ' world', '!']
    """
    narrow = compile_pattern(pattern, ascii_only=True)
    if narrow.groups or not isinstance(narrow, re.Pattern) or narrow.match(""):
        return lambda text: split(text, pattern)

    def cut(text: str) -> list[str]:
        found = narrow.findall(text) if text.isascii() else compile_pattern(pattern).findall(text)
        return found if "".join(found) == text else split(text, pattern)

    return cut
