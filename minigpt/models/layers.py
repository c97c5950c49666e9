"""The small parts by hand: Linear, Embedding (lesson 04), LayerNorm, GELU (lesson 06), softmax, Dropout. Matrices are
made empty: a model's `init_weights` fills them for training, or a checkpoint on loading.

B batch, T new tokens, C channels, V vocabulary; `...` is any leading shape.
"""

import math

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """y = x Wᵀ + b: each output is a weighted sum of all inputs (the weight's layout is torch.nn.Linear's).

    >>> layer = Linear(3, 2)
    >>> layer.weight.shape, layer(torch.ones(5, 3)).shape
    (torch.Size([2, 3]), torch.Size([5, 2]))
    """

    def __init__(self, n_in: int, n_out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))  # (out, in)
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None  # (out,)

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight.T  # (..., in) -> (..., out)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        n_out, n_in = self.weight.shape
        return f"{n_in} -> {n_out}" + ("" if self.bias is not None else ", no bias")


class Embedding(nn.Module):
    """A table with one row per id; a lookup picks rows.

    >>> Embedding(10, 4)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 4])
    """

    def __init__(self, n_rows: int, n_embd: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_rows, n_embd))  # (V, C)

    def forward(self, ids: Tensor) -> Tensor:
        return self.weight[ids]  # (B, T) -> (B, T, C)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]} x {self.weight.shape[1]}"


class LayerNorm(nn.Module):
    """Each vector to mean 0 and variance 1, then a learned scale and shift (Ba et al. 2016, section 3).

    >>> y = LayerNorm(4)(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    >>> abs(y.mean().item()) < 1e-6, round(y.var(correction=0).item(), 3)
    (True, 1.0)
    """

    def __init__(self, n_embd: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))  # (C,)
        self.bias = nn.Parameter(torch.zeros(n_embd))  # (C,)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=-1, keepdim=True)  # (..., 1)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)  # (..., 1), over C, not C - 1
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"


def gelu(x: Tensor) -> Tensor:
    """The Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016, section 2).

    GPT-2 was trained with this form: the exact one, with erf, moves its logits by about 1e-3.

    >>> gelu(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=4).tolist()
    [-0.15880000591278076, 0.0, 0.8411999940872192]
    """
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(scores: Tensor) -> Tensor:
    """Scores to probabilities over the last dimension: e^score, divided by the sum, so that each row sums to 1.

    The largest score is subtracted first: the result is the same, and no exponential overflows.

    >>> softmax(torch.tensor([1000.0, 1000.0, -math.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    exponentials = torch.exp(scores - scores.amax(dim=-1, keepdim=True))  # (..., V)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)  # (..., V)


class Dropout(nn.Module):
    """While training, each value is dropped with probability p and the rest scaled up (Srivastava et al. 2014).

    >>> Dropout(0.5).eval()(torch.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p)
        return x * keep / (1 - self.p)
