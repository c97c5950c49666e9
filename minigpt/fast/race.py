"""The race of `sampling.draw`, run only by tokens that can win it: nothing is sorted, few logarithms are taken.

Token i arrives after -log(number i) / p_i, early because its number is close to 1 (it is lucky) or because p_i is large
(it is likely). Numbers are cheap, so all tokens get theirs; the n-th of the lucky ones to arrive then bounds how likely
any other must be to come before it. With a C compiler race.c does all this; else NumPy, whose uint64 does in three
passes what int64 needs four for. B batch, V vocabulary.
"""

import ctypes
import math
from ctypes import c_double, c_int64, c_void_p
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from minigpt.fast.compiler import library
from minigpt.generation.noise import GOLDEN, MIX_1, MIX_2
from minigpt.generation.settings import Settings

Numbers = npt.NDArray[np.uint64]
Scores = npt.NDArray[np.floating]
G, M1, M2 = (np.uint64(constant % 2**64) for constant in (GOLDEN, MIX_1, MIX_2))
BY_30, BY_27, BY_31, BY_11 = map(np.uint64, (30, 27, 31, 11))
LUCKY = np.uint64(2**64 - 2**58)  # one token in 64 has a number from here up,
LUCKY_WAIT = -math.log1p(-1 / 64)  # and waits, at p = 1, no longer than this
N_FIRST = 8  # with top-p: how many arrivals are looked at until one is kept
CLOSE = 1e-4  # nearer to p than this, rounding could decide: the exact form is used


def winners(scores: Tensor, settings: Settings, keys: Tensor, steps: Tensor) -> Tensor | None:
    """What `sampling.sample` draws from processed scores (B, V) with temperature and top-p alone: ids (B,).

    With top-p it is the first arrival that the filter keeps. None if rounding could decide about one of the N_FIRST
    first, or none of them is kept.
    """
    scores, compiled = scores.detach(), code()
    rows = scores.cpu().contiguous()  # (B, V)
    if compiled and rows.dtype == torch.float32:
        keys, steps, (n_rows, n_vocab) = keys.contiguous(), steps.contiguous(), rows.shape
        ids, chosen = torch.empty_like(keys), (settings.temperature, settings.top_p)
        given = (rows.data_ptr(), n_rows, n_vocab, keys.data_ptr(), steps.data_ptr(), *chosen, ids.data_ptr())
        return ids.to(scores.device) if compiled.winners(*given) == n_rows else None
    start = scrambled(keys.numpy().view(np.uint64) + steps.numpy().view(np.uint64) * G)  # (B,)
    start ^= start >> BY_31
    t, p = settings.temperature, settings.top_p
    found = []
    for row, number in zip(rows.numpy(), start, strict=True):
        winner = first_kept(row / t, first(row, number, t, N_FIRST), p) if p < 1 else int(first(row, number, t, 1)[0])
        if winner is None:
            return None
        found.append(winner)
    return torch.tensor(found, device=scores.device)


@cache
def code() -> ctypes.CDLL | None:
    """race.c, compiled; None if that is not possible."""
    return declared(library(Path(__file__).with_name("race.c")))


def declared(found: ctypes.CDLL | None) -> ctypes.CDLL | None:
    """The library with the types of its function's arguments."""
    if found:
        pointer, number, real = c_void_p, c_int64, c_double
        found.winners.argtypes = [pointer, number, number, pointer, pointer, real, real, pointer]
        found.winners.restype = number
    return found


def scrambled(x: Numbers) -> Numbers:
    """`noise.splitmix64` without its last step, which leaves the leading 31 bits unchanged; in place."""
    y = x >> BY_30
    x ^= y
    x *= M1
    np.right_shift(x, BY_27, out=y)
    x ^= y
    x *= M2
    return x


@lru_cache(maxsize=2)
def places(n_vocab: int) -> Numbers:
    """What `noise.uniform` adds for each token (V,)."""
    return np.arange(1, n_vocab + 1, dtype=np.uint64) * G


def first(scores: Scores, start: np.uint64, temperature: float, n: int) -> npt.NDArray[np.intp]:
    """The n tokens of one row (V,) that arrive first, in this order; all of them if there are fewer."""
    x = places(len(scores)) + start
    looked_at = scrambled(x) >= LUCKY  # (V,)
    best = scores.argmax()
    looked_at[best] = True
    top = float(scores[best]) / temperature

    def rates() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """The tokens looked at, and p / -log(number) of each, with a p of 1 for the best."""
        tokens = looked_at.nonzero()[0]
        bits = x[tokens]
        bits ^= bits >> BY_31
        numbers = (bits >> BY_11) * 2.0**-53 + 2.0**-54
        return tokens, np.exp((scores[tokens] / temperature).astype(np.float64) - top) / -np.log(numbers)

    tokens, rate = rates()
    nth = np.partition(rate, -n)[-n] if len(rate) >= n else 0.0
    least = temperature * (top + math.log(nth * LUCKY_WAIT)) if nth > 0 else -math.inf
    least -= 1e-6 * (1 + abs(temperature * top) + abs(least))
    looked_at |= scores >= max(least, -1e38)  # those below arrive later than the n-th, except lucky ones
    tokens, rate = rates()
    return tokens[rate.argmax()][None] if n == 1 else tokens[np.argsort(-rate)[:n]]


def first_kept(scores: Scores, tokens: npt.NDArray[np.intp], p: float) -> int | None:
    """The first of the tokens that top-p keeps, for one row of scores (V,); None if that is not certain."""
    weights = np.exp(scores - scores.max())  # (V,), proportional to the probabilities
    total = weights.sum()
    for token in tokens.tolist():
        weight = weights[token]
        if weights[weights >= weight * (1 - CLOSE)].sum() - weight < (p - CLOSE) * total:  # all that may come before it
            return int(token)
        if weights[weights > weight * (1 + CLOSE)].sum() < (p + CLOSE) * total:  # all that certainly do
            return None
    return None
