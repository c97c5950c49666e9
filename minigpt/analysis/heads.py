"""What a head does: where it looks on a repeated random text, and what is lost without it.

B batch, T tokens, L layers, H heads, V vocabulary.
"""

import torch
from torch import Tensor

from minigpt.analysis.activations import patch, record
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.train.step import next_token_loss


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


def induction_scores(maps: Tensor) -> Tensor:
    """How much each head looks at what followed the last time, on a text of two equal halves: attention maps
    (L, H, T, T) -> (L, H), from 0 to 1 (Olsson et al. 2022, "In-context learning and induction heads").

    A token of the second half, T/2 after its first appearance, is to look at T/2 - 1 before itself.
    """
    half = maps.shape[-1] // 2
    return maps.diagonal(1 - half, dim1=-2, dim2=-1)[..., 1:].mean(dim=-1)  # without the last of the first half


def repeated(model: GPT2 | Llama, n: int = 24, seed: int = 0) -> Tensor:
    """A random text of n tokens, twice: ids (1, 2n); what follows can be known from the first half alone."""
    n = min(n, model.config.n_ctx // 2)
    half = torch.randint(model.config.vocab_size, (1, n), generator=torch.Generator().manual_seed(seed))
    return torch.cat((half, half), dim=1).to(next(model.parameters()).device)


@torch.no_grad()
def ablation_scores(model: GPT2 | Llama, ids: Tensor) -> Tensor:
    """How much worse the model foretells a text without each head: ids (B, T) -> (L, H), nats per token more.

    A head is knocked out by setting what it hands on to zero.
    """
    n_layer, n_head = model.config.n_layer, model.config.n_head
    scores = torch.zeros(n_layer, n_head)
    whole = loss(model, ids)
    for i in range(n_layer):
        for j in range(n_head):
            with patch(model, {f"h.{i}.attn.heads[:, {j}]": 0}):
                scores[i, j] = loss(model, ids) - whole
    return scores


def loss(model: GPT2 | Llama, ids: Tensor) -> float:
    """The mean cross-entropy of a text's tokens after the first, in nats: ids (B, T)."""
    return next_token_loss(model, ids[:, :-1], ids[:, 1:]).item()
