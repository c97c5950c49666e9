"""Weight-only int8: a quarter of the bytes, so up to four times the tokens, at the price of rounded weights.

Each row of a matrix, all weights of one output, is divided by its largest magnitude / 127 and rounded (symmetric
quantization by row, Dettmers et al. 2022, section 2.1); norms, biases and position embeddings are unchanged.
The models' code does not change: `weight` is computed from the int8 values whenever it is read.

C channels, V vocabulary; a matrix is (out, in).
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

from minigpt.models.layers import Embedding, Linear

M = TypeVar("M", bound=nn.Module)


class Int8(nn.Module):
    """A matrix as int8 values and a factor for each row; buffers, since rounded values cannot be trained."""

    values: Tensor  # (out, in) int8
    scale: Tensor  # (out,) float32

    def hold(self, weight: Tensor) -> None:
        """Round a matrix (out, in) and keep that."""
        wide = weight.detach().float()
        scale = wide.abs().amax(dim=1).clamp(min=1e-12) / 127  # (out,)
        self.register_buffer("values", (wide / scale[:, None]).round_().to(torch.int8).contiguous())
        self.register_buffer("scale", scale)

    @property
    def weight(self) -> Tensor:
        """What the values stand for, (out, in) in float32."""
        return self.values.float().mul_(self.scale[:, None])


class Int8Linear(Int8, Linear):  # type: ignore[misc]
    """`Linear` over an int8 matrix."""

    def __init__(self, part: Linear) -> None:
        nn.Module.__init__(self)
        self.hold(part.weight)
        self.bias = part.bias


class Int8Embedding(Int8, Embedding):  # type: ignore[misc]
    """`Embedding` over an int8 table, which is also the output matrix if the two are tied."""

    def __init__(self, part: Embedding) -> None:
        nn.Module.__init__(self)
        self.hold(part.weight)

    def forward(self, ids: Tensor) -> Tensor:
        return self.values[ids].float() * self.scale[ids][..., None]  # (B, T) -> (B, T, C)


def quantized(model: M) -> M:
    """The model itself, its matrices and token embedding now int8; the position embedding is not: one row is read.

    The float matrices are freed one by one, so a second copy of the model is never in memory. It computes in float32;
    its fast form, fused.py, many rows at once in bfloat16 where the CPU has instructions for that.

    >>> from minigpt.models.gpt2 import GPT2, GPT2Config
    >>> model = quantized(GPT2(GPT2Config(vocab_size=9, n_ctx=16, n_layer=1, n_head=2, n_embd=8)))
    >>> model.h[0].mlp.c_fc.values.dtype, model.h[0].mlp.c_fc.weight.shape
    (torch.int8, torch.Size([32, 8]))
    """
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if type(part) is Linear:
                setattr(parent, name, Int8Linear(part))
            elif type(part) is Embedding and name != "wpe":
                setattr(parent, name, Int8Embedding(part))
    return model.float()
