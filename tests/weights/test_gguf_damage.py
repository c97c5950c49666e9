"""GGUF files that are damaged, made to do harm, or not read: one line each, soon and in little memory."""

import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.weights.gguf_files import gguf, write
from weights import load_checkpoint
from weights.formats import gguf as reader

UINT32, STRING, ARRAY, UINT64 = 4, 8, 9, 10
F32, Q8_0 = 0, 8


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def number(key: bytes, value: int = 0) -> bytes:
    return text(key) + struct.pack("<II", UINT32, value)


def array(key: bytes, of: int, length: int, data: bytes = b"") -> bytes:
    return text(key) + struct.pack("<IIQ", ARRAY, of, length) + data


def tensor(name: bytes, shape: tuple[int, ...] = (4,), kind: int = F32, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def file(pairs: list[bytes], table: list[bytes], numbers: bytes = bytes(64), **said: Any) -> bytes:
    counts = (said.get("version", 3), said.get("tensors", len(table)), said.get("values", len(pairs)))
    head = said.get("magic", b"GGUF") + struct.pack("<IQQ", *counts) + b"".join(pairs) + b"".join(table)
    return head + bytes(-len(head) % 32 if numbers else 0) + numbers


HEADERS = {
    "version 1": (file([], [], version=1), "is a GGUF file of version 1, read are 2 and 3"),
    "version 9": (file([], [], version=9), "is a GGUF file of version 9"),
    "big-endian": (file([], [], version=3 << 24), "is a big-endian GGUF file"),
    "GGML": (file([], [], magic=b"tjgg"), "is not a GGUF file but a GGML file"),
    "10^18 values": (file([number(b"a")], [], b"", values=10**18), "damaged or cut short"),
    "10^18 tensors": (file([], [tensor(b"a")], b"", tensors=10**18), "not a whole GGUF file"),
    "10^18 values that are zeros": (file([], [], bytes(999), values=10**18), "has '' twice, expected every key once"),
    "a text of 2^63": (file([struct.pack("<Q", 1 << 63)], []), "damaged or cut short"),
    "a list of 10^18 texts": (file([array(b"a", STRING, 10**18)], []), "damaged or cut short"),
    "a list of 10^18 numbers": (file([array(b"a", UINT64, 10**18)], []), "damaged or cut short"),
    "a list of 4 million texts": (file([array(b"a", STRING, 1 << 22, bytes(1 << 25))], []), "damaged or cut short"),
    "a list of lists": (file([array(b"a", ARRAY, 1, struct.pack("<IQ", UINT32, 0))], []), "damaged or cut short"),
    "lists 100,000 deep": (file([array(b"a", ARRAY, 1) + struct.pack("<IQ", 9, 1) * 10**5], []), "damaged"),
    "a type that is none": (file([text(b"a") + struct.pack("<I", 77)], []), "damaged or cut short"),
    "no UTF-8": (file([text(b"\xff\xfe") + struct.pack("<II", UINT32, 1)], []), "damaged or cut short"),
    "a key twice": (file([number(b"a", 1), number(b"a", 2)], []), "has 'a' twice, expected every key once"),
    "an alignment of 3": (file([number(b"general.alignment", 3)], []), "general.alignment is 3"),
    "an alignment of 0": (file([number(b"general.alignment", 0)], []), "general.alignment is 0"),
}
TABLES = {
    "a tensor twice": ([tensor(b"a"), tensor(b"a", offset=32)], "'a' is there twice, expected every tensor once"),
    "overlapping": ([tensor(b"a", (12,)), tensor(b"b", offset=32)], "b begins inside a, expected bytes of its own"),
    "the same bytes": ([tensor(b"a"), tensor(b"b")], "b begins inside a"),
    "not aligned": ([tensor(b"a", offset=4)], "a begins at offset 4, no multiple of 32"),
    "beyond the end": ([tensor(b"a", (100,))], "a should end at byte"),
    "an offset of 2^64": ([tensor(b"a", offset=(1 << 64) - 32)], "a should end at byte"),
    "2^63 by 2^63": ([tensor(b"a", (1 << 63, 1 << 63))], "a should end at byte"),
    "a billion dimensions": ([text(b"a") + struct.pack("<I", 10**9)], "not a whole GGUF file"),
    "a row that ends inside a block": ([tensor(b"a", (33, 32), Q8_0)], "a has rows of 33, Q8_0 has blocks of 32"),
    "a type that ggml gave up": ([tensor(b"a", kind=31)], "a is of Q4_0_4_4, which is not read here"),
    "a type that is none": ([tensor(b"a", kind=99)], "a is of ggml's type 99, which is not read here"),
}


def refused(path: Path, data: bytes, says: str) -> None:
    """One line that says this, within seconds and 300 MB."""
    path.write_bytes(data)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"x\.gguf") as caught:
        reader.read(path)
    assert time.perf_counter() - start < 10
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()
    line = str(caught.value)
    assert says in line
    assert "\n" not in line


@pytest.mark.parametrize(("data", "says"), HEADERS.values(), ids=HEADERS)
def test_a_header(data: bytes, says: str, tmp_path: Path) -> None:
    refused(tmp_path / "x.gguf", data, says)


@pytest.mark.parametrize(("table", "says"), TABLES.values(), ids=TABLES)
def test_a_table_of_tensors(table: list[bytes], says: str, tmp_path: Path) -> None:
    refused(tmp_path / "x.gguf", file([], table), says)


def test_a_sparse_list(tmp_path: Path) -> None:
    """A file of 16 GB that takes no room on the disk: two billion empty texts."""
    head = file([array(b"a", STRING, 2 * 10**9)], [], b"")
    with (tmp_path / "x.gguf").open("wb") as out:
        out.write(head)
        out.truncate(16 * 10**9)
    with pytest.raises(ValueError, match="damaged or cut short"):
        reader.read(tmp_path / "x.gguf")


def test_what_is_right_beside_all_this(tmp_path: Path) -> None:
    """The same helpers make a file that is read: empty tensors and a gap between two do no harm."""
    table = [tensor(b"empty", (0, 4), offset=0), tensor(b"a", (2, 2)), tensor(b"b", (), offset=64)]
    numbers = np.arange(17, dtype=np.float32).tobytes()
    (tmp_path / "x.gguf").write_bytes(file([number(b"general.alignment", 32)], table, numbers))
    values, stored = reader.read(tmp_path / "x.gguf")
    assert values == {"general.alignment": 32}
    assert stored["a"].read().tolist() == [[0, 1], [2, 3]]
    assert stored["b"].read().item() == 16
    assert stored["empty"].read().shape == (4, 0)


SIZES: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 16}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("llama__block_count", 100_000, "llama.block_count is 100000, the file has 2 blocks"),
        ("llama__block_count", 2**32 - 1, "the file has 2 blocks"),
        ("llama__block_count", "two", "llama.block_count should be a number, not 'two'"),
        ("llama__embedding_length", 2**32 - 1, ""),
        ("llama__feed_forward_length", 2**31, ""),
        ("llama__context_length", 0, "must be at least 1"),
        ("llama__attention__head_count", 0, ""),
        ("llama__attention__head_count", [4, 4], "llama.attention.head_count should be a number, not [4, 4]"),
        ("llama__attention__layer_norm_rms_epsilon", float("nan"), "norm_eps must be a finite number above 0"),
        ("llama__rope__freq_base", float("inf"), "rope_theta must be a finite number above 0"),
        ("llama__vocab_size", 100, "llama.vocab_size is 100; only 101 is implemented here"),
        ("llama__rope__dimension_count", 8, "llama.rope.dimension_count is 8; only 16"),
        ("llama__attention__causal", False, "llama.attention.causal is false"),
        ("llama__expert_count", 8, "llama.expert_count is 8, which is not implemented here"),
        ("llama__final_logit_softcapping", 30.0, "llama.final_logit_softcapping is 30, which is not implemented"),
        ("llama__attn_logit_softcapping", 50.0, "llama.attn_logit_softcapping is 50"),
        ("llama__residual_scale", 0.25, "llama.residual_scale is 0.25; only 1"),
        ("llama__embedding_scale", 12.0, "llama.embedding_scale is 12; only 1"),
        ("llama__attention__clamp_kqv", 8.0, "llama.attention.clamp_kqv is 8"),
        ("llama__attention__max_alibi_bias", 8.0, "llama.attention.max_alibi_bias is 8"),
        ("llama__use_parallel_residual", True, "llama.use_parallel_residual is True"),
        ("llama__nextn_predict_layers", 1, "llama.nextn_predict_layers is 1"),
        ("llama__what_nobody_knows", 7, "llama.what_nobody_knows is 7, which is not implemented here"),
        ("llama__rope__scaling__type", "longrope", "llama.rope.scaling.type is 'longrope'"),
        ("llama__rope__scaling__attn_factor", 0.5, "llama.rope.scaling.attn_factor is 0.5"),
        ("general__type", "adapter", "general.type is 'adapter', which holds no whole model"),
        ("general__architecture", "phi3", "general.architecture is 'phi3'; only llama, qwen2, qwen3, gpt2"),
        ("general__sampling__mirostat", 2, "general.sampling.mirostat is 2"),
        ("general__sampling__penalty_repeat", 1.5, "general.sampling.penalty_repeat is 1.5"),
    ],
)
def test_values_that_are_refused(
    key: str, value: Any, says: str, random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "x.gguf", random_reference("llama", **SIZES), **{key: value})
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"x\.gguf: ") as caught:
        load_checkpoint(tmp_path / "x.gguf", "cpu")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "extra",
    [
        {"llama__expert_count": 0, "llama__expert_used_count": 0, "llama__pooling_type": 0},
        {"llama__attention__causal": True, "llama__attention__scale": 0.25, "llama__logit_scale": 1.0},
        {"llama__rope__scaling__type": "none", "llama__rope__scaling__factor": 8.0},
        {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 1.0},
        {"llama__rope__scaling__finetuned": True, "llama__rope__scaling__original_context_length": 32},
        {"llama__attention__sliding_window": 4096, "llama__tensor_data_layout": "Meta AI original pth"},
        {"general__name": "x", "general__quantization_version": 2, "general__file_type": 7, "general__type": "model"},
        {"general__sampling__penalty_repeat": 1.0, "general__sampling__mirostat": 0},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_values_that_change_nothing(
    extra: dict[str, Any], random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "x.gguf", random_reference("llama", **SIZES), **extra)
    assert load_checkpoint(tmp_path / "x.gguf", "cpu").report.n_parameters > 0


@pytest.mark.parametrize("missing", ["context_length", "embedding_length", "block_count", "attention.head_count"])
def test_a_size_that_is_missing(missing: str, random_reference: Callable[..., Any], tmp_path: Path) -> None:
    def drop(writer: Any) -> None:
        del writer.kv_data[0][f"llama.{missing}"]

    write(tmp_path / "x.gguf", random_reference("llama", **SIZES), edit=drop)
    with pytest.raises(ValueError, match=rf"x\.gguf: llama\.{missing} is missing"):
        load_checkpoint(tmp_path / "x.gguf", "cpu")


def split(path: Path, model: Any, n: int = 3) -> list[Path]:
    """The model's file in parts, as gguf-split makes them: all named values in the first."""
    write(path / "whole.gguf", model)
    whole = gguf.GGUFReader(path / "whole.gguf")
    values = {key: field.contents() for key, field in whole.fields.items() if not key.startswith("GGUF.")}
    files = [path / f"m-{i + 1:05}-of-{n:05}.gguf" for i in range(n)]
    for i, file in enumerate(files):
        writer = gguf.GGUFWriter(file, "llama")
        for key, value in values.items() if i == 0 else ():
            if key != "general.architecture":
                (writer.add_uint32 if isinstance(value, int) else writer.add_float32)(key, value)
        writer.add_uint16("split.no", i)
        writer.add_uint16("split.count", n)
        writer.add_int32("split.tensors.count", len(whole.tensors))
        for t in whole.tensors[i::n]:
            writer.add_tensor(t.name, np.array(t.data))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    (path / "whole.gguf").unlink()
    return files


def test_a_file_in_parts(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    model = random_reference("llama", **SIZES)
    files = split(tmp_path, model)
    for place in (files[0], tmp_path):
        checkpoint = load_checkpoint(place, "cpu")
        assert checkpoint.path == files[0]
        assert len(checkpoint.report.files) == 3
        assert checkpoint.report.n_parameters == sum(p.numel() for p in model.parameters())
    with pytest.raises(ValueError, match=r"is part 2 of 3 of a split GGUF file: name the first part, .*m-00001"):
        load_checkpoint(files[1], "cpu")
    files[1].rename(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match=r"m-00002-of-00003\.gguf is missing: m-00001.* is part 1 of 3"):
        load_checkpoint(files[0], "cpu")
    files[1].write_bytes(files[2].read_bytes())
    with pytest.raises(ValueError, match=r"m-00002.*: split.no and split.count are 2 of 3, expected 1 of 3"):
        load_checkpoint(files[0], "cpu")
    (tmp_path / "other").replace(files[1])
    files[0].rename(tmp_path / "model.gguf")
    with pytest.raises(ValueError, match=r"model\.gguf is part 1 of 3 .* give it its name back, NAME-00001-of-00003"):
        load_checkpoint(tmp_path / "model.gguf", "cpu")
