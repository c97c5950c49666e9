"""What the tries of a lecture give, for the handout: in the warm process, as text and as numbers to be drawn."""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import Any

from torch import Tensor

from minigpt.exercises.sandbox import Printed
from minigpt.lecture.stage import Failed, Job, done, prepared, value_of

LONG = 2000  # characters of a value
MOST = 12  # rows and columns of numbers that can be read


def shown(job: Job) -> Job:
    """The values of some tries in a file; those that fail are left out. None at all if their setup needs more than the
    file has so far."""
    found: list[Job] = []
    answer = {"right": True, "lines": [], "line": 0, "values": found}
    try:
        space = prepared(job, job["text"], job["name"])
    except Failed:
        raise
    except Exception:
        return answer
    for source in job["tries"]:
        out = Printed()
        try:
            with redirect_stdout(out):
                value = done(lambda source=source: value_of(source, space), job["name"])
        except Failed:
            continue
        found.append({"source": source, "text": repr(value)[:LONG], "printed": out.shown(), "rows": small_rows(value)})
    return answer


def small_rows(value: Any) -> list[list[float]] | None:
    """The numbers of a vector or a matrix that is small enough to be read.

    >>> import torch
    >>> small_rows(torch.tensor([1, 2])), small_rows(torch.zeros(13, 2)), small_rows(torch.tensor(3.0))
    ([[1.0, 2.0]], None, None)
    """
    if not isinstance(value, Tensor) or value.ndim not in (1, 2) or value.numel() < 2 or max(value.shape) > MOST:
        return None
    numbers: list[list[float]] = value.detach().double().reshape(-1, value.shape[-1]).tolist()
    return numbers
