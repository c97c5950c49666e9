"""A thin adapter from the functions that Stanford's CS336 asks for in its first assignment to those of minigpt/train.

The signatures are the assignment's; tests/train/test_cs336.py holds its cases, written anew.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, nn

from minigpt.models.layers import softmax
from minigpt.train.data import draw_batch
from minigpt.train.loss import cross_entropy
from minigpt.train.optimizer import AdamW, clip_gradients, cosine_rate
from minigpt.train.state import load_state, save_state


def run_softmax(in_features: Tensor, dim: int) -> Tensor:
    return softmax(in_features.transpose(dim, -1)).transpose(dim, -1)


def run_cross_entropy(inputs: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(inputs, targets)


def run_gradient_clipping(parameters: Iterable[nn.Parameter], max_l2_norm: float) -> None:
    clip_gradients(parameters, max_l2_norm)


def get_adamw_cls() -> type[torch.optim.Optimizer]:
    return AdamW


def run_get_lr_cosine_schedule(
    it: int, max_learning_rate: float, min_learning_rate: float, warmup_iters: int, cosine_cycle_iters: int
) -> float:
    return cosine_rate(it, max_learning_rate, min_learning_rate, warmup_iters, cosine_cycle_iters)


def run_get_batch(
    dataset: "np.ndarray[Any, Any]", batch_size: int, context_length: int, device: str
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    x, y = draw_batch(dataset, context_length, batch_size, generator)
    return x.to(device), y.to(device)


def run_save_checkpoint(
    model: nn.Module, optimizer: torch.optim.Optimizer, iteration: int, out: str | Path | IO[bytes]
) -> None:
    save_state(model, optimizer, iteration, out)


def run_load_checkpoint(src: str | Path | IO[bytes], model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    return load_state(src, model, optimizer)
