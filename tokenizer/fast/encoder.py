"""The encoder with its caches: text repeats itself, so most of it has been encoded before.

It gives the ids of `Tokenizer.encode_by_hand` many times faster: one lookup gives the ids of several pieces. Before it
is used, it is compared with that plain form on a short text that exercises all parts of the known patterns and on the
beginning of the first text; if the two differ, the plain form is used.
"""

import sys
from collections.abc import Callable
from functools import cached_property
from itertools import chain

from tokenizer.fast.memo import Ids, Memo
from tokenizer.fast.merging import merge, mergeable_pairs, split_unmergeable
from tokenizer.fast.units import unit_splitter, units
from tokenizer.vocabulary import Vocabulary

# each part of the known patterns, odd runs of one letter, tokens within long words, a piece longer than any cache holds
ASCII_PROBE = (
    "Once upon a time it's 'twas We'LL they've I'd 12345 67 3,000.50 (word) --\"why?!\" well...\n\n  x\r\n \t\ty   z  "
    "\nsnake_case={'a': 1};\n\t\treturn unbelievable somethingwonderfulunderstanding  "
    + "0123456789" * 13
    + "\n".join(3 * char for char in "abcdefghijklmnopqrstuvwxyz=-_.!")
)
WIDE_PROBE = (
    "Déjà vu — naïve e\u0301, 床前明月光，疑是地上霜　２個 Привет ½² 🌟👍🏽\u00a0\u2028 \u3000x “Ça va?” …\n é "
    "日本語のテキスト"
)
FIRST = 200  # characters of the first text that are compared too


class Encoder:
    """Called with a text, it returns its ids; `plain` is the form that it must equal, and that raises its errors.

    >>> Encoder(lambda text: [9] * len(text), Vocabulary({b"a": 9}))("aaa")
    [9, 9, 9]
    """

    def __init__(self, plain: Callable[[str], list[int]], vocabulary: Vocabulary) -> None:
        self.plain, self.ranks, self.pattern = plain, vocabulary.ranks, vocabulary.pattern
        self.whole, self.split = vocabulary.whole, unit_splitter(vocabulary.pattern)
        self.same: dict[bool, bool] = {}  # for ASCII texts and for others: equal on the probe
        self.parts = Memo(self._merge)
        self.pieces = Memo(self._encode_piece)
        self.units = {before: Memo(self._unit_encoder(before)) for before in ("", " ")}

    def __call__(self, text: str) -> list[int]:
        same = self.same.get(text.isascii())
        if same is None:
            probe = ASCII_PROBE if text.isascii() else ASCII_PROBE + WIDE_PROBE
            same = self.same[text.isascii()] = self._equal(probe) and self._equal(text[:FIRST])
            if not same:
                self.same = {True: False, False: False}
        return self.fast(text) if same else self.plain(text)

    def fast(self, text: str) -> list[int]:
        """The ids from the caches.

        >>> Encoder(lambda text: [9] * len(text), Vocabulary({b"a": 9})).fast("aaa")
        [9, 9, 9]
        """
        ids: list[int] = []
        for before, found in units(text, self.pattern):
            ids += chain.from_iterable(map(self.units[before].__getitem__, found))
        return ids

    def _equal(self, probe: str) -> bool:
        probe = "".join(char for char in probe if all(bytes([byte]) in self.ranks for byte in char.encode()))
        if self.plain(probe) == self.fast(probe):
            return True
        where = next((word for word in probe.split() if self.plain(word) != self.fast(word)), probe)
        sys.stderr.write(f"minigpt: the fast encoder differs from tokenizer/bpe.py on {where[:40]!r}: ")
        sys.stderr.write("the plain one is used\n")
        return False

    @cached_property
    def _mergeable_pairs(self) -> set[tuple[int, int]]:
        return mergeable_pairs(self.ranks)

    def _unit_encoder(self, before: str) -> Callable[[str], Ids]:
        split, pieces = self.split, self.pieces

        def encode(unit: str) -> Ids:
            found = split(before + unit)
            return pieces[found[0]] if len(found) == 1 else tuple([i for piece in found for i in pieces[piece]])

        return encode

    def _encode_piece(self, piece: str) -> Ids:
        data = piece.encode()
        whole = self.whole.get(data)
        if whole is not None:
            return (whole,)
        if len(data) < 24 or piece.isascii():
            return self._merge(data)
        return tuple(chain.from_iterable(map(self.parts.__getitem__, split_unmergeable(data, self._mergeable_pairs))))

    def _merge(self, data: bytes) -> Ids:
        try:
            return tuple([self.ranks[token] for token in merge(data, self.ranks)])
        except KeyError:
            return tuple(self.plain(data.decode()))  # which says what is missing
