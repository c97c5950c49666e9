r"""Where a text may be cut before any merging: the patterns, written out part by part.

A merge never crosses a cut, so "dog", "dog!" and "dog." share the piece "dog" instead of filling the
vocabulary with variants. Each pattern is a list of alternatives; the first that fits at a place wins.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

GPT2_PATTERN = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)",  # the endings of English contractions, lower case only
        r" ?\p{L}+",  # a word, with the one space before it
        r" ?\p{N}+",  # a number, however long
        r" ?[^\s\p{L}\p{N}]+",  # punctuation, symbols, emoji, control characters
        r"\s+(?!\S)",  # white space, leaving its last character to the word behind it
        r"\s+",  # what is left: one character that is not a space, before a word
    ]
)

CL100K_PATTERN = "|".join(
    [
        r"'(?i:[sdmt]|ll|ve|re)",  # contractions in either case
        r"[^\r\n\p{L}\p{N}]?\p{L}+",  # a word with any one character before it: "(word", "\tword"
        r"\p{N}{1,3}",  # digits in groups of three from the left
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",  # punctuation takes the line ends that follow it
        r"\s*[\r\n]+",  # empty lines together with their indentation
        r"\s+(?!\S)",
        r"\s+",
    ]
)

QWEN2_PATTERN = CL100K_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")  # every digit on its own


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text by `pattern` into its pieces, in order.

    >>> compile_pattern(GPT2_PATTERN)("Hello  world, it's 2024!")
    ['Hello', ' ', ' world', ',', ' it', "'s", ' 2024', '!']
    """
    import regex

    try:
        return regex.compile(pattern).findall
    except regex.error as error:
        raise ValueError(f"not a pattern: {pattern!r} ({error})") from None


def blocks(text: str, size: int = 1 << 16) -> Iterator[str]:
    """The text in blocks of about `size` characters, each ending with a word and followed by a space.

    >>> list(blocks("one two three", size=4))
    ['one two', ' three']
    """
    start = 0
    while start < len(text):
        end = start + size
        while True:
            end = text.find(" ", end)
            if end < 0:
                end = len(text)
            elif not (text[end - 1].isascii() and text[end - 1].isalnum()):
                end += 1
                continue
            break
        yield text[start:end]
        start = end
