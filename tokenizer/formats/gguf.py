"""The vocabulary inside a GGUF file, read from its header by hand: the weights behind it are never touched.

Source: `docs/gguf.md` of the ggml project. A file begins with magic, version, the numbers of tensors and of
key-value pairs; then the pairs, each a key, a type and a value; all numbers little-endian.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from tokenizer.formats.assemble import assemble
from tokenizer.patterns import GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN
from tokenizer.vocabulary import Vocabulary

PATTERNS = {"gpt-2": GPT2_PATTERN, "qwen2": QWEN2_PATTERN, "smollm": SMOLLM2_PATTERN}
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
DAMAGE = (struct.error, KeyError, UnicodeDecodeError, MemoryError, OverflowError, RecursionError)
CONTROL, USER_DEFINED = 3, 4  # kinds of tokens that stand outside the merges


def read(path: Path) -> Vocabulary:
    """The vocabulary in a GGUF file; a ValueError where it is not byte-pair encoding or of an unknown pattern.

    >>> import os
    >>> read(Path(os.devnull))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...null: the header of this GGUF file is damaged or cut short: fetch it anew
    """
    with path.open("rb") as file:
        data, _ = read_header(file, path)
    if data.get("tokenizer.ggml.model") != "gpt2":
        raise ValueError(f"{path}: the tokenizer is {data.get('tokenizer.ggml.model')!r}, not byte-pair encoding")
    pre = str(data.get("tokenizer.ggml.pre", "gpt-2"))
    if pre not in PATTERNS:
        raise ValueError(f"{path}: the pattern is {pre!r}, known are {', '.join(PATTERNS)}")
    tokens, kinds = texts(data, "tokens", path), data.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        what = f"tokenizer.ggml.token_type is {kinds!r:.60}, not a list of {len(tokens)} numbers"
        raise ValueError(f"{path}: {what}: export the file anew")
    special = {t: i for i, t in enumerate(tokens) if kinds[i] in (CONTROL, USER_DEFINED)}
    vocab = {token: i for i, token in enumerate(tokens) if kinds[i] == 1}
    merges = [merge.split(" ") for merge in texts(data, "merges", path)]
    normalizer = "NFC" if pre == "qwen2" else None
    return assemble(vocab, merges, special, PATTERNS[pre], normalizer, str(path), all_made=True)


def texts(data: dict[str, Any], key: str, path: Path) -> list[str]:
    """A list of texts in the header; a ValueError where it is missing or something else.

    >>> texts({}, "merges", Path("x.gguf"))
    Traceback (most recent call last):
    ValueError: x.gguf: tokenizer.ggml.merges is None, not a list of texts: export the file anew
    """
    found = data.get(f"tokenizer.ggml.{key}")
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"{path}: tokenizer.ggml.{key} is {found!r:.60}, not a list of texts: export the file anew")
    return found


def read_header(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int]:
    """The named values of a GGUF file and the number of its tensors; `file` then stands at the table of these.

    A ValueError with `path` where the header is no such one, damaged or cut short.

    >>> import io
    >>> pair = struct.pack("<Q3sI", 3, b"key", 4) + struct.pack("<I", 7)
    >>> read_header(io.BytesIO(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair), Path("x.gguf"))
    ({'key': 7}, 0)
    """
    try:
        magic, version, n_tensors, n_values = unpack(file, "4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"{path} is not a GGUF file of version 2 or 3")
        return {string(file): value(file, *unpack(file, "I")) for _ in range(n_values)}, n_tensors
    except DAMAGE:
        raise ValueError(f"{path}: the header of this GGUF file is damaged or cut short: fetch it anew") from None


def unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    """The next numbers, by their letters in Python's struct; a struct.error where the file ends before.

    >>> import io
    >>> unpack(io.BytesIO(bytes([1, 2, 0])), "BH")
    (1, 2)
    """
    return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))


def string(file: BinaryIO) -> str:
    """The next text: its length, then UTF-8.

    >>> import io
    >>> string(io.BytesIO(struct.pack("<Q", 2) + b"hi"))
    'hi'
    """
    (length,) = unpack(file, "Q")
    data = file.read(min(length, 1 << 30))
    if len(data) < length:
        raise struct.error("cut short")
    return data.decode("utf-8")


def value(file: BinaryIO, kind: int) -> Any:
    """The next value of a kind: a number, a text, or a list of either; a KeyError for a kind that is none.

    >>> import io
    >>> value(io.BytesIO(struct.pack("<IQ3H", 2, 3, 7, 8, 9)), ARRAY)
    [7, 8, 9]
    """
    if kind == STRING:
        return string(file)
    if kind != ARRAY:
        return unpack(file, NUMBERS[kind])[0]
    of, length = unpack(file, "IQ")
    if of in NUMBERS:
        return list(unpack(file, f"{length}{NUMBERS[of]}"))
    return [value(file, of) for _ in range(length)]
