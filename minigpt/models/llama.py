"""Llama (Touvron et al. 2023), Mistral, Qwen2 and Qwen3 (transformers, models/{llama,mistral,qwen2,qwen3}), whole.

B batch, T new tokens, S cache slots, C channels, H heads, D head size, V vocabulary.
"""

import torch
from torch import Tensor, nn

from minigpt.models.attention import Attention, causal_mask, merge_heads, split_heads
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.interface import check_shape
from minigpt.models.layers import Embedding, Linear
from minigpt.models.llama_config import LlamaConfig
from minigpt.models.rope import rope_angles
from minigpt.models.variants.activations import activation


class RMSNorm(nn.Module):
    """Each vector to root mean square 1, then a learned scale (Zhang & Sennrich 2019, equation 4).

    Computed in float32 whatever the vector's type, as in transformers: in float64 the logits would differ by 1e-6.

    >>> RMSNorm(2)(torch.tensor([[3.0, 4.0]])).square().mean().round(decimals=4).item()
    1.0
    """

    def __init__(self, n_embd: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))  # (C,)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scaled = wide * torch.rsqrt((wide * wide).mean(dim=-1, keepdim=True) + self.eps)
        return self.weight * scaled.to(x.dtype)  # (..., C)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"


def silu(x: Tensor) -> Tensor:
    """x times its own sigmoid, also called swish (Ramachandran et al. 2017).

    >>> silu(torch.tensor([0.0, 1.0])).round(decimals=4).tolist()
    [0.0, 0.7311000227928162]
    """
    return x * torch.sigmoid(x)


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates each pair (x[i], x[i + D/2]) by its angle: (B, H, T, D) -> the same shape.

    Afterwards q · k depends on how far apart the two tokens are, not on their positions.

    >>> apply_rope(torch.tensor([[[[3.0, 4.0]]]]), torch.tensor([[[[0.0]]]]), torch.tensor([[[[1.0]]]])).tolist()
    [[[[-4.0, 3.0]]]]
    """
    a, b = x.chunk(2, dim=-1)  # (B, H, T, D/2) each
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class CausalSelfAttention(nn.Module):
    """Query, key and value of every token; groups of query heads share a key and value head (Ainslie et al. 2023)."""

    def __init__(self, config: LlamaConfig, layer: int = 0) -> None:
        super().__init__()
        n_q, n_kv = config.n_head * config.head_dim, config.n_kv_head * config.head_dim
        self.q_proj = Linear(config.n_embd, n_q, bias=config.qkv_bias)
        self.k_proj = Linear(config.n_embd, n_kv, bias=config.qkv_bias)
        self.v_proj = Linear(config.n_embd, n_kv, bias=config.qkv_bias)
        self.attention = Attention()
        self.o_proj = Linear(n_q, config.n_embd, bias=config.o_bias)
        self.q_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.head_dim = config.head_dim
        self.window = config.window if layer in config.sliding_layers else 0

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, kv: LayerKV | None = None) -> Tensor:
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)  # (B, T, H·D), then twice (B, T, H_kv·D)
        q, k, v = (split_heads(t, self.head_dim) for t in (q, k, v))  # (B, H, T, D), (B, H_kv, T, D)
        q, k = apply_rope(self.q_norm(q), cos, sin), apply_rope(self.k_norm(k), cos, sin)
        mask = None
        if kv is not None:
            k, v = kv.write(k, v)  # (B, H_kv, S, D): the past and the new
            mask = kv.mask
        if self.window:  # itself and the `window` - 1 tokens before it (Beltagy et al. 2020, section 3.1)
            pos = kv.pos if kv is not None else torch.arange(x.shape[1], device=x.device)[None]
            mask = causal_mask(pos, k.shape[2]) & ~causal_mask(pos - self.window, k.shape[2])  # (B or 1, 1, T, S)
        y = self.attention(q, k, v, mask)  # (B, H, T, D)
        return self.o_proj(merge_heads(y))  # (B, T, C)


class MLP(nn.Module):
    """The position-wise feed-forward network with a gate: SwiGLU (Shazeer 2020, equation 6)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.n_embd, config.n_inner, bias=config.mlp_bias)
        self.up_proj = Linear(config.n_embd, config.n_inner, bias=config.mlp_bias)
        self.down_proj = Linear(config.n_inner, config.n_embd, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))  # (B, T, C)


class VariantMLP(MLP):
    """The same with an activation other than SiLU."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.activation = config.activation
        activation(config.activation)  # or a ValueError

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(activation(self.activation)(self.gate_proj(x)) * self.up_proj(x))  # (B, T, C)


class Block(nn.Module):
    """Attention, then MLP; each reads a normalized copy of the residual stream x and adds its result to it."""

    def __init__(self, config: LlamaConfig, layer: int = 0) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.n_embd, config.norm_eps)
        self.self_attn = CausalSelfAttention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.n_embd, config.norm_eps)
        self.mlp = MLP(config) if config.activation == "silu" else VariantMLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, kv: LayerKV | None = None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, kv)  # (B, T, C)
        return x + self.mlp(self.post_attention_layernorm(x))  # (B, T, C)


class Llama(nn.Module):
    """Token ids in, logits for every possible next token out.

    >>> config = LlamaConfig(vocab_size=50, n_ctx=16, n_layer=2, n_head=4, n_kv_head=2, n_embd=8, n_inner=24)
    >>> Llama(config)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = Embedding(config.vocab_size, config.n_embd)  # what the token is; its position turns q and k
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = RMSNorm(config.n_embd, config.norm_eps)
        if not config.tied:
            self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """The initial values: matrices from N(0, 0.02²). A model made for a checkpoint, on the meta device, gets
        none."""
        if self.embed_tokens.weight.is_meta:
            return
        for weight in self.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.02)

    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """The residual stream after the last block, normalized: ids (B, T) int64 -> (B, T, C).

        `pos` (B, T) int64 holds the tokens' positions, by default the first T. With a cache the tokens also see
        what it holds at smaller positions, and their own keys and values are written to it.
        Raises ValueError for ids of another shape and for more tokens than the model has positions.
        """
        check_shape(ids, self.config.n_ctx)
        if pos is None:
            pos = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)  # (B, T)
        x = self.embed_tokens(ids)  # (B, T, C)
        angles = rope_angles(pos, self.config.head_dim, self.config.rope_theta, self.config.rope_scaling)
        cos, sin = (t.to(x.dtype) for t in angles)  # (B, 1, T, D/2) each
        for block, kv in zip(self.layers, cache.layers(pos) if cache else [None] * len(self.layers), strict=True):
            x = block(x, cos, sin, kv)
        return self.norm(x)

    def unembed(self, x: Tensor) -> Tensor:
        """Logits of the next token: (..., C) -> (..., V). If tied, the output matrix is the embedding itself."""
        head = self.embed_tokens if self.config.tied else self.lm_head
        return x @ head.weight.T

    def forward(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Logits: ids (B, T) int64 -> (B, T, V). See `hidden` for pos and cache."""
        return self.unembed(self.hidden(ids, pos, cache))
