"""Attention by hand (Vaswani et al. 2017, section 3.2; lesson 05): each token takes a mean of the values it may see,
weighted by how well its query matches their keys.

B batch, T new tokens, S cache slots, C channels, H heads, D head size.
"""

import math

import torch
from torch import Tensor, nn

from minigpt.models.layers import softmax


class Softmax(nn.Module):
    """Scores to weights, as a module: a forward hook on it sees both, the scores as input, the weights as output."""

    def forward(self, scores: Tensor) -> Tensor:
        return softmax(scores)


class Attention(nn.Module):
    """softmax(q kᵀ / sqrt(D)) v over the slots that the mask allows; it has no parameters of its own.

    q is (B, H, T, D); k and v are (B, H_kv, S, D), where H is a multiple of H_kv (grouped-query attention); the mask
    is (B or 1, 1, T, S), True where a token may look. Without a mask the slots are the T tokens themselves, and each
    sees those up to itself. Returns (B, H, T, D).

    >>> one = torch.ones(1, 1, 2, 4)
    >>> values = torch.tensor([[1.0] * 4, [3.0] * 4]).view(1, 1, 2, 4)
    >>> Attention()(one, one, values)[0, 0, :, 0].tolist()  # the first sees itself, the second both
    [1.0, 2.0]
    """

    def __init__(self) -> None:
        super().__init__()
        self.softmax = Softmax()

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        n_queries_per_key = q.shape[1] // k.shape[1]  # 1 in GPT-2
        k = k.repeat_interleave(n_queries_per_key, dim=1)  # (B, H, S, D)
        v = v.repeat_interleave(n_queries_per_key, dim=1)  # (B, H, S, D)
        if mask is None:
            mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()  # (T, S)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, H, T, S)
        scores = scores.masked_fill(~mask, -math.inf)
        weights = self.softmax(scores)  # (B, H, T, S), each row sums to 1
        return weights @ v  # (B, H, T, D)


def causal_mask(pos: Tensor, n_slots: int) -> Tensor:
    """Which slots the tokens at positions `pos` (B, T) may see: those up to their own. Returns (B, 1, T, S) bools.

    >>> causal_mask(torch.tensor([[2, 3]]), n_slots=5).int()[0, 0]
    tensor([[1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0]], dtype=torch.int32)
    """
    slots = torch.arange(n_slots, device=pos.device)  # (S,)
    return (slots <= pos[:, :, None])[:, None]  # (B, 1, T, S)


def split_heads(x: Tensor, head_dim: int) -> Tensor:
    """(B, T, H·D) -> (B, H, T, D): each head gets its own slice of the channels."""
    return x.unflatten(-1, (-1, head_dim)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, D) -> (B, T, H·D): the heads' results side by side again."""
    return x.transpose(1, 2).flatten(2)
