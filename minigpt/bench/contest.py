"""How two contestants are timed: equal outputs first, then warm-ups, then pairs in the order A B B A."""

import math
from collections.abc import Callable
from importlib import metadata
from typing import Any

from minigpt.bench.ratios import Pair, interval, ratios
from minigpt.bench.rows import Row
from minigpt.bench.workers import ContestantError, Workers

WARM_UPS = 2
HOW = "pip install 'minigpt[bench]'"


class UnequalError(ContestantError):
    """The two do not compute the same: their times mean nothing."""


def measure(row: Row, workers: Workers, pairs: int, on_pair: Callable[[int, float], None]) -> dict[str, Any]:
    """The row's record: every pair's times, the median ratio with its interval, hit or missed.

    `on_pair` is called with the number of each pair and its ratio. If a contestant cannot take part or the outputs
    differ, the record says so under "absent" or "failed", and nothing is timed.
    """
    missing = absent(row)
    if missing:
        return {"row": row.name, "absent": missing}
    try:
        ours, peer = workers.ready("ours", row.ours), workers.ready("peer", row.peer)
        first, other = ours()[1], peer()[1]
        check_equal(row, first, other)
        for _ in range(WARM_UPS - 1):
            ours(), peer()
        times: list[Pair] = []
        for n in range(min(pairs, row.pairs or pairs)):
            times.append((ours()[0], peer()[0], peer()[0], ours()[0]))
            on_pair(n + 1, ratios(times[-1:], row.at_most)[0])
    except ContestantError as error:
        return {"row": row.name, "failed": str(error)}
    return {"row": row.name, **summary(times, row.at_most), "notes": notes(first, other), "pairs": times}


def summary(times: list[Pair], at_most: bool) -> dict[str, float]:
    """What is reported about the pairs; it can be recomputed from them alone."""
    found = interval(ratios(times, at_most))
    return {
        "ratio": found.middle,
        "low": found.low,
        "high": found.high,
        "ours": interval([t for a, _, _, d in times for t in (a, d)]).middle,
        "peer": interval([t for _, b, c, _ in times for t in (b, c)]).middle,
    }


def absent(row: Row) -> str:
    """Why a row cannot be measured here, and the way out; empty where it can."""
    for package in row.needs:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            return f"{package} is not installed: {HOW}"
    if row.cuda and not has_gpu():
        return "there is no NVIDIA GPU here"
    return ""


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU that PyTorch can use."""
    import torch

    return torch.cuda.is_available()


def check_equal(row: Row, ours: Any, peer: Any) -> None:
    """Raises UnequalError if the outputs do not show that both do the same work. By `row.equal`:

    "same": equal. "prefix": the longer begins with the shorter. "near": numbers, equal to 1 %. "greedy": ids of models
    in dtypes other than float32, which may differ where two tokens are almost equally likely: each must be the best
    according to the model in float32, or within a tenth of the logits' standard deviation of it. "none": there is
    nothing to compare, as with a probe of the memory.
    """
    one, other = ours["output"], peer["output"]
    equal = {
        "same": lambda: one == other,
        "prefix": lambda: one[: len(other)] == other[: len(one)],
        "near": lambda: len(one) == len(other) and all(map(near, one, other)),
    }
    if row.equal in equal and not equal[row.equal]():
        raise UnequalError(f"unequal outputs: ours {brief(one)}, {row.against} {brief(other)}")
    if row.equal == "greedy":
        from minigpt.bench.judge import regret

        for name, task, output in (("ours", row.ours, one), (row.against, row.peer, other)):
            off = regret(output, **task.options)
            if not off <= 0.1:
                raise UnequalError(f"unequal outputs: {name} takes a token {off:.2f} deviations below the best")


def near(a: float, b: float) -> bool:
    """Whether two numbers differ by 1 % at most."""
    return math.isclose(a, b, rel_tol=1e-2)


def brief(output: object) -> str:
    """An output in a few characters.

    >>> brief(list(range(100)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …'
    """
    text = repr(output)
    return text if len(text) <= 40 else f"{text[:39]}…"


def notes(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """What the contestants say about themselves, such as the dtype that was chosen."""
    told = {"ours": ours.get("notes"), "peer": peer.get("notes")}
    return {side: note for side, note in told.items() if note}
