"""The official vocabularies in a form that loads much faster: the bytes of all tokens, in the order of their ids.

Reading their own files, and checking the merges in these against the ids, takes longer than everything else that
`minigpt tokens` does. So the result is kept beside them, with a digest of itself and of what they must be: if damaged,
or made from other files, it is not read but made again. It does not hold the patterns of `tokenizer/patterns.py`.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path

from tokenizer import patterns
from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.official import VOCABULARIES
from tokenizer.vocabulary import Vocabulary

FILE = "compact"  # its first 32 bytes are the digest
VERSION = 1  # of the form, to be increased when it changes
PATTERNS = {"gpt2": "GPT2_PATTERN", "cl100k_base": "CL100K_PATTERN"}


def load(name: str, folder: Path, make: Callable[[], Vocabulary]) -> Vocabulary:
    """The official vocabulary of this name from its compact form in `folder`; `make` reads the official files."""
    file = folder / FILE
    try:
        data = file.read_bytes()
    except OSError:
        data = b""
    if data[:32] == digest(name, data[32:]):
        return unpack(name, data[32:])
    vocabulary = make()
    body = pack(vocabulary)
    if unpack(name, body) == vocabulary:
        with suppress(OSError), replacing(file) as part:  # a cache that cannot be written to is no cache
            part.write_bytes(digest(name, body) + body)
    return vocabulary


def digest(name: str, body: bytes) -> bytes:
    """What precedes `body`, the compact form of a vocabulary's official files.

    >>> digest("gpt2", b"") == digest("cl100k_base", b"")
    False
    """
    return sha256(" ".join([str(VERSION), *(source.sha256 for source in VOCABULARIES[name])]).encode() + body).digest()


def pack(vocabulary: Vocabulary) -> bytes:
    """How many tokens there are, the length of each in a byte, their bytes; then each special token's id and name.

    >>> pack(Vocabulary({b"a": 0, b"ab": 1}, special_tokens={"<x>": 7}))
    b'\\x02\\x00\\x00\\x00\\x01\\x02aab7 <x>'
    """
    tokens = sorted(vocabulary.ranks, key=vocabulary.ranks.__getitem__)
    special = "\n".join(f"{i} {name}" for name, i in vocabulary.special_tokens.items())
    return b"".join([len(tokens).to_bytes(4, "little"), bytes(map(len, tokens)), *tokens, special.encode()])


def unpack(name: str, body: bytes) -> Vocabulary:
    """The vocabulary of this name: what `pack` was given, if its ids count up from 0 and it has nothing unusual.

    >>> unpack("gpt2", b"\\x02\\x00\\x00\\x00\\x01\\x02aab7 <x>").ranks
    {b'a': 0, b'ab': 1}
    """
    first = 4 + int.from_bytes(body[:4], "little")
    ends = [*accumulate(body[4:first], initial=first)]
    ranks = {body[start:end]: i for i, (start, end) in enumerate(pairwise(ends))}
    lines = [line.partition(" ") for line in body[ends[-1] :].decode().splitlines()]
    return Vocabulary(ranks, getattr(patterns, PATTERNS[name]), {token: int(i) for i, _, token in lines})
