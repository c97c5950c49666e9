"""GPT-2's relatives, BERT, BART and T5: from a folder or a name to a model, checked as strictly as GPT-2's own."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from weights.companions import read_generation_config
from weights.devices import pick_device, pick_dtype
from weights.families import bart, bert, t5
from weights.families.family import Family
from weights.families.known import FAMILIES as GPT_FAMILIES
from weights.families.known import check_config
from weights.fetch import locate
from weights.fetch.checksums import verified
from weights.formats.folder import weight_files
from weights.formats.stored import StoredTensor
from weights.formats.tensors import read_tensors
from weights.loading import load_model
from weights.report import LoadReport


class Relative(NamedTuple):
    """One family: its dialects, and what the names of the stored parameters say beyond config.json."""

    family: Family
    with_parts: Callable[[Any, Collection[str]], Any]  # the config, with the parts that are there


FAMILIES = {
    "bert": Relative(bert.BERT_FAMILY, bert.with_parts),
    "bart": Relative(bart.BART_FAMILY, bart.with_parts),
    "t5": Relative(t5.T5_FAMILY, t5.with_parts),
}


@dataclass(repr=False)
class RelativeCheckpoint:
    """A loaded relative of GPT-2, and the folder with what is beside its weights."""

    name: str
    path: Path
    model: nn.Module  # in eval mode
    generation_config: dict[str, Any]
    report: LoadReport

    def __repr__(self) -> str:
        kind, r = type(self.model).__name__, self.report
        return f"{self.name}: {kind}, {r.n_parameters:,} parameters as {r.dtype} on {r.device}, {self.path}"


def load_relative_checkpoint(
    name_or_path: str | Path, device: str | torch.device = "auto", dtype: torch.dtype | str | None = None
) -> RelativeCheckpoint:
    """The checkpoint of a registered name, a Hub id or a folder in Hugging Face layout; `device` and `dtype` as in
    `load_checkpoint`. Raises ValueError for what is wrong with a file, OSError for what is not there."""
    place = pick_device(device)
    wanted = pick_dtype(dtype, place)
    found = locate.obtain(name_or_path, check_relative)
    if found.path.is_file():
        raise ValueError(
            f"{found.path}: BERT, BART and T5 are not read from GGUF files: name a folder with config.json"
        )
    family, config = check_relative(found.path)
    files = weight_files(found.path)
    checked = [verified(file) for file in files]
    where = str(files[0] if len(files) == 1 else found.path)
    stored = read_tensors(files)
    config = FAMILIES[family.name].with_parts(config, {family.parameter(key) or "" for key in stored})
    once, tied = without_copies(stored, family)
    model, report = load_model(config, family, once, where, place, wanted)
    report.files, report.tied = checked, report.tied + tied
    return RelativeCheckpoint(found.name, found.path, model, read_generation_config(found.path), report)


def check_relative(folder: Path) -> tuple[Family, Any]:
    """The family and the sizes in a folder's config.json; a ValueError for another model, or unsupported settings."""
    return check_config(folder, {name: relative.family for name, relative in FAMILIES.items()})


def check_any(folder: Path) -> tuple[Family, Any]:
    """The same for every model that is read here, for callers that only fetch it."""
    return check_config(folder, GPT_FAMILIES | {name: relative.family for name, relative in FAMILIES.items()})


def without_copies(stored: Mapping[str, StoredTensor], family: Family) -> tuple[dict[str, StoredTensor], list[str]]:
    """The tensors without those that only repeat another of the same parameter, as files of tied weights do, and the
    names of the copies; if two differ, both stay, and the loader refuses them by name."""
    kept: dict[str, StoredTensor] = {}
    first: dict[str, str] = {}
    tied: list[str] = []
    for key, tensor in stored.items():
        name = family.parameter(key) or key
        other = stored[first.setdefault(name, key)]
        if other is not tensor and other.shape == tensor.shape and torch.equal(other.read(), tensor.read()):
            tensor.drop()
            tied.append(key)
        else:
            kept[key] = tensor
    return kept, tied
