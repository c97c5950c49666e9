"""Rarer filters for sampling, beside top-k, top-p and min-p: pure functions on scores (B, V), -inf where dropped.

Each keeps at least the best token and equals one of transformers' logits warpers. B batch, V vocabulary.
"""

import math

import torch
from torch import Tensor

from minigpt.generation.settings import Settings

MOST_OF_TOP_H = 100  # top-h looks at this many best tokens, as in transformers


def top_h(scores: Tensor, share: float) -> Tensor:
    """Keeps the best tokens whose parts of the entropy sum up to `share` of it (TopHLogitsWarper).

    >>> top_h(torch.tensor([[0.5, 0.25, 0.25]]).log(), 0.4).isinf().tolist()
    [[False, True, True]]
    """
    best, tokens = scores.topk(min(MOST_OF_TOP_H, scores.shape[-1]))  # (B, K) each
    parts = torch.special.entr(best.softmax(-1))  # (B, K): -p log p
    keep = parts.cumsum(-1) <= share * parts.sum(-1, keepdim=True)
    keep[..., 0] = True
    return scores.masked_fill(~torch.zeros_like(scores, dtype=torch.bool).scatter(-1, tokens, keep), -math.inf)


def typical_p(scores: Tensor, mass: float) -> Tensor:
    """Locally typical sampling: keeps the tokens whose surprisal is nearest to the entropy, up to this mass together
    (Meister et al. 2023, section 3; TypicalLogitsWarper).
    """
    logprobs = scores.log_softmax(-1)  # (B, V)
    probs = logprobs.exp()
    distance = (logprobs + torch.special.entr(probs).sum(-1, keepdim=True)).abs()
    nearest, order = distance.sort()
    reached = probs.gather(-1, order).cumsum(-1) < mass  # (B, V): not yet
    last = reached.sum(-1, keepdim=True).clamp(max=scores.shape[-1] - 1)
    drop = distance > nearest.gather(-1, last)  # (B, V)
    return scores.masked_fill(drop.scatter(-1, order[..., :1], False), -math.inf)


def epsilon_cutoff(scores: Tensor, epsilon: float) -> Tensor:
    """Keeps tokens of at least this probability (Hewitt et al. 2022, section 4.1; EpsilonLogitsWarper)."""
    return drop_below(scores, torch.tensor(epsilon, device=scores.device))


def eta_cutoff(scores: Tensor, epsilon: float) -> Tensor:
    """Keeps tokens of at least probability min(epsilon, sqrt(epsilon) exp(-entropy)), which a flat distribution lowers
    (Hewitt et al. 2022, section 4.2; EtaLogitsWarper).
    """
    entropy = torch.special.entr(scores.softmax(-1)).sum(-1, keepdim=True)  # (B, 1)
    return drop_below(scores, (math.sqrt(epsilon) * (-entropy).exp()).clamp(max=epsilon))


def drop_below(scores: Tensor, least: Tensor) -> Tensor:
    """Keeps tokens with at least this probability, and always the best."""
    drop = (scores.softmax(-1) < least) & (scores < scores.amax(-1, keepdim=True))
    return scores.masked_fill(drop, -math.inf)


def cut_off(scores: Tensor, settings: Settings) -> Tensor:
    """Typical, epsilon and eta sampling, whichever are on, in the order of transformers."""
    if settings.typical_p < 1:
        scores = typical_p(scores, settings.typical_p)
    if settings.epsilon_cutoff:
        scores = epsilon_cutoff(scores, settings.epsilon_cutoff)
    if settings.eta_cutoff:
        scores = eta_cutoff(scores, settings.eta_cutoff)
    return scores
