"""Folders that hold something else than weights in full precision: each is named, with a way out."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from weights import load_checkpoint


@pytest.fixture(params=["gpt2", "llama"])
def folder(request: pytest.FixtureRequest, random_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(random_checkpoint(request.param), tmp_path / "model"))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises((ValueError, OSError)) as caught:
        load_checkpoint(folder, "cpu")
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}, "gptq"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4, "zero_point": True}}, "awq"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "bitsandbytes"),
        ({"quantization_config": {"load_in_8bit": True}}, "load_in_8bit"),
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, "fp8"),
        ({"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}}, "compressed"),
        ({"quantization_config": {"quant_method": "mxfp4"}, "model_type": "gpt_oss"}, "mxfp4"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "'group_size': 64"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compression_config"),
        ({"quantization_config": "yes"}, "yes"),
    ],
    ids=str,
)
def test_a_config_that_says_quantized(folder: Path, values: dict[str, Any], word: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    refused(folder, "config.json", "quantized", word, "full precision", "GGUF")


@pytest.mark.parametrize("name", ["quantize_config.json", "quant_config.json", "hf_quant_config.json"])
def test_a_file_that_says_quantized(folder: Path, name: str) -> None:
    (folder / name).write_text("{}")
    refused(folder, name, "quantized", "full precision")


@pytest.mark.parametrize("last", ["qweight", "qzeros", "weight.absmax", "SCB", "weight_scale_inv", "scales"])
def test_tensors_that_are_quantized(folder: Path, last: str) -> None:
    made = load_file(folder / "model.safetensors") | {f"model.layers.0.mlp.up_proj.{last}": torch.ones(2)}
    save_file(made, folder / "model.safetensors")
    refused(folder, f"up_proj.{last}", "quantized", "full precision")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_numbers_of_eight_bits(folder: Path, dtype: torch.dtype) -> None:
    made = {name: value.to(dtype) for name, value in load_file(folder / "model.safetensors").items()}
    save_file(made, folder / "model.safetensors")
    refused(folder, "model.safetensors", "F8_E", "quantized", "full precision")


def test_no_quantization(folder: Path) -> None:
    """A field that is there and says nothing."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": None}))
    load_checkpoint(folder, "cpu")


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside a model"])
def test_an_adapter(folder: Path, alone: bool) -> None:
    if alone:
        for file in folder.iterdir():
            file.unlink()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "gpt2", "peft_type": "LORA"}))
    save_file({"base_model.model.h.0.attn.c_attn.lora_A.weight": torch.ones(2)}, folder / "adapter_model.safetensors")
    refused(folder, "adapter", "merge_and_unload")


def test_an_adapters_tensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    save_file({"h.0.attn.c_attn.lora_A.weight": torch.ones(2)}, folder / "adapter_model.safetensors")
    refused(folder, "an adapter (adapter_model.safetensors)", "merge_and_unload")
    (folder / "adapter_model.safetensors").rename(folder / "model.safetensors")
    refused(folder, "lora_A.weight belongs to an adapter", "merge_and_unload")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.onnx", "ONNX"),
        ("decoder_model_merged.onnx_data", "ONNX"),
        ("tf_model.h5", "TensorFlow (Keras)"),
        ("model.ckpt.index", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("rust_model.ot", "Rust"),
        ("weights.npz", "NumPy (MLX)"),
        ("openvino_model.xml", "OpenVINO"),
        ("consolidated.00.pth", "Meta or Mistral"),
        ("model-00001-of-00002.safetensors", "without model.safetensors.index.json"),
        ("pytorch_model-00001-of-00002.bin", "without pytorch_model.bin.index.json"),
        ("model.txt", "expected model.safetensors or pytorch_model.bin"),
    ],
)
def test_another_format_alone(folder: Path, name: str, kind: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    refused(folder, str(folder), name, kind)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model.gguf"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket", "link to nothing", "link to itself"])
def test_no_file_in_a_files_place(folder: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "model.safetensors").unlink()
    path = folder / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        monkeypatch.chdir(folder)
        socket.socket(socket.AF_UNIX).bind(name)
    else:
        path.symlink_to(name if kind == "link to itself" else "nowhere")
    refused(path if name == "model.gguf" else folder, name)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b.safetensors", "/etc/passwd", "a\0b", "x" * 300])
def test_an_index_with_a_name_that_is_none(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"wte.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder)


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "model.safetensors").chmod(0)
    refused(folder, "model.safetensors")
