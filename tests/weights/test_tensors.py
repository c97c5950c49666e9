"""safetensors by hand, against the safetensors library in both directions, and against damage of every kind."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from weights import load_checkpoint
from weights.fetch.checksums import verify
from weights.formats.safetensors import read
from weights.formats.safetensors_writer import write

KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


def sample(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    shapes = {"matrix": (3, 5), "row": (7,), "scalar": (), "empty": (0, 4)}
    return {name: (10 * torch.randn(shape)).abs().to(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_reads_and_writes_what_the_library_does(dtype: torch.dtype, tmp_path: Path) -> None:
    made = sample(dtype)
    save_file(made, tmp_path / "theirs.safetensors")
    write(tmp_path / "ours.safetensors", made)
    ours = {name: stored.read() for name, stored in read(tmp_path / "theirs.safetensors").items()}
    theirs = load_file(tmp_path / "ours.safetensors")
    for name, value in made.items():
        assert ours[name].dtype == theirs[name].dtype == dtype
        assert torch.equal(ours[name], value)
        assert torch.equal(theirs[name], value)


def test_a_header_that_does_not_align(tmp_path: Path) -> None:
    values = torch.randn(5)
    text = json.dumps({"x": {"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}}).encode()
    text += b" " * (-(len(text) + 3) % 4)  # so that the numbers begin 3 bytes off
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + values.numpy().tobytes())
    assert (8 + len(text)) % 4
    found = read(path)["x"].read()
    assert torch.equal(found, values)
    assert found.data_ptr() % 4 == 0  # some processors cannot read what is not aligned


def test_writing_to_a_tensor_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write(path, {"x": torch.ones(4)})
    before = path.read_bytes()
    read(path)["x"].read().zero_()
    assert path.read_bytes() == before


def header(offsets: list[object]) -> bytes:
    """A safetensors file of one number that is said to stand there."""
    text = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


def test_an_empty_file_of_tensors(tmp_path: Path) -> None:
    write(tmp_path / "none.safetensors", {})
    assert read(tmp_path / "none.safetensors") == {}


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    write(path, {"x": torch.randn(6), "y": torch.randn(2, 2)})
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(ValueError, match=r"whole\.safetensors"):
            read(path)
    path.write_bytes(data + b"x")
    with pytest.raises(ValueError, match=r"expected .* bytes, found"):
        read(path)


def test_every_flipped_bit_of_the_header_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    write(path, {"x": torch.randn(6), "y": torch.randn(2, 2)})
    data = path.read_bytes()
    n_header = 8 + int.from_bytes(data[:8], "little")
    refused = 0
    for at in range(n_header):
        for bit in (1, 64):
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            try:
                found = read(path)
            except ValueError:
                refused += 1
                continue
            assert sum(stored.read().numel() for stored in found.values()) == 10  # a name or a checksum that changed
    assert refused > n_header / 2


@pytest.mark.parametrize("checksum", ["x" * 100_000, "a\nb", [1] * 1000])
def test_a_checksum_that_is_none_is_told_in_one_short_line(checksum: object, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    header = json.dumps({"__metadata__": {"sha256": checksum}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="expected SHA-256") as told:
        verify(path)
    assert len(str(told.value)) < 500
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "header"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n  <html><head>", "web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"GGUF\x03\0\0\0", "GGUF file"),
        (b"PK\x03\x04\0\0\0\0", r"\.bin or zip"),
        (bytes(1000), "zeros"),
        (b"\xff" * 100, "header"),
        ((40).to_bytes(8, "little") + b"[1, 2]".ljust(40), "not that of a safetensors"),
        ((40).to_bytes(8, "little") + b'{"x": 3}'.ljust(40), "not that of a safetensors"),
        (header([0]), "not that of a safetensors"),
        (header([0, "4"]), "not that of a safetensors"),
        (header([0, 4.0]), "not that of a safetensors"),
    ],
)
def test_what_stands_in_for_weights(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=says) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"dtype": "F8_E4M3"}, {"shape": [-6, -1]}, {"data_offsets": [4, 28]}, {"shape": [7]}]
)
def test_a_header_that_contradicts_itself(change: dict[str, object], tmp_path: Path) -> None:
    text = json.dumps({"x": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]} | change}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(24))
    with pytest.raises(ValueError, match=r"model\.safetensors: x "):
        read(path)


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write(path, {"x": torch.ones(4)})
    before = path.read_bytes()
    with pytest.raises(NotImplementedError):  # a meta tensor has no numbers to write
        write(path, {"x": torch.ones(4), "y": torch.ones(4, device="meta")})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def say(header: object, length: int | None = None, numbers: bytes = bytes(24)) -> bytes:
    """A safetensors file with this header, an object or text."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + numbers


X = {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}
HALF = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}


@pytest.mark.parametrize(
    "data",
    [
        say({"x": X, "y": X}),
        say({"x": HALF, "y": HALF}),
        say({"x": HALF}),
        say({"x": HALF, "y": HALF | {"data_offsets": [16, 28]}}, numbers=bytes(28)),
        say({"x": HALF, "y": HALF | {"data_offsets": [8, 20]}}),
        say(f'{{"x": {json.dumps(X)}, "x": {json.dumps(X)}}}'),
        say({"x": X | {"shape": [1 << 62] * 100_000}}),
        say({"x": X | {"shape": [10**4000] * 1000}}),
        say('{"x": {"dtype": "F32", "dtype": "I32", "shape": [6], "data_offsets": [0, 24]}}'),
        say({"x": X | {"shape": [1 << 62, 4]}}),
        say({"x": X | {"shape": [10**30]}}),
        say({"x": X | {"shape": [6.0]}}),
        say({"x": X | {"data_offsets": [-24, 0]}}),
        say({"x": X | {"data_offsets": [24, 0]}}),
        say({"x": X | {"data_offsets": [0, 10**30]}}),
        say({"x": X | {"dtype": None}}),
        say({"x": X | {"dtype": ["F32"]}}),
        say({"x": X | {"shape": None}}),
        say({"x": None}),
        say(None),
        say("{"),
        say("[" * 100_000),
        say("\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
        say({"x": X}, length=(1 << 64) - 1),
        say({"x": X}, length=1 << 63),
        say({"x": X}, length=0),
        *(say({"x": X | {"dtype": kind}}) for kind in ("F8_E4M3", "F8_E5M2", "F4", "U16", "C64", "I4", "f32")),
    ],
    ids=lambda data: repr(data[8:70]),
)
def test_headers_that_lie(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"model\.safetensors: ") as caught:
        read(path)
    assert time.perf_counter() - start < 10
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [1 << 24, (1 << 24) + 1, 9 * 10**9])
def test_a_sparse_header(length: int, tmp_path: Path) -> None:
    """A header of 9 GB that takes no room on the disk is not read into memory."""
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b'{"x"')
        file.truncate(10**10)
    with pytest.raises(ValueError, match=r"model\.safetensors: (expected a|its) header"):
        read(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_number_that_is_none(form: str, bad: float, random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(random_checkpoint("gpt2"), tmp_path / "model"))
    state = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    state["transformer.h.1.mlp.c_fc.weight"][3, 5] = bad
    if form == "bin":
        (folder / "model.safetensors").unlink()
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"model.*: h\.1\.mlp\.c_fc\.weight holds NaN or infinite numbers"):
        load_checkpoint(folder, "cpu")
