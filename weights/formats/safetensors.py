"""Reading safetensors files by hand (lesson 07): eight bytes with the header's length, a JSON header, the numbers.

The format: https://github.com/huggingface/safetensors, section "Format".
"""

import json
import mmap
from collections.abc import Mapping
from math import prod
from operator import index
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weights.formats.other_kinds import IN_FULL
from weights.formats.stored import StoredTensor
from weights.formats.wrong_file import AGAIN, check_beginning, named_once

FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
INTEGERS = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8}
DTYPES = {**FLOATS, **INTEGERS, "BOOL": torch.bool}
LONGEST_HEADER = 1 << 24  # bytes: 150,000 tensors; JSON takes much more memory once it is read


def read(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file, memory-mapped: nothing is read before it is used, and nothing is copied.

    Writing to them changes this process's copy only, never the file. Raises ValueError for a damaged file.
    """
    entries, start = read_header(path)
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {name: mapped(pages, start, entry) for name, entry in entries.items()}


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header's entries of tensors, and where the numbers begin; a ValueError names what is wrong with the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
        check_beginning(path, start)
        length = int.from_bytes(start[:8], "little")
        if size < 8 or length > min(size - 8, LONGEST_HEADER):
            raise ValueError(f"{path}: expected a header of {length:,} bytes, the file has {size:,} in all: {AGAIN}")
        file.seek(8)
        try:
            entries = json.loads(file.read(length), object_pairs_hook=named_once)
            entries.pop("__metadata__", None)
            kinds = {name: str(entry["dtype"]) for name, entry in entries.items()}
            shapes = {name: [*map(index, entry["shape"])] for name, entry in entries.items()}  # whole numbers
            ends = {name: map(index, entry["data_offsets"]) for name, entry in entries.items()}
            places = sorted((begin, end, name) for name, (begin, end) in ends.items())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
            raise ValueError(f"{path}: its header is not that of a safetensors file: {AGAIN}") from None
    at = 0  # the tensors must follow one another without gaps
    for begin, end, name in places:
        if kinds[name] not in DTYPES:
            quantized = f"quantized weights are read from GGUF files only: {IN_FULL}"
            raise ValueError(
                f"{path}: {name} is of type {kinds[name]!s:.40}, not one of {', '.join(DTYPES)}; {quantized}"
            )
        fits = len(shapes[name]) <= 64 and max([0, *shapes[name]]) <= size  # else the product may be enormous
        expected = prod(shapes[name]) * DTYPES[kinds[name]].itemsize if fits else size
        if begin != at or end - begin != expected or min([0, *shapes[name]]) < 0:
            raise ValueError(f"{path}: {name} should be bytes {at} to {at + expected}, not {begin} to {end}: {AGAIN}")
        at = end
    if size != 8 + length + at:
        raise ValueError(f"{path}: expected {8 + length + at:,} bytes, found {size:,}: {AGAIN}")
    return entries, 8 + length


def mapped(pages: mmap.mmap, start: int, entry: Mapping[str, Any]) -> StoredTensor:
    """One tensor of a mapped file whose numbers begin at `start`."""
    dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
    begin, end = (start + offset for offset in entry["data_offsets"])

    def values() -> Tensor:
        if begin == end:
            return torch.empty(shape, dtype=dtype)
        if begin % dtype.itemsize:  # old files do not align their tensors: those are copied
            return torch.frombuffer(bytearray(pages[begin:end]), dtype=dtype).view(shape)
        return torch.frombuffer(pages, dtype=dtype, count=prod(shape), offset=begin).view(shape)

    def drop() -> None:
        first, last = -(-begin // mmap.PAGESIZE), end // mmap.PAGESIZE  # whole pages only
        if last > first and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            pages.madvise(mmap.MADV_DONTNEED, first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE)

    return StoredTensor(shape, dtype, entry["dtype"], values, drop=drop)
