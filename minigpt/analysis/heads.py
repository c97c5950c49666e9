"""What a head does: where it looks in a text or in a random one that repeats, and what is lost without it.

B batch, T tokens, L layers, H heads, V vocabulary.
"""

from copy import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.analysis.activations import patch, record
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.train.step import next_token_loss

TOKENS_AT_ONCE = 512  # whose logits are held in memory at once while heads are knocked out


def head_scores(model: GPT2 | Llama, ids: Tensor, score: str) -> Tensor:
    """One number for each head, ids (1, T) -> (L, H): attention to the "previous" or the "first" token, the
    "induction" score on a random text that repeats, in place of `ids`, "entropy" in bits, or "ablation" in nats.

    Raises ValueError for a text of one token, in which there is nowhere else to look.
    """
    if ids.shape[1] < 2 and score != "induction":
        raise ValueError("a text of 1 token leaves a head no choice where to look: give a longer one")
    if score == "ablation":
        return ablation_scores(model, ids)
    if score == "induction":
        return induction_scores(attention_maps(model, repeated(model)))
    of_maps = {"previous": previous_token_scores, "first": first_token_scores, "entropy": attention_entropy}
    return of_maps[score](attention_maps(model, ids))


@torch.no_grad()
def attention_maps(model: GPT2 | Llama, ids: Tensor) -> Tensor:
    """The attention weights of all heads for a text, ids (1, T) -> (L, H, T, T); each row sums to 1.

    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=2, n_head=1, n_embd=2))
    >>> attention_maps(model, torch.tensor([[1, 2, 3]])).shape
    torch.Size([2, 1, 3, 3])
    """
    with record(model, "h.*.attn.weights") as seen:
        model.hidden(ids)
    return torch.stack([weights[0] for weights in seen.values()])


def previous_token_scores(maps: Tensor) -> Tensor:
    """How much each head looks at the token before, on average: attention maps (L, H, T, T) -> (L, H), from 0 to 1."""
    return maps.diagonal(-1, dim1=-2, dim2=-1).mean(dim=-1)


def first_token_scores(maps: Tensor) -> Tensor:
    """How much each head looks at the text's first token, on average over the others: attention maps (L, H, T, T) ->
    (L, H), from 0 to 1. Heads that find nothing look there (Xiao et al. 2023, "attention sinks")."""
    return maps[..., 1:, 0].mean(dim=-1)


def attention_entropy(maps: Tensor) -> Tensor:
    """How widely each head spreads its attention, on average over the tokens after the first, which has no choice:
    attention maps (L, H, T, T) -> (L, H), in bits, from 0, one token, to log2(T), all alike.

    >>> attention_entropy(torch.tensor([[[[1, 0], [0.5, 0.5]]]]))
    tensor([[1.]])
    """
    return -maps.xlogy(maps).sum(dim=-1)[..., 1:].mean(dim=-1) / torch.tensor(2.0).log()


def induction_scores(maps: Tensor) -> Tensor:
    """How much each head looks at the token that followed last time, on a text of two equal halves: attention maps
    (L, H, T, T) -> (L, H), from 0 to 1 (Olsson et al. 2022, "In-context learning and induction heads").

    A token of the second half, T/2 after its first appearance, should look T/2 - 1 tokens back.
    """
    half = maps.shape[-1] // 2
    return maps.diagonal(1 - half, dim1=-2, dim2=-1)[..., 1:].mean(dim=-1)  # without the last of the first half


def repeated(model: GPT2 | Llama, n: int = 24, seed: int = 0) -> Tensor:
    """A random text of n tokens, twice: ids (1, 2n); the second half can be predicted from the first alone."""
    n = min(n, model.config.n_ctx // 2)
    half = torch.randint(model.config.vocab_size, (1, n), generator=torch.Generator().manual_seed(seed))
    return torch.cat((half, half), dim=1).to(next(model.parameters()).device)


@torch.no_grad()
def ablation_scores(model: GPT2 | Llama, ids: Tensor) -> Tensor:
    """How much worse the model predicts a text without each head: ids (B, T) -> (L, H), added nats per token.

    A head is knocked out by setting its output to zero. The heads of a layer are knocked out side by side in one
    batch, which starts from the residual stream before their block: what comes before is the same without them.
    """
    n_layer, n_head = model.config.n_layer, model.config.n_head
    with record(model, [f"h.{i}.in" for i in range(n_layer)]) as seen:
        whole = loss(model, ids)
    at_once = max(1, TOKENS_AT_ONCE // ids.numel())
    rows = [
        torch.cat([losses_without(model, ids, i, seen[f"h.{i}.in"], some) for some in in_groups(n_head, at_once)])
        for i in range(n_layer)
    ]
    return torch.stack(rows).cpu() - whole


def in_groups(n: int, at_once: int) -> list[list[int]]:
    """The numbers below n in groups.

    >>> in_groups(5, 2)
    [[0, 1], [2, 3], [4]]
    """
    return [list(range(start, min(n, start + at_once))) for start in range(0, n, at_once)]


def losses_without(model: GPT2 | Llama, ids: Tensor, layer: int, stream: Tensor, heads: list[int]) -> Tensor:
    """The loss of ids (B, T) without each of the heads of a layer, (heads,), given the stream (B, T - 1, C) before it.

    The model that runs consists of the same blocks from that layer on.
    """
    b, rest = len(ids), copy(model)
    blocks = "h" if isinstance(model, GPT2) else "layers"
    rest._modules = {**model._modules, blocks: getattr(model, blocks)[layer:]}
    changes: dict[str, float | Tensor] = {"h.0.in": stream.repeat(len(heads), 1, 1)}
    changes |= {f"h.0.attn.heads[{n * b}:{(n + 1) * b}, {head}]": 0.0 for n, head in enumerate(heads)}
    many = ids.repeat(len(heads), 1)  # (heads · B, T)
    with patch(rest, changes):
        logits = rest(many[:, :-1])  # (heads · B, T - 1, V)
    losses = F.cross_entropy(logits.float().flatten(0, 1), many[:, 1:].flatten(), reduction="none")
    return losses.unflatten(0, (len(heads), -1)).mean(dim=1)


def loss(model: GPT2 | Llama, ids: Tensor) -> float:
    """The mean cross-entropy of a text's tokens after the first, in nats: ids (B, T)."""
    return next_token_loss(model, ids[:, :-1], ids[:, 1:]).item()
