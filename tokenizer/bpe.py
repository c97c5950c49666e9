"""The tokenizer: text to ids and back. Pattern, then table, then the merge loop for what the table lacks."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path

from tokenizer.fast.memo import Memo
from tokenizer.fast.units import units, whole
from tokenizer.ids import Ids, look_up
from tokenizer.merging import merge, merge_steps, mergeable_pairs, split_unmergeable
from tokenizer.patterns import GPT2_PATTERN
from tokenizer.splitting import compile_pattern


class Tokenizer:
    """Byte-level byte-pair encoding as in GPT-2 (Radford et al. 2019, section 2.2).

    `ranks` gives the id of every token by its bytes, lower ids merge first; `pattern` cuts the text before
    merging; `special_tokens` stand outside of both; `normalizer` is None or "NFC".

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256}, special_tokens={"<|end|>": 257})
    >>> tok.encode("hi!"), tok.decode([256, 33]), tok.n_vocab
    ([256, 33], 'hi!', 258)
    """

    def __init__(
        self,
        ranks: Mapping[bytes, int],
        pattern: str = GPT2_PATTERN,
        special_tokens: Mapping[str, int] | None = None,
        normalizer: str | None = None,
    ) -> None:
        self.ranks = dict(ranks)
        self.pattern = pattern
        self.special_tokens = dict(special_tokens or {})
        self.normalizer = normalizer
        self.tokens = {i: token for token, i in self.ranks.items()}
        for name, i in self.special_tokens.items():
            if not name:
                raise ValueError("a special token is empty: give it a name")
            if self.tokens.setdefault(i, name.encode()) != name.encode():
                raise ValueError(f"special token {name!r} has the id {i} of another token: give it its own")
        if len(self.tokens) < len(self.ranks):
            raise ValueError(f"{len(self.ranks)} ranks share {len(self.tokens)} ids: give every token its own")
        if not self.tokens or normalizer not in (None, "NFC"):
            raise ValueError("the vocabulary is empty" if not self.tokens else f"no normalizer {normalizer!r}")
        self.n_vocab = max(self.tokens) + 1
        self._split = compile_pattern(pattern)
        self._islands = Memo(self._merge)
        self._pieces = Memo(self._encode_piece)
        self._units = {"": Memo(self._encode_unit), " ": Memo(lambda unit: self._encode_unit(" " + unit))}

    def encode(self, text: str, allow_special: str | Iterable[str] = ()) -> list[int]:
        """The ids of a text; special tokens in it are plain text unless named in `allow_special` or it is "all".

        >>> tok = Tokenizer({bytes([i]): i for i in range(256)}, special_tokens={"<|end|>": 256})
        >>> tok.encode("a<|end|>", allow_special="all"), tok.encode("<|")
        ([97, 256], [60, 124])
        """
        ids: list[int] = []
        for part in self._parts(text, allow_special):
            if isinstance(part, int):
                ids.append(part)
                continue
            for before, found in units(part, self.pattern):
                ids += chain.from_iterable(map(self._units[before].__getitem__, found))
        return ids

    def trace(self, text: str) -> list[tuple[str, list[tuple[int, list[bytes]]]]]:
        """For each piece of the text, every merge in order: its rank and the tokens after it.

        >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"an": 256, b"ana": 257})
        >>> tok.trace("an ana")
        [('an', [(256, [b'an'])]), (' ana', [(256, [b' ', b'an', b'a']), (257, [b' ', b'ana'])])]
        """
        pieces = chain.from_iterable(self._split(str(part)) for part in self._parts(text, ()))
        return [(piece, list(merge_steps(piece.encode(), self.ranks))) for piece in pieces]

    def decode_bytes(self, ids: Ids) -> bytes:
        """The exact bytes of the ids, a list or a tensor; a ValueError names an id that is not in the vocabulary.

        >>> Tokenizer({bytes([i]): i for i in range(256)}).decode_bytes([240, 159])
        b'\\xf0\\x9f'
        """
        return b"".join(look_up(ids, self.tokens, self.n_vocab))

    def decode(self, ids: Ids) -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD.

        >>> Tokenizer({bytes([i]): i for i in range(256)}).decode([104, 105])
        'hi'
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def save(self, folder: str | Path) -> None:
        """Writes vocab.json, merges.txt and tokenizer.json, which transformers and `tokenizers` read too.

        >>> import tempfile
        >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tok.save(folder)
        ...     Tokenizer.load(folder).encode("hi")
        [256]
        """
        from tokenizer.formats.files import save

        save(self, Path(folder))

    @classmethod
    def load(cls, name_or_path: str | Path, pattern: str | None = None) -> "Tokenizer":
        """A tokenizer by name ("gpt2", "cl100k_base", "storyteller"), or from a file or folder.

        A folder holds tokenizer.json, vocab.json with merges.txt, or encoder.json with vocab.bpe; a file is a
        tokenizer.json, a .tiktoken or a .gguf. `pattern` is for formats that do not say theirs.

        >>> Tokenizer.load("gpt5")
        Traceback (most recent call last):
        ValueError: no vocabulary 'gpt5': there are gpt2, cl100k_base, storyteller, files and folders
        """
        from tokenizer.fetch.official import load

        return load(name_or_path, pattern)

    def _parts(self, text: str, allow_special: str | Iterable[str]) -> list[str | int]:
        """The text between special tokens, normalized, and the ids of these, in turn."""
        names = self.special_tokens if allow_special == "all" else allow_special
        if isinstance(names, str):
            raise ValueError(f'allow_special={names!r}: give "all" or a collection of names')
        names = list(names)
        for name in names:
            if name not in self.special_tokens:
                raise ValueError(f"no special token {name!r}: there are {', '.join(self.special_tokens) or 'none'}")
        longest_first = sorted(names, key=len, reverse=True)
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", whole(text)) if names else [whole(text)]
        plain = (lambda part: unicodedata.normalize("NFC", part)) if self.normalizer else str
        return [self.special_tokens[part] if i % 2 else plain(part) for i, part in enumerate(parts)]

    @cached_property
    def _joints(self) -> set[tuple[int, int]]:
        return mergeable_pairs(self.ranks)

    def _encode_unit(self, unit: str) -> tuple[int, ...]:
        return tuple(chain.from_iterable(map(self._pieces.__getitem__, self._split(unit))))

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        data = piece.encode()
        if data in self.ranks:
            return (self.ranks[data],)
        if len(data) < 24 or piece.isascii():
            return self._merge(data)
        return tuple(chain.from_iterable(map(self._islands.__getitem__, split_unmergeable(data, self._joints))))

    def _merge(self, data: bytes) -> tuple[int, ...]:
        try:
            return tuple([self.ranks[token] for token in merge(data, self.ranks)])
        except KeyError as error:
            byte, piece = error.args[0].hex(), data.decode("utf-8", "replace")
            raise ValueError(f"no token for the byte {byte} of {piece!r}: take it out of the text") from None
