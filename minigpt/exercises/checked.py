"""A learner's part as it is run on the cases, and the solution beside it, with bugs in it or without."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises.exercise import Case, Exercise
from minigpt.exercises.outcomes import Outcome, alike, gradients, run, same
from minigpt.exercises.parameters import Unbuilt, build
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import TooLong, limited
from minigpt.exercises.trace import own_line

BLANK = "not implemented yet"
SHORT, LONG = 0.05, 20.0  # seconds that a solution gets for a case with a bug that is endless, and else


@dataclass
class Checked:
    """A part under check: its outcomes on the cases, as far as it got."""

    part: Any
    exercise: Exercise
    dtype: torch.dtype
    outcomes: list[Outcome]

    def runnable(self, case: Case) -> Callable[..., Any]:
        """The part as a case uses it: a module built from the case, else the part itself."""
        if case.state is None:
            return self.part
        return build(self.part, case.build, case.state, self.dtype)


def run_cases(checked: Checked) -> Report | None:
    """Gates 2 and 3: builds and runs the part on every case; a report where that already says enough."""
    name = checked.exercise.name
    built: dict[int, Any] = {}
    for case in checked.exercise.cases:
        try:
            if id(case.state) not in built:
                built[id(case.state)] = limited(partial(checked.runnable, case))
        except Unbuilt as error:
            return Report(name, False, error.says, lines=error.lines)
        except NotImplementedError:
            return Report(name, False, BLANK, blank=True)
        except TooLong:
            return Report(name, False, "its __init__ does not end: stopped after a second", "endless")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Report(name, False, "it cannot be built", lines=own_line(error))
        found = run(built[id(case.state)], checked.exercise, in_dtype(case, checked.dtype))
        if isinstance(found.error, NotImplementedError):
            return Report(name, False, BLANK, blank=True)
        checked.outcomes.append(found)
        if found.endless:
            break
    if all(not o.failed and o.value is None for o in checked.outcomes):
        wrote = any(o.wrote for o in checked.outcomes)
        why = "it changes its argument instead of returning the answer" if wrote else "is the return missing?"
        return Report(name, False, f"it returns None: {why}", "in_place" if wrote else None)
    return None


def in_dtype(case: Case, dtype: torch.dtype) -> Case:
    """A case with its floating-point arguments in another precision."""
    if dtype == torch.float64:
        return case
    args = tuple(a.detach().to(dtype) if isinstance(a, Tensor) and a.is_floating_point() else a for a in case.args)
    return Case(args, case.build, case.state, case.crafted)


def expected(exercise: Exercise, n: int, *bugs: str) -> Outcome | None:
    """What the solution does on a case, with bugs in it or without; None where two bugs exclude each other."""
    if (bugs, n) not in exercise.known:
        case = exercise.cases[n]
        try:
            part = Checked(exercise.with_bugs(*bugs), exercise, torch.float64, []).runnable(case)
        except ValueError:
            exercise.known[bugs, n] = None
        except Exception as error:  # a bug may be one that cannot be built
            exercise.known[bugs, n] = Outcome(error=error)
        else:
            endless = any(bug.endless for bug in exercise.bugs if bug.name in bugs)
            exercise.known[bugs, n] = run(part, exercise, case, SHORT if endless else LONG)
    found: Outcome | None = exercise.known[bugs, n]
    return found


def right(exercise: Exercise, n: int, found: Outcome, *bugs: str) -> bool:
    """Whether an outcome is that of the solution, with bugs in it or without."""
    wanted = expected(exercise, n, *bugs)
    return wanted is not None and alike(found, wanted)


def wrong_gradients(checked: Checked, *bugs: str) -> dict[str, Tensor | None]:
    """The gradients that are not those of the solution, with bugs in it or without, in the first case that has some."""
    exercise = checked.exercise
    solution = Checked(exercise.with_bugs(*bugs), exercise, torch.float64, [])
    for case in (case for case in exercise.cases if case.grad):
        yours, wanted = (gradients(one.runnable(case), exercise, case) for one in (checked, solution))
        wrong = {name: yours.get(name) for name in wanted if not same(yours.get(name), wanted[name])}
        if wrong:
            return wrong
    return {}
