"""A model whose decode step runs in C, native.c: one call for all blocks. Prefills of many tokens run in PyTorch.

The weights stay the model's own parameters, wherever they are; nothing is copied. B batch, T new tokens, N = B·T,
S slots, L layers, C channels, D head size, V vocabulary.
"""

import ctypes
from ctypes import byref, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.fast.compiler import library
from minigpt.fast.fused import FUSED, fused
from minigpt.fast.int8 import Int8Embedding, Int8Linear
from minigpt.fast.structures import TYPES, CCache, CModel, address, c_linear, described
from minigpt.models import gpt2, llama
from minigpt.models.attention import Attention, Softmax
from minigpt.models.cache import KVCache
from minigpt.models.interface import check_shape
from minigpt.models.layers import Dropout, Embedding, LayerNorm, Linear
from minigpt.models.rope import rope_angles
from minigpt.models.variants.gpt2 import GPT2Variant, ScaledAttention

NO_MEMORY = 2  # what the C code returns then
# Tokens at once; for more the matrix products of PyTorch are faster, on wider vectors than those of native.c sooner.
FEW = 256 if torch.backends.cpu.get_cpu_capability() == "AVX2" else 64


class Native(nn.Module):
    """What a model does differently when a few tokens meet a cache, as in every decode step."""

    config: Any
    places: list[tuple[dict[str, Any], str]]  # where the tensors are found, even after others were put there
    addresses: list[int]
    c_model: CModel
    code: ctypes.CDLL

    def can_run(self, n_tokens: int) -> bool:
        return n_tokens <= FEW and not self.training and not torch.is_grad_enabled()

    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """As the model's own `hidden`; (B, T, C) in float32."""
        if cache is None or not self.can_run(ids.numel()) or cache.k.dtype not in TYPES:
            return super().hidden(ids, pos, cache)  # type: ignore[misc]
        check_shape(ids, self.config.n_ctx)
        if pos is None:
            pos = torch.arange(ids.shape[1]).expand(ids.shape)  # (B, T)
        pos = pos.contiguous()
        rows = torch.arange(len(ids)).repeat_interleave(ids.shape[1])  # (N,)
        x, cos, sin = self.embed(ids, pos)
        layer, row, head, slot, _ = cache.k.stride()
        c_cache = CCache(cache.k.data_ptr(), cache.v.data_ptr(), TYPES[cache.k.dtype], layer, row, head, slot)
        self.look()
        error = self.code.hidden(
            byref(self.c_model), byref(c_cache), rows.data_ptr(), pos.data_ptr(), address(cos), address(sin),
            x.data_ptr(), ids.numel(), cache.k.shape[3], torch.get_num_threads(),
        )  # fmt: skip
        if error == NO_MEMORY:
            raise MemoryError(f"no memory for {ids.numel()} tokens at once: give fewer texts")
        if error:
            raise IndexError(f"positions {pos.tolist()} in a cache of {cache.k.shape[3]} slots")
        return x

    def embed(self, ids: Tensor, pos: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The vectors (B, T, C) that enter the first block, and a Llama's angles (N, D/2)."""
        if isinstance(self, gpt2.GPT2):
            return (self.wte(ids) + self.wpe(pos)).float(), None, None
        assert isinstance(self, llama.Llama)
        cos, sin = rope_angles(pos, self.config.head_dim, self.config.rope_theta, self.config.rope_scaling)
        return self.embed_tokens(ids).float(), cos.contiguous(), sin.contiguous()

    def unembed(self, x: Tensor) -> Tensor:
        """As the model's own `unembed`; (..., V) in float32."""
        n = x.numel() // x.shape[-1]
        if not self.can_run(n):
            return super().unembed(x)  # type: ignore[misc]
        x = x.float().contiguous()
        logits = torch.empty(*x.shape[:-1], self.config.vocab_size)
        head = self.embed_tokens if isinstance(self, llama.Llama) else self.wte
        head = head if getattr(self.config, "tied", True) else self.lm_head
        if self.code.unembed(byref(c_linear(head)), x.data_ptr(), logits.data_ptr(), n, torch.get_num_threads()):
            raise MemoryError(f"no memory for the logits of {n} tokens at once: give fewer texts")
        return logits

    def look(self) -> None:
        """Describe the model to the C code anew, if any tensor has moved since that was last done."""
        addresses = [table[name].data_ptr() for table, name in self.places]
        if addresses != self.addresses:
            self.c_model, self.addresses = described(self), addresses


class NativeGPT2(Native, gpt2.GPT2):
    pass


class NativeGPT2Variant(Native, GPT2Variant):
    pass


class NativeLlama(Native, llama.Llama):
    pass


NATIVE: dict[type[nn.Module], type[nn.Module]] = {
    gpt2.GPT2: NativeGPT2,
    GPT2Variant: NativeGPT2Variant,
    llama.Llama: NativeLlama,
}
KNOWN = {  # what native.c implements; a model with any other part runs in torch
    *NATIVE, nn.ModuleList, nn.Identity, Attention, ScaledAttention, Softmax, Dropout, Linear, LayerNorm, Embedding,
    Int8Linear, Int8Embedding, gpt2.Block, gpt2.CausalSelfAttention, gpt2.MLP,
    llama.Block, llama.CausalSelfAttention, llama.MLP, llama.RMSNorm,
}  # fmt: skip


def native(model: nn.Module) -> nn.Module | None:
    """The fused form of a model on a CPU whose decode step runs in C, over the same parameters; None if there is no
    compiled code, or it does not know a part or a dtype."""
    tables: list[dict[str, Any]] = [table for part in model.modules() for table in (part._parameters, part._buffers)]
    tensors = [(table, name) for table in tables for name in table if table[name] is not None]
    known = all(type(part) in KNOWN for part in model.modules())
    fits = all(table[name].dtype in TYPES and table[name].device.type == "cpu" for table, name in tensors)
    compiled = code() if known and fits else None
    if compiled is None:
        return None
    for table, name in tensors:
        if table[name].element_size() < 4 and not table[name].is_contiguous():  # a half, transposed by the loader
            table[name].data = table[name].contiguous()
    twin: Any = fused(model, FUSED | NATIVE)
    twin.code, twin.places, twin.addresses = compiled, tensors, []
    return twin


@cache
def code() -> ctypes.CDLL | None:
    """native.c, compiled; None if that is not possible."""
    return declared(library(Path(__file__).with_name("native.c")))


def declared(found: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """The library with the types of its two functions' arguments."""
    if found:
        pointer, number, threads = c_void_p, c_int64, ctypes.c_int
        found.hidden.argtypes = [*[pointer] * 7, number, number, threads]
        found.unembed.argtypes = [pointer, pointer, pointer, number, threads]
    return found
