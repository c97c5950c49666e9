"""The tokenizer (lesson 02): text to ids and back. Cut the text into pieces, merge each one's bytes, look up ids."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path

from tokenizer.base import ByteTokenizer, Names, handler, string
from tokenizer.fast.encoder import Encoder
from tokenizer.formats.files import load, save
from tokenizer.ids import Ids, look_up
from tokenizer.merging import merge, merge_steps
from tokenizer.patterns import GPT2_PATTERN
from tokenizer.splitting import split
from tokenizer.steps.added import parts
from tokenizer.steps.normalizing import Normalizer
from tokenizer.streaming import find_special
from tokenizer.unicode import join_surrogates
from tokenizer.vocabulary import Vocabulary


class Tokenizer(ByteTokenizer):
    """Byte-level byte-pair encoding as in GPT-2 (Radford et al. 2019, section 2.2).

    `ranks` maps the bytes of every token to its id, lower ids merge first; `pattern` cuts the text before merging;
    `special_tokens` are outside both; `normalizer` is None or "NFC"; `plain` does without the fast encoder.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256}, special_tokens={"<|end|>": 257})
    >>> tok.encode("hi!"), tok.decode([256, 33]), tok
    ([256, 33], 'hi!', Tokenizer(258 tokens, pattern GPT2_PATTERN, 1 special token))
    """

    ranks: Mapping[bytes, int]
    special_tokens: Mapping[str, int]
    n_vocab: int  # the largest id plus one

    def __init__(
        self,
        ranks: Mapping[bytes, int],
        pattern: str = GPT2_PATTERN,
        special_tokens: Mapping[str, int] | None = None,
        normalizer: Normalizer = None,
        plain: bool = False,
    ) -> None:
        self._hold(Vocabulary(dict(ranks), pattern, dict(special_tokens or {}), normalizer), plain)

    @classmethod
    def of(cls, vocabulary: Vocabulary, plain: bool = False) -> "Tokenizer":
        """The tokenizer of a vocabulary."""
        tok = cls.__new__(cls)
        tok._hold(vocabulary, plain)
        return tok

    def _hold(self, vocabulary: Vocabulary, plain: bool) -> None:
        self.vocabulary, self.plain = vocabulary, plain
        self.ranks, self.pattern, self.special_tokens = vocabulary.ranks, vocabulary.pattern, vocabulary.special_tokens
        self.normalizer, self.tokens, self.n_vocab = vocabulary.normalizer, vocabulary.tokens, vocabulary.n_vocab
        self.whole = vocabulary.whole

    @classmethod
    def load(cls, name_or_path: str | Path, pattern: str | None = None, plain: bool = False) -> "Tokenizer":
        """A tokenizer by name ("gpt2", "cl100k_base", "storyteller"), or from a file or folder; `pattern` is for
        formats that do not store one. A folder holds tokenizer.json, vocab.json with merges.txt, or encoder.json
        with vocab.bpe; a file is a tokenizer.json, a .tiktoken or a .gguf."""
        return cls.of(load(name_or_path, pattern), plain)

    def save(self, folder: str | Path) -> None:
        """Writes vocab.json, merges.txt and tokenizer.json, which transformers and `tokenizers` read too."""
        save(self.vocabulary, Path(folder))

    def encode(self, text: str, allow_special: Names = (), disallow_special: Names = ()) -> list[int]:
        """The ids of a text; special tokens in it are plain text unless `allow_special` names them or is "all", and a
        ValueError if `disallow_special` names them or is "all", which does not cover those that are allowed."""
        allowed, disallowed = self.named(allow_special, disallow_special)
        find_special(string(text), disallowed)
        encode = self.encode_by_hand if self.plain else self._fast
        ids: list[int] = []
        for part in self._parts(text, allowed):
            ids += [part] if isinstance(part, int) else encode(part)
        return ids

    def encode_by_hand(self, text: str) -> list[int]:
        """The ids of a text without special tokens; a piece that is a token needs no merging."""
        ids = []
        for piece in split(text, self.pattern):
            data = piece.encode()
            for token in [data] if data in self.whole else merge(data, self.ranks):
                if token not in self.whole:
                    raise ValueError(f"no token for the byte {token.hex()} of {piece!r}: take it out of the text")
                ids.append(self.whole[token])
        return ids

    def trace(self, text: str) -> list[tuple[str, list[tuple[int, list[bytes]]]]]:
        """For each piece of the text, every merge in order: its rank and the tokens after it."""
        pieces = [piece for part in self._parts(string(text)) for piece in split(str(part), self.pattern)]
        return [(piece, list(merge_steps(piece.encode(), self.ranks))) for piece in pieces]

    def decode_bytes(self, ids: Ids) -> bytes:
        """The exact bytes of the ids, a list or a tensor; a ValueError names an id that is not in the vocabulary."""
        return b"".join(look_up(ids, self.tokens, self.n_vocab))

    def decode(self, ids: Ids, errors: str = "replace") -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD, or what `errors` says, as in `bytes.decode`."""
        return self.decode_bytes(ids).decode("utf-8", handler(errors))

    def __repr__(self) -> str:
        return repr(self.vocabulary).replace("Vocabulary", "Tokenizer", 1)

    def __reduce__(self) -> tuple[Callable[[Vocabulary, bool], "Tokenizer"], tuple[Vocabulary, bool]]:
        return type(self).of, (self.vocabulary, self.plain)  # a copy starts with empty tables

    @cached_property
    def _fast(self) -> Encoder:
        return Encoder(self.encode_by_hand, self.vocabulary)

    def _parts(self, text: str, names: Collection[str] = ()) -> list[str | int]:
        """The text between the special tokens of these names, normalized, and their ids, in order."""
        own = self.vocabulary
        return parts(join_surrogates(text), names, own.special_tokens, own.flags, own.normalizer, own.cuts)
