"""What follows from encoding and decoding: batches, texts in chunks, bytes that are not text, offsets of tokens."""

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from tokenizer import merging
from tokenizer.fast.merging import merge
from tokenizer.ids import Ids, look_up
from tokenizer.splitting import split
from tokenizer.steps.normalizing import Normalizer
from tokenizer.streaming import encode_chunks, strings
from tokenizer.unicode import join_surrogates
from tokenizer.vocabulary import Vocabulary

T = TypeVar("T")
Names = str | Iterable[str]  # of special tokens: "all", or a collection
BLANKS = b" \n\t"


def string(text: object) -> str:
    """The text, or a ValueError if it is not a string.

    >>> string(b"hi")
    Traceback (most recent call last):
    ValueError: text b'hi' is no string: give a str; bytes go to encode_bytes, several texts to encode_batch
    """
    if isinstance(text, str):
        return text
    raise ValueError(
        f"text {text!r:.60} is no string: give a str; bytes go to encode_bytes, several texts to encode_batch"
    )


def several(things: Iterable[T], what: str, one: str) -> Iterable[T]:
    """The things, or a ValueError if a caller gave something other than a list of them, such as a single text.

    >>> several("hi", "texts", "encode")
    Traceback (most recent call last):
    ValueError: texts 'hi': give several in a list, or a single one to encode
    """
    if isinstance(things, (str, bytes, bytearray, Mapping)) or not isinstance(things, Iterable):
        raise ValueError(f"{what} {things!r:.60}: give several in a list, or a single one to {one}")
    return things


def handler(errors: str) -> str:
    """The name of an error handler, or a ValueError if Python knows none by this name.

    >>> handler("replace")
    'replace'
    """
    try:
        codecs.lookup_error(errors)
    except (LookupError, TypeError):
        raise ValueError(f'errors={errors!r:.60}: give "replace", "strict" or "ignore", as to bytes.decode') from None
    return errors


class TextTokenizer:
    """What every tokenizer that can `encode` and `decode` can also do.

    >>> from tokenizer import CharTokenizer
    >>> CharTokenizer().decode_batch(CharTokenizer().encode_batch(["ab", "c"]))
    ['ab', 'c']
    """

    encode: Callable[..., list[int]]
    decode: Callable[..., str]

    def encode_batch(self, texts: Iterable[str], **special: Names) -> list[list[int]]:
        """The ids of each text; `allow_special` and `disallow_special` as in `encode`, if that takes them."""
        names = {key: value if isinstance(value, str) else list(value) for key, value in special.items()}
        return [self.encode(text, **names) for text in several(texts, "texts", "encode")]

    def decode_batch(self, batch: Iterable[Ids]) -> list[str]:
        """The text of each list of ids."""
        return [self.decode(ids) for ids in several(batch, "batch", "decode")]


class ByteTokenizer(TextTokenizer):
    """What a tokenizer whose tokens are bytes can do in addition.

    >>> from tokenizer import Tokenizer
    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256})
    >>> list(tok.encode_iterable(["h", "i!"])), tok.encode_bytes(b"\\xff"), tok.encode_with_offsets("hi!")
    ([256, 33], [255], ([256, 33], [(0, 2), (2, 3)]))
    """

    vocabulary: Vocabulary
    ranks: Mapping[bytes, int]
    whole: Mapping[bytes, int]
    special_tokens: Mapping[str, int]
    tokens: Mapping[int, bytes]
    pattern: str
    normalizer: Normalizer
    n_vocab: int
    plain: bool

    def encode_iterable(
        self, chunks: Iterable[str], allow_special: Names = (), disallow_special: Names = ()
    ) -> Iterator[int]:
        """The ids of the chunks as one text, one by one, wherever it is split; a file's lines are such chunks.

        Only a block of text is held in memory, or a piece if that is longer. A pattern for which no place to cut can be
        proven safe, such as "(?s:.+)", makes the whole text one block.
        """
        return encode_chunks(self, strings(chunks), *self.named(allow_special, disallow_special))

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of bytes, UTF-8 or not. As in tiktoken, the last piece of the text before the first invalid byte,
        with blanks before it, becomes one piece with everything that follows."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ValueError(f"data {data!r:.60} are not bytes: give bytes, or a text to encode")
        data = bytes(data)
        try:
            return self.encode(data.decode())
        except UnicodeDecodeError as error:
            text = data[: error.start].decode()
        if self.normalizer or self.vocabulary.cuts:
            where = f"byte {len(text.encode())} of {len(data)}"
            raise ValueError(f"the data are not UTF-8 from {where} on, and this tokenizer reads characters: give text")
        ids = self.encode(text)
        pieces = split(self.decode(ids), self.pattern)
        n = min(len(ids), len(self._merge(pieces[-1].encode()))) if pieces else 0
        if n and not self.tokens[ids[-n]].strip(BLANKS):
            while n < len(ids) and not self.tokens[ids[-n - 1]].strip(BLANKS):
                n += 1
        kept, again = ids[: len(ids) - n], ids[len(ids) - n :]
        return kept + self._merge(b"".join(self.tokens[i] for i in again) + data[len(text.encode()) :])

    def _merge(self, piece: bytes) -> list[int]:
        if piece in self.whole:
            return [self.whole[piece]]
        parts = merging.merge(piece, self.ranks) if self.plain else merge(piece, self.ranks)
        for token in parts:
            if token not in self.whole:
                raise ValueError(f"no token for the byte {token.hex()}: take it out of the data")
        return [self.whole[token] for token in parts]

    def encode_with_offsets(
        self, text: str, allow_special: Names = (), disallow_special: Names = (), in_bytes: bool = False
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of a text, and where each token begins and ends in it: in characters, or in bytes of UTF-8.

        A token with only some of a character's bytes spans the character. A text that the tokenizer changes is refused,
        such as one that it would normalize to NFC, or one with surrogate pairs: its tokens have no offsets in it.
        """
        ids = self.encode(text, allow_special, disallow_special)
        tokens = look_up(ids, self.tokens, self.n_vocab)
        form = b"".join(tokens).decode("utf-8", "replace")
        if len(form) != len(text) or form != join_surrogates(text):
            raise ValueError(f"the text is encoded as {form!r:.60}, where its tokens have other places: give that form")
        return ids, offsets(tokens, in_bytes)

    def decode_with_offsets(self, ids: Ids) -> tuple[str, list[int]]:
        """The text of the ids and the character in which each token begins, as in tiktoken; a UnicodeDecodeError if
        the bytes are not UTF-8."""
        tokens = look_up(ids, self.tokens, self.n_vocab)
        return b"".join(tokens).decode(), [start for start, _ in offsets(tokens)]

    def named(self, allow_special: Names, disallow_special: Names) -> tuple[list[str], list[str]]:
        """The special tokens that are allowed, and those that are not; a ValueError for an unknown name."""
        names = {"allow_special": allow_special, "disallow_special": disallow_special}
        lists: list[list[str]] = []
        for argument, given in names.items():
            if (isinstance(given, str) and given != "all") or not isinstance(given, Iterable):
                raise ValueError(f'{argument}={given!r}: give "all" or a collection of names')
            lists.append(list(self.special_tokens) if given == "all" else list(given))
            for name in lists[-1]:
                if name not in self.special_tokens:
                    known = ", ".join(self.special_tokens) or "none"
                    raise ValueError(f"{argument}: no special token {name!r}: there are {known}")
        allowed, disallowed = lists
        return allowed, [
            name for name in disallowed if name not in allowed
        ] if disallow_special == "all" else disallowed


def offsets(tokens: Iterable[bytes], in_bytes: bool = False) -> list[tuple[int, int]]:
    """Where each token begins and ends, in characters or bytes of what they spell.

    >>> offsets([b"a", b"\\xc3", b"\\xa9!"]), offsets([b"a", b"\\xc3", b"\\xa9!"], in_bytes=True)
    ([(0, 1), (1, 2), (1, 3)], [(0, 1), (1, 2), (2, 4)])
    """
    found, end = [], 0
    for token in tokens:
        inside = 0 if in_bytes else sum(0x80 <= byte < 0xC0 for byte in token)  # continuation bytes
        start = end - 1 if end and not in_bytes and 0x80 <= token[0] < 0xC0 else end
        end += len(token) - inside
        found.append((start, end))
    return found
