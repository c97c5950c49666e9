"""GGUF files of every architecture and type against transformers with the same numbers, and their parts."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from minigpt.analysis.parity import compare_layers
from tests.weights.gguf_files import blocks_of, gguf, write
from weights import load_checkpoint
from weights.formats import gguf as reader
from weights.formats.gguf_types import TYPES

PLAIN = ["F32", "F16", "BF16"]
SMALL_BLOCKS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "MXFP4"]
LARGE_BLOCKS = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "TQ1_0", "TQ2_0", "NVFP4", "IQ1_S", "IQ1_M"]
LARGE_BLOCKS += ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"]
NOT_UNPACKED = ["Q8_1", "Q8_K", "Q1_0"]
ARCHS = ["llama", "qwen2", "qwen3", "gpt2"]


def sizes(arch: str, width: int = 64) -> dict[str, Any]:
    if arch == "gpt2":
        return {"n_embd": width, "n_layer": 2, "n_head": 4}
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        **({"head_dim": width // 2} if arch == "qwen3" else {}),
    }


def assert_equal_logits(path: Path, model: Any, state: dict[str, torch.Tensor]) -> Any:
    """Ours of the file, and transformers' with the numbers that the file holds."""
    checkpoint = load_checkpoint(path, "cpu")
    model.load_state_dict({**model.state_dict(), **state})
    model.tie_weights()
    ids = torch.randint(101, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = checkpoint.model(ids), model(ids).logits
    assert (ours - theirs).abs().max() <= 2e-5 * theirs.abs().max().clamp(min=1)
    return checkpoint


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kinds", [PLAIN, SMALL_BLOCKS, LARGE_BLOCKS], ids=["plain", "blocks of 32", "blocks of 256"])
def test_every_architecture_in_every_type(
    arch: str, kinds: list[str], random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    model = random_reference(arch, **sizes(arch, 256 if kinds is LARGE_BLOCKS else 64))
    in_turn = cycle(kinds)
    state = write(tmp_path / "model.gguf", model, lambda _: next(in_turn), arch)
    report = assert_equal_logits(tmp_path / "model.gguf", model, state).report
    if arch != "gpt2":
        assert set(kinds[:10]) <= report.kinds.keys()
    assert len(report.transposed) == (4 if arch == "llama" else 0)
    assert report.family == arch


@pytest.mark.parametrize("arch", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_transformers_reads_the_same(
    arch: str, tied: bool, random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    usual = {"head_dim": 128} if arch == "qwen3" else {}  # transformers reads no other from a GGUF
    model = random_reference(arch, tie_word_embeddings=tied, **sizes(arch) | usual)
    write(tmp_path / "model.gguf", model, "Q8_0", arch)
    checkpoint = load_checkpoint(tmp_path / "model.gguf", "cpu")
    layers = compare_layers(checkpoint.model, checkpoint.path, list(range(20)))
    assert all(layer.equal for layer in layers), next(layer for layer in layers if not layer.equal)


@pytest.mark.parametrize("kind", PLAIN + SMALL_BLOCKS + LARGE_BLOCKS)
def test_a_types_numbers(kind: str, tmp_path: Path) -> None:
    """Tensors of several shapes, one with more rows than are unpacked at a time, against the library's reader."""
    made = {
        "matrix": np.random.default_rng(0).normal(size=(6, 512)).astype(np.float32),
        "cube": np.random.default_rng(1).normal(size=(2, 3, 256)).astype(np.float32),
        "row": np.random.default_rng(2).normal(size=256).astype(np.float32),
    }
    write_tensors(tmp_path / "x.gguf", {name: blocks_of(v, kind, i) for i, (name, v) in enumerate(made.items())}, kind)
    theirs = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(tmp_path / "x.gguf").tensors}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "ROWS", 1024)
        ours = {name: tensor.read() for name, tensor in reader.read(tmp_path / "x.gguf")[1].items()}
    for name, value in made.items():
        assert ours[name].shape == value.shape
        assert torch.equal(ours[name].float(), torch.from_numpy(np.array(theirs[name])).view(value.shape))
        assert ours[name].count_nonzero() > 0 or kind == "NVFP4"


def test_the_table_of_types_is_the_librarys() -> None:
    theirs = {of.value: (of.name, *gguf.GGML_QUANT_SIZES[of]) for of in gguf.GGMLQuantizationType}
    assert theirs.items() <= TYPES.items()
    assert {name for name, *_ in TYPES.values()} >= {*PLAIN, *SMALL_BLOCKS, *LARGE_BLOCKS, *NOT_UNPACKED}


@pytest.mark.parametrize("kind", NOT_UNPACKED)
def test_a_type_that_the_library_does_not_unpack(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    write_tensors(path, {"blk.0.ffn_up.weight": blocks_of(np.zeros((4, 256), np.float32), kind)}, kind)
    tensor = reader.read(path)[1]["blk.0.ffn_up.weight"]
    with pytest.raises(ValueError, match=rf"x\.gguf: blk\.0\.ffn_up\.weight is of {kind}, which the gguf package"):
        tensor.read()


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """A damaged scale makes a whole block NaN."""
    write_tensors(tmp_path / "x.gguf", {"x": np.full((2, 34), 0xFF, np.uint8)}, "Q8_0")
    with pytest.raises(ValueError, match=r"x\.gguf: x holds NaN or infinite numbers, the file is damaged"):
        reader.read(tmp_path / "x.gguf")[1]["x"].read()


def write_tensors(path: Path, tensors: dict[str, np.ndarray], kind: str) -> None:
    """A GGUF file of some tensors and nothing else, given by the bytes of their blocks."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, data in tensors.items():
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
