"""From logits to the next token: filters on the scores, then the best one or a draw.

Every filter is a pure function on scores (..., V) that sets what it drops to -inf. Their order is that of transformers:
repetition penalty, temperature, top-k, top-p, min-p. B rows, V vocabulary, K candidates.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from minigpt.generation.settings import Settings

N_BEST = (256, 4096)  # filters look at so many best tokens first, and at all where these do not suffice
GOLDEN, MIX_1, MIX_2 = (c - 2**64 for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def repetition_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Tokens `seen` (B, V) lose: positive logits are divided, negative multiplied (Keskar et al. 2019, section 4.1).

    >>> repetition_penalty(torch.tensor([2.0, -2.0, 3.0]), torch.tensor([True, True, False]), 2.0).tolist()
    [1.0, -4.0, 3.0]
    """
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def top_k(scores: Tensor, k: int) -> Tensor:
    """Keeps the k best, and what equals the k-th (Fan et al. 2018, section 5.4; transformers' TopKLogitsWarper).

    >>> top_k(torch.tensor([1.0, 3.0, 2.0]), 2).tolist()
    [-inf, 3.0, 2.0]
    """
    kth = scores.topk(min(k, scores.shape[-1])).values[..., -1:]  # (..., 1)
    return scores.masked_fill(scores < kth, -math.inf)


def top_p(scores: Tensor, p: float, total: Tensor | None = None) -> Tensor:
    """Keeps the fewest best tokens that together reach probability p, at least one (Holtzman et al. 2020, section 3.1).

    A token stays if those better than it have not reached p yet (transformers' TopPLogitsWarper). `total` (..., 1) is
    the logsumexp of all scores, where `scores` holds only the best of them.

    >>> top_p(torch.tensor([0.2, 0.5, 0.3]).log(), 0.6).isinf().tolist()  # 0.5 falls short of 0.6, so 0.3 stays too
    [True, False, False]
    """
    ordered, order = scores.sort(descending=True)  # (..., V) each
    total = scores.logsumexp(-1, keepdim=True) if total is None else total  # (..., 1)
    probs = (ordered - total).exp()
    better = probs.cumsum(-1) - probs  # the probability of all tokens before this one
    drop = better >= p
    drop[..., 0] = False
    return scores.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)


def min_p(scores: Tensor, share: float) -> Tensor:
    """Keeps tokens with at least `share` of the best one's probability (Nguyen et al. 2024; MinPLogitsWarper).

    >>> min_p(torch.tensor([0.6, 0.3, 0.1]).log(), 0.4).isinf().tolist()
    [False, False, True]
    """
    return scores.masked_fill(scores < scores.amax(-1, keepdim=True) + math.log(share), -math.inf)


def filtered(scores: Tensor, settings: Settings, total: Tensor | None = None) -> Tensor:
    """Top-k, top-p and min-p, those of them that are on: scores (..., V) -> (..., V). See `top_p` for `total`."""
    if settings.top_k:
        scores, total = top_k(scores, settings.top_k), None
    if settings.top_p < 1:
        scores = top_p(scores, settings.top_p, total)
    if settings.min_p:
        scores = min_p(scores, settings.min_p)
    return scores


def candidates(scores: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """What the filters leave of scores (B, V): scores and ids, both (B, K), -inf where dropped.

    Sorting a vocabulary is slow, so the filters see its N_BEST best tokens first; if the last of those survives in
    some row, or equals the k-th, then tokens beyond might as well, and the filters see more.
    """
    k = settings.top_k
    if k or settings.top_p < 1 or settings.min_p:
        for n in N_BEST:
            if k < n < scores.shape[-1]:
                best, ids = scores.topk(n)  # (B, K) each, best first
                tied = k and (best[:, k - 1] == best[:, -1]).any()
                kept = filtered(best, settings, scores.logsumexp(-1, keepdim=True))
                if kept[:, -1].isinf().all() and not tied:
                    return kept, ids
        scores = filtered(scores, settings)
    return scores, torch.arange(scores.shape[-1], device=scores.device).expand(scores.shape)


def mix(x: Tensor) -> Tensor:
    """A number scrambled beyond recognition: int64 to int64, one to one (SplitMix64; Steele et al. 2014, figure 16)."""
    x = (x ^ (x >> 30 & (1 << 34) - 1)) * MIX_1
    x = (x ^ (x >> 27 & (1 << 37) - 1)) * MIX_2
    return x ^ (x >> 31 & (1 << 33) - 1)


def row_key(seed: int, sequence: int, prompt: Sequence[int]) -> Tensor:
    """A row's key, a single int64: from the seed, its number among the sequences of its prompt, and the prompt.

    >>> row_key(1, 0, [5, 6]) == row_key(1, 0, [5, 6]), row_key(1, 0, [5, 6]) == row_key(1, 0, [6, 5])
    (tensor(True), tensor(False))
    """
    numbers = torch.tensor([seed % 2**63, sequence, *prompt])
    places = torch.arange(len(numbers))
    return mix(mix(mix(numbers * GOLDEN) + places * GOLDEN).sum())


def gumbel(keys: Tensor, step: Tensor, ids: Tensor) -> Tensor:
    """Gumbel noise (B, K) for tokens `ids` (B, K) of rows with `keys` (B,) at their `step` (B,).

    It has no state: the same key, step and token always give the same noise, whatever else is in the batch.
    """
    start = mix(keys + step * GOLDEN)[:, None]  # (B, 1)
    bits = mix(start + (ids + 1) * GOLDEN) >> 11 & (1 << 53) - 1  # (B, K)
    uniform = (bits.double() + 0.5) * 2.0**-53  # strictly between 0 and 1
    return -(-uniform.log()).log()


def pick(logits: Tensor, settings: Settings, keys: Tensor, step: Tensor, seen: Tensor | None = None) -> Tensor:
    """The next token of each row: logits (B, V) -> ids (B,). `keys` and `step` (B,) name the noise; see `gumbel`.

    A draw is the best token after Gumbel noise has been added to the scores: token i wins with its probability
    (Gumbel 1954, the Gumbel-max trick). A row's logits differ in their last bits when other rows are in the batch;
    that changes this pick only where the two best of them are that close, a walk along the summed probabilities more.

    >>> key, step = row_key(7, 0, [1, 2])[None], torch.tensor([0])
    >>> logits = torch.tensor([[0.0, 9.0, 1.0]])
    >>> pick(logits, Settings(), key, step).tolist(), pick(logits, Settings(temperature=1), key, step).tolist()
    ([1], [1])
    """
    if seen is not None:
        logits = repetition_penalty(logits, seen, settings.repetition_penalty)
    if not settings.samples:
        return logits.argmax(-1)
    scores, ids = candidates(logits / settings.temperature, settings)
    scores, ids = scores.cpu().double(), ids.cpu()  # (B, K) each; noise is the same on every device
    winner = (scores + gumbel(keys, step, ids)).argmax(-1, keepdim=True)  # (B, 1)
    return ids.gather(1, winner)[:, 0].to(logits.device)
