"""A checkpoint: a model with everything that came beside it, loaded from a folder or by a registered name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from tokenizer import Tokenizer
from weights import companions, selfcheck
from weights.devices import pick_device, pick_dtype
from weights.families import gguf_llama
from weights.families.known import check_config
from weights.families.llama import LLAMA_FAMILY
from weights.fetch import locate
from weights.fetch.checksums import verify
from weights.formats.folder import read_json, weight_files
from weights.formats.tensors import read_tensors
from weights.loading import load_model
from weights.report import LoadReport, size_text


@dataclass
class Checkpoint:
    """A loaded model, its vocabulary, its default settings, and the report of how it was loaded."""

    name: str
    path: Path  # the folder, or the GGUF file
    model: GPT2 | Llama  # in eval mode
    tokenizer: Tokenizer | None  # None where the folder has no vocabulary
    generation_config: dict[str, Any]
    chat_template: str | None  # Jinja
    report: LoadReport


def load_checkpoint(
    name_or_path: str | Path,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    force: bool = False,
) -> Checkpoint:
    """The checkpoint of a registered name, a Hub id, a folder in Hugging Face layout, or a GGUF file.

    `device` "auto" is cuda, else mps, else cpu. Without a dtype it is the checkpoint's own; half-precision files load
    as float32 on a CPU. Where logits are stored for a probe, the device must give them, unless `force` is set.
    Raises ValueError for what is wrong with a file, OSError for what is not there and cannot be fetched.
    """
    place = pick_device(device)
    wanted = pick_dtype(dtype, place)
    found = locate.obtain(name_or_path)
    load = load_gguf if found.path.suffix == ".gguf" else load_folder
    c = load(found.path, found.name, place, wanted)
    probe = selfcheck.find_probe(found.path, found.probe_name if found.entry else None)
    c.report.self_check = selfcheck.check(c.model, probe, c.name, force)
    return c


def load_folder(folder: Path, name: str, device: torch.device, dtype: torch.dtype | None) -> Checkpoint:
    """The checkpoint of a folder with config.json, weights, and whatever else lies there."""
    family, config = check_config(folder)
    files = weight_files(folder)
    verified = [f"{file.name}, {size_text(file.stat().st_size)}, {verify(file)}" for file in files]
    where = str(files[0] if len(files) == 1 else folder)
    model, report = load_model(config, family, read_tensors(files), where, device, dtype)
    report.files = verified
    assert isinstance(model, GPT2 | Llama)
    tok = companions.read_vocabulary(folder, config.vocab_size)
    defaults = companions.read_generation_config(folder, read_json(folder / "config.json"))
    return Checkpoint(name, folder, model, tok, defaults, companions.read_chat_template(folder), report)


def load_gguf(path: Path, name: str, device: torch.device, dtype: torch.dtype | None) -> Checkpoint:
    """The checkpoint of a GGUF file, which holds the vocabulary and the chat template too."""
    verified = f"{path.name}, {size_text(path.stat().st_size)}, {verify(path)}"
    values, config, stored, reordered = gguf_llama.read(path)
    model, report = load_model(config, LLAMA_FAMILY, stored, str(path), device, dtype)
    report.files, report.transposed = [verified], reordered
    assert isinstance(model, Llama)
    tok = companions.read_gguf_vocabulary(path, config.vocab_size) if "tokenizer.ggml.tokens" in values else None
    defaults = gguf_llama.read_generation_config(values)
    return Checkpoint(name, path, model, tok, defaults, values.get("tokenizer.chat_template"), report)
