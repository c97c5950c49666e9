"""What a vocabulary is: tokens with their ranks, a pattern, special tokens. Files hold it, a Tokenizer uses it."""

from typing import Protocol

from tokenizer import patterns
from tokenizer.splitting import compile_pattern


class Ranks(Protocol):
    """The table of ranks, or what stands in for it.

    >>> ranks: Ranks = {b"a": 0}
    """

    def get(self, token: bytes, default: int, /) -> int:
        """The rank of a token, or `default` where there is no such token."""


class Vocabulary:
    """`ranks` gives the id of every token by its bytes, lower ids merge first; `pattern` cuts the text before merging;
    `special_tokens` stand outside of both; `normalizer` is None or "NFC"; a text for a model stands between the ids
    `before` and `after`, which `encode` leaves to who feeds the model. Checked once, here, and never changed.
    (No dataclass: importing that module alone takes half as long as importing all of this package.)

    >>> Vocabulary({b"a": 0, b"b": 1, b"ab": 2}, special_tokens={"<|end|>": 3})
    Vocabulary(4 tokens, pattern GPT2_PATTERN, 1 special token)
    >>> Vocabulary({b"a": 0, b"b": 0})
    Traceback (most recent call last):
    ValueError: 2 ranks share 1 ids: give every token its own
    """

    ranks: dict[bytes, int]
    pattern: str
    special_tokens: dict[str, int]
    normalizer: str | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    tokens: dict[int, bytes]  # the bytes of every token by its id, special ones too

    def __init__(
        self,
        ranks: dict[bytes, int],
        pattern: str = patterns.GPT2_PATTERN,
        special_tokens: dict[str, int] | None = None,
        normalizer: str | None = None,
        before: tuple[int, ...] = (),
        after: tuple[int, ...] = (),
    ) -> None:
        special_tokens = special_tokens or {}
        tokens = {i: token for token, i in ranks.items()}
        if len(tokens) < len(ranks):
            raise ValueError(f"{len(ranks)} ranks share {len(tokens)} ids: give every token its own")
        for name, i in special_tokens.items():
            if not name:
                raise ValueError("a special token is empty: give it a name")
            if tokens.setdefault(i, name.encode()) != name.encode():
                raise ValueError(f"special token {name!r} has the id {i} of another token: give it its own")
        if not tokens:
            raise ValueError("the vocabulary is empty: give it at least one token")
        if normalizer not in (None, "NFC"):
            raise ValueError(f'no normalizer {normalizer!r}: there are "NFC" and None')
        for i in (*before, *after):
            if i not in tokens:
                raise ValueError(f"the id {i} that is put around a text is not in the vocabulary")
        compile_pattern(pattern, ascii_only=True)
        own = {"ranks": ranks, "pattern": pattern, "special_tokens": special_tokens, "normalizer": normalizer}
        vars(self).update(own, before=before, after=after, tokens=tokens)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a vocabulary does not change: make a new one with another {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and vars(self) == vars(other)

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
