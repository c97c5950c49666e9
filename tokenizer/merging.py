"""The merge loop: from the bytes of one piece to its tokens, by the lowest rank first.

A vocabulary is one table, `ranks`: the bytes of every token to its id. Ids were given in the order in which
the trainer found the merges, so the pair to merge next is the one whose joined bytes have the lowest id.
"""

from heapq import heapify, heappop, heappush
from typing import Protocol

class Ranks(Protocol):
    """The table of ranks, or what stands in for it."""

    def get(self, token: bytes, /) -> int | None:
        """The rank of a token, or None where there is no such token."""


LONG = 128  # bytes; below this the plain loop is faster than the heap


def merge(piece: bytes, ranks: Ranks) -> list[bytes]:
    """The tokens of one piece, as bytes; takes time proportional to n log n for n bytes.

    >>> merge(b"banana", {b"a": 0, b"b": 1, b"n": 2, b"an": 3, b"ana": 4})
    [b'b', b'an', b'ana']
    """
    return merge_short(piece, ranks) if len(piece) < LONG else merge_long(piece, ranks)


def merge_short(piece: bytes, ranks: Ranks) -> list[bytes]:
    """The same by looking at every pair again after every merge, the way one does it by hand.

    >>> merge_short(b"aaaa", {b"a": 0, b"aa": 1})
    [b'aa', b'aa']
    """
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while len(parts) > 1:
        found = [(rank, i) for i in range(len(parts) - 1)
                 if (rank := ranks.get(parts[i] + parts[i + 1])) is not None]  # fmt: skip
        if not found:
            break
        _, i = min(found)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts


def merge_long(piece: bytes, ranks: Ranks) -> list[bytes]:
    """The same for long pieces: a heap of the pairs, and a chain of the places where tokens begin.

    >>> merge_long(b"aaaa", {b"a": 0, b"aa": 1})
    [b'aa', b'aa']
    """
    n = len(piece)
    end = list(range(1, n + 1))  # a token begins at i and ends before end[i]; 0 once it was swallowed
    before = list(range(-1, n))  # where the token before the one at i begins
    heap = [(rank, i, i + 2) for i in range(n - 1) if (rank := ranks.get(piece[i : i + 2])) is not None]
    heapify(heap)
    while heap:
        _, i, stop = heappop(heap)
        j = end[i]
        if not i < j < n or end[j] != stop:
            continue  # one of the two was merged with another meanwhile
        end[i], end[j] = stop, 0
        if stop < n:
            before[stop] = i
            if (rank := ranks.get(piece[i : end[stop]])) is not None:
                heappush(heap, (rank, i, end[stop]))
        h = before[i]
        if h >= 0 and (rank := ranks.get(piece[h:stop])) is not None:
            heappush(heap, (rank, h, stop))
    tokens, i = [], 0
    while i < n:
        tokens.append(piece[i : end[i]])
        i = end[i]
    return tokens
