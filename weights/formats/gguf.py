"""GGUF, llama.cpp's format: a header of named values, a table of tensors, then their blocks of numbers.

The format: https://github.com/ggml-org/ggml, docs/gguf.md. The header is read by hand (in `tokenizer`), in a
fraction of the time that the `gguf` package takes; that package unpacks quantized numbers.
"""

import mmap
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from tokenizer.formats.gguf import DAMAGE, read_header, string, unpack
from weights.formats.stored import StoredTensor
from weights.formats.wrong_file import AGAIN, check_beginning

# a tensor's type: its name, how many numbers a block holds, in how many bytes, and its dtype once unpacked
KINDS = {
    0: ("F32", 1, 4, torch.float32),
    1: ("F16", 1, 2, torch.float16),
    2: ("Q4_0", 32, 18, torch.float32),
    3: ("Q4_1", 32, 20, torch.float32),
    8: ("Q8_0", 32, 34, torch.float32),
}


def read(path: Path) -> tuple[dict[str, Any], dict[str, StoredTensor]]:
    """The named values and the tensors of a GGUF file; a ValueError names what is wrong with it."""
    with path.open("rb") as file:
        check_beginning(path, file.read(64))
        file.seek(0)
        values, n_tensors = read_header(file, path)
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
            raise ValueError(f"{path}: general.alignment is {alignment!r}, expected a multiple of 8: {AGAIN}")
        try:
            table = [(string(file), dimensions(file), *unpack(file, "IQ")) for _ in range(n_tensors)]
        except DAMAGE as error:
            raise ValueError(f"{path}: not a whole GGUF file ({error}): {AGAIN}") from None
        start_of_numbers = -(-file.tell() // alignment) * alignment
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    tensors: dict[str, StoredTensor] = {}
    for name, shape, kind, offset in table:
        if kind not in KINDS:
            known = ", ".join(label for label, *_ in KINDS.values())
            raise ValueError(f"{path}: {name} is of ggml's type {kind}; expected one of {known}")
        begin = start_of_numbers + offset
        end = begin + prod(shape) // KINDS[kind][1] * KINDS[kind][2]
        if end > len(pages):
            raise ValueError(f"{path}: {name} should end at byte {end:,}, the file has {len(pages):,}: {AGAIN}")
        tensors[name] = StoredTensor(
            tuple(shape), KINDS[kind][3], KINDS[kind][0], unpacker(pages, begin, end, shape, kind)
        )
    return values, tensors


def dimensions(file: BinaryIO) -> list[int]:
    """A tensor's shape; llama.cpp writes the last dimension first."""
    (n,) = unpack(file, "I")
    return list(unpack(file, f"{n}Q"))[::-1]


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
