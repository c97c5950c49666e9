"""The header of a GGUF file, read by hand: named values; after it come a table of tensors and their numbers.

Source: `docs/gguf.md` of the ggml project. A file begins with magic, version, the numbers of tensors and of
key-value pairs; then the pairs, each a key, a type and a value; all numbers little-endian.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
LENGTH = struct.Struct("<Q")  # of a text; made once, since there are hundreds of thousands
DAMAGE = (struct.error, KeyError, UnicodeDecodeError, MemoryError, OverflowError)
LARGEST_HEADER = 1 << 26  # bytes; the header of a vocabulary of 262,144 tokens takes 20 million
MOST_VALUES = 1 << 21  # in all lists together; that vocabulary has 1.3 million
OLD_MAGICS = (b"lmgg", b"tjgg", b"fmgg", b"algg")  # ggml, ggjt, ggmf, ggla as they appear in a file
ANEW = "convert the model to GGUF anew"


def read_header(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int]:
    """The named values of a GGUF file and the number of its tensors; `file` is then at the table of tensors.

    A ValueError with `path` if the header is not one of GGUF, is damaged or is cut short.

    >>> import io
    >>> pair = struct.pack("<Q3sI", 3, b"key", 4) + struct.pack("<I", 7)
    >>> read_header(io.BytesIO(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair), Path("x.gguf"))
    ({'key': 7}, 0)
    """
    values: dict[str, Any] = {}
    room = MOST_VALUES
    try:
        magic, version = unpack(file, "4sI")
        check_version(magic, version, path)
        n_tensors, n_values = unpack(file, "QQ")
        for _ in range(n_values):
            key = string(file)
            if key in values or not key.isprintable():
                raise ValueError(f"{path}: its header has {key!r:.80} twice, or that is no key: {ANEW}")
            values[key] = value(file, unpack(file, "I")[0], room)
            room -= len(values[key]) if isinstance(values[key], list) else 0
            if file.tell() > LARGEST_HEADER:
                raise ValueError(f"{path}: its header is longer than that of any vocabulary, at {key!r:.80}: {ANEW}")
    except DAMAGE:
        raise ValueError(f"{path}: the header of this GGUF file is damaged or cut short: fetch it anew") from None
    return values, n_tensors


def check_version(magic: bytes, version: int, path: Path) -> None:
    """A ValueError for a file that is not a GGUF file, or is of a kind that is not read here.

    >>> check_version(b"GGUF", 1, Path("x.gguf"))
    Traceback (most recent call last):
    ValueError: x.gguf is a GGUF file of version 1, read are 2 and 3: convert the model to GGUF anew
    """
    if magic in OLD_MAGICS:
        raise ValueError(f"{path} is not a GGUF file but a GGML file, the format before it: {ANEW}")
    if magic != b"GGUF":
        raise ValueError(f"{path} is not a GGUF file of version 2 or 3")
    if version & 0xFFFF == 0 and version:  # a small number with its bytes reversed
        raise ValueError(f"{path} is a big-endian GGUF file, read are little-endian ones: {ANEW}")
    if version not in (2, 3):
        raise ValueError(f"{path} is a GGUF file of version {version}, read are 2 and 3: {ANEW}")


def unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    """The next numbers, by their letters in Python's struct; a struct.error if the file ends first.

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
    (length,) = LENGTH.unpack(file.read(8))
    data = file.read(min(length, LARGEST_HEADER))
    if len(data) < length:
        raise struct.error("cut short")
    return data.decode("utf-8")


def value(file: BinaryIO, kind: int, room: int = MOST_VALUES) -> Any:
    """The next value of a kind: a number, a text, or a list of up to `room` of either; a KeyError for an
    unknown kind, an OverflowError for a longer list.

    Lists of lists are not read: the format's own reader does not read them either.

    >>> import io
    >>> value(io.BytesIO(struct.pack("<IQ3H", 2, 3, 7, 8, 9)), ARRAY)
    [7, 8, 9]
    """
    if kind == STRING:
        return string(file)
    if kind != ARRAY:
        return unpack(file, NUMBERS[kind])[0]
    of, length = unpack(file, "IQ")
    if length > room:
        raise OverflowError(f"a list of {length} values")
    return [string(file) for _ in range(length)] if of == STRING else list(unpack(file, f"{length}{NUMBERS[of]}"))
