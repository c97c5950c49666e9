"""GGUF, llama.cpp's format: a header of named values, a table of tensors, then their blocks of numbers.

The format: https://github.com/ggml-org/ggml, docs/gguf.md. The header is read by hand (in `tokenizer`), in a
fraction of the time that the `gguf` package takes; that package unpacks quantized numbers.
"""

import mmap
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from tokenizer.formats.gguf_header import ANEW, DAMAGE, read_header, string, unpack
from tokenizer.formats.regular import check_regular
from weights.formats.gguf_types import NO_LONGER, TYPES
from weights.formats.stored import StoredTensor
from weights.formats.wrong_file import AGAIN, check_beginning

PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
WHOLE = {"I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64}
MOST_DIMENSIONS = 4
ROWS = 1 << 22  # values unpacked at a time, so that no second copy of a large tensor is made


class Entry(NamedTuple):
    """A tensor in the table: its name, its shape, the name of its type, and where its bytes are."""

    name: str
    shape: tuple[int, ...]
    kind: str
    begin: int
    end: int


def read(path: Path) -> tuple[dict[str, Any], dict[str, StoredTensor]]:
    """The named values and the tensors of a GGUF file; a ValueError names what is wrong with it."""
    with check_regular(path).open("rb") as file:
        check_beginning(path, file.read(64))
        file.seek(0)
        values, n_tensors = read_header(file, path)
        entries = read_table(file, path, n_tensors, alignment_of(values, path))
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return values, {entry.name: stored(pages, entry, path) for entry in entries}


def alignment_of(values: dict[str, Any], path: Path) -> int:
    """The number of bytes at whose multiples the tensors begin."""
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
        raise ValueError(f"{path}: general.alignment is {alignment!r:.60}, expected a multiple of 8: {AGAIN}")
    return alignment


def read_table(file: BinaryIO, path: Path, n_tensors: int, alignment: int) -> list[Entry]:
    """The tensors that the table names; a ValueError if one is not between the table and the end."""
    found: dict[str, tuple[tuple[int, ...], int, int]] = {}
    try:
        for _ in range(n_tensors):
            name, shape, (kind, offset) = string(file), dimensions(file), unpack(file, "IQ")
            if name in found or not name.isprintable():
                raise ValueError(f"{path}: {name!r:.80} is there twice, or no name; every tensor has one: {ANEW}")
            found[name] = shape, kind, offset
    except DAMAGE as error:
        raise ValueError(f"{path}: not a whole GGUF file ({error}): {AGAIN}") from None
    start, size = -(-file.tell() // alignment) * alignment, file.seek(0, 2)
    entries = []
    for name, (shape, kind, offset) in found.items():
        if kind not in TYPES:
            known = NO_LONGER.get(kind, f"ggml's type {kind}")
            raise ValueError(f"{path}: {name} is of {known}, which is not read here: fetch a file in Q8_0 or Q4_K_M")
        label, n_values, n_bytes = TYPES[kind]
        if shape and shape[-1] % n_values:
            raise ValueError(f"{path}: {name} has rows of {shape[-1]}, {label} has blocks of {n_values}: {AGAIN}")
        if offset % alignment:
            raise ValueError(f"{path}: {name} begins at offset {offset:,}, no multiple of {alignment}: {AGAIN}")
        end = start + offset + prod(shape) // n_values * n_bytes
        if end > size:
            raise ValueError(f"{path}: {name} should end at byte {end:,}, the file has {size:,}: {AGAIN}")
        entries.append(Entry(name, shape, label, start + offset, end))
    check_disjoint(entries, path)
    return entries


def dimensions(file: BinaryIO) -> tuple[int, ...]:
    """A tensor's shape; llama.cpp writes the last dimension first."""
    (n,) = unpack(file, "I")
    if n > MOST_DIMENSIONS:
        raise OverflowError(f"a tensor of {n} dimensions")
    return tuple(unpack(file, f"{n}Q")[::-1])


def check_disjoint(entries: list[Entry], path: Path) -> None:
    """A ValueError if two tensors share bytes."""
    last = None
    for entry in sorted((e for e in entries if e.end > e.begin), key=lambda e: e.begin):
        if last is not None and entry.begin < last.end:
            raise ValueError(f"{path}: {entry.name} begins inside {last.name}, expected bytes of its own: {AGAIN}")
        last = entry


def stored(pages: mmap.mmap, entry: Entry, path: Path) -> StoredTensor:
    """One tensor of the mapped file."""
    dtype = {**PLAIN, **WHOLE}.get(entry.kind)
    if dtype is None:
        return StoredTensor(entry.shape, torch.float32, entry.kind, unpacker(pages, entry, path), unpacked=True)
    count = prod(entry.shape)

    def plain() -> Tensor:
        if not count:
            return torch.empty(entry.shape, dtype=dtype)
        return torch.frombuffer(pages, dtype=dtype, count=count, offset=entry.begin).view(entry.shape)

    return StoredTensor(entry.shape, dtype, entry.kind, plain)


def unpacker(pages: mmap.mmap, entry: Entry, path: Path) -> Callable[[], Tensor]:
    """The function that gives the numbers of a quantized tensor, in float32."""

    def unpacked() -> Tensor:
        try:
            from gguf import GGMLQuantizationType, dequantize
        except ImportError:
            raise ImportError(f"{entry.kind} numbers need the gguf package: pip install minigpt[gguf]") from None
        import numpy as np

        values = torch.empty(entry.shape)
        n_rows = max(1, prod(entry.shape[:-1]))
        step = max(1, ROWS // max(1, values.numel() // n_rows))
        blocks = np.frombuffer(pages, np.uint8, entry.end - entry.begin, entry.begin).reshape(n_rows, -1)
        try:
            with np.errstate(all="ignore"):  # a damaged scale is refused where all numbers are checked
                for first, part in zip(range(0, n_rows, step), values.view(n_rows, -1).split(step), strict=True):
                    numbers = dequantize(blocks[first : first + step], GGMLQuantizationType[entry.kind])
                    part.copy_(torch.from_numpy(numbers))
        except (NotImplementedError, KeyError):
            way_out = "fetch a file in Q8_0 or Q4_K_M"
            what = f"{entry.name} is of {entry.kind}, which the gguf package does not unpack"
            raise ValueError(f"{path}: {what}: {way_out}") from None
        return values

    return unpacked
