"""Writing a model in Hugging Face layout: a folder that transformers and `load_checkpoint` read."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import exclusive, replacing_files, write_text
from weights.checkpoint import load_checkpoint
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY
from weights.formats.safetensors_writer import write
from weights.selfcheck import FILE, Probe, log_probabilities

SHARD = 5_000_000_000  # bytes in one file, as is usual on the Hub
MODEL_FILES = (  # what a model is made of in a folder: a new one replaces all of it
    *("model*.safetensors*", "pytorch_model*", "probe.json", "generation_config.json"),
    *("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "chat_template.jinja"),
    *("added_tokens.json", "special_tokens_map.json", "encoder.json", "vocab.bpe"),
)


def save_checkpoint(
    model: GPT2 | Llama,
    folder: str | Path,
    tokenizer: Tokenizer | None = None,
    dtype: torch.dtype | None = None,
    generation_config: Mapping[str, Any] | None = None,
    chat_template: str | None = None,
    shard_bytes: int = SHARD,
) -> None:
    """Writes config.json, the weights as safetensors, and the vocabulary, the generation defaults and the chat template
    where given; loading them gives the same numbers, bit by bit, unless another dtype is asked for.

    A model that was there is replaced all at once: whenever the process is killed or the disk is full, the old one or
    the new one loads, whole; other files stay. Weights above `shard_bytes` are spread over several files with an index.
    `write_probe(folder)` adds what a load is checked by. Raises BlockingIOError where a training or another export is
    writing into the folder.
    """
    folder = Path(folder)
    family = GPT2_FAMILY if isinstance(model, GPT2) else LLAMA_FAMILY
    named = {}
    for name, parameter in model.named_parameters():
        key = name if name.startswith("lm_head.") else family.prefixes[0] + name
        named[key] = parameter.T if family.transposed.fullmatch(name) else parameter
    dtype = dtype or next(model.parameters()).dtype
    special = {name: id for name, id in (generation_config or {}).items() if name.endswith("_token_id")}
    numbers = str(dtype).removeprefix("torch.")
    config = family.write_config(model.config)
    with exclusive(folder), replacing_files(folder, MODEL_FILES) as part:
        write_shards(part, named, dtype, shard_bytes)
        if tokenizer is not None:
            tokenizer.save(part)
        write_json(part / "generation_config.json", generation_config or {})
        if chat_template is not None:
            write_text(part / "chat_template.jinja", chat_template)
        write_json(part / "config.json", {**config, "dtype": numbers, "torch_dtype": numbers, **special})


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
        write(folder / "model.safetensors", named, dtype)
        return
    where: dict[str, str] = {}
    for i, shard in enumerate(shards, start=1):
        file = f"model-{i:05}-of-{len(shards):05}.safetensors"
        write(folder / file, shard, dtype)
        where.update(dict.fromkeys(shard, file))
    total = sum(value.numel() for value in named.values()) * dtype.itemsize
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file as people read it."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def make_probe(model: GPT2 | Llama, n_ids: int = 6) -> Probe:
    """A probe of a model whose numbers are right: the best five next tokens, and eight from all over the vocabulary."""
    size = model.config.vocab_size
    ids = [7919 * i % size for i in range(1, 1 + min(n_ids, model.config.n_ctx))]
    found = log_probabilities(model, ids)
    chosen = [*found.topk(min(5, size)).indices.tolist(), *range(0, size, -(-size // 8))]
    return Probe(ids, {str(id): round(found[id].item(), 4) for id in chosen})


def write_probe(folder: str | Path) -> Path:
    """Computes a folder's probe on the CPU in float32 and writes it beside the weights; returns its path.

    Raises ValueError where the model gives no finite numbers.
    """
    probe = make_probe(load_checkpoint(folder, "cpu", "float32", force=True).model)
    if not all(abs(value) < float("inf") for value in probe.logprobs.values()):
        raise ValueError(f"{folder}: the model's logits are not finite numbers")
    path = Path(folder) / FILE
    with exclusive(path.parent):
        write_text(path, json.dumps(asdict(probe)) + "\n")
    return path


if __name__ == "__main__":
    for argument in sys.argv[1:] or sys.exit("usage: python -m weights.export FOLDER …: write the folders' probes"):
        print(f"wrote {write_probe(argument)}", file=sys.stderr)
