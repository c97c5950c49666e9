"""GGUF, llama.cpp's format: a header of named values, a table of tensors, then their blocks of numbers.

The format: https://github.com/ggml-org/ggml, docs/gguf.md. The header is read by hand, which takes a fiftieth of the
time of the `gguf` package's reader; quantized numbers are unpacked by that package's `dequantize`.
"""

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weights.files import AGAIN, check_beginning
from weights.tensors import Stored

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# a tensor's type: its name, how many numbers a block holds, in how many bytes, and its dtype once unpacked
KINDS = {
    0: ("F32", 1, 4, torch.float32),
    1: ("F16", 1, 2, torch.float16),
    2: ("Q4_0", 32, 18, torch.float32),
    3: ("Q4_1", 32, 20, torch.float32),
    8: ("Q8_0", 32, 34, torch.float32),
}


@dataclass
class Cursor:
    """A place in the file that moves on as values are read."""

    data: mmap.mmap
    at: int = 0

    def take(self, n_bytes: int) -> bytes:
        """The next bytes; a ValueError where the file ends before."""
        if n_bytes > len(self.data) - self.at:
            raise ValueError("cut short")
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def number(self, code: str) -> Any:
        """The next number, by its letter in Python's struct."""
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def string(self) -> str:
        """The next text: its length in eight bytes, then UTF-8."""
        return self.take(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """The next value of a kind: a number, a text, or an array of either."""
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner, n = self.number("I"), self.number("Q")
            if inner not in SCALARS:
                return [self.value(inner) for _ in range(n)]
            code = f"<{n}{SCALARS[inner]}"
            return list(struct.unpack(code, self.take(n * struct.calcsize("<" + SCALARS[inner]))))
        if kind not in SCALARS:
            raise ValueError(f"an unknown kind of value, {kind}")
        return self.number(SCALARS[kind])


def read(path: Path) -> tuple[dict[str, Any], dict[str, Stored]]:
    """The named values and the tensors of a GGUF file; a ValueError names what is wrong with it."""
    with path.open("rb") as file:
        start = file.read(64)
        check_beginning(path, start)
        if not start.startswith(b"GGUF"):
            raise ValueError(f"{path}: expected a GGUF file, it begins with {start[:4]!r}: {AGAIN}")
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    cursor = Cursor(pages, 4)
    try:
        version, n_tensors, n_values = cursor.number("I"), cursor.number("Q"), cursor.number("Q")
        if version not in (2, 3):
            raise ValueError(f"version {version}, expected 2 or 3")
        values = {cursor.string(): cursor.value(cursor.number("I")) for _ in range(n_values)}
        table = [
            (cursor.string(), [cursor.number("Q") for _ in range(cursor.number("I"))][::-1], *place(cursor))
            for _ in range(n_tensors)
        ]
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
            raise ValueError(f"general.alignment is {alignment!r}, expected a multiple of 8")
    except (ValueError, struct.error, RecursionError) as error:
        raise ValueError(f"{path}: not a whole GGUF file ({error}): {AGAIN}") from None
    start_of_numbers = -(-cursor.at // alignment) * alignment
    tensors: dict[str, Stored] = {}
    for name, shape, kind, offset in table:
        if kind not in KINDS:
            known = ", ".join(label for label, *_ in KINDS.values())
            raise ValueError(f"{path}: {name} is of ggml's type {kind}; expected one of {known}")
        begin = start_of_numbers + offset
        end = begin + prod(shape) // KINDS[kind][1] * KINDS[kind][2]
        if end > len(pages):
            raise ValueError(f"{path}: {name} should end at byte {end:,}, the file has {len(pages):,}: {AGAIN}")
        tensors[name] = Stored(tuple(shape), KINDS[kind][3], KINDS[kind][0], unpacker(pages, begin, end, shape, kind))
    return values, tensors


def place(cursor: Cursor) -> tuple[int, int]:
    """A tensor's type and the offset of its first byte."""
    return cursor.number("I"), cursor.number("Q")


def unpacker(pages: mmap.mmap, begin: int, end: int, shape: list[int], kind: int) -> Callable[[], Tensor]:
    """The function that gives a tensor's numbers."""

    def plain() -> Tensor:
        return torch.frombuffer(pages, dtype=KINDS[kind][3], count=prod(shape), offset=begin).view(shape)

    def unpacked() -> Tensor:
        try:
            from gguf import GGMLQuantizationType, dequantize
        except ImportError:
            raise ImportError(f"{KINDS[kind][0]} numbers need the gguf package: pip install minigpt[gguf]") from None
        import numpy as np

        blocks = np.frombuffer(pages, dtype=np.uint8, count=end - begin, offset=begin).reshape(*shape[:-1], -1)
        return torch.from_numpy(dequantize(blocks, GGMLQuantizationType(kind))).view(shape)

    return plain if KINDS[kind][1] == 1 else unpacked
