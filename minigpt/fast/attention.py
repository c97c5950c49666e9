"""Attention in one kernel that never stores the (T, T) weights (Dao et al. 2022, FlashAttention).

In training on a CPU, and for long prompts, that is attention.c: PyTorch's kernel takes twice as long there, a third of
a training step.

B batch, H heads, H_kv heads of keys and values, T tokens, S slots, D head size.
"""

import ctypes
from ctypes import byref, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.fast.compared import difference_learning, say_once
from minigpt.fast.compiler import library
from minigpt.models.attention import Attention, Softmax
from minigpt.models.layers import softmax

EXACT = 1e-5  # relative difference in float32
LONG = 128  # tokens of a prompt


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `models.attention.Attention` computes: q (B, H, T, D), k and v (B, H_kv, S, D) -> (B, H, T, D)."""
    n_tokens = q.shape[2]
    if mask is not None and q.is_cpu and n_tokens >= LONG and is_causal(mask):
        k, v, mask = k[:, :, :n_tokens], v[:, :, :n_tokens], None  # no token sees a slot beyond its own
    if mask is None and can_run(q, k, v):
        y: Tensor = CausalAttention.apply(q.float(), k.float(), v.float())
        return y.to(q.dtype)
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped)


def is_causal(mask: Tensor) -> bool:
    """Whether a mask (B or 1, 1, T, S) lets each token see the slots up to its own number, as that of a prompt does."""
    if torch.compiler.is_compiling() or type(mask) is not Tensor or mask.dtype != torch.bool:
        return False
    causal = torch.ones(mask.shape[2:], dtype=torch.bool).tril()  # (T, S)
    return torch.equal(mask, causal.expand_as(mask))


def can_run(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether attention.c is there for such tensors, and right; for a short prompt nothing waits for it to be compiled
    and compared."""
    dtypes = (torch.float32, torch.bfloat16)
    if not all(type(x) is Tensor and x.is_cpu and x.dtype in dtypes for x in (q, k, v)):
        return False
    learns = torch.is_grad_enabled() and q.requires_grad
    enough = q.shape[2] >= LONG and len(k) * k.shape[1] >= torch.get_num_threads()  # a thread takes whole heads
    whole = q.shape[2] == k.shape[2] and q.numel() > 0 and (learns or enough)
    return whole and not torch.compiler.is_compiling() and agrees(Attention.forward, Softmax.forward, softmax)


class View(ctypes.Structure):
    """A tensor (B, H, T, D) as attention.c reads it: where it begins, and the strides of its first three dimensions."""

    _fields_ = [("at", c_void_p), ("text", c_int64), ("head", c_int64), ("token", c_int64)]


class Sizes(ctypes.Structure):
    """B, H, H / H_kv, T, D."""

    _fields_ = [(letter, c_int64) for letter in "BHGTD"]


def view(x: Tensor) -> Any:
    """A pointer to a tensor (B, H, T, D)."""
    return byref(View(x.data_ptr(), *x.stride()[:3]))


class CausalAttention(torch.autograd.Function):
    """softmax(q kᵀ / sqrt(D)) v, each token seeing those up to itself: q (B, H, T, D), k and v (B, H_kv, T, D)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
        y = token_by_token(q)
        sums = torch.empty(q.shape[:3])
        call("attend", q, view(q), view(k), view(v), view(y), sums.data_ptr(), sizes(q, k))
        ctx.save_for_backward(q, k, v, y, sums)
        return y

    @staticmethod
    def backward(ctx: Any, by_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if torch.is_grad_enabled():  # create_graph
            raise RuntimeError("attention.c has no second derivative: take the plain form, with plain=True")
        q, k, v, y, sums = ctx.saved_tensors
        by_y = by_y if by_y.stride(-1) == 1 else by_y.contiguous()
        found = by_q, by_k, by_v = token_by_token(q), token_by_token(k), token_by_token(v)
        given = (view(q), view(k), view(v), view(y), sums.data_ptr(), view(by_y))
        call("gradients", q, *given, *map(view, found), sizes(q, k))
        return by_q, by_k, by_v


def token_by_token(x: Tensor) -> Tensor:
    """Room for a tensor (B, H, T, D) stored as (B, T, H, D), so that its heads are side by side."""
    return torch.empty_like(x.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)


def sizes(q: Tensor, k: Tensor) -> Any:
    """A pointer to the sizes of q (B, H, T, D) and k (B, H_kv, T, D)."""
    n_texts, n_heads, n_tokens, n_channels = q.shape
    return byref(Sizes(n_texts, n_heads, n_heads // k.shape[1], n_tokens, n_channels))


def call(name: str, q: Tensor, *given: Any) -> None:
    """Calls a function of attention.c; raises MemoryError if it found no room."""
    if getattr(code(), name)(*given, torch.get_num_threads()):
        raise MemoryError(f"attention.c found no memory for {q.shape[2]} tokens: give fewer at once")


@cache
def agrees(*_code: object) -> bool:
    """Whether there is compiled code that gives what the plain form does, result and gradients; one line says so if it
    does not."""
    if code() is None:
        return False
    generator = torch.Generator().manual_seed(0)  # of its own: the caller's random numbers stay as they are
    q, k, v, by_y = (torch.randn(2, heads, 70, 24, generator=generator) for heads in (4, 2, 2, 4))
    off = difference_learning(Attention(), CausalAttention.apply, (q, k, v), by_y)
    if not off <= EXACT:
        way = "PyTorch's kernel is used"
        say_once(f"minigpt/fast/attention.c differs from minigpt/models/attention.py by {off:.1e}: {way}")
    return off <= EXACT


@cache
def code() -> ctypes.CDLL | None:
    """attention.c, compiled; None if that is not possible."""
    return declared(library(Path(__file__).with_name("attention.c")))


def declared(found: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """The library with the types of its two functions' arguments."""
    if found:
        for name, n_pointers in (("attend", 6), ("gradients", 10)):
            getattr(found, name).argtypes = [*[c_void_p] * n_pointers, ctypes.c_int]
            getattr(found, name).restype = c_int64
    return found
