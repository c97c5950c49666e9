"""How to train: the settings of a run, and the optimizer that they ask for (GPT-2's recipe, as GPT-3's paper gives it:
Brown et al. 2020, appendix B)."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from minigpt.fast.training import fast_parts
from minigpt.train.loss import next_token_loss
from minigpt.train.muon import Muon, muon_groups
from minigpt.train.optimizer import cosine_rate, decay_groups

__all__ = ["BETAS", "TrainSettings", "autocast", "make_optimizer", "next_token_loss"]

BETAS = (0.9, 0.95)  # of AdamW's two running means


@dataclass(frozen=True)
class TrainSettings:
    """How to train; the defaults suit a small model on a laptop."""

    steps: int = 1000
    batch_size: int = 16
    block_size: int = 128
    accumulate: int = 1  # parts that a batch is computed in, one after the other: less memory, the same step
    optimizer: str = "adamw"  # or "muon", which learns more from each step and takes longer for it
    learning_rate: float = 1e-3  # the peak, reached after the warm-up
    final_rate: float = 0.1  # the share of the peak that is left at the end
    warmup: int = 100  # steps from zero to the peak
    weight_decay: float = 0.1
    clip: float = 1.0  # the largest norm of the gradient
    precision: str = "float32"  # or "bfloat16": products in half the bits, weights and sums in full
    compile: bool = False  # let torch.compile fuse the step: minutes at first, on a CPU hardly a gain
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "block_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.accumulate > self.batch_size:
            parts, blocks = (
                f"accumulate (--accumulate) is {self.accumulate}",
                f"the {self.batch_size} blocks of a batch",
            )
            raise ValueError(f"{parts}, more than {blocks}: give less")
        if self.warmup < 0:
            raise ValueError(f"warmup must be at least 0, not {self.warmup}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)}")
        for name, most in (("final_rate", 1.0), ("weight_decay", 1e9)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be a number from 0 to {most:g}, not {getattr(self, name)}")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f'optimizer must be "adamw" or "muon", not {self.optimizer!r}')
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f'precision must be "float32" or "bfloat16", not {self.precision!r}')

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0, see `cosine_rate`: the last one has the final rate, and so do
        all after it. A run that is given more steps follows the curve of its new length from there on.

        >>> settings = TrainSettings(steps=100, warmup=10, learning_rate=1.0)
        >>> [round(settings.rate(step), 3) for step in (0, 9, 54, 99, 150)]
        [0.1, 1.0, 0.55, 0.1, 0.1]
        """
        peak = self.learning_rate
        return cosine_rate(step + 1, peak, self.final_rate * peak, self.warmup, self.steps)  # + 1: no step is at rate 0

    def step_seed(self, step: int) -> int:
        """The seed of a step's batch and dropout: a run that was interrupted draws what it would have drawn."""
        return (self.seed * 1_000_003 + step) % 2**63


def make_optimizer(model: nn.Module, settings: TrainSettings, plain: bool = False) -> torch.optim.Optimizer:
    """The settings' optimizer for a model: matrices decay towards zero; biases and norms do not."""
    if settings.optimizer == "muon":
        return Muon(muon_groups(model, settings.weight_decay), settings.precision, betas=BETAS)
    return fast_parts(plain).optimizer(decay_groups(model, settings.weight_decay), betas=BETAS)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Products in bfloat16 where that was asked for."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
