"""LoRA by hand (Hu et al. 2021, section 4.1): a matrix stays fixed, and its learned update is a product of thin ones.

`...` is any leading shape; r is the rank, from 1 to a few dozen where a matrix has hundreds of rows.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.fast.fused import fused
from minigpt.models.gpt2 import GPT2
from minigpt.models.layers import Linear
from minigpt.models.llama import Llama
from tokenizer.suggest import did_you_mean

IN_BLOCKS = ("h.", "layers.")  # how the names of a block's parts begin, in GPT-2 and in Llama


class LoRALinear(Linear):
    """y = x (W + s B A)ᵀ + b with s = alpha / r: W (out, in) and b are another layer's and do not learn.

    A (r, in) begins with random numbers and B (out, r) with zeros: at first nothing is changed, yet B has a gradient.

    >>> layer = LoRALinear(Linear(4, 2), rank=1, alpha=2)
    >>> layer(torch.ones(3, 4)).shape, layer.lora_A.shape, layer.lora_B.shape
    (torch.Size([3, 2]), torch.Size([1, 4]), torch.Size([2, 1]))
    """

    def __init__(self, base: Linear, rank: int, alpha: float, generator: torch.Generator | None = None) -> None:
        nn.Module.__init__(self)
        self.weight, self.bias = base.weight, base.bias
        n_out, n_in = base.weight.shape
        random = torch.randn(rank, n_in, generator=generator) / math.sqrt(n_in)  # on the CPU: the same on every device
        self.lora_A = nn.Parameter(random.to(base.weight))  # (r, in)
        self.lora_B = nn.Parameter(base.weight.new_zeros(n_out, rank))  # (out, r)
        self.alpha, self.scale = alpha, alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        thin = x @ self.lora_A.T  # (..., in) -> (..., r)
        return super().forward(x) + self.scale * (thin @ self.lora_B.T)  # (..., out)

    def merged(self) -> Linear:
        """One matrix that does the same: a tuned model is as fast as its base."""
        layer = Linear(0, 0)
        layer.weight = nn.Parameter((self.weight + self.scale * (self.lora_B @ self.lora_A)).detach())
        layer.bias = self.bias
        return layer


def add_lora(
    model: GPT2 | Llama, rank: int, alpha: float | None = None, targets: Sequence[str] | None = None, seed: int = 0
) -> None:
    """Put A and B beside the matrices of all blocks, or of those whose names end in one of `targets` ("c_attn",
    "mlp.c_proj"); from then on nothing else in the model learns. Without alpha it is twice the rank.
    Raises ValueError for a name that no matrix has, and for a rank that saves nothing.
    """
    layers = matrices(model)
    if lora_layers(model):
        raise ValueError("this model has LoRA's matrices already: merge them first")
    chosen = choose(layers, targets) if targets else layers
    most = min(min(layer.weight.shape) for layer in chosen.values())
    if not 1 <= rank <= most:
        raise ValueError(f"a LoRA rank of {rank} (--lora): give 1 to {most}, the smallest side of the matrices")
    if alpha is not None and not 0 < alpha < math.inf:
        raise ValueError(f"a LoRA alpha of {alpha} (--lora-alpha): give a number above 0, such as {2 * rank}")
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed % 2**63)
    for name, layer in chosen.items():
        model.set_submodule(name, LoRALinear(layer, rank, alpha or 2.0 * rank, generator))


def matrices(model: nn.Module) -> dict[str, Linear]:
    """The matrices of a model's blocks by their names; not the output matrix, which may be the embedding."""
    return {n: part for n, part in model.named_modules() if type(part) is Linear and n.startswith(IN_BLOCKS)}


def choose(layers: dict[str, Linear], targets: Sequence[str]) -> dict[str, Linear]:
    """The layers whose names end in one of the targets; raises ValueError for a target that matches none."""
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            known = sorted({name.rpartition(".")[2] for name in layers})
            told = f"no matrix of the blocks is called {target!r:.60} (--lora-targets); there are {', '.join(known)}"
            hint = did_you_mean(target, known)
            raise ValueError(f"{told}: {hint}" if hint else told)
    return {name: layer for name, layer in layers.items() if f".{name}".endswith(tuple(f".{t}" for t in targets))}


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The matrices with A and B beside them, by their names."""
    return {name: part for name, part in model.named_modules() if isinstance(part, LoRALinear)}


def merged(model: GPT2 | Llama) -> GPT2 | Llama:
    """The model with plain matrices, its other parameters shared; itself where it has no LoRA."""
    added = lora_layers(model)
    twin: Any = fused(model, kinds={}) if added else model
    for name, layer in added.items():
        twin.set_submodule(name, layer.merged())
    return twin
