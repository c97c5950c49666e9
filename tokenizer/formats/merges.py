"""From ranks to merges and back: files list merges, the encoder needs only ranks, and the two must agree."""

from collections.abc import Mapping, Sequence

from tokenizer.fast.merging import merge
from tokenizer.merging import NONE

Merge = tuple[bytes, bytes]
MORE = "the vocabulary needs a merge table"  # which this tokenizer does without


class RanksBelow:
    """The ranks below a limit, for `merge`: how a token looked before its own merge.

    >>> merge(b"ana", RanksBelow({b"a": 0, b"n": 1, b"an": 2, b"ana": 3}, 3))
    [b'an', b'a']
    """

    def __init__(self, ranks: Mapping[bytes, int], limit: int) -> None:
        self.ranks, self.limit = ranks, limit

    def get(self, token: bytes, default: int, /) -> int:
        """The rank of a token, or `default` if it is not below the limit.

        >>> RanksBelow({b"a": 0, b"b": 1}, 1).get(b"b", 99)
        99
        """
        rank = self.ranks.get(token, default)
        return rank if rank < self.limit else default


def recover_merges(ranks: Mapping[bytes, int]) -> list[Merge]:
    """The merges of a vocabulary, in order: for each token the two that were merged into it.

    >>> recover_merges({b"a": 0, b"n": 1, b"an": 2, b"ana": 3})
    [(b'a', b'n'), (b'an', b'a')]
    """
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = merge(token, RanksBelow(ranks, rank))
            if len(parts) != 2:
                raise ValueError(f"token {token!r:.80} is not the merge of two others: these ranks have no merges.txt")
            merges.append((parts[0], parts[1]))
    return merges


def check_merges(ranks: dict[bytes, int], merges: Sequence[Merge]) -> set[bytes]:
    """The tokens that these merges never make; a ValueError unless merging by lowest rank makes all others by the
    same merges, in the same order.

    A token may have several merges, as in Llama 3: only one of them finds its halves side by side, since what
    merged before depends only on the token's own bytes.

    >>> ranks = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"abc": 5}
    >>> check_merges(ranks, [(b"b", b"c"), (b"a", b"b"), (b"a", b"bc"), (b"ab", b"c")])
    set()
    >>> check_merges(ranks, [(b"a", b"b"), (b"b", b"c")])
    Traceback (most recent call last):
    ValueError: merge b'a' + b'b' can never happen in the order of the ids: the vocabulary needs a merge table
    """
    halves = in_order(ranks, merges)
    if len(halves) == len(merges):
        return {token for token in ranks if len(token) > 1 and token not in halves}
    halves = {}
    own = {token: rank if len(token) > 1 else -1 for token, rank in ranks.items()}  # bytes are there from the start
    where: dict[bytes, dict[Merge, int]] = {}
    for place, (a, b) in enumerate(merges):
        if a + b not in ranks or a not in ranks or b not in ranks:
            raise ValueError(f"merge {a!r:.80} + {b!r:.80} names a token that the vocabulary lacks")
        where.setdefault(a + b, {})[a, b] = place
    last = -1
    doubtful: list[Merge] = []
    for token in sorted(where, key=ranks.__getitem__):
        found = where[token]
        ready = [pair for pair in found if all(len(half) == 1 or half in halves for half in pair)]
        made = next(((a, b) for a, b in ready if not joins_earlier(a, b, ranks, halves)), None)
        if made:
            halves[token] = made
            doubtful += [made] if found[made] < last else []
            last = found[made]
        else:  # of several merges none needs to happen, unless a half of one is made later than the token
            doubtful += ready if len(found) == 1 else []
            doubtful += [(a, b) for a, b in found if max(own[a], own[b]) > own[token]]
    for a, b in doubtful:
        if a + b in halves or len(where[a + b]) == 1 or not joins_earlier(a, b, ranks, halves):
            raise ValueError(f"merge {a!r:.80} + {b!r:.80} can never happen in the order of the ids: {MORE}")
    return {token for token in ranks if len(token) > 1 and token not in halves}


def in_order(ranks: Mapping[bytes, int], merges: Sequence[Merge]) -> dict[bytes, Merge]:
    """The halves of each token that one merge makes, as long as the merges follow the order of the ids and all happen;
    usually that is to the end, and takes a third of the time of `check_merges`.

    >>> in_order({b"a": 0, b"b": 1, b"ab": 2, b"aab": 3}, [(b"a", b"b"), (b"a", b"ab")])
    {b'ab': (b'a', b'b'), b'aab': (b'a', b'ab')}
    """
    halves: dict[bytes, Merge] = {}
    made, last = {token for token in ranks if len(token) == 1}, -1
    for pair in merges:
        a, b = pair
        rank = ranks.get(a + b, -1)
        if rank <= last or a not in made or b not in made or joins_earlier(a, b, ranks, halves):
            break
        last = rank
        halves[a + b] = pair
        made.add(a + b)
    return halves


def joins_earlier(a: bytes, b: bytes, ranks: Mapping[bytes, int], halves: Mapping[bytes, Merge]) -> bool:
    """Whether some merge crosses the seam between a and b before both of them are complete.

    Undoes the later of the two repeatedly, and looks at what then meets at the seam.

    >>> ranks = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4}
    >>> joins_earlier(b"ab", b"c", ranks, {b"ab": (b"a", b"b"), b"bc": (b"b", b"c")})
    True
    """
    limit = ranks.get(a + b, NONE)
    while len(a) > 1 or len(b) > 1:
        if len(b) == 1 or (len(a) > 1 and ranks[a] > ranks[b]):
            limit, a = ranks[a], halves[a][1]
        else:  # of equals the left one merges first, so the right one is undone first, and a tie goes to the seam
            limit, b = ranks[b] + 1, halves[b][0]
        if a + b in halves and ranks[a + b] < limit:
            return True
    return False
