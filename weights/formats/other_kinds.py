"""Folders with something other than a model's own weights: adapters, quantized weights, other programs' formats."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

IN_FULL = "use the model's weights in full precision, or a GGUF file of it"
MERGE = "merge it with peft (merge_and_unload), save the result and name its folder"
QUANTIZERS = ("quantization_config", "quantization", "compression_config")  # fields of config.json; MLX has the second
QUANTIZER_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")  # AutoGPTQ, AWQ, ModelOpt
QUANTIZED = re.compile(  # tensors that only quantized weights have
    r".*\.(qweight|qzeros|g_idx|scales|weight_scale(_inv)?|weight_packed|absmax|quant_map|SCB|weight_blocks)"
)
ADAPTED = re.compile(r".*\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector)\b.*")
OTHERS = {
    r"adapter_model\.(safetensors|bin)": f"an adapter: {MERGE}",
    r".*\.onnx(_data)?": "ONNX",
    r"tf_model\.h5|.*\.h5|.*\.keras": "TensorFlow (Keras)",
    r".*\.ckpt\.index|.*\.ckpt-\d+\.index|saved_model\.pb": "TensorFlow",
    r"flax_model.*\.msgpack": "Flax",
    r"rust_model\.ot": "Rust",
    r".*\.mlpackage|.*\.mlmodel|.*\.mlmodelc": "Core ML",
    r"openvino_model\.(xml|bin)": "OpenVINO",
    r".*\.tflite": "TensorFlow Lite",
    r".*\.npz": "NumPy (MLX)",
    r"consolidated.*\.(pth|safetensors)": "the layout of Meta or Mistral",
    r".*\.nemo": "NeMo",
}


def refuse_adapter(folder: Path) -> None:
    """A ValueError if an adapter is in a folder: with or without a model beside it, it would change the model."""
    if (folder / "adapter_config.json").exists():
        raise ValueError(f"{folder} holds an adapter (adapter_config.json), no model of its own: {MERGE}")


def refuse_quantized_config(config: Json, folder: Path) -> None:
    """A ValueError if config.json, or a file beside it, says that the weights are quantized."""
    for name in QUANTIZERS:
        if config.get(name):
            how = config[name]
            method = how.get("quant_method", how) if isinstance(how, dict) else how
            what = f"{name} {str(method)[:80]!r}: the weights are quantized, which is read from GGUF files only"
            raise ValueError(f"{folder / 'config.json'}: {what}: {IN_FULL}")
    for name in QUANTIZER_FILES:
        if (folder / name).exists():
            raise ValueError(
                f"{folder / name}: the weights are quantized, which is read from GGUF files only: {IN_FULL}"
            )


def refuse_quantized_tensors(keys: Iterable[str], file: Path) -> None:
    """A ValueError if the names of a file's tensors are those of quantized weights or of an adapter.

    >>> refuse_quantized_tensors(["model.layers.0.mlp.up_proj.qweight"], Path("x"))
    Traceback (most recent call last):
    ValueError: x: model.layers.0.mlp.up_proj.qweight: the weights are quantized, which is read from GGUF files only: \
use the model's weights in full precision, or a GGUF file of it
    """
    for key in keys:
        if QUANTIZED.fullmatch(key):
            what = "the weights are quantized, which is read from GGUF files only"
            raise ValueError(f"{file}: {key}: {what}: {IN_FULL}")
        if ADAPTED.fullmatch(key):
            raise ValueError(f"{file}: {key} belongs to an adapter, no model of its own: {MERGE}")


def what_else(names: list[str]) -> str | None:
    """What a folder without our weights holds instead, with the way out; None if it is unknown.

    >>> what_else(["config.json", "tf_model.h5"])
    "weights of TensorFlow (Keras) (tf_model.h5); read are PyTorch's: look for them in the model's repository"
    """
    for name in names:
        for pattern, kind in OTHERS.items():
            if re.fullmatch(pattern, name):
                if ": " in kind:
                    return f"{kind.replace(':', f' ({name}):', 1)}"
                return f"weights of {kind} ({name}); read are PyTorch's: look for them in the model's repository"
        if re.fullmatch(r"(model|pytorch_model)-\d{5}-of-\d{5}\.(safetensors|bin)", name):
            index = "model.safetensors" if name.endswith("safetensors") else "pytorch_model.bin"
            return f"a part of weights ({name}) without {index}.index.json, which says what is where: fetch it too"
    return None
