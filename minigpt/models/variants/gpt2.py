"""GPT-2 as transformers' GPT2Config can vary it; the model itself is gpt2.py, and only the parts that differ are here.

B batch, T new tokens, S cache slots, C channels, H heads, D head size, V vocabulary.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from minigpt.models.attention import Attention
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2, MLP, Block
from minigpt.models.layers import Linear
from minigpt.models.variants.activations import activation


@dataclass(frozen=True)
class GPT2VariantConfig(GPT2Config):
    """The sizes of a GPT-2, and how it differs from the original of 2019.

    >>> GPT2VariantConfig(n_layer=2, n_head=4, n_embd=64, scale_by_layer=True).score_scale(layer=1)
    0.5
    """

    activation: str = "gelu_new"  # a name in ACTIVATIONS, see activations.py
    tied: bool = True  # the output matrix is the embedding
    scale_scores: bool = True  # scores are divided by sqrt(D)
    scale_by_layer: bool = False  # and by the layer's number, from 1 on (Mistral's GPT-2s at Stanford, 2021)

    def __post_init__(self) -> None:
        super().__post_init__()
        activation(self.activation)  # or a ValueError

    def score_scale(self, layer: int) -> float:
        """What a layer's scores are multiplied by, beyond the usual 1 / sqrt(D)."""
        return (1.0 if self.scale_scores else math.sqrt(self.head_dim)) / (layer + 1 if self.scale_by_layer else 1)


class ScaledAttention(Attention):
    """Attention whose scores are multiplied by one more factor."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(q * self.scale, k, v, mask)


class VariantMLP(MLP):
    """The position-wise feed-forward network with another activation."""

    def __init__(self, config: GPT2VariantConfig) -> None:
        super().__init__(config)
        self.activation = config.activation

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(activation(self.activation)(self.c_fc(x)))  # (B, T, C)


class GPT2Variant(GPT2):
    """A GPT-2 with these parts in place of the usual ones.

    >>> import torch
    >>> config = GPT2VariantConfig(vocab_size=50, n_ctx=16, n_layer=1, n_head=2, n_embd=8, activation="relu")
    >>> GPT2Variant(config)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 50])
    """

    config: GPT2VariantConfig

    def __init__(self, config: GPT2VariantConfig) -> None:
        super().__init__(config)
        for i, block in enumerate(self.h):
            assert isinstance(block, Block)
            if config.activation != "gelu_new":
                block.mlp = VariantMLP(config)
            if config.score_scale(i) != 1:
                block.attn.attention = ScaledAttention(config.score_scale(i))
        if not config.tied:
            self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)
        self.init_weights()

    def unembed(self, x: Tensor) -> Tensor:
        """Logits of the next token: (..., C) -> (..., V)."""
        return super().unembed(x) if self.config.tied else self.lm_head(x)


def build_gpt2(config: GPT2Config) -> nn.Module:
    """The plain GPT-2, or one with these parts if the config asks for them."""
    return GPT2Variant(config) if isinstance(config, GPT2VariantConfig) else GPT2(config)
