r"""Pre-tokenization: where a text is cut before any merging, by the patterns of four vocabularies (lesson 03).

A merge never crosses a cut, so "dog", "dog!" and "dog." share the piece "dog" instead of filling the
vocabulary with variants. A pattern is a list of alternatives; the first that matches at a place wins.
Sources: `encoder.py` of GPT-2; `openai_public.py` of tiktoken; the tokenizer.json of Qwen2 and of SmolLM2.
"""

import re
from collections.abc import Iterable

GPT2_PATTERN = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)",  # the endings of English contractions, lower case only
        r" ?\p{L}+",  # a word, with the one space before it
        r" ?\p{N}+",  # a number, however long
        r" ?[^\s\p{L}\p{N}]+",  # punctuation, symbols, emoji, control characters
        r"\s+(?!\S)",  # white space, leaving its last character to the word after it
        r"\s+",  # the rest: one white-space character other than a space, before a word
    ]
)

CL100K_PATTERN = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",  # contractions in either case
        r"[^\r\n\p{L}\p{N}]?\p{L}+",  # a word with any one character before it: "(word", "\tword"
        r"\p{N}{1,3}",  # digits in groups of three from the left
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",  # punctuation takes the line ends that follow it
        r"\s*[\r\n]+",  # empty lines together with their indentation
        r"\s+(?!\S)",
        r"\s+",
    ]
)

# Qwen2 is cl100k with every digit on its own; SmolLM2 is GPT-2 with each digit split off first, so that
# white space before a digit stays whole.
QWEN2_PATTERN = CL100K_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
SMOLLM2_PATTERN = GPT2_PATTERN.replace(r" ?\p{N}+", r"\p{N}").replace(r"(?!\S)", r"(?![^\s\p{N}])")


def any_of(names: Iterable[str]) -> re.Pattern[str]:
    """A pattern for any of the names, the longest first; it matches nothing if there are none.

    >>> any_of(["<a>", "<a><b>"]).findall("<a><b><a>")
    ['<a><b>', '<a>']
    """
    return re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)")
