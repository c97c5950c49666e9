"""A run's state: the model, its optimizer and the number of steps done; and how well a model predicts a text.

B batch, T tokens in a block.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minigpt.fast.choose import fast_form
from minigpt.fast.training import fast_parts
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.train.answers import Chats, answer_loss, score_answers
from minigpt.train.data import Ids, draw_batch
from minigpt.train.simple import train_step
from minigpt.train.step import TrainSettings, autocast, make_optimizer

__all__ = ["Scores", "TrainSettings", "Trainer", "evaluate", "fast_precision"]


class Trainer:
    """A model, its optimizer, and the number of steps done.

    A step's batch and dropout follow from the seed and the step's number alone, so a resumed run draws the same. With
    `plain` the model runs as it is read, without its fast form.
    """

    def __init__(self, model: GPT2 | Llama, settings: TrainSettings, plain: bool = False) -> None:
        self.model, self.settings, self.plain, self.step = model, settings, plain, 0
        self.device = next(model.parameters()).device
        self.optimizer = make_optimizer(model, settings, plain)
        self.parts = fast_parts(plain)
        self.loss = self.text_loss = torch.compile(self.parts.loss) if settings.compile else self.parts.loss

    def do_step(self, ids: Ids | Chats) -> float:
        """One step on a batch drawn from ids (N,), or from chats: returns its loss, in nats per token."""
        settings, seed = self.settings, self.settings.step_seed(self.step)
        torch.manual_seed(seed)  # for dropout
        generator = torch.Generator().manual_seed(seed)
        if isinstance(ids, Chats):
            x, y = ids.draw(settings.batch_size, generator)
        else:
            x, y = draw_batch(ids, settings.block_size, settings.batch_size, generator)
        self.loss = answer_loss if isinstance(ids, Chats) else self.text_loss
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.step)
        model, batch = fast_form(self.model.train(), self.plain), (x.to(self.device), y.to(self.device))
        loss = train_step(
            model, self.optimizer, *batch, settings.clip, settings.accumulate, self.checked_loss, self.parts.clip
        )
        self.step += 1
        return loss

    def checked_loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The loss, in the settings' precision; a ValueError where it is no number, before any weight has moved."""
        with autocast(self.device, self.settings.precision):
            loss = self.loss(model, x, y)
        if not loss.isfinite():
            raise ValueError(f"the loss of step {self.step + 1} is {loss.item()}: choose a smaller learning rate")
        return loss


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a text."""

    loss: float  # nats per token
    bits_per_byte: float  # comparable between tokenizers


@torch.no_grad()
def evaluate(
    model: GPT2 | Llama, ids: Tensor | Chats, n_bytes: int, settings: TrainSettings, plain: bool = False
) -> Scores:
    """The loss over all of ids (N,), cut into blocks of at most T tokens, or over all chats; n_bytes is the length of
    their text, or of the answers'."""
    form = fast_form(model.eval(), plain)
    if isinstance(ids, Chats):
        mean, sum_of_nats = score_answers(form, ids, settings)
        return Scores(mean, sum_of_nats / math.log(2) / n_bytes)
    loss_of = fast_parts(plain).loss
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
                    loss = loss_of(form, x.to(device), y.to(device))
                nats += loss.item() * y.numel()
    return Scores(nats / n_tokens, nats / math.log(2) / n_bytes)


def fast_precision(device: torch.device) -> str:
    """ "bfloat16" where the device multiplies it natively, else "float32"."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # no public name yet
    return "bfloat16" if device.type == "cpu" and native() else "float32"
