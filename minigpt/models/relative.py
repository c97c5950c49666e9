"""Relative positions as in T5 (Raffel et al. 2020, section 2.1): a number for each distance is added to the scores.

B batch, T new tokens, S slots, H heads.
"""

import math

import torch
from torch import Tensor, nn

from minigpt.models.seq2seq_config import T5Config


def relative_bucket(distance: Tensor, n_buckets: int, max_distance: int, both_ways: bool) -> Tensor:
    """The bucket of each distance, key position - query position: near ones have one each, those beyond get wider
    logarithmically, and from max_distance on all share the last. Both ways, as in the encoder, half of the buckets
    are for keys that come after the query; else these, which are masked anyway, share the bucket of distance 0.

    >>> relative_bucket(torch.tensor([-99, -9, -2, 0, 2]), 32, 128, both_ways=True).tolist()
    [15, 8, 2, 0, 18]
    """
    after = (distance > 0) * (n_buckets // 2) if both_ways else 0
    n, distance = (n_buckets // 2, distance.abs()) if both_ways else (n_buckets, -distance.clamp(max=0))
    near = n // 2  # this many distances have a bucket of their own
    far = near + (torch.log(distance.clamp(min=1).float() / near) / math.log(max_distance / near) * (n - near)).long()
    return after + torch.where(distance < near, distance, far.clamp(max=n - 1))


class RelativeBias(nn.Module):
    """One learned number per bucket and head; every layer of the encoder (or the decoder) adds the same to its scores.

    >>> RelativeBias(T5Config(n_head=8), both_ways=True)(torch.tensor([[0, 1, 2]]), n_slots=5).shape
    torch.Size([1, 8, 3, 5])
    """

    def __init__(self, config: T5Config, both_ways: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.n_buckets, config.n_head))
        self.max_distance, self.both_ways = config.max_distance, both_ways

    def forward(self, pos: Tensor, n_slots: int) -> Tensor:
        """The bias of the tokens at positions `pos` (B, T) for each slot: (B, H, T, S)."""
        distance = torch.arange(n_slots, device=pos.device) - pos[:, :, None]  # (B, T, S)
        bucket = relative_bucket(distance, self.weight.shape[0], self.max_distance, self.both_ways)
        return self.weight[bucket].permute(0, 3, 1, 2)
