"""BART (Lewis et al. 2020; facebookresearch/fairseq, models/bart; lesson 13), whole. Modules carry transformers' names.

B batch, T new tokens, S tokens of the input text, or cache slots, C channels, H heads, D head size.
"""

import math

import torch
from torch import Tensor, nn

from minigpt.models.attention import Attention, merge_heads, split_heads
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.interface import check_shape
from minigpt.models.layers import Dropout, Embedding, LayerNorm, Linear
from minigpt.models.padding import seen_slots
from minigpt.models.seq2seq_config import BartConfig as BartConfig
from minigpt.models.variants.activations import exact_gelu as gelu

OFFSET = 2  # the position table begins with two unused rows: fairseq starts counting after the padding id, 1


class BartAttention(nn.Module):
    """softmax(q kᵀ / sqrt(D)) v. Keys and values come from the same text (self-attention) or from the encoder's output,
    the memory (cross-attention)."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (Linear(config.n_embd, config.n_embd) for _ in range(4))
        self.attention = Attention()
        self.head_dim = config.n_embd // config.n_head

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return split_heads(self.k_proj(x), self.head_dim), split_heads(self.v_proj(x), self.head_dim)  # (B, H, S, D)

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        q = split_heads(self.q_proj(x), self.head_dim)  # (B, H, T, D)
        return self.out_proj(merge_heads(self.attention(q, k, v, mask)))  # (B, T, C)


class BartLayer(nn.Module):
    """Self-attention, in the decoder cross-attention, feed-forward; each adds its result to x, and the sum is
    normalized (post-norm); GPT-2 normalizes the input of each instead."""

    def __init__(self, config: BartConfig, decoder: bool) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = BartAttention(config), LayerNorm(config.n_embd)
        if decoder:
            self.encoder_attn, self.encoder_attn_layer_norm = BartAttention(config), LayerNorm(config.n_embd)
        self.fc1, self.fc2 = Linear(config.n_embd, config.n_inner), Linear(config.n_inner, config.n_embd)
        self.final_layer_norm, self.drop = LayerNorm(config.n_embd), Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None, kv: LayerKV | None = None, cross: tuple[Tensor, ...] = ()
    ) -> Tensor:
        k, v = self.self_attn.keys_values(x)
        k, v = kv.write(k, v) if kv else (k, v)  # (B, H, S, D): the past and the new
        x = self.self_attn_layer_norm(x + self.drop(self.self_attn(x, k, v, mask)))  # (B, T, C)
        if cross:  # keys and values of the memory, and which of its slots are tokens
            x = self.encoder_attn_layer_norm(x + self.drop(self.encoder_attn(x, *cross)))
        return self.final_layer_norm(x + self.drop(self.fc2(gelu(self.fc1(x)))))


class BartStack(nn.Module):
    """The layers of the encoder or the decoder, after the position embedding and a norm."""

    def __init__(self, config: BartConfig, n_layer: int, decoder: bool) -> None:
        super().__init__()
        self.embed_positions = Embedding(config.n_ctx + OFFSET, config.n_embd)  # the token's position
        self.layernorm_embedding, self.drop = LayerNorm(config.n_embd), Dropout(config.dropout)
        self.layers = nn.ModuleList(BartLayer(config, decoder) for _ in range(n_layer))

    def embed(self, x: Tensor, pos: Tensor) -> Tensor:
        return self.drop(self.layernorm_embedding(x + self.embed_positions(pos + OFFSET)))  # (B, T, C)


class Bart(nn.Module):
    """A text in, read in both directions; logits for every possible next token of another text out.

    >>> model = Bart(BartConfig(vocab_size=50, n_ctx=16, n_layer=1, n_decoder_layer=2, n_head=2, n_embd=8, n_inner=16))
    >>> model(torch.tensor([[0, 5, 6, 2]]), torch.tensor([[2, 0, 8]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.config = config
        self.shared = Embedding(config.vocab_size, config.n_embd)  # what the token is, for encoder and decoder
        self.encoder = BartStack(config, config.n_layer, decoder=False)
        self.decoder = BartStack(config, config.n_decoder_layer, decoder=True)
        self.final_logits_bias = nn.Parameter(torch.zeros(1, config.vocab_size)) if config.has_bias else None  # (1, V)
        self.scale = math.sqrt(config.n_embd) if config.scaled else 1.0
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """The initial values (fairseq, bart): matrices from N(0, 0.02²)."""
        for weight in self.parameters():
            if weight.shape[0] > 1 and weight.ndim == 2 and not weight.is_meta:  # without the bias
                weight.normal_(std=0.02)

    def encode(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The memory: ids (B, S) int64 -> (B, S, C). `mask` (B, S) is 0 for padding, which no token sees.
        Raises ValueError for ids of another shape and for more tokens than the model has positions."""
        check_shape(ids, self.config.n_ctx)
        seen = seen_slots(mask, ids.shape[0], ids.shape[1], ids.device)  # (B, 1, 1, S)
        x = self.encoder.embed(self.shared(ids) * self.scale, torch.arange(ids.shape[1], device=ids.device))
        for layer in self.encoder.layers:
            x = layer(x, seen)  # (B, S, C)
        return x

    def cross(self, memory: Tensor) -> KVCache:
        """The memory's keys and values in every layer of the decoder, which all its steps use: (L, B, H, S, D) each."""
        pairs = [layer.encoder_attn.keys_values(memory) for layer in self.decoder.layers]  # type: ignore[union-attr, operator]
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
        check_shape(decoder_ids, self.config.n_ctx)
        memory = memory if isinstance(memory, KVCache) else self.cross(memory)
        pos = torch.arange(decoder_ids.shape[1], device=decoder_ids.device)[None] if pos is None else pos  # (B, T)
        seen = seen_slots(mask, memory.k.shape[1], memory.k.shape[3], pos.device)  # (B, 1, 1, S), of the memory
        x = self.decoder.embed(self.shared(decoder_ids) * self.scale, pos)
        kvs = cache.layers(pos) if cache else [None] * len(self.decoder.layers)
        for layer, kv, k, v in zip(self.decoder.layers, kvs, memory.k, memory.v, strict=True):
            x = layer(x, kv and kv.mask, kv, (k, v, seen))  # (B, T, C); without a mask attention is causal
        return x

    def unembed(self, x: Tensor) -> Tensor:
        """Logits of the next token: (..., C) -> (..., V). The output matrix is the embedding, and may have a bias."""
        return x @ self.shared.weight.T + (0 if self.final_logits_bias is None else self.final_logits_bias[0])

    def forward(self, ids: Tensor, decoder_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits: ids (B, S) and decoder_ids (B, T) int64 -> (B, T, V). See `encode` for the mask."""
        return self.unembed(self.decode(decoder_ids, self.encode(ids, mask), mask))
