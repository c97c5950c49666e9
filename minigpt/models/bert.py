"""BERT (Devlin et al. 2019; google-research/bert, modeling.py; lesson 13), whole. Modules carry the official names,
without `.dense`, and with `_norm` for `.LayerNorm`: attention.output.dense is attention.output here.

B batch, T tokens, C channels, H heads, D head size, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minigpt.models.attention import Attention, merge_heads, split_heads
from minigpt.models.config import check_sizes
from minigpt.models.interface import check_shape
from minigpt.models.layers import Dropout, Embedding, LayerNorm, Linear
from minigpt.models.variants.activations import exact_gelu as gelu


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT (Devlin et al. 2019, section 3; the defaults are BERT-base's, 110M parameters)."""

    vocab_size: int = 30522
    n_ctx: int = 512  # positions: the longest text the model can see
    n_segments: int = 2  # texts that one input may hold
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    n_inner: int = 3072  # the feed-forward network's width
    norm_eps: float = 1e-12
    dropout: float = 0.0  # share of values dropped while training; nothing is dropped in eval mode
    has_pooler: bool = True  # a checkpoint for masked-token prediction has none
    has_head: bool = True  # a checkpoint for comparing texts has none

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.n_segments < 1 or self.n_embd % self.n_head:
            sizes = f"n_segments {self.n_segments}, n_embd {self.n_embd}, n_head {self.n_head}"
            raise ValueError(f"{sizes}: n_segments must be at least 1, and n_embd a multiple of n_head")

    @property
    def head_dim(self) -> int:
        """Size of one head's vectors."""
        return self.n_embd // self.n_head


class BertSelfAttention(nn.Module):
    """Query, key and value of every token; each token attends to all of the text, before and after it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.query = Linear(config.n_embd, config.n_embd)
        self.key = Linear(config.n_embd, config.n_embd)
        self.value = Linear(config.n_embd, config.n_embd)
        self.attention = Attention()
        self.output = Linear(config.n_embd, config.n_embd)
        self.head_dim = config.head_dim

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, T, C) each
        q, k, v = (split_heads(t, self.head_dim) for t in (q, k, v))  # (B, H, T, D)
        y = self.attention(q, k, v, mask)  # (B, H, T, D)
        return self.output(merge_heads(y))  # (B, T, C)


class BertLayer(nn.Module):
    """Attention, then the feed-forward network; the sum of x and each result is normalized (post-norm); GPT-2
    normalizes the input of each instead."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertSelfAttention(config)
        self.attention_norm = LayerNorm(config.n_embd, config.norm_eps)
        self.intermediate = Linear(config.n_embd, config.n_inner)
        self.output = Linear(config.n_inner, config.n_embd)
        self.output_norm = LayerNorm(config.n_embd, config.norm_eps)
        self.drop = Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.drop(self.attention(x, mask)))  # (B, T, C)
        return self.output_norm(x + self.drop(self.output(gelu(self.intermediate(x)))))  # (B, T, C)


class Bert(nn.Module):
    """Token ids in, a vector for every token out, which depends on the tokens on both sides of it.

    >>> model = Bert(BertConfig(vocab_size=50, n_ctx=16, n_layer=2, n_head=2, n_embd=8, n_inner=32))
    >>> x = model(torch.tensor([[1, 2, 3]]))
    >>> x.shape, model.pool(x).shape, model.predict(x).shape
    (torch.Size([1, 3, 8]), torch.Size([1, 8]), torch.Size([1, 3, 50]))
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.word_embeddings = Embedding(config.vocab_size, config.n_embd)  # what the token is
        self.position_embeddings = Embedding(config.n_ctx, config.n_embd)  # its position
        self.token_type_embeddings = Embedding(config.n_segments, config.n_embd)  # which of the texts it is in
        self.embeddings_norm = LayerNorm(config.n_embd, config.norm_eps)
        self.drop = Dropout(config.dropout)
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.n_layer))
        if config.has_pooler:
            self.pooler = Linear(config.n_embd, config.n_embd)
        if config.has_head:
            self.transform = Linear(config.n_embd, config.n_embd)
            self.transform_norm = LayerNorm(config.n_embd, config.norm_eps)
            self.predictions_bias = nn.Parameter(torch.zeros(config.vocab_size))  # (V,)
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """The initial values (modeling.py): matrices from N(0, 0.02²), truncated at two standard deviations. A
        model made for a checkpoint, on the meta device, has none."""
        for weight in self.parameters():
            if weight.ndim == 2 and not weight.is_meta:
                nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)

    def hidden(self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """The vectors after the last layer: ids (B, T) int64 -> (B, T, C).

        `mask` (B, T) is 0 or False for padding, which no token sees; every text needs at least one real token.
        `segments` (B, T) int64 says which text a token belongs to, 0 or 1; by default all belong to 0.
        Raises ValueError for ids or a mask of another shape and for more tokens than the model has positions.
        """
        check_shape(ids, self.config.n_ctx)
        mask = torch.ones_like(ids) if mask is None else mask
        segments = torch.zeros_like(ids) if segments is None else segments
        if not ids.shape == mask.shape == segments.shape:
            shapes = f"ids {tuple(ids.shape)}, mask {tuple(mask.shape)}, segments {tuple(segments.shape)}"
            raise ValueError(f"{shapes}: all three must have one shape, (B, T)")
        pos = torch.arange(ids.shape[1], device=ids.device)  # (T,)
        x = self.word_embeddings(ids) + self.position_embeddings(pos) + self.token_type_embeddings(segments)
        x = self.drop(self.embeddings_norm(x))  # (B, T, C)
        for layer in self.layer:
            x = layer(x, mask.bool()[:, None, None])  # which slots are tokens: (B, 1, 1, T), the same for all queries
        return x

    def pool(self, x: Tensor) -> Tensor:
        """A vector for the whole input, from its first token, [CLS]: (B, T, C) -> (B, C)."""
        return torch.tanh(self.pooler(x[:, 0]))

    def predict(self, x: Tensor) -> Tensor:
        """Logits of the token at the same position, such as [MASK]: (..., C) -> (..., V). The output matrix is the
        embedding itself, with a bias of its own."""
        x = self.transform_norm(gelu(self.transform(x)))  # (..., C)
        return x @ self.word_embeddings.weight.T + self.predictions_bias

    def forward(self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """The output of `hidden`: a BERT computes vectors; a head is applied only where one is wanted."""
        return self.hidden(ids, mask, segments)
