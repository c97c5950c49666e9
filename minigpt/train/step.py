"""The training step: predict every next token, measure, change the weights a little (GPT-2's recipe, as GPT-3's paper
tells it: Brown et al. 2020, appendix B).

B batch, T tokens in a block, V vocabulary.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TrainSettings:
    """How to train; the defaults suit a small model on a laptop."""

    steps: int = 1000
    batch_size: int = 16
    block_size: int = 128
    learning_rate: float = 1e-3  # the peak, reached after the warm-up
    final_rate: float = 0.1  # the share of the peak that is left at the end
    warmup: int = 100  # steps from zero to the peak
    weight_decay: float = 0.1
    clip: float = 1.0  # the largest norm of the gradient
    precision: str = "float32"  # or "bfloat16": products in half the bits, weights and sums in full
    compile: bool = False  # let torch.compile fuse the step: about twice as fast, needs a C++ compiler
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "block_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.warmup < 0:
            raise ValueError(f"warmup must be at least 0, not {self.warmup}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f'precision must be "float32" or "bfloat16", not {self.precision!r}')

    def rate(self, step: int) -> float:
        """The learning rate of a step: a straight line up, then half a cosine down (Loshchilov & Hutter 2017), and
        at its end the rate stays. A run that is given more steps follows the curve of its new length from there on.

        >>> settings = TrainSettings(steps=100, warmup=10, learning_rate=1.0)
        >>> [round(settings.rate(step), 3) for step in (0, 9, 55, 100, 150)]
        [0.1, 1.0, 0.55, 0.1, 0.1]
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))  # 0 to 1
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * done)) / 2)


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019): matrices decay towards zero; biases and norms do not."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)


def next_token_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy of the tokens that came, -log p(y), in nats: x and y are (B, T)."""
    logits = model(x)  # (B, T, V)
    return F.cross_entropy(logits.float().flatten(0, 1), y.flatten())


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Products in bfloat16 where that was asked for."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
