"""Writing a model in Hugging Face layout: a folder that transformers and `load_checkpoint` read."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY
from weights.formats import safetensors as tensors

if TYPE_CHECKING:
    from tokenizer import Tokenizer

SHARD = 5_000_000_000  # bytes in one file, as the Hub likes it
MODEL_FILES = (  # what a model is made of in a folder: a new one replaces all of it
    *("model*.safetensors*", "pytorch_model*", "probe.json", "generation_config.json"),
    *("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "chat_template.jinja"),
)


def save_checkpoint(
    model: GPT2 | Llama,
    folder: str | Path,
    tokenizer: "Tokenizer | None" = None,
    dtype: torch.dtype | None = None,
    generation_config: Mapping[str, Any] | None = None,
    chat_template: str | None = None,
    shard_bytes: int = SHARD,
) -> None:
    """Writes config.json, the weights as safetensors, and the vocabulary, the generation defaults and the chat template
    where given; loading them gives the same numbers, bit by bit, unless another dtype is asked for.

    All is written beside first and then moved, so that a disk that fills loses nothing. A model that was there goes,
    config.json first; the new one is moved last, so that a folder that has one is whole. Weights above `shard_bytes`
    are spread over several files with an index. `weights.selfcheck.write_probe(folder)` adds what a load is checked by.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    family = GPT2_FAMILY if isinstance(model, GPT2) else LLAMA_FAMILY
    named = {}
    for name, parameter in model.named_parameters():
        key = name if name.startswith("lm_head.") else family.prefixes[0] + name
        named[key] = parameter.T if family.transposed.fullmatch(name) else parameter
    dtype = dtype or next(model.parameters()).dtype
    special = {name: id for name, id in (generation_config or {}).items() if name.endswith("_token_id")}
    numbers = str(dtype).removeprefix("torch.")
    config = family.write_config(model.config)
    with tempfile.TemporaryDirectory(suffix=".part", dir=folder) as beside:
        part = Path(beside)
        write_shards(part, named, dtype, shard_bytes)
        if tokenizer is not None:
            tokenizer.save(part)
        write_json(part / "generation_config.json", generation_config or {})
        if chat_template is not None:
            write_text(part / "chat_template.jinja", chat_template)
        write_json(part / "config.json", {**config, "dtype": numbers, "torch_dtype": numbers, **special})
        (folder / "config.json").unlink(missing_ok=True)
        for old in [file for pattern in MODEL_FILES for file in folder.glob(pattern)]:
            old.unlink()
        for new in sorted(part.iterdir(), key=lambda file: file.name == "config.json"):
            new.replace(folder / new.name)


def write_shards(folder: Path, named: Mapping[str, Tensor], dtype: torch.dtype, shard_bytes: int) -> None:
    """Writes model.safetensors, or several files and the index of which tensor is where."""
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, value in named.items():
        n_bytes = value.numel() * dtype.itemsize
        if filled and filled + n_bytes > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = value
        filled += n_bytes
    if len(shards) == 1:
        tensors.write(folder / "model.safetensors", named, dtype)
        return
    where: dict[str, str] = {}
    for i, shard in enumerate(shards, start=1):
        file = f"model-{i:05}-of-{len(shards):05}.safetensors"
        tensors.write(folder / file, shard, dtype)
        where.update(dict.fromkeys(shard, file))
    total = sum(value.numel() for value in named.values()) * dtype.itemsize
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file as people read it."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file with the same bytes on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")
