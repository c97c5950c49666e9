"""The merge loop: from the bytes of one piece to its tokens, lowest rank first (lesson 02).

A vocabulary is one table, `ranks`, from the bytes of every token to its id. Ids were assigned in the order in which
the trainer found the merges, so the pair to merge next is the one whose joined bytes have the lowest id.
Source: `bpe` in `encoder.py` of OpenAI's GPT-2 release, 2019.
"""

from collections.abc import Iterator
from itertools import pairwise

from tokenizer.vocabulary import Ranks

NONE = 1 << 62  # above every rank


def merge(piece: bytes, ranks: Ranks) -> list[bytes]:
    """The tokens of one piece, as bytes.

    >>> merge(b"banana", {b"a": 0, b"b": 1, b"n": 2, b"an": 3, b"ana": 4})
    [b'b', b'an', b'ana']
    """
    parts = [piece[i : i + 1] for i in range(len(piece))]
    for _, parts in merge_steps(piece, ranks):  # noqa: B007  (the last step is the answer)
        pass
    return parts


def merge_steps(piece: bytes, ranks: Ranks) -> Iterator[tuple[int, list[bytes]]]:
    """Joins the adjacent pair of lowest rank, the leftmost of equals, until none can be joined; yields every step.

    >>> for rank, parts in merge_steps(b"ana", {b"a": 0, b"n": 1, b"an": 2, b"ana": 3}):
    ...     print(rank, parts)
    2 [b'an', b'a']
    3 [b'ana']
    """
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while len(parts) > 1:
        pairs = [ranks.get(left + right, NONE) for left, right in pairwise(parts)]
        lowest = min(pairs)
        if lowest == NONE:
            return
        i = pairs.index(lowest)
        parts = [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]
        yield lowest, parts
