"""Muon, a younger optimizer than AdamW (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982): a matrix moves equally
far in all of its directions.

A few directions make up most of a gradient, and AdamW follows them; the others, small, still have much to teach.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.train.lora import IN_BLOCKS
from minigpt.train.optimizer import AdamW, decay_groups

A, B, C = 3.4445, -4.7750, 2.0315  # A s + B s³ + C s⁵, five times in a row, takes every s from 0.002 up to about 1
MOMENTUM = 0.95


class Muon(AdamW):
    """Muon for groups with a `momentum`, AdamW for all others: embeddings, biases and norms.

    Both have the same learning rate: Muon's steps are scaled to the size of AdamW's, whose numbers are about 0.2. With
    `precision` "bfloat16" its products are computed in that, their sums in full.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], precision: str = "float32", **given: Any) -> None:
        super().__init__(groups, **given)
        self.precision = precision

    def update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """One step of one parameter; weight and gradient have the same shape."""
        if "momentum" not in group:
            super().update(weight, gradient, group)
            return
        state, rate, momentum = self.state[weight], group["lr"], group["momentum"]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        mean = state["momentum_buffer"]
        mean.lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(mean, momentum)  # the mean and once more the gradient: Nesterov's way
        with torch.autocast(weight.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            direction = orthogonal(ahead)
        weight.mul_(1 - rate * group["weight_decay"])
        weight.sub_(rate * 0.2 * math.sqrt(max(weight.shape)) * direction)  # an orthogonal matrix's numbers are small


def orthogonal(matrix: Tensor, n_steps: int = 5) -> Tensor:
    """The matrix with its singular values near 1, from 0.7 to 1.2: roughly U Vᵀ of U S Vᵀ, by products alone.

    Newton-Schulz: (x xᵀ) x has the singular values s³ and the directions of x, so a polynomial of odd powers of x
    changes the values and nothing else.

    >>> orthogonal(torch.tensor([[3.0, 0.0], [0.0, 0.5]])).diag().round(decimals=1)
    tensor([0.7000, 1.0000])
    """
    x = matrix / (matrix.norm() + 1e-7)  # (n, m), no s is above 1
    if x.shape[0] > x.shape[1]:
        return orthogonal(matrix.T, n_steps).T  # x xᵀ is then the smaller of the two products
    for _ in range(n_steps):
        square = x @ x.T  # (n, n)
        x = A * x + (B * square + C * square @ square) @ x
    return x


def muon_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters in three groups: the matrices of the blocks, which get a momentum, and the two of `decay_groups`
    with all others. Raises ValueError for a model that has no such blocks."""
    in_blocks = {parameter for name, parameter in model.named_parameters() if name.startswith(IN_BLOCKS)}
    matrices, rest = decay_groups(model, weight_decay)
    hidden = [parameter for parameter in matrices["params"] if parameter in in_blocks]
    others = [parameter for parameter in matrices["params"] if parameter not in in_blocks]
    if not hidden:
        raise ValueError(f"Muon moves the matrices of blocks, and {type(model).__name__} has none: choose adamw")
    return [matrices | {"params": hidden, "momentum": MOMENTUM}, matrices | {"params": others}, rest]
