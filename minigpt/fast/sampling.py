"""`sample` for large vocabularies: a race of few tokens (`race`), or filters that look at the best few hundred first.

B batch, V vocabulary, K candidates.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from minigpt.fast.compared import say_once
from minigpt.fast.race import winners
from minigpt.generation import noise, sampling
from minigpt.generation.constraints import process
from minigpt.generation.settings import Settings
from minigpt.models.layers import softmax

N_BEST = (256, 4096)  # how many of the best tokens are looked at, in turn, and all if these are not enough
PARTS = (
    "sample",
    "process",
    "draw",
    "filter_candidates",
    "top_k",
    "top_p",
    "nucleus",
    "min_p",
    "softmax",
    "uniform",
)
PROBES = (
    Settings(temperature=0.9),
    Settings(temperature=0.8, top_k=5, repetition_penalty=1.3),
    Settings(temperature=1.2, top_p=0.5),
    Settings(temperature=1.3, min_p=0.1),
    Settings(temperature=1.0, top_k=40, top_p=0.5, min_p=0.01),
)


def sample(logits: Tensor, ids: Sequence[Sequence[int]], settings: Settings, keys: Tensor, steps: Tensor) -> Tensor:
    """What `minigpt.generation.sampling.sample` gives: logits (B, V) -> ids (B,)."""
    if not settings.samples:
        return sampling.sample(logits, ids, settings, keys, steps)
    scores = process(sampling.in_float32(logits), ids, settings, steps)
    if not (settings.top_k or settings.min_p or rarer(settings)):
        found = winners(scores, settings, keys, steps)
        if found is not None:
            return found
    best, tokens = candidates(scores, settings)  # (B, K) each
    probs = softmax(best.cpu().double())
    places = sampling.draw(probs, noise.uniform(keys, steps, tokens.cpu()))  # (B,), numbers for the candidates only
    return tokens.gather(1, places[:, None].to(tokens.device))[:, 0]


def candidates(scores: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """What the filters keep of scores (B, V): scores and ids, both (B, K), -inf where dropped.

    Sorting a vocabulary is slow, so only its N_BEST best tokens are sorted; if the last of those survives in some row,
    or equals the k-th, then tokens beyond might as well, and more are looked at.
    """
    if not rarer(settings) and (settings.top_k or settings.top_p < 1 or settings.min_p):
        for n in N_BEST:
            if settings.top_k < n < scores.shape[-1]:
                best, tokens = scores.topk(n)  # (B, K) each, best first
                tied = settings.top_k and (best[:, settings.top_k - 1] == best[:, -1]).any()
                best = filter_best(best, scores, settings)
                if best[:, -1].isinf().all() and not tied:
                    return best, tokens
    everything = torch.arange(scores.shape[-1], device=scores.device).expand(scores.shape)
    return sampling.filter_candidates(scores, settings), everything


def rarer(settings: Settings) -> bool:
    """Whether filters are on that need all tokens."""
    return bool(settings.top_h or settings.typical_p < 1 or settings.epsilon_cutoff or settings.eta_cutoff)


def filter_best(best: Tensor, scores: Tensor, settings: Settings) -> Tensor:
    """`filter_candidates` for the best scores (B, K), in order, out of all of them (B, V)."""
    best = best / settings.temperature
    if settings.top_k:
        best = sampling.top_k(best, settings.top_k)
    if settings.top_p < 1:
        all_scores, top = best if settings.top_k else scores / settings.temperature, best[:, :1]
        probs = (best - top).exp() / (all_scores - top).exp().sum(-1, keepdim=True)  # (B, K)
        best = best.masked_fill(~sampling.nucleus(probs, settings.top_p), -math.inf)
    return sampling.min_p(best, settings.min_p) if settings.min_p else best


def fast_sample(plain: bool = False) -> "sampling.Sample":
    """The fast `sample` if it draws what the plain one draws, else the plain one, and a line on stderr says why."""
    if plain or not agrees(tuple(getattr(sampling, name) for name in PARTS)):
        return sampling.sample
    return sample


@cache
def agrees(_code: object) -> bool:
    """Whether both draw the same tokens from random logits; compared anew when a function of `sampling` is replaced."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(16, 600, generator=generator)  # (B, V)
    keys, ids = torch.arange(16), [[i, 2 * i] for i in range(16)]
    for settings in PROBES:
        one, other = (draw_from(logits, ids, settings, keys, keys) for draw_from in (sampling.sample, sample))
        if not torch.equal(one, other):
            say_once("minigpt/fast/sampling.py differs from minigpt/generation/sampling.py: the plain form is used")
            return False
    return True
