"""The merge loop for long pieces: the same tokens as `tokenizer.merging.merge`, in less time."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import pairwise, repeat

from tokenizer.merging import NONE
from tokenizer.vocabulary import Ranks

BYTES = [bytes([i]) for i in range(256)]
LONG = 100  # bytes; below this the list is faster than the heap


def merge(piece: bytes, ranks: Ranks) -> list[bytes]:
    """The tokens of one piece, as bytes; takes time proportional to n log n for n bytes.

    >>> merge(b"banana", {b"a": 0, b"b": 1, b"n": 2, b"an": 3, b"ana": 4})
    [b'b', b'an', b'ana']
    """
    return merge_short(piece, ranks) if len(piece) < LONG else merge_long(piece, ranks)


def merge_short(piece: bytes, ranks: Ranks) -> list[bytes]:
    """For short pieces: a list keeps the ranks of all neighbours, and a merge changes two of them.

    >>> merge_short(b"aaaa", {b"a": 0, b"aa": 1})
    [b'aa', b'aa']
    """
    get = ranks.get
    parts = [BYTES[byte] for byte in piece]
    pairs = [*map(get, map(bytes.__add__, parts, parts[1:]), repeat(NONE))]
    while pairs and (rank := min(pairs)) < NONE:
        i = pairs.index(rank)
        parts[i] = joined = parts[i] + parts.pop(i + 1)
        del pairs[i]
        if i < len(pairs):
            pairs[i] = get(joined + parts[i + 1], NONE)
        if i:
            pairs[i - 1] = get(parts[i - 1] + joined, NONE)
    return parts


def merge_long(piece: bytes, ranks: Ranks) -> list[bytes]:
    """For long pieces: a heap of the pairs, and a linked list of the places where tokens begin.

    >>> merge_long(b"aaaa", {b"a": 0, b"aa": 1})
    [b'aa', b'aa']
    """
    n = len(piece)
    end = list(range(1, n + 1))  # the token that begins at i ends before end[i]; 0 once it is part of another
    before = list(range(-1, n))  # where the token before the one at i begins
    heap = [(rank, i, i + 2) for i in range(n - 1) if (rank := ranks.get(piece[i : i + 2], NONE)) < NONE]
    heapify(heap)
    while heap:
        _, i, stop = heappop(heap)
        j = end[i]
        if not i < j < n or end[j] != stop:
            continue  # one of the two has been merged with another since
        end[i], end[j] = stop, 0
        if stop < n:
            before[stop] = i
            if (rank := ranks.get(piece[i : end[stop]], NONE)) < NONE:
                heappush(heap, (rank, i, end[stop]))
        h = before[i]
        if h >= 0 and (rank := ranks.get(piece[h:stop], NONE)) < NONE:
            heappush(heap, (rank, h, stop))
    starts = [0]
    while starts[-1] < n:
        starts.append(end[starts[-1]])
    return [piece[i:j] for i, j in pairwise(starts)]


def mergeable_pairs(tokens: Iterable[bytes]) -> set[tuple[int, int]]:
    """The adjacent bytes within tokens of which the second begins a character of several bytes.

    >>> mergeable_pairs([b"the", "né".encode()])
    {(110, 195)}
    """
    return {pair for token in tokens if not token.isascii() for pair in pairwise(token) if pair[1] >= 0xC0}


def split_unmergeable(piece: bytes, mergeable_pairs: set[tuple[int, int]]) -> list[bytes]:
    """The piece cut before characters where no token has the bytes on both sides, so that no merge can cross.

    In scripts without spaces this turns sentences that never recur into characters that do.

    >>> split_unmergeable("née".encode(), mergeable_pairs=set())
    [b'n', b'\\xc3\\xa9e']
    """
    cuts = [i + 1 for i, pair in enumerate(pairwise(piece)) if pair[1] >= 0xC0 and pair not in mergeable_pairs]
    return [piece[i:j] for i, j in pairwise([0, *cuts, len(piece)])]
