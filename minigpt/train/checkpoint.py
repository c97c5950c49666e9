"""Checkpoints that resume exactly: one file holds all that a run needs to go on as if it had never stopped."""

import hashlib
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import Config
from minigpt.train.data import END
from minigpt.train.state import restore_optimizer, save_state
from minigpt.train.step import TrainSettings
from minigpt.train.trainer import Trainer
from minigpt.train.tuning import prepare
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import exclusive, finish_writing, replacing_files
from weights.checkpoint import Checkpoint
from weights.devices import pick_device
from weights.export import write_companions
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.known import FAMILIES
from weights.families.llama import LLAMA_FAMILY
from weights.report import size_text

FILE = "training.pt"


@dataclass(frozen=True)
class RunRecord:
    """What a run was begun with, so that it can be repeated, and what it has made so far."""

    asked: dict[str, str | int | float | bool | None] = field(default_factory=dict)  # by the flags' Python names
    texts: tuple[str, ...] = ()  # the SHA-256 of each text, in the order in which they were given
    companions: dict[str, str] = field(default_factory=dict)  # what lies beside the weights: vocabulary, template, …
    model: str | None = None  # the fingerprint of the model that it has written beside, None before the first

    @contextmanager
    def files(self) -> Iterator[Path]:
        """A folder with the run's own companions, whatever lies in the folder that it writes to."""
        with TemporaryDirectory() as folder:
            for name, text in self.companions.items():
                Path(folder, Path(name).name).write_bytes(text.encode())
            yield Path(folder)

    def tokenizer(self, plain: bool = False) -> Tokenizer:
        """The run's own tokenizer."""
        with self.files() as folder:
            return Tokenizer.load(folder, plain=plain)


def companions_of(tokenizer: Tokenizer, base: Checkpoint | None = None) -> dict[str, str]:
    """The files that lie beside the weights of a run, by their names: those of the model that it starts from, or of a
    new one with this tokenizer. What is no text, SentencePiece's own file beside a tokenizer.json, is left out."""
    source = base.path if base and base.path.is_dir() else None
    config = base.generation_config if base else sampling_defaults(tokenizer)
    with TemporaryDirectory() as name:
        write_companions(Path(name), source, tokenizer, config, base.chat_template if base else None)
        files = [file for file in sorted(Path(name).iterdir()) if file.suffix in (".json", ".txt", ".jinja", ".bpe")]
        return {file.name: file.read_bytes().decode() for file in files}


def sampling_defaults(tokenizer: Tokenizer) -> dict[str, int | float]:
    """The generation_config.json of a model trained from nothing."""
    end = tokenizer.special_tokens[END]
    return {"bos_token_id": end, "eos_token_id": end, "do_sample": True, "temperature": 0.7, "top_p": 0.9}


def fingerprint(folder: Path) -> str:
    """The SHA-256 of what tells a folder's model: the weights' headers, each with its numbers' SHA-256, and the
    vocabulary."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("model*.safetensors")):
        with file.open("rb") as weights:
            size = weights.read(8)
            found.update(size + weights.read(min(int.from_bytes(size, "little"), 1 << 28)))
    for file in sorted(folder.glob("tokenizer.json")):
        found.update(file.read_bytes())
    return found.hexdigest()


def save(folder: Path, trainer: Trainer, log: list[dict[str, float]], record: RunRecord | None = None) -> None:
    """Writes the run's state; a crash leaves the old one or the new one, whole.

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
            save_state(trainer.model, trainer.optimizer, trainer.step, part / FILE, **more)
        except RuntimeError as error:  # what torch makes of a full disk
            free = size_text(shutil.disk_usage(folder).free)
            raise OSError(
                f"{folder / FILE} could not be written, {free} are free on that disk; the last state is unchanged: "
                f"make room, or name another folder ({str(error).splitlines()[0]})"
            ) from None


def resume(folder: Path, device: torch.device | str = "cpu") -> tuple[Trainer, list[dict[str, float]]]:
    """The trainer as it was saved, and its log; the next step is the one that was due. Raises as `load_run` does."""
    trainer, log, _ = load_run(folder, device)
    return trainer, log


def load_run(
    folder: Path, device: torch.device | str | None = None
) -> tuple[Trainer, list[dict[str, float]], RunRecord]:
    """The trainer as it was saved, its log and its record; without a device it is the one that the run was asked for.

    Raises FileNotFoundError where there is no run, ValueError where the file is damaged, none of ours, or belongs to
    another model than the one in the folder.
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
            )  # torch wonders about a pickle of another protocol: it is not ours
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
    except Exception as error:  # whatever torch makes of bytes that are none of ours
        raise damaged(file, error) from None
    model = model.to(pick_device(place))
    try:
        trainer = Trainer(model, TrainSettings(**state["settings"]), state["plain"])
        restore_optimizer(trainer.optimizer, state["optimizer"])
        trainer.step, log = state["step"], state["log"]
    except Exception as error:
        raise damaged(file, error) from None
    if record.model is not None and fingerprint(folder) != record.model:
        raise ValueError(f"{file} belongs to another model than the one in {folder}: restore the one that it goes with")
    return trainer, log, record


def damaged(file: Path, error: Exception) -> ValueError:
    """What is said of a file that cannot be understood."""
    kind = type(error).__name__
    return ValueError(f"{file} is damaged or no run of ours ({kind}): restore it from a copy, or start anew")


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
    """Refuses a disk that has no room for one checkpoint: the weights, and the state with them and two moments of each
    that learns.

    Returns a warning where there is none for two, which a later one needs, as the last stays until the next is whole.
    """
    needed = sum(weight.nbytes * (4 if weight.requires_grad else 2) for weight in trainer.model.parameters())
    free = shutil.disk_usage(folder).free
    told = f"a checkpoint takes {size_text(needed)}, {size_text(free)} are free on the disk of {folder}"
    if free < needed:
        raise OSError(f"no room: {told}: make some, or name another folder with --out")
    return f"there is little room: {told}, and each is written before the last one goes" if free < 2 * needed else ""
