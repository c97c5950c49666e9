"""The trainer: count the pairs, merge the most frequent, count again, until the vocabulary is full (lesson 02).

Source: Sennrich et al. 2016 (arXiv 1508.07909), algorithm 1; on bytes, Radford et al. 2019 (the GPT-2 report, 2.2).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from tokenizer.formats.byte_alphabet import BYTES
from tokenizer.patterns import GPT2_PATTERN, any_of
from tokenizer.splitting import split
from tokenizer.unicode import join_surrogates
from tokenizer.vocabulary import Vocabulary


def count_pieces(texts: Iterable[str], pattern: str, special_tokens: Sequence[str]) -> Counter[str]:
    """How often each piece occurs; no piece spans a special token."""
    special = any_of(special_tokens)
    parts = (part for text in texts for part in special.split(join_surrogates(text)))
    return Counter(piece for part in parts for piece in split(part, pattern))


def find_merges(pieces: Counter[str], n: int) -> Iterator[tuple[int, int]]:
    """Up to `n` pairs of ids to merge; of equally frequent pairs the one with the smaller ids comes first."""
    words = {piece: [BYTES.index(byte) for byte in piece.encode()] for piece in pieces}
    for token in range(256, 256 + n):
        counts: Counter[tuple[int, int]] = Counter()
        for piece, ids in words.items():
            for pair in pairwise(ids):
                counts[pair] += pieces[piece]
        if not counts:
            return
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = {piece: replace_pair(ids, best, token) for piece, ids in words.items()}
        yield best


def replace_pair(ids: list[int], pair: tuple[int, int], token: int) -> list[int]:
    """The ids with every occurrence of the pair replaced by `token`, from left to right.

    >>> replace_pair([1, 1, 1, 2], (1, 1), 256)
    [256, 1, 2]
    """
    merged: list[int] = []
    for id in ids:
        if merged and (merged[-1], id) == pair:
            merged[-1] = token
        else:
            merged.append(id)
    return merged


def train_by_hand(
    texts: Iterable[str],
    vocab_size: int,
    pattern: str = GPT2_PATTERN,
    special_tokens: Sequence[str] = (),
    count: Callable[[Iterable[str], str, Sequence[str]], Counter[str]] = count_pieces,
    find: Callable[[Counter[str], int], Iterable[tuple[int, int]]] = find_merges,
) -> Vocabulary:
    """A vocabulary: the 256 bytes in GPT-2's order, merges, special tokens; smaller if no pair is left to merge.

    >>> list(train_by_hand(["low lower lowest"], 259).ranks)[256:]
    [b'lo', b'low', b' low']
    """
    tokens = [BYTES[i : i + 1] for i in range(256)]
    for left, right in find(count(texts, pattern, special_tokens), vocab_size - 256 - len(special_tokens)):
        tokens.append(tokens[left] + tokens[right])
    ranks = {token: i for i, token in enumerate(tokens)}
    return Vocabulary(ranks, pattern, {name: len(ranks) + i for i, name in enumerate(special_tokens)})
