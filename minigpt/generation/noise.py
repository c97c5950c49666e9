"""Random numbers without a state: each follows from a sequence's key, its step and a token's id, and from nothing else.

So a seed fixes a text whether it is generated alone, in a batch, on a CPU or on a GPU. SplitMix64 is a counter-based
generator: it scrambles the number of the draw (Steele et al. 2014, figure 16). B batch, K tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

GOLDEN, MIX_1, MIX_2 = (c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def splitmix64(x: Tensor) -> Tensor:
    """The finalizer of SplitMix64: int64 to int64, one to one, each bit of the result depending on all bits of x."""
    x = (x ^ (x >> 30 & (1 << 34) - 1)) * MIX_1
    x = (x ^ (x >> 27 & (1 << 37) - 1)) * MIX_2
    return x ^ (x >> 31 & (1 << 33) - 1)


def sequence_key(seed: int, number: int, prompt: Sequence[int]) -> Tensor:
    """A sequence's key, a single int64: from the seed, its number among the sequences of its prompt, and the prompt.

    >>> key = sequence_key(1, 0, [5, 6])
    >>> key == sequence_key(1, 0, [5, 6]), key == sequence_key(1, 0, [6, 5])
    (tensor(True), tensor(False))
    """
    numbers = torch.tensor([seed % 2**63, number, *prompt])
    places = torch.arange(len(numbers))
    return splitmix64(splitmix64(splitmix64(numbers * GOLDEN) + places * GOLDEN).sum())


def uniform(keys: Tensor, steps: Tensor, ids: Tensor) -> Tensor:
    """Numbers strictly between 0 and 1, float64 (B, K): for the tokens `ids` (B, K) of sequences with `keys` (B,) at
    their `steps` (B,), all int64.

    >>> key, step = sequence_key(7, 0, [1, 2])[None], torch.tensor([0])
    >>> both = uniform(key, step, torch.tensor([[3, 4]]))
    >>> bool(both[0, 1] == uniform(key, step, torch.tensor([[4]])))  # whatever stands beside it
    True
    """
    start = splitmix64(keys + steps * GOLDEN)[:, None]  # (B, 1)
    bits = splitmix64(start + (ids + 1) * GOLDEN) >> 11 & (1 << 53) - 1  # (B, K)
    return (bits.double() + 0.5) * 2.0**-53
