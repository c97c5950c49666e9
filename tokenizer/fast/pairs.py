"""The search for merges that counts only once: what `tokenizer.training.find_merges` finds, a thousand times faster.

A merge changes only the pair's own places and their neighbours, and a heap gives the best pair, as long as an entry
whose count has fallen since is put back with its new count.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import pairwise

from tokenizer.formats.byte_alphabet import BYTES

END, GONE = -1, -2  # between pieces; where a token was that is now part of another


def find_merges(pieces: Counter[str], n: int) -> Iterator[tuple[int, int]]:
    """Up to `n` pairs of ids to merge, in order, until none is left; the first merge's result gets the id 256.

    All pieces are in one list of ids. A token that is `size` bytes long is at the first of its places and leaves the
    others alone, so a merge moves nothing: a piece of n bytes takes time n log n, however long it is.

    >>> list(find_merges(Counter({"aaab": 2}), 9))  # 64 and 65 are the bytes of "a" and "b"
    [(64, 64), (64, 65), (256, 257)]
    """
    byte_id = bytes.maketrans(BYTES, bytes(range(256)))
    ids, times = [END], [0]
    for piece, many in pieces.items():
        ids += piece.encode().translate(byte_id)
        ids.append(END)
        times += [many] * (len(ids) - len(times))
    start = list(range(len(ids)))  # of the token whose last place is i; other entries are out of date
    size = [1] * 256
    counts: dict[tuple[int, int], int] = defaultdict(int)
    where: dict[tuple[int, int], list[int]] = defaultdict(list)  # where the pair is, or once was
    for i, pair in enumerate(pairwise(ids)):
        if END not in pair:
            counts[pair] += times[i]
            where[pair].append(i)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    while heap and n > 0:
        count, pair = heappop(heap)
        if -count != counts[pair]:  # it has lost some since
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], pair))
            continue
        yield pair
        n -= 1
        first, second = pair
        new, length = len(size), size[first] + size[second]
        born = set()
        for i in sorted(where.pop(pair)):
            j = i + size[first]
            if ids[i] != first or ids[j] != second:
                continue  # one of the two has been merged with another since
            ids[i], ids[j], start[i + length - 1], many = new, GONE, i, times[i]
            before = start[i - 1]
            left, right = ids[before], ids[i + length]
            if left != END:
                counts[left, first] -= many
                counts[left, new] += many
                where[left, new].append(before)
                born.add((left, new))
            if right != END:
                counts[second, right] -= many
                counts[new, right] += many
                where[new, right].append(i)
                born.add((new, right))
        size.append(length)
        for pair in born:
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], pair))
