"""A new run: what was not asked for is chosen to suit the text, the minutes and the speed of this machine."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.train import plan
from minigpt.train.answers import Chats
from minigpt.train.data import Texts, check_length
from minigpt.train.make import make_trainer, prepare
from minigpt.train.step import TrainSettings
from minigpt.train.trainer import Trainer


class NewRun:
    """A run to begin. `asked` is what was asked for, by the flags' Python names, and in the end all that was
    chosen; `base` is a model to be tuned, else a new GPT-2 is made."""

    def __init__(
        self,
        asked: Mapping[str, Any],
        texts: Texts,
        n_bytes: int,
        n_vocab: int,
        device: torch.device,
        base: GPT2 | Llama | None = None,
        shard: bool = False,
    ) -> None:
        self.asked, self.texts, self.n_vocab, self.device = dict(asked), texts, n_vocab, device
        self.base, self.shard = base, shard
        if asked["steps"] is None and asked["minutes"] is None:
            self.asked["minutes"] = plan.MINUTES
        if asked["learning_rate"] is None:
            self.asked["learning_rate"] = (1e-3 if asked.get("lora") else 1e-4) if base else 2e-3
        self.asked["block_size"] = self.block_size(n_bytes)
        if not isinstance(texts.train, Chats):
            check_length(texts.train, self.asked["block_size"])
        self.candidates = [{}] if base else plan.sizes_for(n_bytes, asked)

    def block_size(self, n_bytes: int) -> int:
        """The tokens of a block; raises ValueError if the model to be tuned has too few positions."""
        held, given = self.base.config.n_ctx if self.base else None, self.asked["block_size"]
        if held and (given or 0) > held:
            told = f"--block-size {given} exceeds the {held} positions of {self.asked['finetune']}"
            raise ValueError(f"{told}: give less")
        return given or plan.block_for(n_bytes, len(self.texts.train), held)

    def trainer(self, note: Callable[[str], object]) -> Trainer:
        """The trainer at its first step; where the minutes determine the steps, a line says how many."""
        sizes = self.candidates[-1]
        if self.asked["steps"] is not None:
            trainer = self.trainer_of(sizes)
        else:
            trainer = self.trainer_of(self.candidates[0])
            speed = plan.measure(trainer, self.texts)
            if self.candidates[1:]:
                counts = [n_parameters(self.model_of(sizes, "meta")) for sizes in self.candidates]
                sizes = self.candidates[plan.largest(counts, speed, self.asked["minutes"])]
                trainer = self.trainer_of(sizes)
                speed = plan.measure(trainer, self.texts)
            self.choose_steps(trainer, speed, note)
        steps = self.asked["steps"]
        self.asked |= {**sizes, "vocab_size": self.asked["vocab_size"] or (None if self.base else self.n_vocab)}
        if self.asked["warmup"] is None:
            self.asked["warmup"] = min(100, steps // 10)
        self.asked["evaluate_every"] = self.asked["evaluate_every"] or plan.evaluate_every(steps)
        trainer.settings = settings_of(self.asked)
        return trainer

    def choose_steps(self, trainer: Trainer, speed: plan.Speed, note: Callable[[str], object]) -> None:
        """As many as fit into the minutes, but no more passes through the text than help."""
        settings, minutes = trainer.settings, self.asked["minutes"]
        data = self.texts.train
        n_tokens, row = len(data), data.mean_length if isinstance(data, Chats) else settings.block_size
        per_step, fit = settings.batch_size * row, speed.steps(minutes)
        steps = min(fit, plan.most_steps(n_tokens, settings.batch_size, row, self.base is not None))
        size = f"{n_parameters(trainer.model) / 1e6:.1f} M parameters"
        short = f": {steps * per_step / n_tokens:.0f} passes; more would only memorise so short a text"
        took = minutes * steps / fit
        note(f"{size}, {steps:,} steps, about {took:.2g} minutes{short if steps < fit else ''}")
        self.asked["steps"] = steps

    def trainer_of(self, sizes: Mapping[str, int]) -> Trainer:
        """The trainer of a model of these sizes, or of the one that is tuned."""
        settings = settings_of(self.asked | {"steps": self.asked["steps"] or 1, "warmup": self.asked["warmup"] or 0})
        model = self.base or self.model_of(sizes, self.device)
        prepare(model, self.asked)
        return make_trainer(model, settings, self.asked["plain"], self.asked | {"shard": self.shard})

    def model_of(self, sizes: Mapping[str, int], device: torch.device | str) -> GPT2:
        """A new model with its first, random weights; on the device "meta" it has none."""
        asked = self.asked
        config = GPT2Config(vocab_size=self.n_vocab, n_ctx=asked["block_size"], dropout=asked["dropout"], **sizes)
        if device == "meta":
            with torch.device("meta"):
                return GPT2(config)
        torch.manual_seed(asked["seed"] % 2**63)
        return GPT2(config).to(device)


def n_parameters(model: torch.nn.Module) -> int:
    """How many numbers a model has."""
    return sum(parameter.numel() for parameter in model.parameters())


def settings_of(asked: Mapping[str, Any], settings: TrainSettings | None = None) -> TrainSettings:
    """The settings, the defaults or those given, updated with what was asked for."""
    settings = settings or TrainSettings()
    return replace(settings, **{name: value for name, value in asked.items() if name in vars(settings)})
