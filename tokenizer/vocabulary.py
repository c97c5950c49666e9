"""What a vocabulary is: tokens with their ranks, a pattern, special tokens. Files hold it, a Tokenizer uses it."""

from typing import Protocol

from tokenizer import patterns
from tokenizer.splitting import compile_pattern
from tokenizer.steps.added import Flags
from tokenizer.steps.cutting import Step
from tokenizer.steps.normalizing import Normalizer, check_normalizer, normalize, steps_of


class Ranks(Protocol):
    """The table of ranks, or a stand-in for it.

    >>> ranks: Ranks = {b"a": 0}
    """

    def get(self, token: bytes, default: int, /) -> int:
        """The rank of a token, or `default` if there is no such token."""


class Vocabulary:
    """`ranks` maps the bytes of every token to its id, lower ids merge first; `pattern` cuts the text before merging;
    `special_tokens` are outside both; `normalizer` is None or "NFC"; a text for a model goes between the ids
    `before` and `after`, which `encode` leaves to the caller. Checked once, here, and never changed.
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
    normalizer: Normalizer
    before: tuple[int, ...]
    after: tuple[int, ...]
    cuts: tuple[Step, ...]
    flags: Flags
    whole: dict[bytes, int]  # the ranks, and the tokens that only a whole piece can be, since no merge makes them
    tokens: dict[int, bytes]  # the bytes of every token by its id, special ones too

    def __init__(
        self,
        ranks: dict[bytes, int],
        pattern: str = patterns.GPT2_PATTERN,
        special_tokens: dict[str, int] | None = None,
        normalizer: Normalizer = None,
        before: tuple[int, ...] = (),
        after: tuple[int, ...] = (),
        cuts: tuple[Step, ...] = (),
        flags: Flags | None = None,
        unmerged: dict[bytes, int] | None = None,
    ) -> None:
        special_tokens = special_tokens or {}
        whole = ranks | unmerged if unmerged else ranks
        tokens = {i: token for token, i in whole.items()}
        if len(tokens) < len(whole):
            raise ValueError(f"{len(whole)} ranks share {len(tokens)} ids: give every token its own")
        for name, i in special_tokens.items():
            if not name:
                raise ValueError("a special token is empty: give it a name")
            if tokens.setdefault(i, name.encode()) != name.encode():
                raise ValueError(f"special token {name!r:.80} has the id {i} of another token: give it its own")
        if not tokens:
            raise ValueError("the vocabulary is empty: give it at least one token")
        for i in (min(tokens), max(tokens), *(i for i in before + after if i not in tokens)):
            if i not in tokens or not 0 <= i < 1 << 31 or isinstance(i, bool):
                raise ValueError(f"{i!r:.40} is not a token id: ids are whole numbers from 0 to 2,147,483,647")
        check_normalizer(normalizer)
        compile_pattern(pattern, ascii_only=True)
        for step in cuts:
            step.check()
        forms = [normalize(name, normalizer) for name, own in (flags or {}).items() if "normalized" in own]
        if "" in forms or len(set(forms)) < len(forms):
            raise ValueError("the normalizer makes two added tokens equal, or one empty: their ids cannot be told")
        fields: dict[str, object] = {
            "ranks": ranks,
            "pattern": pattern,
            "special_tokens": special_tokens,
            "normalizer": normalizer,
        }
        fields |= {"before": before, "after": after, "cuts": cuts, "flags": flags or {}, "whole": whole}
        vars(self).update(fields, tokens=tokens)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a vocabulary does not change: make a new one with another {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and vars(self) == vars(other)

    def __repr__(self) -> str:
        n = len(self.special_tokens)
        names = [name for name, value in vars(patterns).items() if value == self.pattern]
        parts = [f"{len(self.tokens):,} tokens", f"pattern {names[0] if names else repr(self.pattern)}"]
        parts += [f"{n} special token{'' if n == 1 else 's'}"] if n else []
        parts += [name for name, *_ in steps_of(self.normalizer)]
        return f"Vocabulary({', '.join(parts)})"

    @property
    def n_vocab(self) -> int:
        """How many rows a model needs for it: the largest id plus one."""
        return max(self.tokens) + 1
