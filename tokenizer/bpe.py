"""The tokenizer: text to ids and back."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path

from tokenizer.merging import merge
from tokenizer.splitting import GPT2_PATTERN, blocks, compile_pattern

# GPT-2 numbers the bytes so that the printable ones of Latin-1 come first: "!" is 0, a line end is 198.
PRINTABLE = bytes([*range(33, 127), *range(161, 173), *range(174, 256)])
BYTES = PRINTABLE + bytes(b for b in range(256) if b not in PRINTABLE)


class Pieces(dict[str, tuple[int, ...]]):
    """The ids of pieces already met; a piece not met before is encoded, and the table starts anew when full."""

    def __init__(self, encode: Callable[[str], tuple[int, ...]], limit: int = 1 << 18, longest: int = 64) -> None:
        super().__init__()
        self.encode, self.limit, self.longest = encode, limit, longest

    def __missing__(self, piece: str) -> tuple[int, ...]:
        ids = self.encode(piece)
        if len(piece) <= self.longest:
            if len(self) >= self.limit:
                self.clear()
            self[piece] = ids
        return ids


class Tokenizer:
    """Byte-level byte-pair encoding as in GPT-2 (Radford et al. 2019, section 2.2).

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256}, special_tokens={"<|end|>": 257})
    >>> tok.encode("hi!"), tok.decode([256, 33])
    ([256, 33], 'hi!')
    """

    def __init__(
        self,
        ranks: Mapping[bytes, int],
        pattern: str = GPT2_PATTERN,
        special_tokens: Mapping[str, int] | None = None,
    ) -> None:
        self.ranks = dict(ranks)
        self.pattern = pattern
        self.special_tokens = dict(special_tokens or {})
        missing = [i for i in range(256) if bytes([i]) not in self.ranks]
        if missing:
            raise ValueError(f"ranks lack the byte {missing[0]:#04x}: every one of the 256 bytes needs an id")
        self.tokens = {i: token for token, i in self.ranks.items()}
        self.tokens |= {i: name.encode() for name, i in self.special_tokens.items()}
        if len(self.tokens) != len(self.ranks) + len(self.special_tokens):
            raise ValueError("two tokens share an id: give every token and special token its own")
        self.n_vocab = max(self.tokens) + 1
        self._split = compile_pattern(pattern)
        self._pieces = Pieces(self._encode_piece)

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        data = piece.encode()
        rank = self.ranks.get(data)
        return (rank,) if rank is not None else tuple(map(self.ranks.__getitem__, merge(data, self.ranks)))

    def encode(self, text: str, allow_special: str | Collection[str] = ()) -> list[int]:
        """The ids of a text; special tokens in it are plain text unless named in `allow_special` or it is "all".

        >>> tok = Tokenizer({bytes([i]): i for i in range(256)}, special_tokens={"<|end|>": 256})
        >>> tok.encode("a<|end|>", allow_special="all")
        [97, 256]
        """
        try:
            text.encode()
        except UnicodeEncodeError:  # halves of a pair join, a lone half becomes U+FFFD, as in tiktoken
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        names = self._allowed(allow_special)
        if not names:
            return self._encode_plain(text)
        ids: list[int] = []
        for i, part in enumerate(re.split("(" + "|".join(map(re.escape, names)) + ")", text)):
            ids += [self.special_tokens[part]] if i % 2 else self._encode_plain(part)
        return ids

    def _allowed(self, allow_special: str | Collection[str]) -> list[str]:
        names = self.special_tokens if allow_special == "all" else allow_special
        if isinstance(names, str):
            raise ValueError(f'allow_special={names!r}: give "all" or a collection of names')
        for name in names:
            if name not in self.special_tokens:
                raise ValueError(f"no special token {name!r}; there are {', '.join(self.special_tokens) or 'none'}")
        return sorted(names, key=len, reverse=True)

    def _encode_plain(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._pieces.__getitem__, self._split(text))))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of the ids; a ValueError names an id that is not in the vocabulary.

        >>> Tokenizer({bytes([i]): i for i in range(256)}).decode_bytes([240, 159])
        b'\\xf0\\x9f'
        """
        ids = list(ids)
        try:
            return b"".join([self.tokens[i] for i in ids])
        except (KeyError, TypeError):
            bad = next(i for i in ids if i not in self.tokens)
            raise ValueError(f"id {bad} is not in the vocabulary: ids are 0 to {self.n_vocab - 1}") from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD.

        >>> Tokenizer({bytes([i]): i for i in range(256)}).decode([104, 105])
        'hi'
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def save(self, folder: str | Path) -> None:
        """Writes vocab.json, merges.txt and tokenizer.json, which `tokenizers` and transformers read too."""
        from tokenizer.files import save

        save(self, Path(folder))

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Tokenizer":
        """A tokenizer from a folder with vocab.json and merges.txt or with tokenizer.json."""
        from tokenizer.files import load

        return load(Path(name_or_path))
