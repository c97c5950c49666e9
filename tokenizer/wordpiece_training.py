"""The trainer of WordPiece in miniature: like byte-pair encoding's, except for the score that chooses a pair.

Source: Schuster & Nakajima 2012, section 3 (arXiv 1609.08144, section 4.1, says how BERT's vocabulary was made).
"""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from tokenizer.wordpiece import CLS, MASK, PAD, PREFIX, SEP, UNK


def train_wordpiece(words: Iterable[str], n: int) -> dict[str, int]:
    """A vocabulary of up to `n` pieces for `WordPiece`: BERT's five special tokens, all characters, merged pairs.

    The adjacent pair with the highest score is merged, freq(ab) / (freq(a) · freq(b)): not the most frequent pair, but
    the most frequent relative to its parts; among equals the first in alphabetical order.
    In the example g-s comes before u-g, which is four times as frequent.

    >>> list(train_wordpiece(["hug", "hug", "pug", "bun", "hugs"], n=15))[5:]
    ['##g', '##n', '##s', '##u', 'b', 'h', 'p', '##gs', '##ug', '##ugs']
    """
    counts = Counter(words)
    split = {word: [word[0], *(PREFIX + char for char in word[1:])] for word in counts if word}
    characters = sorted({piece for pieces in split.values() for piece in pieces})
    vocab = {piece: i for i, piece in enumerate([PAD, UNK, CLS, SEP, MASK, *characters])}
    if n < len(vocab):
        raise ValueError(f"n={n} is less than the {len(vocab)} special tokens and characters of these words")
    while len(vocab) < n:
        single: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in split.items():
            for piece in pieces:
                single[piece] += counts[word]
            for pair in pairwise(pieces):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair] / (single[pair[0]] * single[pair[1]]), pair))
        split = {word: merge_pair(pieces, best) for word, pieces in split.items()}
        vocab.setdefault(best[0] + best[1].removeprefix(PREFIX), len(vocab))
    return vocab


def merge_pair(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces with every occurrence of the pair joined, from left to right.

    >>> merge_pair(["b", "##a", "##n", "##a", "##n"], ("##a", "##n"))
    ['b', '##an', '##an']
    """
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece.removeprefix(PREFIX)
        else:
            joined.append(piece)
    return joined
