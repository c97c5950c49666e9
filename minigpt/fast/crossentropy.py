"""The output matrix and the cross-entropy together, a few rows of logits at a time; on a CPU by crossentropy.c, which
goes through the logits once where PyTorch's kernels do six times.

N tokens of a batch, C channels, V vocabulary.
"""

import ctypes
from ctypes import c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.fast.compared import difference, say_once
from minigpt.fast.compiler import library
from minigpt.train.loss import cross_entropy

N_LOGITS = 1 << 21  # computed at once: 8 MB, which stay in the processor's cache
EXACT = 1e-5  # relative difference in float32


class ChunkedCrossEntropy(torch.autograd.Function):
    """x (N, C), weight (V, C) and targets (N,) -> the sum of -log p(target), in nats.

    The gradient is computed along the way, so that no logits (N, V) are kept for it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        narrow = weight.to(dtype)
        by_x: Tensor = torch.empty_like(x)
        by_weight: Tensor | None = None
        nats = torch.zeros((), dtype=torch.float64 if dtype == torch.float64 else torch.float32, device=x.device)
        size = max(128, N_LOGITS // len(weight))
        if narrow is not weight:
            size = max(size, x.shape[1])  # each chunk goes once through by_weight, which then takes longer than logits
        for rows, wanted, by_rows in zip(x.split(size), targets.split(size), by_x.split(size), strict=True):
            rows = rows.to(dtype)
            found, error = errors(rows @ narrow.T, wanted)  # (rows,), (rows, V)
            nats += found.sum()
            by_rows.copy_(error @ narrow)
            if by_weight is None:
                by_weight = (error.T @ rows).to(weight.dtype)
            elif narrow is weight:
                by_weight.addmm_(error.T, rows)  # adds to what is there, without a second matrix (V, C)
            else:
                by_weight += error.T @ rows  # products in half precision, their sum in full
        ctx.save_for_backward(by_x, by_weight)
        return nats

    @staticmethod
    def backward(ctx: Any, *by_nats: Tensor) -> tuple[Tensor, Tensor, None]:
        by_x, by_weight = ctx.saved_tensors
        return by_x.mul_(by_nats[0]), by_weight.mul_(by_nats[0]), None  # in place; PyTorch refuses to do so twice


def errors(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Of logits (N, V) and targets (N,) the cross-entropies (N,) and their gradient (N, V): p, minus 1 at the target.
    The logits are used up. Raises IndexError for a target that is no id of the vocabulary, on the CPU."""
    targets = targets.long()
    if logits.is_cpu and len(wrong := targets[(targets < 0) | (targets >= logits.shape[1])]):
        raise IndexError(f"there is no token {wrong[0]} to predict in a vocabulary of {logits.shape[1]}")
    if logits.is_cpu and logits.dtype in (torch.float32, torch.bfloat16) and agrees(cross_entropy):
        return errors_in_c(logits, targets)
    wide = logits if logits.dtype == torch.float64 else logits.float()
    log_p = F.log_softmax(wide, dim=-1)
    nats = -log_p.gather(1, targets[:, None])[:, 0]
    p = log_p.exp_()
    p[torch.arange(len(targets), device=p.device), targets] -= 1
    return nats, p.to(logits.dtype)


def errors_in_c(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The same in float32 or bfloat16 on the CPU; the gradient takes the logits' place."""
    found = code()
    assert found  # `agrees` has checked
    logits, targets, nats = logits.contiguous(), targets.contiguous(), torch.empty(len(logits))
    run = found.errors if logits.dtype == torch.float32 else found.errors_bfloat16
    run(logits.data_ptr(), targets.data_ptr(), nats.data_ptr(), *logits.shape, torch.get_num_threads())
    return nats, logits


@cache
def agrees(plain: Any) -> bool:
    """Whether there is compiled code that gives what the plain form does, and in bfloat16 the same rounded; one line
    says so if it does not."""
    if code() is None:
        return False
    with torch.inference_mode(False), torch.enable_grad():  # the caller may be in inference mode
        logits = (torch.linspace(-300, 300, 7 * 101) ** 3 % 40).view(7, 101).bfloat16().float().requires_grad_()
        targets = torch.arange(7) * 16
        nats = torch.stack([plain(row, target) for row, target in zip(logits, targets, strict=True)])
        (by_logits,) = torch.autograd.grad(nats.sum(), logits)
        given = logits.detach()
        found, error = errors_in_c(given.clone(), targets)
        off = difference(torch.cat([by_logits, nats[:, None]], 1), torch.cat([error, found[:, None]], 1))
        again, rounded = errors_in_c(given.bfloat16(), targets)
        beyond_rounding = (rounded - error).abs() - error.abs() / 250
        off += difference(found, again) + beyond_rounding.clamp(min=0).amax().item()
    if not off <= EXACT:
        say_once(
            f"minigpt/fast/crossentropy.c differs from minigpt/train/loss.py by {off:.1e}: PyTorch's kernels serve"
        )
    return off <= EXACT


@cache
def code() -> ctypes.CDLL | None:
    """crossentropy.c, compiled; None if that is not possible."""
    return declared(library(Path(__file__).with_name("crossentropy.c")))


def declared(found: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """The library with the types of its two functions' arguments."""
    if found:
        for function in (found.errors, found.errors_bfloat16):
            function.argtypes = [*[c_void_p] * 3, *[c_int64] * 2, ctypes.c_int]
            function.restype = None
    return found
