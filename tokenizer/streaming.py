"""Streaming: the ids of a text that comes in chunks, and the text of ids that come one by one."""

import codecs
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tokenizer.patterns import any_of
from tokenizer.unicode import join_surrogates

if TYPE_CHECKING:
    from tokenizer.base import ByteTokenizer
    from tokenizer.bpe import Tokenizer

BLOCK = 1 << 14  # characters
STREAMED = {"ranks", "pattern", "special_tokens", "normalizer", "tokens", "before", "after", "whole"}  # of a Vocabulary


def encode_chunks(
    tok: "ByteTokenizer", chunks: Iterable[str], allowed: Sequence[str] = (), disallowed: Sequence[str] = ()
) -> Iterator[int]:
    """The ids of the chunks as one text, with the special tokens that are allowed in it.

    Held in memory is a block of text or, if longer, a stretch where `cuts` finds no place to cut: at least one piece,
    and the whole text if the vocabulary does more than cut by one pattern, NFC and special tokens taken literally.

    >>> from tokenizer import Tokenizer
    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"aa": 256}, special_tokens={"<|end|>": 257})
    >>> list(encode_chunks(tok, ["a", "a<|e", "nd|>"], ["<|end|>"]))
    [256, 257]
    """
    others = [name for name, value in vars(tok.vocabulary).items() if value and name not in STREAMED]
    if others or tok.normalizer not in (None, "NFC"):
        yield from tok.encode("".join(without(whole_characters(chunks, BLOCK), disallowed)), allowed)
        return
    from tokenizer.fast.cuts import cutter  # only chunks pay for the import

    special, longest = any_of(allowed), max(map(len, allowed), default=1)
    cut = cutter(tok.pattern, composed=tok.normalizer is not None)
    held = fresh = ""  # text without special tokens; then text not yet searched for them
    for chunk in without(whole_characters(chunks, BLOCK), disallowed):
        fresh += chunk
        if chunk and len(fresh) < max(BLOCK, len(held)):
            continue
        start, end = 0, len(fresh) - longest + 1 if chunk else len(fresh)  # beyond the end one may have begun
        if found := [match.span() for match in special.finditer(fresh) if match.start() < end] if allowed else []:
            first, start = found[0][0], found[-1][1]
            yield from tok.encode(held + fresh[:first])
            yield from tok.encode(fresh[first:start], allowed)
            held = ""
        end = max(start, end)
        held, fresh = held + fresh[start:end], fresh[end:]
        if tok.normalizer:
            held = unicodedata.normalize("NFC", held)
        end = cut(held) if chunk else len(held)
        yield from tok.encode(held[:end])
        held = held[end:]


def find_special(text: str, names: Sequence[str], before: int = 0) -> None:
    """A ValueError if the text, which `before` characters precede, contains one of the names.

    >>> find_special("a<|end|>", ["<|end|>"])
    Traceback (most recent call last):
    ValueError: special token '<|end|>' at character 1 of the text: take it out, or name it in allow_special
    """
    if found := names and any_of(names).search(text):
        place = f"{found.group()!r} at character {before + found.start()} of the text"
        raise ValueError(f"special token {place}: take it out, or name it in allow_special")


def without(chunks: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    """The chunks; a ValueError as soon as they contain one of the names, even one split between chunks.

    >>> list(without(["a", "b"], ["ac"]))
    ['a', 'b']
    """
    keep, tail, before = max(map(len, names), default=1) - 1, "", 0
    for chunk in chunks:
        tail += chunk
        find_special(tail, names, before)
        drop = max(0, len(tail) - keep)
        tail, before = tail[drop:], before + drop
        yield chunk


def strings(chunks: Iterable[str]) -> Iterator[str]:
    """The chunks, or a ValueError if they are not strings.

    >>> list(strings(["a", b"b"]))
    Traceback (most recent call last):
    ValueError: chunk b'b' is no string: give an iterable of str, such as an open text file
    """

    def checked(chunk: object) -> str:
        if isinstance(chunk, str):
            return chunk
        raise ValueError(f"chunk {chunk!r:.60} is no string: give an iterable of str, such as an open text file")

    if isinstance(chunks, (bytes, bytearray, Mapping)) or not isinstance(chunks, Iterable):
        raise ValueError(f"chunks {chunks!r:.60}: give an iterable of str, such as an open text file")
    return map(checked, chunks)


def whole_characters(chunks: Iterable[str], size: int) -> Iterator[str]:
    """The chunks in blocks of about `size` characters, with surrogates joined, and an empty one at the end.

    >>> list(whole_characters(["a", "bc\\ud83d", "\\ude00"], size=2))
    ['abc', '😀', '']
    """
    held, length = [""], 0
    for chunk in chunks:
        for i in range(0, len(chunk), size):
            held.append(chunk[i : i + size])
            length += len(held[-1])
            if length >= size:
                block = "".join(held)
                whole = len(block) - ("\ud800" <= block[-1] <= "\udbff")  # the second half of a pair may follow
                held, length = [block[whole:]], len(block) - whole
                if whole:
                    yield join_surrogates(block[:whole])
    if rest := "".join(held):
        yield join_surrogates(rest)
    yield ""


class StreamDecoder:
    """Decodes ids as they come; the results of `push` and `flush`, joined, equal `decode` of all ids.

    >>> from tokenizer import Tokenizer
    >>> stream = StreamDecoder(Tokenizer({bytes([i]): i for i in range(256)}))
    >>> [stream.push(i) for i in "né".encode()], stream.flush()
    (['n', '', 'é'], '')
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        """The characters that `id` completes, often none; a bad id is a ValueError.

        >>> from tokenizer import Tokenizer
        >>> StreamDecoder(Tokenizer({b"hi": 0})).push(0)
        'hi'
        """
        return self._decoder.decode(self._tokenizer.decode_bytes([id]))

    def flush(self) -> str:
        """The rest at the end: U+FFFD if a character's last bytes never came.

        >>> from tokenizer import Tokenizer
        >>> stream = StreamDecoder(Tokenizer({b"\\xf0": 0}))
        >>> stream.push(0), stream.flush()
        ('', '\ufffd')
        """
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
