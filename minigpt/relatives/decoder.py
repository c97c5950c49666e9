"""The decoders of BART and T5, bound to the texts that they write about, with the interface that generation expects.

N texts, S tokens of the longest, B sequences, T new tokens, L layers, H heads, D head size.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from minigpt.models.bart import Bart
from minigpt.models.cache import KVCache
from minigpt.models.t5 import T5


class Decoder:
    """One decoder for N texts, each sequence written about one of them (the protocol of minigpt/models/interface.py).

    The texts are encoded here, once, together: the shorter ones are padded on the right, and no token of the encoder,
    and none of the decoder by cross-attention, sees the padding. A single text's memory serves any number of sequences;
    that of several has one row for each sequence, which `rows` makes.
    """

    def __init__(self, model: Bart | T5, texts: Sequence[Sequence[int]]) -> None:
        self.model, self.config, self.unembed = model, model.config.decoder, model.unembed
        self.training = model.training
        device, longest = model.shared.weight.device, max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)  # (N, S)
        lengths = torch.tensor([len(text) for text in texts], device=device)  # (N,)
        self.mask = torch.arange(longest, device=device) < lengths[:, None]  # (N, S), False for padding
        self.memory: KVCache = model.cross(model.encode(ids, self.mask))  # (L, N, H, S, D) of keys and of values

    def rows(self, texts: Sequence[int]) -> Decoder:
        """The same for sequences about these texts, in that order, as one call of `hidden` gets them."""
        found, index = copy.copy(self), torch.tensor(texts, device=self.mask.device)  # (B,)
        found.memory, found.mask = self.memory.rows(index), self.mask[index]
        return found

    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """The vectors after the last layer: ids (B, T) int64 -> (B, T, C)."""
        return self.model.decode(ids, self.memory, self.mask, pos, cache)

    def parameters(self) -> Iterator[Parameter]:
        """The whole model's."""
        return self.model.parameters()
