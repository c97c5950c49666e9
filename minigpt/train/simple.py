"""The whole of training: draw a batch, predict, measure, find the gradients, clip them, move the weights (lesson 14).

Every run is trained by `train_step`; `Trainer` only names the faster forms of the same three parts. B batch, T tokens.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from minigpt.train.data import Ids, draw_batch
from minigpt.train.loss import next_token_loss
from minigpt.train.optimizer import clip_gradients
from minigpt.train.step import TrainSettings, make_optimizer

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def train(model: nn.Module, ids: Ids, settings: TrainSettings) -> Iterator[float]:
    """Train on a text's ids (N,), which may be a memory-mapped array; yields the loss of each step."""
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, settings, plain=True)  # AdamW by hand, or Muon
    for step in range(settings.steps):
        seed = settings.step_seed(step)
        torch.manual_seed(seed)  # for dropout
        x, y = draw_batch(ids, settings.block_size, settings.batch_size, torch.Generator().manual_seed(seed))
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(step)
        yield train_step(model.train(), optimizer, x.to(device), y.to(device), settings.clip, settings.accumulate)


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    clip: float = 1.0,
    n_parts: int = 1,
    loss_of: Loss = next_token_loss,
    clip_by: Callable[..., object] = clip_gradients,
) -> float:
    """One step on a batch, x and y (B, T): returns its loss before the step, in nats per token.

    The batch may be computed in parts, whose gradients add up to the batch's: gradient accumulation, which takes as
    long but only the memory of one part.
    """
    optimizer.zero_grad()  # backward() adds to what is there
    shares = []
    for x_part, y_part in zip(x.chunk(n_parts), y.chunk(n_parts), strict=True):
        loss = loss_of(model, x_part, y_part) * (len(x_part) / len(x))  # its share of the batch's mean
        loss.backward()
        shares.append(loss.detach())
    clip_by(model.parameters(), clip)
    optimizer.step()
    return torch.stack(shares).sum().item()
