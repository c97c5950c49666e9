"""The training step: predict every next token, measure, go a little downhill (GPT-2's recipe, as GPT-3's paper
tells it: Brown et al. 2020, appendix B).

B batch, T tokens in a block, V vocabulary.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.train.data import draw_batch


@dataclass(frozen=True)
class TrainSettings:
    """How to train; the defaults suit a small model on a laptop."""

    steps: int = 1000
    batch_size: int = 16
    block_size: int = 128
    learning_rate: float = 1e-3  # the peak, reached after the warm-up
    final_rate: float = 0.1  # the share of the peak that is left at the end
    warmup: int = 100  # steps from zero to the peak
    weight_decay: float = 0.1
    clip: float = 1.0  # the longest gradient allowed
    precision: str = "float32"  # or "bfloat16": products in half the bits, weights and sums in full
    compile: bool = False  # let torch.compile fuse the step: about twice as fast, needs a C++ compiler
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "block_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.warmup < 0:
            raise ValueError(f"warmup must be at least 0, not {self.warmup}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f'precision must be "float32" or "bfloat16", not {self.precision!r}')

    def rate(self, step: int) -> float:
        """The learning rate of a step: a straight line up, then half a cosine down (Loshchilov & Hutter 2017).

        >>> settings = TrainSettings(steps=100, warmup=10, learning_rate=1.0)
        >>> [round(settings.rate(step), 3) for step in (0, 9, 55, 100)]
        [0.1, 1.0, 0.55, 0.1]
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)  # 0 to 1
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * done)) / 2)


class Trainer:
    """A model, its optimizer, and the number of steps done.

    A step's batch and dropout follow from the seed and the step's number alone, so a resumed run draws the same.
    """

    def __init__(self, model: GPT2 | Llama, settings: TrainSettings) -> None:
        self.model, self.settings, self.step = model, settings, 0
        self.device = next(model.parameters()).device
        matrices = [p for p in model.parameters() if p.ndim >= 2]  # pulled towards zero; biases and norms are not
        vectors = [p for p in model.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
        self.loss = torch.compile(next_token_loss) if settings.compile else next_token_loss

    def do_step(self, ids: Tensor) -> float:
        """One step on a batch drawn from ids (N,): returns its loss, in nats per token."""
        settings = self.settings
        seed = (settings.seed * 1_000_003 + self.step) % 2**63
        torch.manual_seed(seed)  # for dropout
        x, y = draw_batch(ids, settings.block_size, settings.batch_size, torch.Generator().manual_seed(seed))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.step)
        self.model.train()
        with autocast(self.device, settings.precision):
            loss = self.loss(self.model, x.to(self.device), y.to(self.device))
        if not loss.isfinite():
            raise ValueError(f"the loss of step {self.step + 1} is {loss.item()}: choose a smaller learning rate")
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return loss.item()


def next_token_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean surprise at the tokens that came, -log p(y), in nats: x and y are (B, T)."""
    logits = model(x)  # (B, T, V)
    return F.cross_entropy(logits.float().flatten(0, 1), y.flatten())


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Products in bfloat16 where that was asked for."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a text."""

    loss: float  # nats per token
    bits_per_byte: float  # comparable between tokenizers


@torch.no_grad()
def evaluate(model: nn.Module, ids: Tensor, n_bytes: int, settings: TrainSettings) -> Scores:
    """The loss over all of ids (N,), cut into blocks of at most T tokens; n_bytes is the length of their text."""
    model.eval()
    device = next(model.parameters()).device
    nats, n_tokens = 0.0, len(ids) - 1
    whole = n_tokens - n_tokens % settings.block_size
    shape = (-1, settings.block_size)
    pairs = [(ids[:whole].view(shape), ids[1 : whole + 1].view(shape))]  # (n_blocks, T) each
    pairs += [(ids[None, whole:-1], ids[None, whole + 1 :])]  # what is left: (1, < T)
    for all_x, all_y in pairs:
        for x, y in zip(all_x.split(settings.batch_size), all_y.split(settings.batch_size), strict=True):
            if y.numel():
                with autocast(device, settings.precision):
                    loss = next_token_loss(model, x.to(device), y.to(device))
                nats += loss.item() * y.numel()
    return Scores(nats / n_tokens, nats / math.log(2) / n_bytes)


def fast_precision(device: torch.device) -> str:
    """ "bfloat16" where the device multiplies it natively, else "float32"."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # no public name yet
    return "bfloat16" if device.type == "cpu" and native() else "float32"
