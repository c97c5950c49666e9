"""`check`: what a learner calls with a part of their own."""

import sys
import time
from collections import Counter
from typing import Any

from minigpt.exercises.catalog import exercise, exercise_for
from minigpt.exercises.checked import is_blank, unwritten
from minigpt.exercises.difference import difference
from minigpt.exercises.exercise import Exercise
from minigpt.exercises.gates import check_part
from minigpt.exercises.own import own_line
from minigpt.exercises.parameters import Unbuilt
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import SECONDS, TooLong, limited, shielded


class Check:
    """Checks a learner's function or class against the reference; says what is wrong, and proves it.

    >>> def merge(ids, pair, new):
    ...     return [new if (a, b) == pair else a for a, b in zip(ids, ids[1:])]
    >>> check(merge).bug
    ✗ merge: it keeps the second id of the pair as well and loses the last id where it is not merged
      put into the solution, these two mistakes give what yours gives, on all 244 inputs
      merge([1], (1, 2), 9) gives []
      right is [1]
    'no_skip+no_tail'
    """

    def __init__(self) -> None:
        self.hints: Counter[str] = Counter()

    def __call__(self, part: Any, name: str | None = None) -> Report:
        """Checks a part; `name` is the exercise's, if the part's own name does not say it.

        The report is shown where an expression is, in a notebook or at a prompt; a script prints it.
        """
        report = report_on(part, name)
        if not interactive():
            print(report)
        return report

    def hint(self, part: Any, name: str | None = None) -> None:
        """Prints the next of an exercise's three hints, from a nudge to nearly the answer; as everywhere here, a part
        or a name says which exercise is meant."""
        found = meant(part, name, "check.hint")
        n = self.hints[found.name] % len(found.hints)
        self.hints[found.name] += 1
        print(f"hint {n + 1} of {len(found.hints)}: {found.hints[n]}")

    def solution(self, part: Any, name: str | None = None) -> None:
        """Prints the solution of the exercise that is named; for a part in which something is written, as a diff: lines
        that are only in the part begin with "-", those only in the solution with "+"."""
        found = meant(part, name, "check.solution")
        print(found.solution() if isinstance(part, str) else difference(part, found.solution(), found.blank()), end="")

    def reset(self, part: Any, name: str | None = None) -> None:
        """Prints an exercise as it was before anything was written."""
        print(meant(part, name, "check.reset").blank(), end="")

    def play(
        self, part: Any, prompt: str = "Once upon a time", name: str | None = None, n: int = 40, seed: int = 0
    ) -> None:
        """Prints what the storyteller writes with a part in the place of its own: n tokens, drawn by the seed.

        They are drawn at temperature 0.7; a filter is given 40 for k, 0.9 for p, 0.05 for a share, and a search three
        beams. For another value pass a lambda and the exercise's name: `lambda scores, t: temperature(scores, 2)`.
        What is wrong with the part is printed, not raised: it may well write nonsense, which is what there is to see.
        """
        from minigpt.exercises.play import play

        found = exercise_for(part, name, "check.play")
        with shielded():
            try:
                text = limited(lambda: play(part, found, prompt, n, seed), SECONDS * 30)
            except Unbuilt as error:
                text = "\n  ".join([f"✗ {found.name}: {error.says}", *error.lines])
            except TooLong:
                text = f"✗ {found.name}: it writes nothing within half a minute"
            except Exception as error:
                failed = "\n  ".join([f"✗ {found.name}: it fails inside the model", *own_line(error, part)])
                text = f"○ {found.name}: {unwritten(error, part)}" if is_blank(error) else failed
        print(text)

    def __repr__(self) -> str:
        return "check(part), check.hint(part), check.solution(part), check.reset(part), check.play(part, prompt)"


def meant(part: Any, name: str | None, how: str) -> Exercise:
    """The exercise that is named, or that a part is meant for."""
    return exercise(part) if isinstance(part, str) and name is None else exercise_for(part, name, how)


def report_on(part: Any, name: str | None = None) -> Report:
    """What there is to say about a part."""
    begin = time.perf_counter()
    found = exercise_for(part, name)
    with shielded() as printed:
        report = check_part(part, found)
    report.printed = printed.shown()
    report.seconds = time.perf_counter() - begin
    return report


def interactive() -> bool:
    """Whether what an expression gives is shown anyway: in a notebook, in a Python prompt."""
    shell = sys.modules.get("IPython")  # a script may have imported it, as ipywidgets does
    return hasattr(sys, "ps1") or (shell is not None and shell.get_ipython() is not None)


check = Check()
