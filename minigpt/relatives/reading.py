"""The tokenizers of BART and T5 as their generation needs them: what goes around a text, which tokens are visible."""

import re
from pathlib import Path
from typing import Any

from minigpt.models.bart import Bart
from minigpt.models.t5 import T5
from tokenizer import Tokenizer
from tokenizer.ids import Ids
from tokenizer.steps.added import ORDINARY
from tokenizer.unigram import SPACE, Unigram

Vocabulary = Tokenizer | Unigram  # BART's and T5's


class Visible(Tokenizer):
    """The tokens that have a text, as bytes: all but the special ones (transformers' skip_special_tokens). Generation
    looks for stop strings in it.

    >>> tok = Unigram([("<unk>", 0.0), ("▁a", -1.0)], special_tokens={"</s>": 2})
    >>> Visible(tok).decode([1, 1, 2])
    ' a a'
    """

    def __init__(self, tokenizer: Vocabulary) -> None:
        flags = tokenizer.vocabulary.flags if isinstance(tokenizer, Tokenizer) else {}
        special = {i for name, i in tokenizer.special_tokens.items() if ORDINARY not in flags.get(name, ())}
        as_bytes = getattr(tokenizer, "byte_fallback", False)
        self.tokens = {i: spelled(t, as_bytes) for i, t in tokenizer.tokens.items() if i not in special}

    def __reduce__(self) -> tuple[Any, ...]:
        return object.__new__, (type(self),), self.__dict__  # a copy has no vocabulary either

    def decode_bytes(self, ids: Ids) -> bytes:
        """The bytes of the ids; special tokens have none."""
        return b"".join(self.tokens.get(int(i), b"") for i in ids)


def spelled(token: str | bytes, as_bytes: bool) -> bytes:
    """A token's bytes, with a space for ▁; where pieces name bytes, those.

    >>> spelled("▁a", False), spelled("<0xC3>", True), spelled("<0xC3>", False)
    (b' a', b'\\xc3', b'<0xC3>')
    """
    if isinstance(token, bytes):
        return token
    named = re.fullmatch("<0x([0-9A-F]{2})>", token) if as_bytes else None
    return bytes.fromhex(named[1]) if named else token.replace(SPACE, " ").encode()


def read_tokenizer(folder: Path, model: Bart | T5) -> Vocabulary | None:
    """The folder's tokenizer, or None without one; a ValueError where it has ids that the model has no row for, and
    where tokenizer.json is missing, which says what goes around a text."""
    others = [name for name in ("vocab.json", "spiece.model") if (folder / name).exists()]
    if not (folder / "tokenizer.json").exists():
        if others:
            way_out = "load it once with transformers' AutoTokenizer and save_pretrained it there"
            raise ValueError(f"{folder} has {others[0]} and no tokenizer.json, which is read here: {way_out}")
        return None
    tokenizer = Tokenizer.load(folder) if isinstance(model, Bart) else Unigram.load(folder)
    n, n_rows = tokenizer.n_vocab, model.config.vocab_size
    if n > n_rows:
        raise ValueError(f"{folder}: the vocabulary has {n} ids, the model only {n_rows} (vocab_size): use its own")
    return tokenizer


def around(tokenizer: Vocabulary | None) -> tuple[list[int], list[int]]:
    """The ids before and after every text.

    >>> around(Unigram([("<unk>", 0.0)], around=((), (0,))))
    ([], [0])
    """
    own = tokenizer.vocabulary if isinstance(tokenizer, Tokenizer) else tokenizer
    return ([*own.before], [*own.after]) if own else ([], [])
