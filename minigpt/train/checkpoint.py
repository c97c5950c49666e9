"""Checkpoints that resume exactly: one file holds all that a run needs to go on as if it had never stopped."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.models.variants.gpt2 import GPT2Variant, GPT2VariantConfig
from minigpt.train.step import TrainSettings
from minigpt.train.trainer import Trainer
from tokenizer.fetch.atomic import replacing

FILE = "training.pt"
KINDS: dict[str, tuple[type[GPT2 | Llama], type[Any]]] = {
    "GPT2": (GPT2, GPT2Config),
    "GPT2Variant": (GPT2Variant, GPT2VariantConfig),
    "Llama": (Llama, LlamaConfig),
}


def save(folder: Path, trainer: Trainer, log: list[dict[str, float]]) -> None:
    """Writes the run's state; a crash leaves the old one or the new one, whole."""
    state = {
        "family": type(trainer.model).__name__,
        "config": asdict(trainer.model.config),
        "settings": asdict(trainer.settings),
        "step": trainer.step,
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "log": log,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FILE) as part:
        torch.save(state, part)


def resume(folder: Path, device: torch.device | str = "cpu") -> tuple[Trainer, list[dict[str, float]]]:
    """The trainer as it was saved, and its log; the next step is the one that was due.

    Raises FileNotFoundError where there is no run, ValueError where the file is none of ours.
    """
    file = folder / FILE
    if not file.exists():
        raise FileNotFoundError(f"no run to resume in {folder}: it has no {FILE}")
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        sizes = state["config"]
        kind, config = KINDS[state["family"]]
        model = kind(config(**sizes))
        model.load_state_dict(state["model"])
        trainer = Trainer(model.to(device), TrainSettings(**state["settings"]))
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.step = state["step"]
        return trainer, state["log"]
    except Exception as error:  # whatever torch makes of bytes that are none of ours
        raise ValueError(
            f"{file} is damaged or no run of ours ({type(error).__name__}): restore it from a copy, or start anew"
        ) from None
