"""GELU in one kernel: on a CPU gelu.c with its gradient, in training and for long prompts; else PyTorch's, which takes
four times as long."""

import ctypes
from collections.abc import Callable
from ctypes import c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.fast.compared import difference_learning, say_once
from minigpt.fast.compiler import library
from minigpt.models import layers

EXACT = 1e-6  # relative difference in float32
LONG = 1 << 18  # numbers: a prompt of a few hundred tokens


def gelu(x: Tensor) -> Tensor:
    """What `models.layers.gelu` computes, for a tensor of any shape."""
    plain = type(x) is Tensor and x.is_cpu and x.dtype in (torch.float32, torch.bfloat16)
    learns = torch.is_grad_enabled() and x.requires_grad
    waits = learns or x.numel() >= LONG  # else nothing waits for it to be compiled and compared
    if plain and waits and not torch.compiler.is_compiling() and agrees(layers.gelu):
        found: Tensor = Gelu.apply(x)
        return found
    return F.gelu(x, approximate="tanh")


class Gelu(torch.autograd.Function):
    """GELU of a float32 or bfloat16 tensor on the CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        function("gelu", x)(x.data_ptr(), y.data_ptr(), x.numel(), torch.get_num_threads())
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx: Any, by_y: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # create_graph
            raise RuntimeError("gelu.c has no second derivative: take the plain form, with plain=True")
        (x,), by_y = ctx.saved_tensors, by_y.contiguous()
        by_x = torch.empty_like(x)
        given = (x.data_ptr(), by_y.data_ptr(), by_x.data_ptr(), x.numel(), torch.get_num_threads())
        function("gradient", x)(*given)
        return by_x


@cache
def agrees(plain: Any) -> bool:
    """Whether there is compiled code that gives what the plain form does, result and slope, and in bfloat16 the same
    rounded; one line says so if it does not."""
    if code() is None:
        return False
    x, by_y = torch.linspace(-4, 4, 1001), torch.linspace(-1, 1, 1001)
    off = difference_learning(plain, Gelu.apply, [x], by_y)
    off += difference_learning(rounded, Gelu.apply, [x.bfloat16()], by_y.bfloat16())
    if not off <= EXACT:
        say_once(f"minigpt/fast/gelu.c differs from minigpt/models/layers.py by {off:.1e}: PyTorch's kernel is used")
    return off <= EXACT


def rounded(x: Tensor) -> Tensor:
    """The float32 form for bfloat16: what the bfloat16 form gives to the last digit."""
    y: Tensor = Gelu.apply(x.float())
    return y.to(x.dtype)


def function(name: str, x: Tensor) -> Callable[..., None]:
    """The function for x's dtype from the code, which is there: `agrees` has checked."""
    found: Callable[..., None] = getattr(code(), name if x.dtype == torch.float32 else f"{name}_bfloat16")
    return found


@cache
def code() -> ctypes.CDLL | None:
    """gelu.c, compiled; None if that is not possible."""
    return declared(library(Path(__file__).with_name("gelu.c")))


def declared(found: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """The library with the types of its functions' arguments."""
    if found:
        for name, n_pointers in (("gelu", 2), ("gradient", 3), ("gelu_bfloat16", 2), ("gradient_bfloat16", 3)):
            getattr(found, name).argtypes = [*[c_void_p] * n_pointers, c_int64, ctypes.c_int]
            getattr(found, name).restype = None
    return found
