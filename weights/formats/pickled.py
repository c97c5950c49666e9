"""PyTorch's older format: pytorch_model.bin, a pickled dict of tensors, read without running any of it.

The format: torch/serialization.py. Since PyTorch 1.6 it is a zip file, with the pickle and each tensor's numbers in a
part of its own, uncompressed; before, the pickle and the numbers follow one another.
"""

import mmap
from collections.abc import Callable, Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from weights.formats.pickle_values import LONGEST, Call, Dict, Named, NotRead, Outside, read_values
from weights.formats.stored import StoredTensor
from weights.formats.torch_zip import Place, is_zip, places
from weights.formats.wrong_file import AGAIN, check_beginning

STORAGES = {
    "DoubleStorage": (torch.float64, "F64"),
    "FloatStorage": (torch.float32, "F32"),
    "HalfStorage": (torch.float16, "F16"),
    "BFloat16Storage": (torch.bfloat16, "BF16"),
    **{f"{name}Storage": (dtype, str(dtype)) for name, dtype in (("Long", torch.int64), ("Int", torch.int32))},
    **{f"{name}Storage": (dtype, str(dtype)) for name, dtype in (("Short", torch.int16), ("Char", torch.int8))},
    **{f"{name}Storage": (dtype, str(dtype)) for name, dtype in (("Byte", torch.uint8), ("Bool", torch.bool))},
}
TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
PARAMETER, SPARSE = "torch._utils._rebuild_parameter", "torch._utils._rebuild_sparse_tensor"
HARMLESS = {*TENSORS, PARAMETER, SPARSE, "collections.OrderedDict", "torch.serialization._get_layout", "torch.Size"}
HARMLESS |= {f"torch.{name}" for name in STORAGES}
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the format before zip files
NOTES = {"version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"}  # small parts
DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, MemoryError)


class Storage(NamedTuple):
    """Where a tensor's numbers are, and what they are."""

    dtype: torch.dtype
    kind: str
    key: str
    n: int  # how many


def read(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a .bin file, memory-mapped: nothing is read before it is used.

    Raises ValueError for a damaged file and for one that holds anything but tensors.
    """
    with path.open("rb") as file:
        check_beginning(path, file.read(64))
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if path.stat().st_size else b""
    try:
        state, where = read_zip(path, pages) if is_zip(path) else read_old(pages)
    except NotRead as error:
        raise ValueError(f"{path}: holds {error} besides tensors, which could run code: refused") from None
    except DAMAGE as error:
        known = str(error) if str(path) in str(error) else f"{path}: not a whole file of torch.save: {AGAIN}"
        raise ValueError(known) from None
    items = state.items if isinstance(state, (Dict, Call)) else None
    if items is None or not all(isinstance(key, str) and isinstance(value, Call) for key, value in items):
        found = f"a dict with {', '.join(map(shown, items[:3]))}" if items is not None else shown(state)
        raise ValueError(f"{path}: expected names with tensors, found {found}: save model.state_dict() alone")
    tensors: dict[str, StoredTensor] = {}
    for name, value in items:
        if name in tensors or not name.isprintable():
            raise ValueError(f"{path}: {name!r:.80} is there twice, or no name: {AGAIN}")
        try:
            tensors[name] = tensor(value, where, pages)
        except NotRead as error:
            raise ValueError(f"{path}: {name:.200} {error}") from None
        except DAMAGE:
            raise ValueError(f"{path}: {name:.200} is not as torch.save writes it: {AGAIN}") from None
    return tensors


def shown(item: Any) -> str:
    """A key of a dict, or what was found in place of a dict, abbreviated."""
    key = item[0] if isinstance(item, tuple) and len(item) == 2 else item
    short = isinstance(key, (str, float)) or (isinstance(key, int) and abs(key) < 1 << 64)
    return f"{key!r:.60}" if short else f"a {type(key).__name__.lower()}"


def read_zip(path: Path, pages: Any) -> tuple[Any, dict[str, Place]]:
    """The pickled value of a zip file, and where the numbers of every storage are."""
    found = places(path)
    pickle = found["data.pkl"]
    if pickle.n_bytes > LONGEST:
        raise ValueError(f"{path}: its pickle has {pickle.n_bytes:,} bytes, expected names and shapes: {AGAIN}")
    said = {
        name: bytes(pages[at.begin : at.begin + min(at.n_bytes, 64)]) for name, at in found.items() if name in NOTES
    }
    for name in said.keys() - {"byteorder"}:
        if not said[name].strip().isdigit():
            raise ValueError(f"{path}: its {name} is {said[name]!r:.40}, expected a number: {AGAIN}")
    if said.get("byteorder", b"little") != b"little":
        raise ValueError(f"{path}: its numbers are big-endian, expected little-endian ones: save it again")
    value = harmless(read_values(BytesIO(pages[pickle.begin : pickle.begin + pickle.n_bytes])))
    return value, {name.removeprefix("data/"): place for name, place in found.items() if name.startswith("data/")}


def read_old(pages: Any) -> tuple[Any, dict[str, Place]]:
    """The same for a file from before PyTorch 1.6: five pickles, then each storage: its number count, its numbers."""
    file = BytesIO(pages[:LONGEST])
    magic, protocol, system, state, keys = (read_values(file) for _ in range(5))
    if magic != MAGIC or protocol != PROTOCOL or ("little_endian", True) not in system.items:
        raise ValueError("of another kind")
    sizes = {storage.key: storage.dtype.itemsize for storage in storages_in(harmless(state))}
    at, found = file.tell(), {}
    for key in keys:
        n = int.from_bytes(pages[at : at + 8], "little") * sizes[key]
        found[key] = Place(at + 8, n)
        at += 8 + n
    if at != len(pages):
        raise ValueError("of another length")
    return state, found


def harmless(value: Any) -> Any:
    """The value itself, if it names nothing but what tensors are made of; else a NotRead with the name."""
    for part in walk(value):
        if isinstance(part, (Named, Call)) and part.name not in HARMLESS:
            raise NotRead(f"Python objects ({part.name})")
    return value


def walk(value: Any) -> list[Any]:
    """All values inside a value, each once."""
    seen: dict[int, Any] = {}
    todo = [value]
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, (tuple, list)):
            todo += part
        elif isinstance(part, Outside):
            todo.append(part.id)
        if isinstance(part, Call):
            todo += part.args
        if isinstance(part, (Dict, Call)):
            todo += [side for item in part.items for side in item]
    return list(seen.values())


def storages_in(value: Any) -> list[Storage]:
    """The storages that a value names."""
    return [storage(part) for part in walk(value) if isinstance(part, Outside)]


def storage(outside: Outside) -> Storage:
    """Which numbers a storage has: their dtype, their key and how many."""
    word, kind, key, _, n, *view = outside.id
    name = kind.name.removeprefix("torch.")
    if word != "storage" or not isinstance(key, str) or type(n) is not int or view not in ([], [None]):
        raise ValueError("a storage of another kind")
    if name not in STORAGES:
        raise NotRead(f"has numbers of {name}, which are not read here: save it as float32")
    return Storage(*STORAGES[name], key, n)


def tensor(made: Call, where: Mapping[str, Place], pages: Any) -> StoredTensor:
    """The tensor that a call would have made; its numbers must be in its storage, each once."""
    if made.name == PARAMETER:
        made = made.args[0]
    if made.name == SPARSE:
        raise NotRead("is sparse, expected all numbers: save it .to_dense()")
    if made.name not in TENSORS:
        raise NotRead("is no tensor: save model.state_dict() alone")
    outside, offset, size, stride, *_ = made.args
    found = storage(outside)
    place = where[found.key]
    numbers = (found.n, offset, *size, *stride)
    if not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers) or len(size) != len(stride) or len(size) > 64:
        raise NotRead(f"has an invalid shape: {AGAIN}")
    end = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1 if prod(size) else 0
    if place.n_bytes != found.n * found.dtype.itemsize or end > found.n or prod(size) > found.n:
        raise NotRead(f"reaches beyond its {place.n_bytes:,} bytes: {AGAIN}")
    return StoredTensor(tuple(size), found.dtype, found.kind, values(pages, found, place, size, stride, offset))


def values(
    pages: Any, found: Storage, place: Place, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> Callable[[], Tensor]:
    """The function that gives a tensor's numbers."""

    def read_them() -> Tensor:
        if not found.n:
            return torch.empty(size, dtype=found.dtype)
        begin, end = place.begin, place.begin + place.n_bytes
        whole = (bytearray(pages[begin:end]), 0) if begin % found.dtype.itemsize else (pages, begin)
        flat = torch.frombuffer(whole[0], dtype=found.dtype, count=found.n, offset=whole[1])
        return flat.as_strided(size, stride, offset)

    return read_them
