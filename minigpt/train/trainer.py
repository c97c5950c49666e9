"""A run's state: the model, its optimizer and the number of steps done; and how well a model predicts a text.

B batch, T tokens in a block.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.fast.choose import fast_form
from minigpt.fast.fused import multiplies_bfloat16
from minigpt.fast.training import fast_parts
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.train import processes
from minigpt.train.answers import Chats, answer_loss, score_answers
from minigpt.train.data import Ids, Texts, draw_batch
from minigpt.train.lora import merged
from minigpt.train.simple import train_step
from minigpt.train.state import state_of
from minigpt.train.step import TrainSettings, autocast, make_optimizer

__all__ = ["Scores", "TrainSettings", "Trainer", "evaluate", "fast_precision"]


class Trainer:
    """A model, its optimizer, and the number of steps done.

    A step's batch and dropout follow from the seed and the step's number alone, so a resumed run draws the same. With
    `plain` the model runs as it is read, without its fast form. Where torchrun has started several processes, each
    computes its share of every batch, see `processes`; with `shard` each also holds a part of the model only.
    Raises ValueError where a batch has no equal shares.
    """

    def __init__(self, model: GPT2 | Llama, settings: TrainSettings, plain: bool = False, shard: bool = False) -> None:
        self.model, self.settings, self.plain, self.step = model, settings, plain, 0
        self.device = next(model.parameters()).device
        self.parts = fast_parts(plain)
        self.loss = self.text_loss = torch.compile(self.parts.loss) if settings.compile else self.parts.loss
        self.n_processes, self.shard = processes.count(), shard
        check_shares(settings, self.n_processes, shard)
        self.all: nn.Module | None = None
        if self.n_processes > 1:
            self.all = processes.spread(model, self.loss_of_form, shard)
        self.optimizer = make_optimizer(model, settings, plain)

    def do_step(self, data: Ids | Chats) -> float:
        """One step on a batch drawn from ids (N,), or from chats: returns its loss, in nats per token."""
        settings, seed = self.settings, self.settings.step_seed(self.step)
        torch.manual_seed(seed + processes.rank())  # for dropout, which differs between processes
        x, y = (processes.share(part) for part in self.draw(data, torch.Generator().manual_seed(seed)))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.step)
        batch = (x.to(self.device), y.to(self.device))
        model, self.loss = self.model.train(), answer_loss if isinstance(data, Chats) else self.text_loss
        loss = train_step(
            model, self.optimizer, *batch, settings.clip, settings.accumulate, self.checked_loss, self.parts.clip
        )
        self.step += 1
        return processes.mean(loss)

    def draw(self, data: Ids | Chats, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The batch of a step, x and y, (B, T) each."""
        if isinstance(data, Chats):
            return data.draw(self.settings.batch_size, generator)
        return draw_batch(data, self.settings.block_size, self.settings.batch_size, generator)

    def checked_loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The loss, in the settings' precision; ValueError if it is not finite, before any weight has changed."""
        with autocast(self.device, self.settings.precision):
            loss: Tensor = self.all(x, y) if self.all else self.loss_of_form(model, x, y)
        value = processes.mean(loss.item()) if self.all else loss.detach()
        if not math.isfinite(value):
            raise ValueError(f"the loss of step {self.step + 1} is {loss.item()}: choose a smaller learning rate")
        return loss

    def loss_of_form(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The loss of the model in its fastest form; with FSDP2, whose hooks need it, in the plain form."""
        return self.loss(fast_form(model, self.plain), x, y)  # type: ignore[type-var]

    def evaluate(self, texts: Texts) -> "Scores":
        """How well the model predicts the validation text: the same in every process."""
        ids, n_bytes = texts.validation, texts.validation_bytes
        scores = evaluate(self.model, ids, n_bytes, self.settings, self.plain, self.all if self.shard else None)
        return Scores(processes.mean(scores.loss), processes.mean(scores.bits_per_byte))

    def state(self) -> dict[str, Any]:
        """What resuming the run needs, see `state_of`. All processes call this."""
        return state_of(self.model, self.optimizer, self.step)

    def whole(self) -> GPT2 | Llama:
        """The model as it is written: LoRA merged; all of it, where each process holds a part. All processes call
        this."""
        if not self.shard:
            return merged(self.model)
        with torch.device("meta"):
            model = type(self.model)(self.model.config)  # type: ignore[arg-type]
        model.load_state_dict(processes.gathered(self.model.state_dict()), assign=True)
        return model


def check_shares(settings: TrainSettings, n: int, shard: bool) -> None:
    """Check that n processes can share each batch, and the model with `shard`; raises ValueError if they cannot."""
    if shard and settings.optimizer == "muon":
        raise ValueError("--optimizer muon needs whole matrices, and --shard divides them: leave one of them out")
    if shard and n == 1:
        raise ValueError("--shard spreads a model over processes: start torchrun --nproc-per-node N, or leave it out")
    if settings.batch_size % n:
        told = f"a batch of {settings.batch_size} blocks (--batch-size) has no {n} equal shares for {n} processes"
        raise ValueError(f"{told}: give a multiple of {n}")
    if settings.accumulate * n > settings.batch_size:
        blocks = f"the {settings.batch_size // n} blocks of each of the {n} processes"
        raise ValueError(f"accumulate (--accumulate) is {settings.accumulate}, more than {blocks}: give less")


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a text."""

    loss: float  # nats per token
    bits_per_byte: float  # comparable between tokenizers


@torch.no_grad()
def evaluate(
    model: GPT2 | Llama,
    ids: Tensor | Chats,
    n_bytes: int,
    settings: TrainSettings,
    plain: bool = False,
    loss_of: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Scores:
    """The loss over all of ids (N,), cut into blocks of at most T tokens, or over all chats; n_bytes is the length of
    their text, or of the answers'."""
    model.eval()
    if isinstance(ids, Chats):
        mean, sum_of_nats = score_answers(fast_form(model, plain), ids, settings)
        return Scores(mean, sum_of_nats / math.log(2) / n_bytes)
    loss_of = loss_of or partial(fast_parts(plain).loss, fast_form(model, plain))
    device = next(model.parameters()).device
    nats, n_tokens = 0.0, len(ids) - 1
    whole = n_tokens - n_tokens % settings.block_size
    shape = (-1, settings.block_size)
    pairs = [(ids[:whole].view(shape), ids[1 : whole + 1].view(shape))]  # (n_blocks, T) each
    pairs += [(ids[None, whole:-1], ids[None, whole + 1 :])]  # the rest: (1, < T)
    for all_x, all_y in pairs:
        for x, y in zip(all_x.split(settings.batch_size), all_y.split(settings.batch_size), strict=True):
            if y.numel():
                with autocast(device, settings.precision):
                    loss = loss_of(x.to(device), y.to(device))
                nats += loss.item() * y.numel()
    return Scores(nats / n_tokens, nats / math.log(2) / n_bytes)


def fast_precision(device: torch.device) -> str:
    """ "bfloat16" where the device multiplies it natively, else "float32"."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and multiplies_bfloat16() else "float32"
