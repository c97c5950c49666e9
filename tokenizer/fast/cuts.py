r"""Where a text may be cut, before the rest is known, so that the pieces of both parts are the pieces of the whole.

A match reads neighbouring characters one after the other. `neighbours` lists which classes a pattern can read in
succession, look-around included, as Glushkov's construction does for automata (1961). Between two characters that
match no such pair, whatever has read the first fails at the second, just as it would at the end of the text: no match
spans the two, and each side is cut as if it were alone.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from itertools import accumulate
from typing import NamedTuple

from tokenizer.splitting import compile_pattern, split

ANY = r"(?:.|\n)"
ATOM = re.compile(r"\[\^?(?:\\.|[^]\\])+\]|\\[pP]\{\^?\w+\}|\\[sSdDwWnrtfv]|\\[^\w\s]|[^]\\^$|?*+()\[{}]")
GROUP = re.compile(r"\((?:\?(?P<kind>[is]*:|>|=|!|<=|<!|P?<\w+>))?")
REPEAT = re.compile(r"(?:(?P<op>[*+?])|\{(?=,?\d)(?P<low>\d*),?\d*\})[?+]?")
FLAGS = re.compile(r"\(\?(?P<names>[is]+)\)")
EDGE = re.compile(r"(?P<start>\^|\\A)|\$|\\[Zz]")
SET_OPERATIONS = ("[", "&&", "||", "--", "~~")
FIRST = 64  # characters at the end of a text that are searched first


class Part(NamedTuple):
    """Of a part of a pattern: the classes that it can read first and last, and whether it may read nothing."""

    first: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()
    empty: bool = True


class Unknown(Exception):
    """The pattern has a part that `neighbours` cannot analyse."""


def neighbours(pattern: str) -> frozenset[tuple[str, str]]:
    r"""The pairs of classes, as the pattern writes them, that it can read in succession; Unknown if there may be more.

    >>> sorted(neighbours(r" ?\p{L}+|\s+(?!\S)"))
    [(' ', '\\p{L}'), ('\\p{L}', '\\p{L}'), ('\\s', '\\S'), ('\\s', '\\s')]
    """
    pairs: set[tuple[str, str]] = set()
    behind: set[str] = set()
    at = 0

    def choice(flags: str) -> Part:
        nonlocal at
        parts = [sequence(flags)]
        while pattern.startswith("|", at):
            at += 1
            parts.append(sequence(flags))
        firsts, lasts, empties = zip(*parts, strict=True)
        return Part(frozenset().union(*firsts), frozenset().union(*lasts), any(empties))

    def sequence(flags: str) -> Part:
        whole = Part()
        while at < len(pattern) and pattern[at] not in "|)":
            part = repeated(item(flags))
            pairs.update((a, b) for a in whole.last for b in part.first)
            first = whole.first | part.first if whole.empty else whole.first
            last = whole.last | part.last if part.empty else part.last
            whole = Part(first, last, whole.empty and part.empty)
        return whole

    def item(flags: str) -> Part:
        nonlocal at
        if edge := EDGE.match(pattern, at):
            at = edge.end()
            if edge["start"]:  # as (?<!ANY)
                behind.add(ANY)
                return Part(last=frozenset([ANY]))
            pairs.add((r"\n", ANY))  # as (?!ANY), and in `regex` as (?!\n?ANY)
            return Part(first=frozenset([ANY]))
        if group := GROUP.match(pattern, at):
            at = group.end()
            kind = group["kind"] or ":"
            part = choice("".join(sorted({*flags, *kind.rstrip(":")})) if kind[-1] == ":" else flags)
            if not pattern.startswith(")", at):
                raise Unknown(pattern)
            at += 1
            if kind in ("=", "!"):
                return Part(first=part.first, last=part.last & behind)
            if kind in ("<=", "<!"):
                behind.update(part.last)
                return Part(last=part.last)
            return part
        atom = ATOM.match(pattern, at)
        if not atom or any(sign in atom.group()[1:] for sign in SET_OPERATIONS):
            raise Unknown(pattern)
        at = atom.end()
        one = frozenset([f"(?{flags}:{atom.group()})" if flags else atom.group()])
        return Part(one, one, False)

    def repeated(part: Part) -> Part:
        nonlocal at
        while mark := REPEAT.match(pattern, at):
            at = mark.end()
            if mark["op"] != "?":
                pairs.update((a, b) for a in part.last for b in part.first)
            if mark["op"] in ("*", "?") or (not mark["op"] and not int(mark["low"] or 0)):
                part = part._replace(empty=True)
        return part

    flags = FLAGS.match(pattern)
    at = flags.end() if flags else 0
    whole = choice(flags["names"] if flags else "")
    if at < len(pattern):
        raise Unknown(pattern)
    return frozenset(pairs | {(a, ANY) for a in whole.last & behind})


@lru_cache(maxsize=64)
def cutter(pattern: str, composed: bool = False) -> Callable[[str], int]:
    r"""The function that says where to cut a text that may go on: at the last place that is proven safe, or at 0.

    In a text that is `composed` (NFC), what follows may still change its last character, and so the pieces.

    >>> cutter(r" ?\p{L}+|\s+(?!\S)|\s+")("one two  three four")
    7
    """
    try:
        found = neighbours(pattern)
    except (Unknown, RecursionError):
        return lambda _text: 0
    after: dict[str, list[str]] = {}
    for a, b in sorted(found):
        after.setdefault(a, []).append(b)
    pairs = "|".join([f"{a}(?={'|'.join(then)})" for a, then in after.items()]) or "(?!)"
    apart = f"(?!{pairs}){ANY}(?={ANY})"

    def cut(text: str) -> int:
        start, reach = len(text), FIRST
        while start > 0:
            start, reach = max(0, len(text) - reach), reach * 8
            window = text[start:]
            between = compile_pattern(apart, window.isascii())
            if type(between) is not type(compile_pattern(pattern, window.isascii())):  # both must know the same letters
                between = import_module("regex").compile(apart)
            places = [start + match.end() for match in between.finditer(window)]
            if composed:
                places = [i for i in places if begins_anew(text[i]) and begins_anew(text[i + 1 : i + 2])]
            for first, place, last in reversed(list(zip(places, places[1:], places[2:], strict=False))):
                if place - first in accumulate(map(len, split(text[first:last], pattern))):
                    return place  # elsewhere two gaps of the pattern meet, which are one piece
        return 0

    return cut


def begins_anew(char: str) -> bool:
    """Whether NFC keeps this character and never composes it with what precedes it, so a text may be cut before it.

    >>> [begins_anew(char) for char in ("a", "中", "\u0301", "\u1161", "")]
    [True, True, False, False, False]
    """
    if not char or "\u1100" <= char <= "\u11ff" or "\U00016d40" <= char <= "\U00016d7f":  # jamo; Kirat Rai vowels
        return False
    return char < "\u0300" or (unicodedata.category(char)[0] != "M" and unicodedata.is_normalized("NFC", char))
