"""From ids to what they stand for: any kind of integer is an id, and a bad one is named."""

from collections.abc import Iterable, Mapping, Set
from operator import index
from typing import Any, SupportsIndex, TypeVar

T = TypeVar("T")
Ids = Iterable[SupportsIndex]  # a list, a tensor of torch, an array of NumPy


def look_up(ids: Ids, table: Mapping[int, T], n_vocab: int) -> list[T]:
    """The entries of the ids; a ValueError names the first id without one.

    A whole tensor or array becomes a list first, so that neither library is needed here.

    >>> look_up([1, 1, 0], {0: "a", 1: "b"}, 2)
    ['b', 'b', 'a']
    >>> look_up([1.5], {0: "a", 1: "b"}, 2)
    Traceback (most recent call last):
    ValueError: id 1.5 is not in the vocabulary: ids are 0 to 1
    """
    numbers: Any = ids.tolist() if hasattr(ids, "tolist") else ids
    if isinstance(numbers, (str, bytes, bytearray, Mapping, Set)) or not isinstance(numbers, Iterable):
        raise ValueError(f"ids {numbers!r:.60}: give a list of ids, as in [5, 0]")
    found = []
    for i in numbers:
        try:
            found.append(table[index(i) if i is not True and i is not False else -1])  # not an id, though equal to one
        except (KeyError, TypeError):
            raise ValueError(f"id {i!r:.60} is not in the vocabulary: ids are 0 to {n_vocab - 1}") from None
    return found
