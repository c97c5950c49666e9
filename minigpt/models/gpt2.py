"""GPT-2, whole (Radford et al. 2019; openai/gpt-2, src/model.py; lesson 07). Modules carry the official files' names.

B batch, T new tokens, S cache slots, C channels, H heads, D head size, V vocabulary.
"""

import math

import torch
from torch import Tensor, nn

from minigpt.models.attention import Attention, merge_heads, split_heads
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.config import GPT2Config
from minigpt.models.interface import check_shape
from minigpt.models.layers import Dropout, Embedding, LayerNorm, Linear, gelu


class CausalSelfAttention(nn.Module):
    """Query, key and value of every token; each token attends to itself and to the tokens before it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd)  # q, k and v in one product
        self.attention = Attention()
        self.c_proj = Linear(config.n_embd, config.n_embd)
        self.head_dim = config.head_dim

    def forward(self, x: Tensor, kv: LayerKV | None = None) -> Tensor:
        q, k, v = self.c_attn(x).chunk(3, dim=-1)  # (B, T, C) each
        q, k, v = (split_heads(t, self.head_dim) for t in (q, k, v))  # (B, H, T, D)
        mask = None
        if kv is not None:
            k, v = kv.write(k, v)  # (B, H, S, D): the past and the new
            mask = kv.mask
        y = self.attention(q, k, v, mask)  # (B, H, T, D)
        return self.c_proj(merge_heads(y))  # (B, T, C)


class MLP(nn.Module):
    """The position-wise feed-forward network: C -> 4C, GELU, 4C -> C, for each token separately."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Linear(config.n_embd, config.n_inner)
        self.c_proj = Linear(config.n_inner, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(gelu(self.c_fc(x)))  # (B, T, C)


class Block(nn.Module):
    """Attention, then MLP; each reads a normalized copy of the residual stream x and adds its result to it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.norm_eps)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, config.norm_eps)
        self.mlp = MLP(config)
        self.drop = Dropout(config.dropout)

    def forward(self, x: Tensor, kv: LayerKV | None = None) -> Tensor:
        x = x + self.drop(self.attn(self.ln_1(x), kv))  # (B, T, C)
        return x + self.drop(self.mlp(self.ln_2(x)))  # (B, T, C)


class GPT2(nn.Module):
    """Token ids in, logits for every possible next token out.

    >>> model = GPT2(GPT2Config(vocab_size=50, n_ctx=16, n_layer=2, n_head=2, n_embd=8))
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = Embedding(config.vocab_size, config.n_embd)  # what the token is
        self.wpe = Embedding(config.n_ctx, config.n_embd)  # its position
        self.drop = Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = LayerNorm(config.n_embd, config.norm_eps)
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """The initial values (paper, section 2.3): matrices from N(0, 0.02²), those whose results are added to
        the residual stream divided by sqrt(2 n_layer). A model made for a checkpoint, on the meta device, has none."""
        if self.wte.weight.is_meta:
            return
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.02)
            if name.endswith("c_proj.weight"):
                weight.div_(math.sqrt(2 * self.config.n_layer))

    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """The residual stream after the last block, normalized: ids (B, T) int64 -> (B, T, C).

        `pos` (B, T) int64 holds the tokens' positions, by default the first T. With a cache the tokens also see
        what it holds at smaller positions, and their own keys and values are written to it.
        Raises ValueError for ids of another shape and for more tokens than the model has positions.
        """
        check_shape(ids, self.config.n_ctx)
        if pos is None:
            pos = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)  # (B, T)
        x = self.drop(self.wte(ids) + self.wpe(pos))  # (B, T, C)
        for block, kv in zip(self.h, cache.layers(pos) if cache else [None] * len(self.h), strict=True):
            x = block(x, kv)
        return self.ln_f(x)

    def unembed(self, x: Tensor) -> Tensor:
        """Logits of the next token: (..., C) -> (..., V). The output matrix is the embedding itself."""
        return x @ self.wte.weight.T

    def forward(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Logits: ids (B, T) int64 -> (B, T, V). See `hidden` for pos and cache."""
        return self.unembed(self.hidden(ids, pos, cache))
