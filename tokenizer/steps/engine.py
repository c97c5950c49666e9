"""Runs patterns that `re` cannot run, or might run forever, in the `regex` library, with a time limit.

One that takes exponential time, as `(a+)+$` does on some texts, is stopped: nothing can tell in advance that it will.
"""

import re
from collections.abc import Iterator
from math import prod

import regex

from tokenizer.steps.unicode16 import as_unicode_16

SECONDS, PER_SECOND = 5, 100_000  # a text may take five seconds, and one more for each 100,000 characters
COUNTS, MOST = regex.compile(r"\{(?:\d*,)?0*([1-9]\d*)\}"), 1_000_000
CALLS = regex.compile(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|(?P<call>\(\?(?:R|[+-]?\d|&|P>)|\(\?\(DEFINE\))", regex.S)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled pattern; a ValueError if it is invalid, or calls itself.

    >>> compile_pattern("(?R)")
    Traceback (most recent call last):
    ValueError: not a pattern: '(?R)' (it calls itself, which may never end: write it without)
    """
    try:
        if any(match["call"] for match in CALLS.finditer(pattern)):
            raise regex.error("it calls itself, which may never end: write it without")
        if prod(int(count) for count in COUNTS.findall(pattern)) > MOST:
            raise regex.error("its repetitions together make more than a million: write smaller ones")
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a pattern: {pattern!r:.200} ({error})") from None


def spans(compiled: "regex.Pattern[str]", text: str) -> Iterator[tuple[int, int]]:
    """Where the pattern matches; a ValueError if that takes too long.

    >>> list(spans(compile_pattern("a+"), "aab"))
    [(0, 2)]
    """
    limit = SECONDS + len(text) / PER_SECOND
    try:
        yield from (match.span() for match in compiled.finditer(as_unicode_16(text), timeout=limit))
    except TimeoutError:
        what = f"the pattern {compiled.pattern!r:.80} takes more than {limit:.0f} seconds on {len(text):,} characters"
        raise ValueError(f"{what}: write it without a repetition inside a repetition") from None
