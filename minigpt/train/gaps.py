"""The tasks that BERT, T5 and BART learn from plain text: something is hidden, and the model predicts it.

A text is a list of words here, a word the list of its ids. Sources: Devlin et al. 2019, section 3.1; Raffel et al.
2020, section 3.1.4; Lewis et al. 2020, section 2.2. Spans are shorter here than theirs: of one to three words.
"""

from collections.abc import Sequence
from itertools import chain
from random import Random
from typing import NamedTuple

Words = Sequence[Sequence[int]]
IGNORED = -100  # the label of a token at which nothing is predicted, as in cross_entropy
LONGEST_SPAN = 3  # words
SHARE = 0.15  # of the words of a text are hidden from BERT and T5
BART_SHARE = 0.3


class Gaps(NamedTuple):
    """What the model reads; for each of its tokens, the original, if it is asked for; what a decoder has to write."""

    ids: list[int]
    labels: list[int]  # one for each id, most of them IGNORED; for a span of several tokens the first
    text: Sequence[int] = ()


def flat(words: Words) -> list[int]:
    """The ids of some words in a row.

    >>> flat([[1, 2], [3]])
    [1, 2, 3]
    """
    return list(chain.from_iterable(words))


def mask_words(words: Words, mask: int, ordinary: range, rng: Random, share: float = SHARE) -> Gaps:
    """BERT's task, on whole words: of those chosen, 80 % are masked, 10 % become random ids from `ordinary`, 10 % stay.

    >>> mask_words([[7, 8], [9]], 4, range(5, 10), Random(1), share=1)
    Gaps(ids=[4, 4, 4], labels=[7, 8, 9], text=())
    """
    chosen = {i for i in range(len(words)) if rng.random() < share} or {rng.randrange(len(words))}
    ids: list[int] = []
    labels: list[int] = []
    for i, word in enumerate(words):
        how = rng.random() if i in chosen else 1.0
        ids += [mask] * len(word) if how < 0.8 else [rng.choice(ordinary) for _ in word] if how < 0.9 else word
        labels += word if i in chosen else [IGNORED] * len(word)
    return Gaps(ids, labels)


def choose_spans(n: int, share: float, rng: Random) -> list[tuple[int, int]]:
    """Spans (start, end) of one to three of n words, about this share of all, at least one, no two adjacent.

    >>> choose_spans(1, 0.5, Random(0))
    [(0, 1)]
    """
    found, i, starts = [], 0, share / (1 - share) / 2  # 2 is their mean length
    while i < n:
        end = min(n, i + rng.randint(1, LONGEST_SPAN))
        if rng.random() < starts:
            found.append((i, end))
            i = end
        i += 1
    start = rng.randrange(n)
    return found or [(start, min(n, start + rng.randint(1, LONGEST_SPAN)))]


def drop_spans(words: Words, sentinels: Sequence[int], spans: Sequence[tuple[int, int]]) -> Gaps:
    """T5's task: a sentinel replaces each dropped span; the decoder writes the spans, each after its sentinel, and
    one more sentinel. Without the token that ends a text.

    >>> drop_spans([[1], [2], [3], [4, 5]], [90, 91, 92], [(0, 1), (3, 4)])
    Gaps(ids=[90, 2, 3, 91], labels=[1, -100, -100, 4], text=[90, 1, 91, 4, 5, 92])
    """
    ids: list[int] = []
    labels: list[int] = []
    text: list[int] = []
    at = 0
    for sentinel, (start, end) in zip(sentinels, spans, strict=False):
        kept, dropped, at = flat(words[at:start]), flat(words[start:end]), end
        ids += [*kept, sentinel]
        labels += [*[IGNORED] * len(kept), dropped[0]]
        text += [sentinel, *dropped]
    kept = flat(words[at:])
    last = sentinels[min(len(spans), len(sentinels) - 1)]
    return Gaps([*ids, *kept], [*labels, *[IGNORED] * len(kept)], [*text, last])


def infill(words: Words, mask: int, spans: Sequence[tuple[int, int]]) -> Gaps:
    """BART's task: one mask replaces a span of any length; the decoder writes the whole text. Without the tokens
    around a text.

    >>> infill([[1], [2], [3], [4, 5]], 99, [(1, 3)])
    Gaps(ids=[1, 99, 4, 5], labels=[-100, 2, -100, -100], text=[1, 2, 3, 4, 5])
    """
    return drop_spans(words, [mask] * (len(spans) + 1), spans)._replace(text=flat(words))
