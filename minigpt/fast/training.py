"""The training step's parts in fused kernels, behind the same names: loss, clipping, AdamW.

C channels, V vocabulary, B batch, T tokens in a block.
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
from minigpt.fast.crossentropy import ChunkedCrossEntropy
from minigpt.fast.native import Native
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train import loss, optimizer

EXACT = 1e-5  # relative difference after three steps in float64; Llama's norms are in float32 even then


class Parts(NamedTuple):
    """What a training step calls: a loss (model, x, y), a clipping (parameters, max_norm), an optimizer's class."""

    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    clip: Callable[..., object]
    optimizer: Callable[..., torch.optim.Optimizer]


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
