"""`check`: what a learner calls with a part of his own."""

import sys
import time
from collections import Counter
from typing import Any

from minigpt.exercises.catalog import exercise, exercise_for
from minigpt.exercises.gates import check_part
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import shielded


class Check:
    """Checks a learner's function or class against the reference; says what is wrong, and proves it.

    >>> from minigpt import check
    >>> def gelu(x): return x.relu()
    """

    def __init__(self) -> None:
        self.hints: Counter[str] = Counter()

    def __call__(self, part: Any, name: str | None = None) -> Report:
        """Checks a part; `name` is the exercise's, where the part's own name does not say it."""
        begin = time.perf_counter()
        found = exercise_for(part, name)
        with shielded() as printed:
            report = check_part(part, found)
        report.printed = printed.getvalue()
        report.seconds = time.perf_counter() - begin
        if not interactive():
            print(report)
        return report

    def hint(self, name: str) -> None:
        """Prints the next of an exercise's three hints, from a nudge to nearly the answer."""
        found = exercise(name)
        n = self.hints[found.name] % len(found.hints)
        self.hints[found.name] += 1
        print(f"hint {n + 1} of {len(found.hints)}: {found.hints[n]}")

    def solution(self, name: str) -> None:
        """Prints an exercise's solution."""
        print(exercise(name).solution(), end="")

    def reset(self, name: str) -> None:
        """Prints an exercise as it was before anything was written."""
        print(exercise(name).blank(), end="")

    def __repr__(self) -> str:
        return "check(part), check.hint(name), check.solution(name), check.reset(name), check.play(part, prompt)"


def interactive() -> bool:
    """Whether what an expression gives is shown anyway: in a notebook, in a Python prompt."""
    return hasattr(sys, "ps1") or "IPython" in sys.modules


check = Check()
