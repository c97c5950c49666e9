"""A model whose parts run in fused kernels, most of them PyTorch's: the same tree of modules over the same parameters.

Only the parts for which there is a kernel have another class here; blocks, residual stream, cache and the rest are the
plain model's own code. B batch, T new tokens, S slots, H heads, D head size, C channels.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.fast.attention import attend
from minigpt.fast.gelu import gelu
from minigpt.fast.int8 import Int8Linear
from minigpt.models import gpt2, llama
from minigpt.models.attention import Attention
from minigpt.models.layers import LayerNorm, Linear
from minigpt.models.variants.gpt2 import ScaledAttention

NO_PRODUCT = {  # half precision that PyTorch multiplies element by element on this CPU, ten times slower
    dtype
    for dtype, supported in (
        (torch.bfloat16, torch.ops.mkldnn._is_mkldnn_bf16_supported),
        (torch.float16, torch.ops.mkldnn._is_mkldnn_fp16_supported),
    )
    if not supported()
}


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products in bfloat16: AVX-512's or AMX."""
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # no public name yet
    return bool(native())


class FusedAttention(Attention):
    """One kernel that never stores the (T, S) scores."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return attend(q, k, v, mask)


class FusedScaledAttention(ScaledAttention):
    """The same with the scores multiplied once more."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return attend(q * self.scale, k, v, mask)


class FusedLinear(Linear):
    """Product and bias in one kernel; many rows in half precision that a CPU cannot multiply are done in float32."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype in NO_PRODUCT and x.is_cpu and x.shape[:-1].numel() > 8:
            bias = None if self.bias is None else self.bias.float()
            return F.linear(x.float(), self.weight.float(), bias).to(x.dtype)
        return F.linear(x, self.weight, self.bias)


class FusedInt8Linear(Int8Linear):
    """Many rows in bfloat16 where the CPU multiplies that: int8 values are exact in it, and it is faster."""

    def forward(self, x: Tensor) -> Tensor:
        if not multiplies_bfloat16() or not x.is_cpu or x.shape[:-1].numel() <= 8:
            return super().forward(x)
        y = F.linear(x.bfloat16(), self.values.bfloat16()).float()
        return y.mul_(self.scale) if self.bias is None else torch.addcmul(self.bias, y, self.scale)


class FusedLayerNorm(LayerNorm):
    """Mean, variance, scale and shift in one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class FusedRMSNorm(llama.RMSNorm):
    """The same for the root mean square, in float32 like the plain form."""

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * F.rms_norm(x.float(), self.weight.shape, eps=self.eps).to(x.dtype)


class FusedMLP(gpt2.MLP):
    """GELU in one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(gelu(self.c_fc(x)))


class FusedGatedMLP(llama.MLP):
    """SiLU in one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


FUSED: dict[type[nn.Module], type[nn.Module]] = {
    Attention: FusedAttention,
    ScaledAttention: FusedScaledAttention,
    Linear: FusedLinear,
    Int8Linear: FusedInt8Linear,
    LayerNorm: FusedLayerNorm,
    llama.RMSNorm: FusedRMSNorm,
    gpt2.MLP: FusedMLP,
    llama.MLP: FusedGatedMLP,
}


def fused(module: nn.Module, kinds: Mapping[type[nn.Module], type[nn.Module]] = FUSED) -> nn.Module:
    """A tree of modules like this one, with parts of other `kinds`. Parameters and hooks are the very same objects, so
    nothing is copied and what is trained or loaded into one is in the other; a class that is not among the kinds, such
    as a learner's own, stays."""
    twin = object.__new__(kinds.get(type(module), type(module)))
    twin.__dict__.update(module.__dict__)
    twin.__dict__["_modules"] = {name: child and fused(child, kinds) for name, child in module._modules.items()}
    return twin
