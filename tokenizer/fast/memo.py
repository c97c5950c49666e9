"""The cache in front of the merge loop: text repeats itself, so most of it has been encoded before."""

from collections.abc import Callable
from typing import TypeVar

Ids = tuple[int, ...]
Key = TypeVar("Key", bound=str | bytes)


class Memo(dict[Key, Ids]):
    """The ids of keys seen before; new ones are encoded, and the cache is emptied when it is full.

    >>> lengths = Memo(lambda word: (len(word),), limit=2)
    >>> lengths["cat"], lengths["mouse"], lengths["ox"], len(lengths)
    ((3,), (5,), (2,), 1)
    """

    def __init__(self, encode: Callable[[Key], Ids], limit: int = 1 << 17, longest: int = 128) -> None:
        super().__init__()
        self.encode: Callable[[Key], Ids] = encode
        self.limit = limit  # entries
        self.longest = longest  # characters or bytes; longer keys are encoded each time

    def __missing__(self, key: Key) -> Ids:
        ids = self.encode(key)
        if len(key) <= self.longest:
            if len(self) >= self.limit:
                self.clear()
            self[key] = ids
        return ids
