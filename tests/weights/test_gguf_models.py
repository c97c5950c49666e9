"""GGUF files of every architecture and type against transformers with the same numbers, and their parts."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

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


def llama3_rope(config: Any) -> np.ndarray:
    """What llama.cpp's converter writes for Llama 3.1: what transformers' angles are slower by."""
    rope = config.rope_parameters
    inv_freq, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = 1.0 / rope["rope_theta"] ** (torch.arange(0, config.head_dim, 2).float() / config.head_dim)
    return (plain / inv_freq).numpy()


@pytest.mark.parametrize(
    "rope",
    [
        {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
        {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
        {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 32.0, "original_max_position_embeddings": 300},
        {"factor": 2.5, "low_freq_factor": 2.0, "high_freq_factor": 50.0, "original_max_position_embeddings": 777},
    ],
    ids=str,
)
def test_llama_3s_angles(rope: dict[str, Any], random_reference: Callable[..., Any], tmp_path: Path) -> None:
    theta = 500000.0 if rope["original_max_position_embeddings"] == 8192 else 100.0
    more = {"rope_parameters": {"rope_type": "llama3", "rope_theta": theta, **rope}, "head_dim": 64}
    model = random_reference("llama", **sizes("llama") | more)
    state = write(tmp_path / "m.gguf", model, tensors={"rope_freqs.weight": llama3_rope(model.config)})
    scaling = assert_equal_logits(tmp_path / "m.gguf", model, state).model.config.rope_scaling
    assert (scaling.rope_type, scaling.factor) == ("llama3", rope["factor"])


def test_other_angles_are_refused(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    model = random_reference("llama", **sizes("llama"))
    for factors in ([1, 2, 1, 4, 1, 1, 1, 1], [float("nan")] * 8, [-1] * 8, [1.0, 2.0], [0.5] * 8):
        write(tmp_path / "m.gguf", model, tensors={"rope_freqs.weight": np.array(factors, np.float32)})
        with pytest.raises(ValueError, match=r"m\.gguf: rope_freqs\.weight scales the angles in another way"):
            load_checkpoint(tmp_path / "m.gguf", "cpu")
    write(tmp_path / "m.gguf", model, tensors={"rope_freqs.weight": np.ones(8, np.float32)})
    assert load_checkpoint(tmp_path / "m.gguf", "cpu").model.config.rope_scaling is None


@pytest.mark.parametrize("arch", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize(
    ("rope", "header"),
    [
        ({"rope_type": "linear", "factor": 4.0}, {"type": "linear", "factor": 4.0}),
        ({"rope_type": "linear", "factor": 2.0}, {"factor": 2.0}),
        (
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
            {"type": "yarn", "factor": 4.0, "original_context_length": 16},
        ),
        (
            {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32, "beta_fast": 8.0},
            {"type": "yarn", "factor": 2.0, "original_context_length": 32, "yarn_beta_fast": 8.0},
        ),
        (
            {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 8, "attention_factor": 0.6039721},
            {"type": "yarn", "factor": 8.0, "original_context_length": 8, "attn_factor": 0.5},
        ),
    ],
    ids=["linear", "linear without a type", "yarn", "yarn, beta_fast", "yarn, attn_factor"],
)
def test_scaled_angles(
    arch: str, rope: dict[str, Any], header: dict[str, Any], random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    model = random_reference(arch, rope_parameters={"rope_theta": 10000.0, **rope}, **sizes(arch))
    extra = {f"{arch}__rope__scaling__{name}": value for name, value in header.items()}
    assert_equal_logits(tmp_path / "m.gguf", model, write(tmp_path / "m.gguf", model, arch=arch, **extra))


def test_biases(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    """Those of q and k are in llama.cpp's order too."""
    model = random_reference("llama", attention_bias=True, mlp_bias=True, **sizes("llama"))
    checkpoint = assert_equal_logits(tmp_path / "m.gguf", model, write(tmp_path / "m.gguf", model))
    assert len(checkpoint.report.transposed) == 8


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


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K", "F16", "BF16"])
def test_numbers_that_are_none(kind: str, random_reference: Callable[..., Any], tmp_path: Path) -> None:
    """A damaged scale makes a whole block NaN."""
    path = tmp_path / "m.gguf"
    write(path, random_reference("llama", **sizes("llama", 256)), lambda name: kind if "ffn_up" in name else "F32")
    at = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.1.ffn_up.weight").data_offset
    data = bytearray(path.read_bytes())
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"m\.gguf: layers\.1\.mlp\.up_proj\.weight holds NaN or infinite numbers"):
        load_checkpoint(path, "cpu")


def write_tensors(path: Path, tensors: dict[str, np.ndarray], kind: str) -> None:
    """A GGUF file of some tensors and nothing else, given by the bytes of their blocks."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, data in tensors.items():
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
