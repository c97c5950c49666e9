"""The training step's parts in fused kernels, behind the same names: loss, clipping, AdamW.

N tokens of a batch, C channels, V vocabulary, B batch, T tokens in a block.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.fast.choose import fast_form
from minigpt.fast.compared import difference, say_once
from minigpt.fast.native import Native
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train import loss, optimizer

N_LOGITS = 1 << 21  # computed at once by the chunked loss: 8 MB, which stay in the processor's cache
EXACT = 1e-5  # relative difference after three steps in float64; Llama's norms are in float32 even then


class Parts(NamedTuple):
    """What a training step calls: a loss (model, x, y), a clipping (parameters, max_norm), an optimizer's class."""

    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    clip: Callable[..., object]
    optimizer: Callable[..., torch.optim.Optimizer]


class ChunkedCrossEntropy(torch.autograd.Function):
    """The output matrix and the cross-entropy together, a few rows of logits at a time: x (N, C), weight (V, C) and
    targets (N,) -> the sum of -log p(target), in nats.

    The gradient is computed along the way, so that no logits (N, V) are kept for it: by the logits it is p, minus 1 at
    the target.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        narrow = weight.to(dtype)
        by_x, by_weight = torch.empty_like(x), torch.zeros_like(weight)
        nats = torch.zeros((), dtype=wide, device=x.device)
        size = max(128, N_LOGITS // len(weight))
        for rows, wanted, by_rows in zip(x.split(size), targets.split(size), by_x.split(size), strict=True):
            rows = rows.to(dtype)
            log_p = F.log_softmax((rows @ narrow.T).to(wide), dim=-1)  # (rows, V)
            nats -= log_p.gather(1, wanted[:, None]).sum()
            p = log_p.exp_()
            p[torch.arange(len(wanted), device=p.device), wanted] -= 1
            error = p.to(dtype)
            by_rows.copy_(error @ narrow)
            if error.dtype == by_weight.dtype:
                by_weight.addmm_(error.T, rows)  # adds to what is there, without a second matrix (V, C)
            else:
                by_weight += error.T @ rows  # products in half precision, their sum is not
        ctx.save_for_backward(by_x, by_weight)
        return nats

    @staticmethod
    def backward(ctx: Any, *by_nats: Tensor) -> tuple[Tensor, Tensor, None]:
        by_x, by_weight = ctx.saved_tensors
        return by_x.mul_(by_nats[0]), by_weight.mul_(by_nats[0]), None  # in place; PyTorch refuses to do so twice


def fused_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What `next_token_loss` gives; with all logits at once if no gradient is wanted or the compiler fuses them."""
    weight = output_matrix(model)
    if weight is None or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        logits = model(x)  # (B, T, V)
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return F.cross_entropy(wide.flatten(0, 1), y.flatten())
    hidden: Tensor = model.hidden(x)  # type: ignore[operator]
    return ChunkedCrossEntropy.apply(hidden.flatten(0, 1), weight, y.flatten()) / y.numel()


def output_matrix(model: nn.Module) -> Tensor | None:
    """The matrix (V, C) that `unembed` multiplies by, in a decode step perhaps in C; None if it does more."""
    kinds = [kind for kind in type(model).__mro__ if kind is not Native]
    own = next((vars(kind)["unembed"] for kind in kinds if "unembed" in vars(kind)), None)
    if isinstance(model, GPT2) and own is GPT2.unembed:
        return model.wte.weight
    if isinstance(model, Llama) and own is Llama.unembed:
        return (model.embed_tokens if model.config.tied else model.lm_head).weight
    return None


FAST = Parts(fused_loss, nn.utils.clip_grad_norm_, partial(torch.optim.AdamW, fused=True))
SIZES: dict[str, Any] = {"vocab_size": 300, "n_ctx": 8, "n_layer": 1, "n_head": 2, "n_embd": 8, "n_inner": 16}


def fast_parts(plain: bool = False) -> Parts:
    """The fast parts if they do what the plain ones do, else the plain ones, and a line on stderr says so."""
    read = Parts(loss.next_token_loss, optimizer.clip_gradients, optimizer.AdamW)
    code = (loss.cross_entropy, loss.log_softmax, optimizer.AdamW.step, optimizer.AdamW.update)
    models = (GPT2.hidden, GPT2.unembed, GPT2.forward, Llama.hidden, Llama.unembed, Llama.forward)
    return read if plain or not agrees(read, FAST, (*code, *models)) else FAST


@cache
def agrees(read: Parts, fast: Parts, _code: object) -> bool:
    """Whether both do the same to a tiny GPT-2 and a tiny Llama; compared anew when a function is replaced."""
    with torch.inference_mode(False), torch.enable_grad():  # the caller may be in inference mode
        return all(agree_on(model, read, fast) for model in tiny_models())


def agree_on(model: GPT2 | Llama, read: Parts, fast: Parts) -> bool:
    """Whether both do the same to a model; one line says so if they do not."""
    twin = deepcopy(model)
    try:
        off = difference(after_steps(model, model, read), after_steps(twin, fast_form(twin), fast))
    except RuntimeError as error:
        say_once(f"minigpt/fast/training.py fails ({str(error).splitlines()[0]}): the plain form is used")
        return False
    if not off <= EXACT:
        say_once(f"minigpt/fast/training.py differs from minigpt/train by {off:.1e}: the plain form is used")
        return False
    return True


def tiny_models() -> list[GPT2 | Llama]:
    """One of each in float64; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [GPT2(GPT2Config(**SIZES)).double(), Llama(LlamaConfig(n_kv_head=1, **SIZES)).double()]


def after_steps(model: GPT2 | Llama, form: nn.Module, parts: Parts) -> Tensor:
    """Three steps of a model that runs in this form: their losses, and all of its numbers afterwards."""
    found, moving = [], parts.optimizer(optimizer.decay_groups(model, 0.5), lr=0.01)
    for step in range(3):
        ids = torch.arange(18).view(2, 9) * (7 + step) % 300  # (B, T + 1)
        moving.zero_grad()
        nats = parts.loss(form, ids[:, :-1], ids[:, 1:])
        nats.backward()
        parts.clip(model.parameters(), 0.1)
        moving.step()
        found.append(nats.detach()[None])
    return torch.cat(found + [p.detach().flatten() for p in model.parameters()])
