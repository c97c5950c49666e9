"""Rotary position embedding (Su et al. 2021, section 3.2.2), and four ways to read longer texts than those trained on.

Pair i of a head's D values turns by pos · frequency_i radians. All of it is float32 whatever the model's type, in the
order of transformers' modeling_rope_utils.py, so that the angles are the same. B batch, T new tokens, D head size.
"""

import math

import torch
from torch import Tensor

from minigpt.models.llama_config import RopeScaling


def rope_angles(pos: Tensor, head_dim: int, theta: float, scaling: RopeScaling | None = None) -> tuple[Tensor, Tensor]:
    """The cosines and sines of every position's angles: pos (B, T) -> cos, sin, (B, 1, T, D/2) each.

    >>> cos, sin = rope_angles(torch.tensor([[0, 1]]), head_dim=4, theta=100.0)
    >>> torch.atan2(sin, cos)[0, 0]  # position 0 has angle 0; position 1 has 1 and 1/10 radian
    tensor([[0.0000, 0.0000],
            [1.0000, 0.1000]])
    """
    period = theta ** exponents(head_dim, pos.device)  # (D/2,), of each pair, in positions / 2 pi
    if scaling is None:
        return cos_sin(pos, 1.0 / period)
    if scaling.rope_type == "linear":
        return cos_sin(pos, 1.0 / period / scaling.factor)
    if scaling.rope_type == "dynamic":
        return cos_sin(pos, dynamic(pos, head_dim, theta, scaling))
    if scaling.rope_type == "llama3":
        return cos_sin(pos, llama3(1.0 / period, scaling))
    cos, sin = cos_sin(pos, yarn(period, theta, scaling))
    return cos * scaling.attention_factor, sin * scaling.attention_factor


def exponents(head_dim: int, device: torch.device) -> Tensor:
    """2i / D for every pair i: from 0 in equal steps to almost 1."""
    return torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim  # (D/2,)


def cos_sin(pos: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
    """The cosine and sine of pos · frequency: (B, T), (D/2,) -> (B, 1, T, D/2) each."""
    angle = pos[:, None, :, None].float() * frequency  # (B, 1, T, D/2)
    return angle.cos(), angle.sin()


def dynamic(pos: Tensor, head_dim: int, theta: float, scaling: RopeScaling) -> Tensor:
    """A base that grows with the text's length ("NTK-aware", Peng et al. 2023, appendix B.2): as trained up to
    original_n_ctx. Keys in a cache keep the angles of the length at which they were computed, as in transformers."""
    length = torch.clamp(pos.max() + 1, min=scaling.original_n_ctx)
    power = head_dim / (head_dim - 2)
    same = theta * (scaling.factor - (scaling.factor - 1)) ** power
    longer = theta * (scaling.factor * length / scaling.original_n_ctx - (scaling.factor - 1)) ** power
    base = torch.where(length > scaling.original_n_ctx, longer, same)
    return 1.0 / base ** exponents(head_dim, pos.device)  # (D/2,)


def llama3(frequency: Tensor, scaling: RopeScaling) -> Tensor:
    """Pairs that turn fewer than low_freq_factor times in original_n_ctx positions turn `factor` times slower, those
    that turn more than high_freq_factor times stay as they are, and those between are interpolated (Llama 3.1)."""
    turns = scaling.original_n_ctx / (2 * math.pi / frequency)  # (D/2,)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    keep = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - keep) * frequency / scaling.factor + keep * frequency


def yarn(period: Tensor, theta: float, scaling: RopeScaling) -> Tensor:
    """The same with a ramp over the pairs' indices (YaRN, Peng et al. 2023, section 3.2)."""
    head_dim = 2 * len(period)
    low, high = (  # the pairs, counted from 0, that turn this often in original_n_ctx positions
        head_dim * math.log(scaling.original_n_ctx / (turns * 2 * math.pi)) / (2 * math.log(theta))
        for turns in (scaling.beta_fast, scaling.beta_slow)
    )
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    pairs = torch.arange(len(period), device=period.device, dtype=torch.float32)
    slow = ((pairs - low) / (high - low or 0.001)).clamp(0, 1)  # (D/2,)
    keep = 1 - slow
    return 1.0 / (scaling.factor * period) * (1 - keep) + 1.0 / period * keep
