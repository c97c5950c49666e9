"""Llama (Touvron et al. 2023), Qwen2 and Qwen3 (transformers, models/{llama,qwen2,qwen3}), whole, beside gpt2.py.

B batch, T new tokens, S cache slots, C channels, H heads, D head size, V vocabulary.
"""

import torch
from torch import Tensor, nn

from minigpt.models.attention import attention, merge_heads, split_heads
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.config import LlamaConfig
from minigpt.models.layers import Embedding, Linear, RMSNorm, silu

Turn = tuple[Tensor, Tensor]  # cosine and sine of every position's angles, (B, 1, T, D/2) each


def rotation(pos: Tensor, head_dim: int, theta: float) -> Turn:
    """How far each pair of values turns at each position (Su et al. 2021, section 3.2.2): fast pairs first.

    Pair i turns by pos / theta^(2i/D) radians: pos (B, T) -> cosine and sine, (B, 1, T, D/2) each, in float32
    whatever the model's type, as in transformers (models/llama/modeling_llama.py).

    >>> cosine, sine = rotation(torch.tensor([[0, 1]]), head_dim=4, theta=100.0)
    >>> torch.atan2(sine, cosine)[0, 0]  # position 0 does not turn; 1 turns by 1 and by 1/10 radian
    tensor([[0.0000, 0.0000],
            [1.0000, 0.1000]])
    """
    exponent = torch.arange(0, head_dim, 2, device=pos.device, dtype=torch.float32) / head_dim  # (D/2,)
    angle = pos[:, None, :, None].float() * (1.0 / theta**exponent)  # (B, 1, T, D/2)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, turn: Turn) -> Tensor:
    """Turn each pair (x[i], x[i + D/2]) by its angle: (B, H, T, D) -> the same shape.

    After it q · k depends on how far apart the two tokens are, and on their places no more.

    >>> quarter = (torch.tensor([[[[0.0]]]]), torch.tensor([[[[1.0]]]]))
    >>> rotate(torch.tensor([[[[3.0, 4.0]]]]), quarter).tolist()
    [[[[-4.0, 3.0]]]]
    """
    cosine, sine = turn
    a, b = x.chunk(2, dim=-1)  # (B, H, T, D/2) each
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)


class CausalSelfAttention(nn.Module):
    """Every token asks (q), offers (k) and hands over (v); groups of queries share one key (Ainslie et al. 2023)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        n_q, n_kv = config.n_head * config.head_dim, config.n_kv_head * config.head_dim
        self.q_proj = Linear(config.n_embd, n_q, bias=config.qkv_bias)
        self.k_proj = Linear(config.n_embd, n_kv, bias=config.qkv_bias)
        self.v_proj = Linear(config.n_embd, n_kv, bias=config.qkv_bias)
        self.o_proj = Linear(n_q, config.n_embd, bias=False)
        self.q_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.head_dim = config.head_dim

    def forward(self, x: Tensor, turn: Turn, kv: LayerKV | None = None) -> Tensor:
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)  # (B, T, H·D), then twice (B, T, H_kv·D)
        q, k, v = (split_heads(t, self.head_dim) for t in (q, k, v))  # (B, H, T, D), (B, H_kv, T, D)
        q, k = rotate(self.q_norm(q), turn), rotate(self.k_norm(k), turn)
        mask = None
        if kv is not None:
            k, v = kv.write(k, v)  # (B, H_kv, S, D): the past and the new
            mask = kv.mask
        y = attention(q, k, v, mask)  # (B, H, T, D)
        return self.o_proj(merge_heads(y))  # (B, T, C)


class MLP(nn.Module):
    """Every token thinks for itself: one half opens gates for the other (SwiGLU: Shazeer 2020, equation 6)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.n_embd, config.n_inner, bias=False)
        self.up_proj = Linear(config.n_embd, config.n_inner, bias=False)
        self.down_proj = Linear(config.n_inner, config.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))  # (B, T, C)


class Block(nn.Module):
    """Attention, then MLP; each reads a normalized copy of the stream x and adds its result to it."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.n_embd, config.norm_eps)
        self.self_attn = CausalSelfAttention(config)
        self.post_attention_layernorm = RMSNorm(config.n_embd, config.norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, turn: Turn, kv: LayerKV | None = None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), turn, kv)  # (B, T, C)
        return x + self.mlp(self.post_attention_layernorm(x))  # (B, T, C)


class Llama(nn.Module):
    """Token ids in, a score for every possible next token out.

    >>> config = LlamaConfig(vocab_size=50, n_ctx=16, n_layer=2, n_head=4, n_kv_head=2, n_embd=8, n_inner=24)
    >>> Llama(config)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = Embedding(config.vocab_size, config.n_embd)  # what the token is; its place turns q and k
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.n_embd, config.norm_eps)
        if not config.tied:
            self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)

    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """The stream after the last block, normalized: ids (B, T) int64 -> (B, T, C).

        `pos` (B, T) int64 says where the tokens stand; without it they are the first T. With a cache they also see
        what it holds at smaller positions, and their own keys and values are written there.
        Raises ValueError for more tokens than the model has positions.
        """
        if ids.shape[1] > self.config.n_ctx:
            raise ValueError(f"{ids.shape[1]} tokens exceed the model's {self.config.n_ctx} positions (n_ctx)")
        if pos is None:
            pos = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)  # (B, T)
        x = self.embed_tokens(ids)  # (B, T, C)
        cosine, sine = rotation(pos, self.config.head_dim, self.config.rope_theta)
        turn = cosine.to(x.dtype), sine.to(x.dtype)
        for block, kv in zip(self.layers, cache.layers(pos) if cache else [None] * len(self.layers), strict=True):
            x = block(x, turn, kv)
        return self.norm(x)

    def unembed(self, x: Tensor) -> Tensor:
        """Scores for the next token: (..., C) -> (..., V). Where tied, the output matrix is the embedding itself."""
        head = self.embed_tokens if self.config.tied else self.lm_head
        return x @ head.weight.T

    def forward(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Logits: ids (B, T) int64 -> (B, T, V). See `hidden` for pos and cache."""
        return self.unembed(self.hidden(ids, pos, cache))
