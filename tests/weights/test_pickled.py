"""pytorch_model.bin without torch.load: the same numbers, no code, and no pickle that takes long or much memory."""

import pickle
import struct
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from weights.formats.pickled import STORAGES, read

base = torch.arange(24.0)
STATES: dict[str, Any] = {
    "kinds": {str(d): torch.arange(6).to(d).view(2, 3) for d, _ in STORAGES.values()},
    "views": {"a": base.view(4, 6).T, "b": base[3:7], "c": base[::5], "d": base.view(2, 3, 4).transpose(0, 2)},
    "shared": {"a": base, "b": base},
    "overlapping": {"a": base.as_strided((3, 4), (2, 1))},
    "parameters": OrderedDict(a=torch.nn.Parameter(torch.ones(2)), b=torch.nn.Parameter(base, requires_grad=False)),
    "a module's": torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict(),
    "scalars": {"a": torch.tensor(3.0), "b": torch.empty(0, 4)},
    "nothing": {},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_numbers_are_torchs(state: Any, old: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save(state, path, _use_new_zipfile_serialization=not old)
    theirs, ours = torch.load(path, weights_only=True), read(path)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        found = ours[name].read()
        assert (found.dtype, found.shape, ours[name].shape) == (value.dtype, value.shape, value.shape)
        assert torch.equal(found, value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(protocol: int, tmp_path: Path) -> None:
    torch.save({"weight": base}, tmp_path / "x.bin", pickle_protocol=protocol)
    assert torch.equal(read(tmp_path / "x.bin")["weight"].read(), base)


def rewrite(path: Path, edit: Callable[[str, bytes], bytes | None], **options: Any) -> None:
    """The zip file with other parts: `edit` gives each its bytes, or None to leave it out."""
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in parts.items():
            changed = edit(name.partition("/")[2], data)
            if changed is not None:
                archive.writestr(name, changed)


def refused(path: Path, *words: str) -> None:
    """One line with these words, within ten seconds."""
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"x\.bin: ") as caught:
        read(path)
    assert time.perf_counter() - start < 10
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    for word in words:
        assert word in str(caught.value)


def bomb(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


NAMED = b"X\x01\x00\x00\x00a"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ%stQ"


def tensor(size: list[int], stride: list[int], offset: int = 0, n: int = 24, kind: bytes = b"FloatStorage") -> bytes:
    """The pickle of one tensor of this shape over the storage 0."""

    def number(i: int) -> bytes:
        data = i.to_bytes(20, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data

    storage = (
        b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + number(n) + b"tQ"
    )
    shape = b"(" + b"".join(map(number, size)) + b"t(" + b"".join(map(number, stride)) + b"t"
    made = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + shape
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    return bomb(b"}" + NAMED + made + b"s")


PICKLES = {
    "code": (pickle.dumps({"a": print}, 2), "could run code"),
    "a call of code": (b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "Python objects (os.system)"),
    "an old instance": (b"\x80\x02(cos\nsystem\nX\x02\x00\x00\x00lso.", "could run code"),
    "no dict": (pickle.dumps([1, 2], 2), "expected names with tensors, found a list"),
    "a key twice": (bomb(b"}" + NAMED + b"Ns" + NAMED + b"Ns"), "expected names with tensors"),
    "no tensors": (pickle.dumps({"model": {}, "step": 3}, 2), "'model', 'step'"),
    "numbers as keys": (pickle.dumps({0: 1}, 2), "a dict with 0"),
    "a number of 100,000 digits": (pickle.dumps({10**100_000: 1}, 2), "expected names with tensors"),
    "a memo of 2^32": (bomb(b"]r\xff\xff\xff\xff"), "found a list"),
    "a text of 2^31": (b"\x80\x02X\xff\xff\xff\x7fabc.", "not a whole file"),
    "a text of 2^63": (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "not a whole file"),
    "many dicts": (bomb(b"(" + b"}" * 250_000 + b"t"), "found a tuple"),
    "a million dicts": (bomb(b"(" + b"}" * 1_000_000 + b"t"), "more than 262,144 operations"),
    "a million marks": (bomb(b"(" * 1_000_000 + b"t"), "more than 262,144 operations"),
    "too long": (bomb(b"(" + b"N" * 3_000_000 + b"t"), "expected names and shapes"),
    "deep lists": (bomb(b"]" + b"]a" * 500_000), ""),
    "no end": (b"\x80\x02}", "not a whole file"),
    "empty": (b"", "not a whole file"),
    "an operation that is none": (b"\x80\x02\xff.", "not a whole file"),
    "beyond the storage": (tensor([25], [1]), "a reaches beyond its 96 bytes"),
    "an offset beyond": (tensor([1], [1], offset=24), "a reaches beyond"),
    "10^12 times one number": (tensor([10**12], [0]), "a reaches beyond"),
    "10^6 by 10^6": (tensor([10**6, 10**6], [1, 1]), "a reaches beyond"),
    "a negative stride": (tensor([2], [-1]), "a has an invalid shape"),
    "a negative size": (tensor([-2], [1]), "a has an invalid shape"),
    "a size of 2^70": (tensor([2**70], [0]), "a has an invalid shape"),
    "a storage too large": (tensor([4], [1], n=25), "a reaches beyond its 96 bytes"),
    "a storage too small": (tensor([4], [1], n=4), "a reaches beyond its 96 bytes"),
    "another type": (tensor([4], [1], kind=b"DoubleStorage"), "a reaches beyond its 96 bytes"),
    "complex numbers": (tensor([4], [1], kind=b"ComplexFloatStorage"), "ComplexFloatStorage"),
    "65 dimensions": (tensor([1] * 65, [1] * 65), "a has an invalid shape"),
    "fewer strides": (tensor([2, 2], [1]), "a has an invalid shape"),
}


@pytest.mark.parametrize(("data", "says"), PICKLES.values(), ids=PICKLES)
def test_pickles_that_do_harm(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save({"a": base}, path)
    rewrite(path, lambda name, old: data if name == "data.pkl" else old)
    refused(path, says)


def test_nested_keys(tmp_path: Path) -> None:
    """A key whose hash takes 2^100 steps: tuples of the same tuple twice."""
    body = b")" + b"".join(b"r" + struct.pack("<I", i) + b"j" + struct.pack("<I", i) + b"\x86" for i in range(100))
    path = tmp_path / "x.bin"
    torch.save({"a": base}, path)
    rewrite(path, lambda name, old: bomb(b"}" + body + b"Ns") if name == "data.pkl" else old)
    refused(path, "expected names with tensors, found a dict with a tuple")


def test_the_helper_makes_right_tensors_too(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save({"a": base}, path)
    data = tensor([2, 3], [6, 2], offset=5)
    rewrite(path, lambda name, old: data if name == "data.pkl" else old)
    assert torch.equal(read(path)["a"].read(), base.as_strided((2, 3), (6, 2), 5))


def test_compressed_parts(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    path = tmp_path / "x.bin"
    torch.save({"a": torch.zeros(25_000_000)}, path)
    rewrite(path, lambda _, data: data, compression=zipfile.ZIP_DEFLATED)
    refused(path, "its parts are compressed, which torch.save never does")


def test_parts_that_lie_over_one_another(tmp_path: Path) -> None:
    """One megabyte that the directory lists a thousand times."""
    path = tmp_path / "x.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", bytes(10**6))
        (part,) = archive.infolist()
        archive.filelist *= 1000
    assert part.file_size == 10**6
    refused(path, "its parts have more bytes than the file")


def test_big_endian(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save({"a": base}, path)
    rewrite(path, lambda name, data: b"big" if name == "byteorder" else data)
    refused(path, "big-endian")


def test_a_version_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save({"a": base}, path)
    rewrite(path, lambda name, data: b"2<" if name == "version" else data)
    refused(path, "its version is b'2<', expected a number")


@pytest.mark.parametrize("lost", ["data.pkl", "data/0"])
def test_a_part_that_is_missing(lost: str, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save({"a": base}, path)
    rewrite(path, lambda name, data: None if name == lost else data)
    refused(path, "torch.save")


def test_a_directory_of_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(4 * 10**9)
        file.seek(0, 2)
        file.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 4 * 10**9 - 9, 4, 0))
    refused(path, "its list of parts has 3,999,999,991 bytes")


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
def test_every_flipped_bit_is_refused_or_harmless(old: bool, tmp_path: Path) -> None:
    """The zip file has checksums; the old format has none for its numbers, only its pickles can show damage."""
    path = tmp_path / "x.bin"
    torch.save({"weight": base, "b": torch.ones(3)}, path, _use_new_zipfile_serialization=not old)
    data = path.read_bytes()
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        try:
            found = read(path)
            numbers = [tensor.read() for tensor in found.values()]
        except ValueError as error:
            assert "x.bin" in str(error)  # noqa: PT017
            continue
        assert sum(n.numel() for n in numbers) <= 27
        if not old:
            assert {n.sum().item() for n in numbers} == {276.0, 3.0}
