"""Instruction tuning (Ouyang et al. 2022, section 3.5): a model learns from chats, by the loss on the answers.

What the user says is read but not learnt: every token of it has the target NO_LOSS. `chats.py` makes the ids.
B chats, T tokens of the longest one, N tokens of answers, C channels, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minigpt.train.loss import log_softmax
from minigpt.train.step import TrainSettings, autocast

SPREAD = 8
NO_LOSS = -100  # the target of a token that is not learnt, as torch's cross_entropy and transformers' labels have it


@dataclass(frozen=True)
class Chat:
    """One conversation as ids, and which of them are learnt: the answers, each with its end token."""

    ids: list[int]
    learnt: list[bool]  # one for each id


@dataclass(frozen=True)
class Chats:
    """Conversations to draw batches from, in place of a text's ids. The length is that of all ids."""

    chats: Sequence[Chat]

    def __len__(self) -> int:
        return sum(len(chat.ids) for chat in self.chats)

    @property
    def mean_length(self) -> int:
        """The mean number of tokens in a chat."""
        return max(1, round(len(self) / len(self.chats)))

    def first(self) -> tuple[list[int], int]:
        """The ids of the first chat up to its first answer, and that answer's end token."""
        ids, learnt = self.chats[0].ids, self.chats[0].learnt
        start = learnt.index(True)
        return ids[:start], ids[[*learnt, False].index(False, start) - 1]

    def draw(self, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x and y of B chats, see `batch_of`: neighbours by length among SPREAD times as many, so that little of
        the batch is padding. A chat may be drawn twice."""
        drawn = torch.randint(len(self.chats), (SPREAD * batch_size,), generator=generator)
        ordered = sorted(drawn.tolist(), key=lambda i: len(self.chats[i].ids))
        start = batch_size * int(torch.randint(SPREAD, (), generator=generator))
        return batch_of([self.chats[i] for i in ordered[start : start + batch_size]])

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All chats once, those of about the same length together."""
        ordered = sorted(self.chats, key=lambda chat: len(chat.ids))
        for start in range(0, len(ordered), batch_size):
            yield batch_of(ordered[start : start + batch_size])


def batch_of(chats: Sequence[Chat]) -> tuple[Tensor, Tensor]:
    """x and y, (B, T) int64 each: y[b, t] is the token after x[b, t] where that is learnt, else NO_LOSS.

    Shorter chats are padded on the right: no token looks there, as attention is causal, and nothing there is learnt.
    Two chats never share a row, so no chat sees another.

    >>> x, y = batch_of([Chat([7, 8, 9, 0], [False, False, True, True]), Chat([7, 5], [False, True])])
    >>> x.tolist(), y.tolist()
    ([[7, 8, 9], [7, 0, 0]], [[-100, 9, 0], [5, -100, -100]])
    """
    x = torch.zeros(len(chats), max(len(chat.ids) for chat in chats) - 1, dtype=torch.int64)  # (B, T)
    y = torch.full_like(x, NO_LOSS)
    for row, chat in enumerate(chats):
        ids, learnt = torch.tensor(chat.ids), torch.tensor(chat.learnt)
        x[row, : len(ids) - 1] = ids[:-1]
        y[row, : len(ids) - 1] = ids[1:].where(learnt[1:], NO_LOSS)
    return x, y


def answer_nats(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """-log p of every learnt token, in nats: x and y (B, T) -> (N,), row by row. No other logits are computed."""
    learnt = y != NO_LOSS  # (B, T)
    hidden: Tensor = model.hidden(x)[learnt]  # type: ignore[operator]  # (N, C)
    logits: Tensor = model.unembed(hidden)  # type: ignore[operator]  # (N, V)
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return -log_softmax(wide).gather(-1, y[learnt][:, None])[:, 0]  # (N,)


def answer_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean over the chats of each one's mean -log p of its learnt tokens, in nats; x and y are (B, T).

    So a short answer counts as much as a long one, and the parts of a batch, or the processes that share it, add up to
    the same step. The mean over all tokens, as transformers' Trainer takes it, is the same where a batch is one chat.
    """
    learnt = y != NO_LOSS  # (B, T)
    shares = learnt / learnt.sum(dim=1, keepdim=True)  # (B, T), each row's sum is 1
    return (answer_nats(model, x, y) * shares[learnt]).sum() / len(x)


@torch.no_grad()
def score_answers(model: nn.Module, chats: Chats, settings: TrainSettings) -> tuple[float, float]:
    """The loss over all chats, and the sum of -log p of all their learnt tokens, both in nats."""
    device = next(model.parameters()).device
    losses, nats = 0.0, 0.0
    for x, y in chats.batches(settings.batch_size):
        with autocast(device, settings.precision):
            found = answer_nats(model, x.to(device), y.to(device)).cpu()
        learnt = y != NO_LOSS
        nats += found.sum().item()
        losses += (found * (learnt / learnt.sum(dim=1, keepdim=True))[learnt]).sum().item()
    return losses / len(chats.chats), nats
