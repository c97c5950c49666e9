"""A checkpoint (lesson 07): a model with all that comes with it, loaded from a folder or by a registered name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from tokenizer import Tokenizer
from weights import selfcheck
from weights.companions import Companions, read_companions
from weights.devices import pick_device, pick_dtype
from weights.families.known import check_config
from weights.fetch import locate
from weights.fetch.checksums import verified
from weights.formats.folder import weight_files
from weights.formats.tensors import read_tensors
from weights.gguf_checkpoint import load_gguf
from weights.loading import load_model
from weights.report import LoadReport


@dataclass(repr=False)
class Checkpoint:
    """A loaded model, its vocabulary, its default settings, and the report of how it was loaded."""

    name: str
    path: Path  # the folder, or the GGUF file
    model: GPT2 | Llama  # in eval mode
    tokenizer: Tokenizer | None  # None if the folder has no vocabulary
    generation_config: dict[str, Any]
    chat_template: str | dict[str, str] | None  # Jinja
    report: LoadReport

    def __repr__(self) -> str:
        kind, r = type(self.model).__name__, self.report
        return f"Checkpoint({self.name}: {kind}, {r.n_parameters:,} parameters as {r.dtype} on {r.device}, {self.path})"


def load_checkpoint(
    name_or_path: str | Path,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    force: bool = False,
) -> Checkpoint:
    """The checkpoint of a registered name, a Hub id, a folder in Hugging Face layout, or a GGUF file.

    `device` "auto" is cuda, else mps, else cpu. Without a dtype it is the checkpoint's own; half-precision files load
    as float32 on a CPU. If logits are stored for a probe, the device must reproduce them, unless `force` is set.
    Raises ValueError for what is wrong with a file, OSError for what is missing and cannot be fetched.
    """
    place = pick_device(device)
    wanted = pick_dtype(dtype, place)
    found = locate.obtain(name_or_path)
    load = load_gguf if found.path.suffix == ".gguf" else load_folder
    model, report, more = load(found.path, place, wanted)
    assert isinstance(model, GPT2 | Llama)
    probe = selfcheck.find_probe(found.path, found.probe_name if found.entry else None)
    report.self_check = selfcheck.check(model, probe, found.name, force)
    return Checkpoint(found.name, found.path, model, more.tokenizer, more.generation_config, more.chat_template, report)


def load_folder(
    folder: Path, device: torch.device, dtype: torch.dtype | None
) -> tuple[torch.nn.Module, LoadReport, Companions]:
    """The model of a folder with config.json and weights, the report of its loading, and whatever else is there."""
    family, config = check_config(folder)
    files = weight_files(folder)
    checked = [verified(file) for file in files]
    where = str(files[0] if len(files) == 1 else folder)
    model, report = load_model(config, family, read_tensors(files), where, device, dtype)
    report.files = checked
    return model, report, read_companions(folder, config.vocab_size)
