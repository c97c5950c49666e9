"""The activations that config.json may name instead of the usual one, by the names of transformers' activations.py."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minigpt.models.layers import gelu


def exact_gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's share below x (Hendrycks & Gimpel 2016, equation 1).

    >>> exact_gelu(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=4).tolist()
    [-0.15870000422000885, 0.0, 0.8413000106811523]
    """
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def swish(x: Tensor, beta: float = 1.0) -> Tensor:
    """x times the sigmoid of beta x (Ramachandran et al. 2017); 1 is SiLU, 1.702 an approximation of GELU.

    >>> swish(torch.tensor([0.0, 1.0])).round(decimals=4).tolist()
    [0.0, 0.7311000227928162]
    """
    return x * torch.sigmoid(beta * x)


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function of this name; raises ValueError if there is none.

    >>> activation("relu")(torch.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation is {name!r}; expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": gelu,
    "gelu": exact_gelu,
    "gelu_10": lambda x: exact_gelu(x).clamp(-10, 10),
    "quick_gelu": lambda x: swish(x, 1.702),
    "silu": swish,
    "mish": lambda x: x * torch.tanh(torch.logaddexp(x, torch.zeros_like(x))),  # of softplus, log(e^x + 1)
    "hardswish": lambda x: x * (x + 3).clamp(0, 6) / 6,
    "relu": lambda x: x.clamp(min=0),
    "relu2": lambda x: x.clamp(min=0) ** 2,
    "relu6": lambda x: x.clamp(0, 6),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "linear": lambda x: x,
}
ALIASES = {  # other names of the same functions
    **dict.fromkeys(("gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"), "gelu_new"),
    "gelu_python": "gelu",
    "swish": "silu",
}
