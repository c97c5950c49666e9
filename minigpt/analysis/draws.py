"""What the sampler draws, again and again: the same distribution, many seeds. V vocabulary, N seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.analysis.filters import filter_steps
from minigpt.generation.noise import sequence_key, uniform
from minigpt.generation.sampling import draw
from minigpt.generation.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """A token that can be drawn, or several together."""

    id: int  # of the most likely one
    n: int
    probability: float  # of all n together
    count: int  # how often one of them was drawn
    arrival: float  # when the first of them arrived, in the draw of the first seed


AT_ONCE = 1 << 17  # random numbers held in memory at once


def draws(probs: Tensor, ids: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """The token that `generate` draws first after `ids` with each seed: probabilities (V,) -> ids (N,).

    >>> draws(torch.tensor([0.5, 0.5, 0.0]), [2], range(6)).tolist()
    [1, 1, 1, 0, 0, 1]
    """
    possible = probs.nonzero()[:, 0]  # (K,), the others cannot be drawn
    keys = torch.stack([sequence_key(seed, 0, ids) for seed in seeds])  # (N,)
    drawn = [
        draw(probs[possible], uniform(some, torch.zeros_like(some), possible.expand(len(some), -1)))
        for some in keys.split(max(1, AT_ONCE // len(possible)))
    ]
    return possible[torch.cat(drawn)]


def waiting_times(probs: Tensor, ids: Sequence[int], seed: int) -> Tensor:
    """When each token arrives in the race of `sampling.draw` after `ids`: probabilities (V,) -> (V,), -log(u) / p with
    its own random number u; the first to arrive is drawn, a token of probability 0 never arrives (inf).

    >>> waiting_times(torch.tensor([0.5, 0.5, 0.0]), [2], 1).isinf().tolist()
    [False, False, True]
    """
    everything = torch.arange(len(probs))[None]  # (1, V)
    numbers = uniform(sequence_key(seed, 0, ids)[None], torch.tensor([0]), everything)[0]  # (V,)
    return -numbers.log() / probs


def outcomes(logits: Tensor, ids: Sequence[int], settings: Settings, k: int, seeds: Sequence[int]) -> list[Outcome]:
    """What can follow `ids`, from logits (V,), best first: the k most likely tokens, the one that the first seed draws
    if it is not among them, and all others that the settings keep, together as one.

    >>> found = outcomes(torch.tensor([0.0, 1.0, -9.0]), [2], Settings(temperature=1.0, top_k=2), 1, range(8))
    >>> [(one.id, one.n, round(one.probability, 2), one.count) for one in found]
    [(1, 1, 0.73, 6), (0, 1, 0.27, 2)]
    """
    probs = filter_steps(logits, ids, settings)[-1][1]  # (V,)
    drawn, waits = draws(probs, ids, seeds), waiting_times(probs, ids, seeds[0])
    counts = drawn.bincount(minlength=len(probs))  # (V,)
    order = probs.argsort(descending=True, stable=True)[: int((probs > 0).sum())]
    alone = [*order[:k].tolist(), *({int(drawn[0])} - {*order[:k].tolist()})]
    rest = order[~torch.isin(order, torch.tensor(alone))]
    groups = [torch.tensor([id]) for id in alone] + [rest] * bool(len(rest))
    return [
        Outcome(int(g[0]), len(g), float(probs[g].sum()), int(counts[g].sum()), float(waits[g].min())) for g in groups
    ]
