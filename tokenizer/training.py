"""The trainer: count the pairs, merge the most frequent, count again, until the vocabulary is full.

Counting all pairs anew after each merge takes minutes. Three facts make it seconds: equal pieces need
counting once; a merge changes only the pieces that hold the pair, and in them only the neighbours; and a
heap gives the best pair, if an entry whose count has fallen since is put back with its new count.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from tokenizer.bpe import BYTES, Tokenizer
from tokenizer.splitting import GPT2_PATTERN, blocks, compile_pattern

Pair = tuple[int, int]


def train(
    text: str | Iterable[str],
    vocab_size: int,
    pattern: str = GPT2_PATTERN,
    special_tokens: Sequence[str] = ("<|endoftext|>",),
) -> Tokenizer:
    """A tokenizer with up to `vocab_size` tokens: 256 bytes, merges, special tokens; fewer if no pair is left.

    Special tokens found in the text are boundaries and never merge. Byte-pair encoding of text is due to
    Sennrich et al. 2016 (arXiv 1508.07909), on bytes to Radford et al. 2019 (the GPT-2 report, section 2.2).

    >>> tok = train("low lower lowest", 260)
    >>> [token for token in tok.ranks if len(token) > 1]
    [b'lo', b'low', b' low']
    """
    smallest = 256 + len(special_tokens)
    if vocab_size < smallest:
        raise ValueError(f"vocab_size {vocab_size} is too small: 256 bytes and the special tokens need {smallest}")
    words = count_pieces([text] if isinstance(text, str) else text, pattern, special_tokens)
    tokens = [BYTES[i : i + 1] for i in range(256)]
    for a, b in find_merges(words, vocab_size - smallest):
        tokens.append(tokens[a] + tokens[b])
    ranks = {token: i for i, token in enumerate(tokens)}
    return Tokenizer(ranks, pattern, {name: len(ranks) + i for i, name in enumerate(special_tokens)})


def count_pieces(texts: Iterable[str], pattern: str, special_tokens: Sequence[str]) -> Counter[str]:
    """How often each piece occurs in the texts.

    >>> count_pieces(["a b", "a<|end|>a"], GPT2_PATTERN, ["<|end|>"])
    Counter({'a': 3, ' b': 1})
    """
    split = compile_pattern(pattern)
    special = re.compile("|".join(map(re.escape, sorted(special_tokens, key=len, reverse=True))) or r"(?!)")
    counts: Counter[str] = Counter()
    for text in texts:
        for part in special.split(text):
            for block in blocks(part):
                counts.update(split(block))
    return counts


def find_merges(words: Counter[str], n_merges: int) -> list[Pair]:
    """The pairs of ids to merge, in order; a merge's result gets the next id after 255.

    >>> find_merges(Counter({"aaab": 2}), 9)  # 64 and 65 are the bytes of "a" and "b"
    [(64, 64), (64, 65), (256, 257)]
    """
    byte_id = bytes.maketrans(BYTES, bytes(range(256)))
    pieces = [list(word.encode("utf-8", "replace").translate(byte_id)) for word in words]
    times = list(words.values())
    counts: dict[Pair, int] = defaultdict(int)
    where: dict[Pair, set[int]] = defaultdict(set)
    for w, piece in enumerate(pieces):
        for pair in zip(piece, piece[1:], strict=False):
            counts[pair] += times[w]
            where[pair].add(w)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        count, pair = heappop(heap)
        if -count != counts[pair]:
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], pair))
            continue
        new = 256 + len(merges)
        merges.append(pair)
        born: set[Pair] = set()
        for w in where.pop(pair):
            for other, change in replace(pieces[w], pair, new):
                counts[other] += change * times[w]
                if change > 0:
                    where[other].add(w)
                    born.add(other)
        for other in born:
            heappush(heap, (-counts[other], other))
    return merges


def replace(piece: list[int], pair: Pair, new: int) -> list[tuple[Pair, int]]:
    """Puts `new` for `pair` everywhere in the piece, in place, and says which neighbouring pairs went and came.

    >>> piece = [1, 2, 3, 1, 2]
    >>> replace(piece, (1, 2), 9), piece
    ([((2, 3), -1), ((9, 3), 1), ((3, 1), -1), ((3, 9), 1)], [9, 3, 9])
    """
    a, b = pair
    changes: list[tuple[Pair, int]] = []
    i = 0
    while i < len(piece) - 1:
        if piece[i] == a and piece[i + 1] == b:
            if i > 0:
                changes += [((piece[i - 1], a), -1), ((piece[i - 1], new), 1)]
            if i + 2 < len(piece):
                changes += [((b, piece[i + 2]), -1), ((new, piece[i + 2]), 1)]
            piece[i : i + 2] = [new]
        i += 1
    return changes
