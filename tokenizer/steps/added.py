"""Added tokens in a text: where they are, and what text between them goes to the pattern and the merges."""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from importlib import import_module

from tokenizer.patterns import any_of
from tokenizer.steps.cutting import Step, cut
from tokenizer.steps.normalizing import Normalizer, normalize
from tokenizer.steps.unicode16 import as_unicode_16
from tokenizer.unicode import WHITE

FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
ORDINARY = "ordinary"  # not special, in a tokenizer.json: kept for writing one
Flags = Mapping[str, Collection[str]]  # of the tokens that have any


def parts(
    text: str,
    names: Collection[str],
    ids: Mapping[str, int],
    flags: Flags,
    normalizer: Normalizer,
    cuts: Collection[Step],
) -> list[str | int]:
    """The ids of the named tokens, and between them the text as the pattern gets it.

    A token with the flag `normalized` is looked for in the normalized text, in its own normal form.

    >>> parts("A<x> b", ["<x>"], {"<x>": 7}, {"<x>": ["rstrip"]}, "Lowercase", [])
    ['a', 7, 'b']
    """
    if not flags and not cuts:  # the usual case
        found = re.split(f"({any_of(names).pattern})", text) if names else [text]
        return [ids[part] if i % 2 else normalize(part, normalizer) for i, part in enumerate(found)]
    late = {normalize(name, normalizer): name for name in names if "normalized" in flags.get(name, ())}
    early = {name: name for name in names if name not in late.values()}
    result: list[str | int] = []
    for part, name in seek(text, early, flags):
        if name:
            result.append(ids[name])
            continue
        for piece, late_name in seek(normalize(part, normalizer), late, flags):
            result += [ids[late_name]] if late_name else cut(piece, cuts)
    return result


def seek(text: str, names: Mapping[str, str], flags: Flags) -> Iterator[tuple[str, str]]:
    """The text in order: each token with its name, and the text in between with an empty one.

    >>> list(seek("a <x>b", {"<x>": "<x>"}, {"<x>": ["lstrip"]}))
    [('a', ''), (' <x>', '<x>'), ('b', '')]
    """
    last = 0
    for match in any_of(names).finditer(text) if names else ():
        name = names[match.group()]
        start, end = match.span()
        has = flags.get(name, ())
        if "single_word" in has and (_is_word(text[start - 1 : start]) or _is_word(text[end : end + 1])):
            continue
        if "lstrip" in has:
            start = max(last, len(text[:start].rstrip(WHITE)))
        if "rstrip" in has:
            while end < len(text) and text[end] in WHITE:
                end += 1
        if last < start:
            yield text[last:start], ""
        yield text[start:end], name
        last = end
    if last < len(text):
        yield text[last:], ""


@lru_cache
def _is_word(char: str) -> bool:
    word = import_module("regex").compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]")
    return bool(word.match(as_unicode_16(char)))
