"""Writing a model in Hugging Face layout: a folder that transformers and `load_checkpoint` read."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shutil import copyfile
from typing import Any

import torch
from torch import Tensor

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import exclusive, replacing_files, write_text
from weights.checkpoint import load_checkpoint
from weights.companions import FILES, MORE_TEMPLATES, names_by_ids
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY
from weights.formats.folder import read_json
from weights.formats.safetensors_writer import write
from weights.selfcheck import FILE, Probe, log_probabilities

SHARD = 5_000_000_000  # bytes in one file, as is usual on the Hub
MODEL_FILES = (  # what a model in a folder consists of: a new one replaces all of it
    *("model*.safetensors*", "pytorch_model*", "probe.json"),
    *FILES,
)


def save_checkpoint(
    model: GPT2 | Llama,
    folder: str | Path,
    tokenizer: Tokenizer | None = None,
    dtype: torch.dtype | None = None,
    generation_config: Mapping[str, Any] | None = None,
    chat_template: str | Mapping[str, str] | None = None,
    shard_bytes: int = SHARD,
    source: Path | None = None,
) -> None:
    """Writes config.json, the weights as safetensors, and the vocabulary, the generation defaults and the chat template
    if given; loading them gives the same numbers, bit for bit, unless another dtype is asked for.

    `source` is the folder that the model came from: what is beside the weights there is copied byte for byte, and takes
    precedence over the three. Raises ValueError, before anything is written, for weights that are not finite, or that
    would overflow in the dtype.

    A model that was there is replaced all at once: whenever the process is killed or the disk is full, the old one or
    the new one loads, whole; other files stay. Weights above `shard_bytes` are spread over several files with an index.
    `write_probe(folder)` adds what loads are checked by. Raises BlockingIOError if a training or another export is
    writing into the folder.
    """
    folder = Path(folder)
    family = GPT2_FAMILY if isinstance(model, GPT2) else LLAMA_FAMILY
    named = {}
    for name, parameter in model.named_parameters():
        key = name if name.startswith("lm_head.") else family.prefixes[0] + name
        named[key] = parameter.T if family.transposed.fullmatch(name) else parameter
    dtype = dtype or next(model.parameters()).dtype
    refuse_overflow(named, dtype)
    if (folder / MORE_TEMPLATES).exists():
        raise ValueError(f"{folder / MORE_TEMPLATES} holds another model's chat templates: name another folder")
    special = {name: id for name, id in (generation_config or {}).items() if name.endswith("_token_id")}
    numbers = str(dtype).removeprefix("torch.")
    config = family.write_config(model.config)
    with exclusive(folder), replacing_files(folder, MODEL_FILES) as part:
        write_shards(part, named, dtype, shard_bytes)
        write_companions(part, source, tokenizer, generation_config or {}, chat_template)
        write_json(part / "config.json", {**config, "dtype": numbers, "torch_dtype": numbers, **special})


def refuse_overflow(named: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """A ValueError that names the first tensor with a number that is not finite, as it is or in this dtype.

    >>> refuse_overflow({"w": torch.tensor([1e5])}, torch.float16)
    Traceback (most recent call last):
    ValueError: w holds 100000, more than float16 can hold (65504): give dtype='bfloat16' or dtype='float32'
    """
    for name, value in named.items():
        for number in value.detach().aminmax() if value.numel() else ():
            if not number.isfinite():
                raise ValueError(f"{name} holds {number.item()}: the weights are damaged, fetch or train them again")
            if not number.to(dtype).isfinite():
                raise ValueError(
                    f"{name} holds {number.item():g}, more than {str(dtype).removeprefix('torch.')} can hold "
                    f"({torch.finfo(dtype).max:g}): give dtype='bfloat16' or dtype='float32'"
                )


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


def write_companions(
    folder: Path,
    source: Path | None,
    tokenizer: Tokenizer | None,
    generation_config: Mapping[str, Any],
    chat_template: str | Mapping[str, str] | None,
) -> None:
    """Writes what goes beside the weights: the files of `source` byte for byte, and what is given where it has none.

    Several chat templates go into tokenizer_config.json, as a list, where every version of transformers finds them.
    """
    for file in [source / name for name in FILES] if source is not None else []:
        if file.exists():
            copyfile(file, folder / file.name)
    if not (folder / "generation_config.json").exists():
        write_json(folder / "generation_config.json", generation_config)
    if source is not None and not (source / MORE_TEMPLATES).is_dir():
        return
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}
    if tokenizer is not None and source is None:
        tokenizer.save(folder)
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **names_by_ids(generation_config, tokenizer.tokens)}
    if isinstance(chat_template, str):
        write_text(folder / "chat_template.jinja", chat_template)
    elif chat_template is not None:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        config["chat_template"] = [{"name": name, "template": text} for name, text in chat_template.items()]
    if config:
        write_json(path, config)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file indented for people to read."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def make_probe(model: GPT2 | Llama, n_ids: int = 6) -> Probe:
    """A probe of a model whose numbers are right: the five likeliest next tokens, and eight across the vocabulary."""
    size = model.config.vocab_size
    ids = [7919 * i % size for i in range(1, 1 + min(n_ids, model.config.n_ctx))]
    found = log_probabilities(model, ids)
    chosen = [*found.topk(min(5, size)).indices.tolist(), *range(0, size, -(-size // 8))]
    return Probe(ids, {str(id): round(found[id].item(), 4) for id in chosen})


def write_probe(folder: str | Path) -> Path:
    """Computes a folder's probe on the CPU in float32 and writes it beside the weights; returns its path.

    Raises ValueError if the model's numbers are not finite.
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
