"""How large a model and how long a run suit a text and the time available; what is asked for takes precedence.

Small texts need small models: one that is too large soon memorizes them. How many steps fit into the minutes is
measured on this machine. Of the table, the second row and the passes come from trials on 100 kB of fairy tales, the row
of 6 MB is the storyteller's; the others lie between them or beyond.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from statistics import median
from typing import Any

from minigpt.train import processes
from minigpt.train.data import Texts
from minigpt.train.trainer import Trainer

SIZES = (  # the text's bytes, up to: blocks, heads, channels, tokens per block
    (30_000, 3, 4, 96, 64),
    (300_000, 4, 4, 128, 128),
    (1_500_000, 4, 4, 192, 128),
    (6_000_000, 6, 8, 256, 256),
    (40_000_000, 8, 8, 384, 256),
    (math.inf, 12, 12, 768, 512),
)
MINUTES = 5.0
PASSES = 40  # through the text at most: later ones memorize it
PASSES_TUNING = 4  # for a model that can already write
N_EVALUATIONS = 20
ENOUGH = 300  # steps: a model that has time for fewer learns less than a smaller one


def sizes_for(n_bytes: int, asked: Mapping[str, Any]) -> list[dict[str, int]]:
    """The sizes of models for a text of this many bytes, the smallest first, the last the one that suits it best.

    Raises ValueError where a size asked for does not go with the table's.

    >>> sizes_for(100_000, {"n_embd": 120, "n_layer": 2})
    [{'n_layer': 2, 'n_head': 4, 'n_embd': 120}]
    """
    at = row_for(n_bytes)
    found: list[dict[str, int]] = []
    for _, *row in SIZES[: at + 1]:
        sizes = {
            name: asked.get(name) or value for name, value in zip(("n_layer", "n_head", "n_embd"), row, strict=False)
        }
        if asked.get("n_head") is None:
            sizes["n_head"] = math.gcd(sizes["n_embd"], sizes["n_head"])
        if sizes["n_embd"] % sizes["n_head"]:
            told = f"--n-head {sizes['n_head']} does not divide the {sizes['n_embd']} channels that suit the text"
            raise ValueError(f"{told}: give --n-embd, too")
        if sizes not in found:
            found.append(sizes)
    return found


def row_for(n_bytes: int) -> int:
    """The row of the table for a text of this many bytes."""
    return next(i for i, (most, *_) in enumerate(SIZES) if n_bytes <= most)


def block_for(n_bytes: int, n_tokens: int, most: int | None = None) -> int:
    """The tokens of a block: the table's number, or for a short text fewer, so that it has several blocks.

    >>> block_for(100_000, 40_000), block_for(1_000, 600), block_for(100, 60)
    (128, 64, 8)
    """
    usual = SIZES[row_for(n_bytes)][-1]
    return min(int(usual), most or int(usual), max(8, 1 << int(math.log2(max(8, n_tokens // 8)))))


@dataclass(frozen=True)
class Speed:
    """What a trainer takes on this machine, in seconds."""

    step: float
    evaluation: float

    def steps(self, minutes: float) -> int:
        """How many steps fit, with evaluations in between; a round number, at least 20.

        >>> Speed(0.2, 0.5).steps(5)
        1400
        """
        return max(20, rounded((60 * minutes - N_EVALUATIONS * self.evaluation) / self.step, math.floor))


def measure(trainer: Trainer, texts: Texts, seconds: float = 3.0) -> Speed:
    """The seconds of a step and of an evaluation on this machine; afterwards the trainer is as it was."""
    weights, optimizer = deepcopy(trainer.model.state_dict()), deepcopy(trainer.optimizer.state_dict())
    trainer.do_step(texts.train)  # what is made once, such as a compiled step, does not count
    times: list[float] = []
    start = time.monotonic()
    while len(times) < 3 or processes.most(time.monotonic() - start) < seconds:
        before = time.monotonic()
        trainer.do_step(texts.train)
        times.append(time.monotonic() - before)
    before = time.monotonic()
    trainer.evaluate(texts)
    evaluation = time.monotonic() - before
    trainer.model.load_state_dict(weights)
    trainer.optimizer.load_state_dict(optimizer)
    trainer.step = 0
    return processes.from_first(Speed(median(times), evaluation))


def largest(candidates: Sequence[int], smallest: Speed, minutes: float) -> int:
    """Which of the candidates, by their numbers of parameters, has time for enough steps, given how
    long the first one takes: a step's time grows with the parameters.

    >>> largest([10_000, 100_000, 1_000_000], Speed(0.01, 0), minutes=1)
    1
    """
    fits = [minutes * 60 / (smallest.step * n / candidates[0]) >= ENOUGH for n in candidates]
    return max(0, sum(fits) - 1)


def most_steps(n_tokens: int, batch_size: int, block_size: int, tunes: bool = False) -> int:
    """The number of steps after which further passes through a text do not help.

    >>> most_steps(32_000, 16, 128), most_steps(32_000, 16, 128, tunes=True)
    (630, 63)
    """
    n = (PASSES_TUNING if tunes else PASSES) * n_tokens / (batch_size * block_size)
    return max(20, rounded(n, math.ceil))


def rounded(n: float, way: Callable[[float], int]) -> int:
    """A number rounded up or down to two significant digits.

    >>> rounded(1234, math.floor), rounded(1234, math.ceil)
    (1200, 1300)
    """
    unit = 10 ** max(0, int(math.log10(max(1, n))) - 1)
    return way(n / unit) * unit


def evaluate_every(steps: int) -> int:
    """How many steps are between two evaluations.

    >>> evaluate_every(1000), evaluate_every(7)
    (50, 1)
    """
    return max(1, steps // N_EVALUATIONS)
