"""The KV cache: keys and values of the tokens already seen, so that each is computed once (lesson 10).

B batch, T new tokens, S slots, L layers, H heads of keys and values, D head size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from minigpt.models.attention import causal_mask
from minigpt.models.llama_config import Config

Device = torch.device | str | None
STEP = 128  # slots by which a cache grows


class KVCache:
    """Room for the keys and values of S positions in every layer; `first` adds more when needed.

    It keeps no counter: the model's caller passes the new tokens' positions as `pos`, and a token sees the slots
    up to its own position. To go back, pass a smaller `pos`; the slots beyond are never seen, then overwritten.

    >>> from minigpt.models.config import GPT2Config
    >>> cache = KVCache(GPT2Config(vocab_size=9, n_ctx=8, n_layer=2, n_head=2, n_embd=4), n_rows=3, n_slots=8)
    >>> cache.k.shape, cache.first(5).k.shape  # the same storage, fewer slots
    (torch.Size([2, 3, 2, 8, 2]), torch.Size([2, 3, 2, 5, 2]))
    """

    def __init__(
        self, config: Config, n_rows: int, n_slots: int, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        shape = (config.n_layer, n_rows, config.n_kv_head, n_slots, config.head_dim)
        self.k = torch.zeros(shape, device=device, dtype=dtype)  # (L, B, H, S, D)
        self.v = torch.zeros(shape, device=device, dtype=dtype)  # (L, B, H, S, D)

    @classmethod
    def of(cls, k: Tensor, v: Tensor) -> KVCache:
        """A cache over tensors that exist already, both (L, B, H, S, D)."""
        cache = cls.__new__(cls)
        cache.k, cache.v = k, v
        return cache

    def first(self, n_slots: int) -> KVCache:
        """The first slots only, in the same storage, so that the slots ahead are not read. A cache that has fewer
        grows, by STEP slots or as many as it takes, so that a long text takes memory only as it grows."""
        missing = n_slots - self.k.shape[3]
        if missing > 0:
            self.k, self.v = (pad(t, (0, 0, 0, max(missing, STEP))) for t in (self.k, self.v))
        return KVCache.of(self.k[:, :, :, :n_slots], self.v[:, :, :, :n_slots])

    def rows(self, index: Tensor) -> KVCache:
        """A new cache with the rows of `index` (B',), in that order: how beams are copied and prompts repeated."""
        return KVCache.of(self.k[:, index], self.v[:, index])

    def layers(self, pos: Tensor) -> list[LayerKV]:
        """One view per layer, for writing at the positions `pos` (B, T)."""
        mask = causal_mask(pos, self.k.shape[3])  # (B, 1, T, S), shared by all layers
        return [LayerKV(self.k[i], self.v[i], pos, mask) for i in range(self.k.shape[0])]


class LayerKV:
    """One layer's keys and values (B, H, S, D), and where the new tokens go."""

    def __init__(self, k: Tensor, v: Tensor, pos: Tensor, mask: Tensor) -> None:
        self.k, self.v, self.pos, self.mask = k, v, pos, mask

    def write(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new tokens' k and v, both (B, H, T, D), at their positions; return all, (B, H, S, D) each."""
        row = torch.arange(k.shape[0], device=k.device)[:, None]  # (B, 1): with pos (B, T) it indexes B x T slots
        self.k[row, :, self.pos] = k.transpose(1, 2)  # (B, T, H, D): all heads of each slot
        self.v[row, :, self.pos] = v.transpose(1, 2)
        return self.k, self.v
