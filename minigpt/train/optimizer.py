"""How the weights change: AdamW, gradient clipping and the learning rate's curve, by hand."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class AdamW(torch.optim.Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): each number has a step of its own size.

    Two running means are kept for each number: of its gradient, which gives the direction, and of the gradient's
    square, whose root gives the scale. Groups, state and its names are those of torch.optim.AdamW, so either resumes
    from what the other saved.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("AdamW.step takes no closure: compute the gradients first, then call step()")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.update(weight, weight.grad, group)

    def update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """One step of one parameter; weight and gradient have the same shape."""
        state, rate, (beta1, beta2) = self.state[weight], group["lr"], group["betas"]
        if not state:
            zeros = torch.zeros_like(weight, memory_format=torch.preserve_format)
            state.update(step=torch.tensor(0.0), exp_avg=zeros, exp_avg_sq=zeros.clone())
        state["step"] += 1
        n, mean, square = state["step"].item(), state["exp_avg"], state["exp_avg_sq"]
        mean.copy_(beta1 * mean + (1 - beta1) * gradient)
        square.copy_(beta2 * square + (1 - beta2) * gradient**2)
        direction = mean / (1 - beta1**n)  # both began at 0: without the division the first steps would be too short
        scale = torch.sqrt(square / (1 - beta2**n)) + group["eps"]
        weight.mul_(1 - rate * group["weight_decay"])  # towards 0, whatever the gradient says
        weight.sub_(rate * direction / scale)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters in two groups for an optimizer: matrices, which decay, and biases and norms, which do not."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Shorten the gradient of all parameters together to max_norm where it is longer (Pascanu et al. 2013).

    One factor for all, so the direction is kept. Returns the norm before clipping.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.tensor(0.0)
    norm = torch.sqrt(torch.stack([(gradient**2).sum() for gradient in gradients]).sum())
    factor = (max_norm / (norm + 1e-6)).clamp(max=1)  # never longer than it was
    for gradient in gradients:
        gradient.mul_(factor)
    return norm


def cosine_rate(step: int, peak: float, floor: float, warmup: int, end: int) -> float:
    """The learning rate of a step: a straight line from 0 up to the peak at step `warmup`, then half a cosine down to
    the floor at step `end` (Loshchilov & Hutter 2017), where it stays.

    >>> [round(cosine_rate(step, 1.0, 0.1, 10, 100), 3) for step in (0, 5, 10, 55, 100, 150)]
    [0.0, 0.5, 1.0, 0.55, 0.1, 0.1]
    """
    if step < warmup:
        return peak * step / warmup
    done = min(1.0, (step - warmup) / max(1, end - warmup))  # 0 to 1
    return floor + (peak - floor) * (1 + math.cos(math.pi * done)) / 2
