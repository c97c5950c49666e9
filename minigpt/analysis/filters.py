"""The next token's probabilities after each filter in turn, by the very functions that sampling uses.

V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from minigpt.generation.constraints import process
from minigpt.generation.fields import FILTERS
from minigpt.generation.sampling import filter_candidates
from minigpt.generation.settings import Settings

ORDER = ("temperature", *FILTERS)
OFF: dict[str, Any] = {
    **{field.name: field.default for field in fields(Settings) if field.name in ORDER},
    "temperature": 1.0,
}


@torch.inference_mode()
def filter_steps(logits: Tensor, ids: Sequence[int], settings: Settings) -> list[tuple[str, Tensor]]:
    """The probabilities (V,) of the token after `ids`, from logits (V,): first the model's own, then after bans and
    penalties, if they change any, then after temperature and each filter that is on, in the order in which they run.

    >>> steps = filter_steps(torch.tensor([2.0, 1.0, 0.0]), [0], Settings(temperature=0.5, top_k=2))
    >>> [(name, [round(p, 2) for p in probs.tolist()]) for name, probs in steps]
    [('model', [0.67, 0.24, 0.09]), ('temperature 0.5', [0.87, 0.12, 0.02]), ('top_k 2', [0.88, 0.12, 0.0])]
    """
    scores = logits.cpu().double()[None]  # (1, V)
    steps = [("model", scores.softmax(-1)[0])]
    allowed = process(scores, [ids], settings, torch.tensor([0]))
    if not allowed.equal(scores):
        steps.append(("penalties", allowed.softmax(-1)[0]))
    if not settings.samples:
        best = torch.zeros_like(allowed[0])
        best[allowed[0].argmax()] = 1
        return [*steps, ("greedy", best)]
    on = filters_on(settings)
    for n, name in enumerate(on, start=1):
        some = replace(settings, **{**OFF, **{kept: getattr(settings, kept) for kept in on[:n]}})
        steps.append((f"{name} {getattr(settings, name)}", filter_candidates(allowed, some).softmax(-1)[0]))
    return steps


def filters_on(settings: Settings) -> list[str]:
    """The names of those among temperature and the filters that change something, in the order in which they run.

    >>> filters_on(Settings(temperature=0.7, top_p=0.9)), filters_on(Settings(temperature=1.0))
    (['temperature', 'top_p'], [])
    """
    return [name for name in ORDER if getattr(settings, name) != OFF[name]]


def entropy(probs: Tensor) -> float:
    """The entropy of a distribution (V,) in bits: 0 where one token is certain, log2(n) where n are equally likely.

    >>> entropy(torch.tensor([0.5, 0.25, 0.25, 0.0]))
    1.5
    """
    return torch.special.entr(probs.double()).sum().item() / math.log(2)
