"""The trainer of Unigram: start with far too many pieces, find their probabilities, drop those that matter least.

Source: Kudo 2018 (arXiv 1804.10959), section 3.2. Small and slow on purpose: a page of text takes seconds.
"""

import math
from collections import Counter
from collections.abc import Mapping

from tokenizer.unigram import SPACE, UNKNOWN, Unigram, best_pieces

LONGEST = 8  # characters of a piece
SEEDS = 10  # times as many pieces to start with as are wanted in the end
KEPT = 0.75  # the share kept in each round
Scores = dict[str, float]  # pieces with their log-probabilities


def train_unigram(text: str, n: int) -> Unigram:
    """A vocabulary of at most n pieces, the first of them <unk>, the others in order of decreasing probability.

    Raises ValueError if the text has no words, or n is too small for its characters, all of which are kept.

    >>> tok = train_unigram("hug pug hugs pugs hug pun bun mug " * 9, 14)
    >>> tok.tokenize("hugs bun"), tok.n_vocab
    (['▁hug', 's', '▁bun'], 14)
    """
    words = Counter(SPACE + word for word in text.split())
    least = 1 + len({char for word in words for char in word})
    if n < least or not words:
        raise ValueError(f"n is {n}; this text of {len(words)} different words needs at least {max(least, 2)} pieces")
    scores = seeds(words, SEEDS * n)
    while True:
        for _ in range(2):
            counts = expected_counts(words, scores)
            scores = maximize(counts)
        if len(scores) < n:
            return Unigram([("<unk>", 0.0), *sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))])
        scores = prune(scores, counts, max(n - 1, int(KEPT * len(scores))))


def as_t5(tok: Unigram, n_sentinels: int = 100) -> Unigram:
    """The vocabulary in T5's order, with its special tokens: <pad> 0, </s> 1, which ends every text, <unk> 2, the
    pieces, and the sentinels that stand for dropped spans, <extra_id_0> last.

    >>> as_t5(train_unigram("a a", 3), 2).encode("a <extra_id_0>", "all")
    [4, 3, 6]
    """
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(n_sentinels))]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *tok.pieces[1:], *((name, 0.0) for name in sentinels)]
    special = {name: i for i, (name, _) in enumerate(pieces) if name in {"<pad>", "</s>", "<unk>", *sentinels}}
    return Unigram(pieces, unk=2, special_tokens=special, around=((), (1,)))


def seeds(words: Mapping[str, int], n: int) -> Scores:
    """All characters, and those repeated substrings of words that cover the most text.

    >>> sorted(seeds({"▁hug": 2, "▁bug": 1}, 2))
    ['b', 'g', 'h', 'hug', 'u', '▁', '▁hug']
    """
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(start + LONGEST, len(word)) + 1):
                counts[word[start:end]] += times
    long = [piece for piece, times in counts.items() if len(piece) > 1 and times > 1]
    best = sorted(long, key=lambda piece: (-counts[piece] * len(piece), piece))[:n]
    return maximize({piece: counts[piece] for piece in counts if len(piece) == 1} | {p: counts[p] for p in best})


def expected_counts(words: Mapping[str, int], scores: Scores) -> dict[str, float]:
    """The expected count of each piece over all segmentations of each word (the E step of EM).

    >>> counts = expected_counts({"ab": 10}, {"a": math.log(0.5), "b": math.log(0.25), "ab": math.log(0.125)})
    >>> {piece: round(count, 6) for piece, count in counts.items()}  # a b and ab are as probable
    {'a': 5.0, 'b': 5.0, 'ab': 5.0}
    """
    counts = dict.fromkeys(scores, 0.0)
    for word, times in words.items():
        n = len(word)
        spans = [(i, j) for i in range(n) for j in range(i + 1, min(i + LONGEST, n) + 1) if word[i:j] in scores]
        ahead = [0.0] + [-math.inf] * n  # the log-probability of all paths from the beginning to each place
        behind = [-math.inf] * n + [0.0]  # and of all from there to the end
        for i, j in spans:
            ahead[j] = log_add(ahead[j], ahead[i] + scores[word[i:j]])
        for i, j in reversed(spans):
            behind[i] = log_add(behind[i], scores[word[i:j]] + behind[j])
        for i, j in spans:
            counts[word[i:j]] += times * math.exp(ahead[i] + scores[word[i:j]] + behind[j] - ahead[n])
    return counts


def log_add(a: float, b: float) -> float:
    """log(e^a + e^b), where a or b may be -inf.

    >>> round(log_add(math.log(2), math.log(3)), 6) == round(math.log(5), 6)
    True
    """
    return max(a, b) + math.log1p(math.exp(-abs(a - b))) if min(a, b) > -math.inf else max(a, b)


def maximize(counts: Mapping[str, float]) -> Scores:
    """The log-probabilities that make these counts most likely (the M step of EM); pieces longer than a character with
    a count below one half are dropped.

    >>> {piece: round(score, 3) for piece, score in maximize({"a": 3, "b": 1, "ab": 0.2}).items()}
    {'a': -0.288, 'b': -1.386}
    """
    used = {piece: max(count, 1e-6) for piece, count in counts.items() if count >= 0.5 or len(piece) == 1}
    total = sum(used.values())
    return {piece: math.log(count / total) for piece, count in used.items()}


def prune(scores: Scores, counts: Mapping[str, float], n: int) -> Scores:
    """The n pieces whose loss would cost the text most: how often a piece is used, times the log-probability lost by
    its best replacement. Single characters always stay.

    >>> prune({"a": -1.0, "b": -1.0, "ab": -1.5, "ba": -1.9}, {"a": 1, "b": 1, "ab": 5, "ba": 5}, 3)
    {'a': -1.0, 'b': -1.0, 'ab': -1.5}
    """
    unknown = min(scores.values()) - UNKNOWN
    loss = {piece: math.inf for piece in scores if len(piece) == 1}
    for piece in scores.keys() - loss.keys():
        inside = {piece[i:j] for i in range(len(piece)) for j in range(i + 1, len(piece) + 1)} - {piece}
        others = {other: scores[other] for other in inside & scores.keys()}
        pieces = best_pieces(piece, others, unknown, LONGEST)
        loss[piece] = counts.get(piece, 0.0) * (scores[piece] - sum(others[other] for other in pieces))
    best = set(sorted(loss, key=lambda piece: (-loss[piece], piece))[:n])
    return {piece: score for piece, score in scores.items() if piece in best}
