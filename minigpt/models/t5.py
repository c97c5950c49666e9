"""T5 (Raffel et al. 2020; lesson 13), versions 1.0 and 1.1, whole. weights/families/t5.py has transformers' names.

B batch, T new tokens, S tokens of the input text, or cache slots, C channels, H heads, D head size.
"""

import math

import torch
from torch import Tensor, nn

from minigpt.models.attention import Softmax, causal_mask, merge_heads, split_heads
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.interface import check_shape
from minigpt.models.layers import Dropout, Embedding, Linear, gelu
from minigpt.models.padding import seen_slots
from minigpt.models.relative import RelativeBias
from minigpt.models.seq2seq_config import T5Config as T5Config


class T5Norm(nn.Module):
    """RMSNorm (Zhang & Sennrich 2019): each vector to root mean square 1, then a learned scale; no mean, no bias."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(config.n_embd)), config.norm_eps  # (C,)

    def forward(self, x: Tensor) -> Tensor:
        mean_square = x.float().square().mean(dim=-1, keepdim=True)  # (..., 1), in float32 as in transformers
        return self.weight * (x * torch.rsqrt(mean_square + self.eps)).to(x.dtype)  # (..., C)


class T5Attention(nn.Module):
    """softmax(q kᵀ + bias) v: the scores are not divided by sqrt(D); q starts out smaller instead. Keys and
    values come from the same text (self-attention) or from the encoder's output, the memory (cross-attention)."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        width, self.head_dim = config.n_head * config.head_dim, config.head_dim
        self.q, self.k, self.v = (Linear(config.n_embd, width, bias=False) for _ in range(3))
        self.softmax, self.o = Softmax(), Linear(width, config.n_embd, bias=False)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return split_heads(self.k(x), self.head_dim), split_heads(self.v(x), self.head_dim)  # (B, H, S, D) each

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor, bias: Tensor | float = 0.0) -> Tensor:
        q = split_heads(self.q(x), self.head_dim)  # (B, H, T, D)
        scores = (q @ k.transpose(-2, -1) + bias).masked_fill(~mask, -math.inf)  # (B, H, T, S)
        return self.o(merge_heads(self.softmax(scores) @ v))  # (B, T, C)


class T5MLP(nn.Module):
    """The position-wise feed-forward network: ReLU(x wi) wo, in version 1.1 (GELU(x wi_0) · x wi_1) wo."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.gated = config.gated
        if config.gated:
            self.wi_0, self.wi_1 = (Linear(config.n_embd, config.n_inner, bias=False) for _ in range(2))
        else:
            self.wi = Linear(config.n_embd, config.n_inner, bias=False)
        self.wo = Linear(config.n_inner, config.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(gelu(self.wi_0(x)) * self.wi_1(x) if self.gated else self.wi(x).relu())  # (B, T, C)


class T5Block(nn.Module):
    """Self-attention, cross-attention (decoder only), MLP; each reads a normalized copy of x and adds its result."""

    def __init__(self, config: T5Config, decoder: bool) -> None:
        super().__init__()
        self.ln_1, self.attn = T5Norm(config), T5Attention(config)
        if decoder:
            self.ln_cross, self.cross_attn = T5Norm(config), T5Attention(config)
        self.ln_2, self.mlp, self.drop = T5Norm(config), T5MLP(config), Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor, bias: Tensor, kv: LayerKV | None = None, cross: tuple[Tensor, ...] = ()
    ) -> Tensor:
        h = self.ln_1(x)
        k, v = self.attn.keys_values(h)
        k, v = kv.write(k, v) if kv else (k, v)  # (B, H, S, D): the past and the new
        x = x + self.drop(self.attn(h, k, v, mask, bias))  # (B, T, C)
        if cross:  # keys and values of the memory, and which of its slots are tokens
            x = x + self.drop(self.cross_attn(self.ln_cross(x), *cross))
        return x + self.drop(self.mlp(self.ln_2(x)))


class T5(nn.Module):
    """A text in, read in both directions; logits for every possible next token of another text out.

    >>> model = T5(T5Config(vocab_size=50, n_layer=1, n_decoder_layer=2, n_head=2, head_dim=4, n_embd=8, n_inner=16))
    >>> model(torch.tensor([[5, 6, 7, 1]]), torch.tensor([[0, 8]])).shape
    torch.Size([1, 2, 50])
    """

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.shared, self.drop = Embedding(config.vocab_size, config.n_embd), Dropout(config.dropout)
        self.encoder = nn.ModuleList(T5Block(config, decoder=False) for _ in range(config.n_layer))
        self.decoder = nn.ModuleList(T5Block(config, decoder=True) for _ in range(config.n_decoder_layer))
        self.encoder_bias, self.decoder_bias = (RelativeBias(config, both_ways) for both_ways in (True, False))
        self.encoder_norm, self.decoder_norm = T5Norm(config), T5Norm(config)
        self.lm_head = None if config.tied else Linear(config.n_embd, config.vocab_size, bias=False)
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """The initial values: matrices from N(0, 1 / inputs), q's divided by sqrt(D), the embedding N(0, 1)."""
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and not weight.is_meta:
                weight.normal_(std=1 if name == "shared.weight" else weight.shape[1] ** -0.5)
                weight.div_(math.sqrt(self.config.head_dim) if name.endswith("attn.q.weight") else 1)

    def encode(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The memory: ids (B, S) int64 -> (B, S, C). `mask` (B, S) is 0 for padding, which no token sees."""
        check_shape(ids, self.config.decoder.n_ctx)
        seen = seen_slots(mask, ids.shape[0], ids.shape[1], ids.device)  # (B, 1, 1, S)
        bias = self.encoder_bias(torch.arange(ids.shape[1], device=ids.device)[None], ids.shape[1])  # (1, H, S, S)
        x = self.drop(self.shared(ids))  # (B, S, C)
        for block in self.encoder:
            x = block(x, seen, bias)
        return self.drop(self.encoder_norm(x))

    def cross(self, memory: Tensor) -> KVCache:
        """The memory's keys and values in every layer of the decoder, which all its steps use: (L, B, H, S, D) each."""
        pairs = [block.cross_attn.keys_values(memory) for block in self.decoder]  # type: ignore[union-attr, operator]
        k, v = zip(*pairs, strict=True)
        return KVCache.of(torch.stack(k), torch.stack(v))

    def decode(
        self,
        decoder_ids: Tensor,
        memory: Tensor | KVCache,
        mask: Tensor | None = None,
        pos: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The residual stream after the decoder: decoder_ids (B, T) int64 -> (B, T, C). `memory` is the output of
        `encode` or `cross`, and `mask` is the input text's; pos and cache are as in `GPT2.hidden`."""
        check_shape(decoder_ids, self.config.decoder.n_ctx)
        memory = memory if isinstance(memory, KVCache) else self.cross(memory)
        pos = torch.arange(decoder_ids.shape[1], device=decoder_ids.device)[None] if pos is None else pos  # (B, T)
        n_slots = cache.k.shape[3] if cache else decoder_ids.shape[1]
        causal, bias = causal_mask(pos, n_slots), self.decoder_bias(pos, n_slots)  # (B, 1, T, S), (B, H, T, S)
        seen = seen_slots(mask, memory.k.shape[1], memory.k.shape[3], pos.device)  # (B, 1, 1, S), of the memory
        x, kvs = self.drop(self.shared(decoder_ids)), cache.layers(pos) if cache else [None] * len(self.decoder)
        for block, kv, k, v in zip(self.decoder, kvs, memory.k, memory.v, strict=True):
            x = block(x, causal, bias, kv, (k, v, seen))  # (B, T, C)
        return self.drop(self.decoder_norm(x))

    def unembed(self, x: Tensor) -> Tensor:
        """Logits of the next token: (..., C) -> (..., V). The output matrix is separate, or the embedding, for whose
        large values x is scaled down."""
        return self.lm_head(x) if self.lm_head else x * x.shape[-1] ** -0.5 @ self.shared.weight.T

    def forward(self, ids: Tensor, decoder_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits: ids (B, S) and decoder_ids (B, T) int64 -> (B, T, V). See `encode` for the mask."""
        return self.unembed(self.decode(decoder_ids, self.encode(ids, mask), mask))
