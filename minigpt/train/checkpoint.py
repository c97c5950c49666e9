"""Checkpoints that resume exactly: one file holds all that a run needs to go on as if it had never stopped."""

import shutil
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import Config
from minigpt.train.make import make_trainer, prepare
from minigpt.train.record import RunRecord, companions_of, fingerprint
from minigpt.train.state import restore_optimizer
from minigpt.train.step import TrainSettings
from minigpt.train.trainer import Trainer
from tokenizer.fetch.atomic import exclusive, finish_writing, replacing_files
from weights.devices import pick_device
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.known import FAMILIES
from weights.families.llama import LLAMA_FAMILY
from weights.report import size_text

__all__ = ["FILE", "RunRecord", "SavedRun", "check_space", "companions_of", "load_run", "read_run", "resume", "save"]

FILE = "training.pt"


def save(
    folder: Path,
    trainer: Trainer,
    log: list[dict[str, float]],
    record: RunRecord | None = None,
    state: dict[str, Any] | None = None,
) -> None:
    """Writes the run's state, the trainer's unless it is given; a crash leaves the old one or the new one, whole.

    Raises OSError where the disk is full, BlockingIOError where another process writes into the folder.
    """
    family = GPT2_FAMILY if isinstance(trainer.model, GPT2) else LLAMA_FAMILY
    more = {
        "config": family.write_config(trainer.model.config),
        "settings": asdict(trainer.settings),
        "plain": trainer.plain,
        "log": log,
        "record": asdict(record or RunRecord()),
    }
    with exclusive(folder), replacing_files(folder) as part:
        try:
            torch.save((state or trainer.state()) | more, part / FILE)
        except RuntimeError as error:  # what torch raises for a full disk
            free = size_text(shutil.disk_usage(folder).free)
            raise OSError(
                f"{folder / FILE} could not be written, {free} are free on that disk; the last state is unchanged: "
                f"make room, or name another folder ({str(error).splitlines()[0]})"
            ) from None


def resume(folder: Path, device: torch.device | str = "cpu") -> tuple[Trainer, list[dict[str, float]]]:
    """The trainer as it was saved, and its log; the next step is the one that was due. Raises as `load_run` does."""
    trainer, log, _ = load_run(folder, device)
    return trainer, log


@dataclass(frozen=True)
class SavedRun:
    """A run as it was saved: the model with its weights, and what a trainer needs to go on."""

    file: Path
    model: GPT2 | Llama
    settings: TrainSettings
    plain: bool
    step: int
    log: list[dict[str, float]]
    record: RunRecord
    optimizer: dict[str, Any]  # its state

    def trainer(self, settings: TrainSettings | None = None, plain: bool | None = None, shard: bool = False) -> Trainer:
        """The trainer that goes on, with the run's own settings unless others are given; made once."""
        asked = self.record.asked | {"shard": shard}
        plain = self.plain if plain is None else plain
        trainer = make_trainer(self.model, settings or self.settings, plain, asked)
        try:
            restore_optimizer(trainer.optimizer, self.optimizer)
        except Exception as error:
            raise damaged(self.file, error) from None
        trainer.step = self.step
        return trainer


def load_run(
    folder: Path, device: torch.device | str | None = None
) -> tuple[Trainer, list[dict[str, float]], RunRecord]:
    """The trainer as it was saved, its log and its record. Raises as `read_run` does."""
    saved = read_run(folder, device)
    return saved.trainer(), saved.log, saved.record


def read_run(folder: Path, device: torch.device | str | None = None) -> SavedRun:
    """The run in a folder; without a device its model is on the one that the run asked for.

    Raises FileNotFoundError where there is no run, ValueError where the file is damaged, not one of ours, or belongs to
    a model other than the one in the folder.
    """
    finish_writing(folder)
    file = folder / FILE
    if not file.exists():
        raise FileNotFoundError(f"no run to resume in {folder}: it has no {FILE}")
    try:
        check_bytes(file)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", UserWarning
            )  # torch warns about a pickle of another protocol: it is not ours
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        record = RunRecord(**state["record"])
        place = device or str(record.asked.get("device", "cpu"))
        family = FAMILIES[state["config"]["model_type"]]
        config = family.read_config(state["config"])
        check_sizes(config, state["model"])
        model = family.build(config)
        assert isinstance(model, GPT2 | Llama)
        prepare(model, record.asked)
        model.load_state_dict(state["model"])
        settings, own = TrainSettings(**state["settings"]), (state["plain"], state["step"], state["log"])
        moments = state["optimizer"]
    except Exception as error:  # whatever torch raises for bytes that are not ours
        raise damaged(file, error) from None
    if record.model is not None and fingerprint(folder) != record.model:
        raise ValueError(f"{file} belongs to another model than the one in {folder}: restore the one that it goes with")
    return SavedRun(file, model.to(pick_device(place)), settings, *own, record, moments)


def damaged(file: Path, error: Exception) -> ValueError:
    """The error for a file that cannot be understood."""
    kind = type(error).__name__
    return ValueError(f"{file} is damaged or not a minigpt run ({kind}): restore it from a copy, or start anew")


def check_sizes(config: Config, tensors: Mapping[str, Tensor]) -> None:
    """Compares the sizes with what is there, before anything of those sizes is built."""
    n_numbers = sum(tensor.numel() for tensor in tensors.values())
    sizes = [config.vocab_size, config.n_embd, config.n_inner, config.n_ctx if isinstance(config, GPT2Config) else 0]
    if config.n_layer > len(tensors) or max(sizes) > n_numbers:
        raise ValueError("sizes that no tensor has")


def check_bytes(file: Path) -> None:
    """Compares every part of the file with its CRC-32, which torch writes but does not read."""
    with zipfile.ZipFile(file) as parts:
        wrong = parts.testzip()
    if wrong:
        raise ValueError(f"{wrong} is not what was written")


def check_space(folder: Path, trainer: Trainer) -> str:
    """Refuses a disk that has no room for one checkpoint: the weights, and the state, which has them again, with two
    moments for each that learns.

    Returns a warning if there is no room for two, which later saves need: the last stays until the next is whole.
    """
    needed = sum(weight.nbytes * (4 if weight.requires_grad else 2) for weight in trainer.model.parameters())
    free = shutil.disk_usage(folder).free
    told = f"a checkpoint takes {size_text(needed)}, {size_text(free)} are free on the disk of {folder}"
    if free < needed:
        raise OSError(f"no room: {told}: make some, or name another folder with --out")
    return f"there is little room: {told}, and each is written before the last one goes" if free < 2 * needed else ""
