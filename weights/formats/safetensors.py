"""safetensors files by hand: eight bytes with the header's length, a JSON header, then the numbers one after another.

The format: https://github.com/huggingface/safetensors, section "Format".
"""

import hashlib
import json
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from operator import index
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weights.formats.folder import AGAIN, check_beginning

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file: what is known of it, and how to read it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    kind: str  # the file's own name of its type: "F16", "Q8_0"
    read: Callable[[], Tensor]  # the values; memory-mapped where the file holds them as they are
    drop: Callable[[], None] = lambda: None  # give back the memory of the mapped pages, once they are copied


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file and where its numbers begin; a ValueError names what is wrong with the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
        check_beginning(path, start)
        length = int.from_bytes(start[:8], "little")
        if size < 8 or length > size - 8:
            raise ValueError(f"{path}: expected a header of {length:,} bytes, the file has {size:,} in all: {AGAIN}")
        file.seek(8)
        try:
            header = json.loads(file.read(length))
            entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
            offsets = {name: map(index, entry["data_offsets"]) for name, entry in entries}  # whole numbers
            ends = sorted((begin, end, name) for name, (begin, end) in offsets.items())
            shapes = {name: list(map(index, entry["shape"])) for name, entry in entries}
            kinds = {name: str(entry["dtype"]) for name, entry in entries}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"{path}: its header is not that of a safetensors file: {AGAIN}") from None
    at = 0
    for begin, end, name in ends:
        if kinds[name] not in DTYPES:
            raise ValueError(f"{path}: {name} is of type {kinds[name]}; expected one of {', '.join(DTYPES)}")
        expected = prod(shapes[name]) * DTYPES[kinds[name]].itemsize
        if begin != at or end - begin != expected or min([0, *shapes[name]]) < 0:
            raise ValueError(f"{path}: {name} should be bytes {at} to {at + expected}, not {begin} to {end}: {AGAIN}")
        at = end
    if size != 8 + length + at:
        raise ValueError(f"{path}: expected {8 + length + at:,} bytes, found {size:,}: {AGAIN}")
    return dict(entries), 8 + length


def read(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file, memory-mapped: nothing is read before it is used, and nothing is copied.

    Writing to them changes this process's copy only, never the file. Raises ValueError for a damaged file.
    """
    entries, start = read_header(path)
    if not entries:
        return {}
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {name: mapped(pages, start, entry) for name, entry in entries.items()}


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

    return StoredTensor(shape, dtype, entry["dtype"], values, drop)


def write(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> None:
    """Writes a safetensors file, tensor by tensor, in this dtype or their own, beside its name; then renames it."""
    metadata = {"format": "pt", "sha256": "0" * 64}  # of the numbers, put in when they are all written
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, tensor in tensors.items():
        kind = dtype or tensor.dtype
        n_bytes = tensor.numel() * kind.itemsize
        header[name] = {"dtype": NAMES[kind], "shape": list(tensor.shape), "data_offsets": [at, at + n_bytes]}
        at += n_bytes
    checksum = hashlib.sha256()
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(header_bytes(header))
            for tensor in tensors.values():
                flat = tensor.detach().to("cpu", dtype or tensor.dtype).contiguous().view(-1)
                data = flat.view(torch.uint8).numpy().data
                checksum.update(data)
                file.write(data)
            metadata["sha256"] = checksum.hexdigest()
            file.seek(0)
            file.write(header_bytes(header))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """A header as it stands in the file: its length, then JSON, with spaces so that the numbers are aligned."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
