"""What a vocabulary is: tokens with their ranks, a pattern, special tokens. Files hold it, a Tokenizer uses it."""

from dataclasses import dataclass, field
from typing import Protocol

from tokenizer import patterns
from tokenizer.splitting import compile_pattern


class Ranks(Protocol):
    """The table of ranks, or what stands in for it.

    >>> ranks: Ranks = {b"a": 0}
    """

    def get(self, token: bytes, default: int, /) -> int:
        """The rank of a token, or `default` where there is no such token."""


@dataclass(frozen=True)
class Vocabulary:
    """`ranks` gives the id of every token by its bytes, lower ids merge first; `pattern` cuts the text before merging;
    `special_tokens` stand outside of both; `normalizer` is None or "NFC". Checked once, here.

    >>> Vocabulary({b"a": 0, b"b": 1, b"ab": 2}, special_tokens={"<|end|>": 3})
    Vocabulary(4 tokens, pattern GPT2_PATTERN, 1 special token)
    >>> Vocabulary({b"a": 0, b"b": 0})
    Traceback (most recent call last):
    ValueError: 2 ranks share 1 ids: give every token its own
    """

    ranks: dict[bytes, int]
    pattern: str = patterns.GPT2_PATTERN
    special_tokens: dict[str, int] = field(default_factory=dict)
    normalizer: str | None = None

    tokens: dict[int, bytes] = field(init=False, compare=False)  # the bytes of every token by id, special ones too

    def __post_init__(self) -> None:
        tokens = {i: token for token, i in self.ranks.items()}
        if len(tokens) < len(self.ranks):
            raise ValueError(f"{len(self.ranks)} ranks share {len(tokens)} ids: give every token its own")
        for name, i in self.special_tokens.items():
            if not name:
                raise ValueError("a special token is empty: give it a name")
            if tokens.setdefault(i, name.encode()) != name.encode():
                raise ValueError(f"special token {name!r} has the id {i} of another token: give it its own")
        if not tokens:
            raise ValueError("the vocabulary is empty: give it at least one token")
        if self.normalizer not in (None, "NFC"):
            raise ValueError(f'no normalizer {self.normalizer!r}: there are "NFC" and None')
        compile_pattern(self.pattern, ascii_only=True)
        object.__setattr__(self, "tokens", tokens)

    def __repr__(self) -> str:
        n = len(self.special_tokens)
        names = [name for name, value in vars(patterns).items() if value == self.pattern]
        parts = [f"{len(self.tokens):,} tokens", f"pattern {names[0] if names else repr(self.pattern)}"]
        parts += [f"{n} special token{'' if n == 1 else 's'}"] if n else []
        parts += [self.normalizer] if self.normalizer else []
        return f"Vocabulary({', '.join(parts)})"

    @property
    def n_vocab(self) -> int:
        """How many rows a model needs for it: the largest id and one more."""
        return max(self.tokens) + 1
