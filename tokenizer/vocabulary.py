"""What a vocabulary is: tokens with their ranks, a pattern, special tokens. Files hold it, a Tokenizer uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from tokenizer.patterns import GPT2_PATTERN


@dataclass(frozen=True)
class Vocabulary:
    """`ranks` gives the id of every token by its bytes, lower ids merge first; `pattern` cuts the text before merging;
    `special_tokens` stand outside of both; `normalizer` is None or "NFC". Checked once, here.

    >>> Vocabulary({b"a": 0, b"b": 1, b"ab": 2}, special_tokens={"<|end|>": 3}).n_vocab
    4
    >>> Vocabulary({b"a": 0, b"b": 0})
    Traceback (most recent call last):
    ValueError: 2 ranks share 1 ids: give every token its own
    """

    ranks: Mapping[bytes, int]
    pattern: str = GPT2_PATTERN
    special_tokens: Mapping[str, int] = field(default_factory=dict)
    normalizer: str | None = None

    def __post_init__(self) -> None:
        tokens = {i: token for token, i in self.ranks.items()}
        for name, i in self.special_tokens.items():
            if not name:
                raise ValueError("a special token is empty: give it a name")
            if tokens.setdefault(i, name.encode()) != name.encode():
                raise ValueError(f"special token {name!r} has the id {i} of another token: give it its own")
        if len(tokens) < len(self.ranks):
            raise ValueError(f"{len(self.ranks)} ranks share {len(tokens)} ids: give every token its own")
        if not tokens:
            raise ValueError("the vocabulary is empty")
        if self.normalizer not in (None, "NFC"):
            raise ValueError(f"no normalizer {self.normalizer!r}")

    @cached_property
    def tokens(self) -> Mapping[int, bytes]:
        """The bytes of every token, special ones included, by id."""
        return MappingProxyType(
            {i: token for token, i in self.ranks.items()}
            | {i: name.encode() for name, i in self.special_tokens.items()}
        )

    @property
    def n_vocab(self) -> int:
        """How many rows a model needs for it: the largest id and one more."""
        return max(self.tokens) + 1
