"""From logits to the next token: temperature and filters, softmax, a draw; or just the most likely token (lesson 09).

Every filter is a pure function on scores (B, V) that sets those it drops to -inf. Their order is that of transformers:
penalties and bans (`constraints`), temperature, top-k, top-p, min-p, and rarer ones (`cutoffs`). B batch, V vocabulary.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from minigpt.generation.constraints import process
from minigpt.generation.constraints import repetition_penalty as repetition_penalty
from minigpt.generation.cutoffs import cut_off, top_h
from minigpt.generation.noise import uniform
from minigpt.generation.settings import Settings
from minigpt.models.layers import softmax

Sample = Callable[[Tensor, Sequence[Sequence[int]], Settings, Tensor, Tensor], Tensor]  # what `sample` is


def sample(logits: Tensor, ids: Sequence[Sequence[int]], settings: Settings, keys: Tensor, steps: Tensor) -> Tensor:
    """The next token of each sequence: logits (B, V) -> ids (B,), greedy or drawn as the settings say.

    `ids` are the tokens that each sequence has so far; `keys` and `steps` (B,) determine its random numbers.
    """
    scores = process(in_float32(logits), ids, settings, steps)  # (B, V)
    if not settings.samples:
        return scores.argmax(dim=-1)
    probs = softmax(filter_candidates(scores, settings).cpu().double())  # (B, V)
    everything = torch.arange(logits.shape[-1]).expand(probs.shape)  # (B, V)
    return draw(probs, uniform(keys, steps, everything)).to(logits.device)


def in_float32(logits: Tensor) -> Tensor:
    """Half-precision logits in float32, so that no filter rounds them further; other types unchanged."""
    return logits if logits.dtype == torch.float64 else logits.float()


def draw(probs: Tensor, numbers: Tensor) -> Tensor:
    """One token per row: probs (B, V) and random numbers between 0 and 1 (B, V) -> ids (B,).

    Each token waits for -log(number) / p, a time that is short where p is large; the first to arrive is drawn: token i
    with probability p_i. torch.multinomial runs the same exponential race; in logarithms it is the Gumbel-max trick.
    """
    return (probs / -numbers.log()).argmax(dim=-1)  # the shortest wait is the largest inverse


def filter_candidates(scores: Tensor, settings: Settings) -> Tensor:
    """The temperature, then each filter that is switched on: scores (B, V) -> (B, V), -inf where dropped."""
    scores = scores / settings.temperature
    if settings.top_h:
        scores = top_h(scores, settings.top_h)
    if settings.top_k:
        scores = top_k(scores, settings.top_k)
    if settings.top_p < 1:
        scores = top_p(scores, settings.top_p)
    if settings.min_p:
        scores = min_p(scores, settings.min_p)
    return cut_off(scores, settings)


def top_k(scores: Tensor, k: int) -> Tensor:
    """Keeps the k best, and any ties with the k-th (Fan et al. 2018, section 5.4; transformers' TopKLogitsWarper).

    >>> top_k(torch.tensor([1.0, 3.0, 2.0]), 2).tolist()
    [-inf, 3.0, 2.0]
    """
    kth = scores.topk(min(k, scores.shape[-1])).values[..., -1:]  # (B, 1)
    return scores.masked_fill(scores < kth, -math.inf)


def top_p(scores: Tensor, p: float) -> Tensor:
    """Nucleus sampling: keeps the fewest best tokens that together reach probability p (Holtzman et al. 2020, section
    3.1; transformers' TopPLogitsWarper).

    >>> top_p(torch.tensor([0.2, 0.5, 0.3]).log(), 0.6).isinf().tolist()  # 0.5 falls short of 0.6, so 0.3 stays too
    [True, False, False]
    """
    ordered, order = softmax(scores).sort(descending=True)  # (B, V) each
    drop = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order, ~nucleus(ordered, p))  # (B, V)
    return scores.masked_fill(drop, -math.inf)


def nucleus(ordered: Tensor, p: float) -> Tensor:
    """Which of the probabilities (B, V), best first, stay: those before which the sum is below p, and always the first.

    A sum that falls short of p by rounding alone counts as reaching it: 0.5 + 0.3 is 0.8.
    """
    reached = ordered.cumsum(dim=-1) >= p * (1 - 3 * torch.finfo(ordered.dtype).eps)
    first = torch.ones_like(reached[..., :1])
    return torch.cat((first, ~reached[..., :-1]), dim=-1)


def min_p(scores: Tensor, share: float) -> Tensor:
    """Keeps tokens with at least `share` of the best one's probability (Nguyen et al. 2024; MinPLogitsWarper)."""
    return scores.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + math.log(share), -math.inf)
