"""The gates that a learner's part goes through, one after the other; the first that it fails speaks.

1 it is there and can be called   2 its parameters are the checkpoint's   3 it runs, and returns what can be compared
4 the same numbers, and the same gradients   5 a bug of the bank, proved   6 else where it parts from the solution
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.exercises.exercise import Case, Exercise
from minigpt.exercises.outcomes import EXACT, ROUNDED, Outcome, alike, distance, run, same
from minigpt.exercises.parameters import Unbuilt, build, kind
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import TooLong, limited
from minigpt.exercises.shown import called, difference_of
from minigpt.exercises.trace import narrowing, own_line, parting, steps_of

BLANK = "not implemented yet"
NARROW = (torch.float32, torch.float16, torch.bfloat16)
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


def check_part(part: Any, exercise: Exercise) -> Report:
    """Sends a part through the gates."""
    report = start(part, exercise)
    if report is not None:
        return report
    checked = Checked(part, exercise, torch.float64, [])
    report = run_cases(checked)
    if report is not None:
        return report
    report = in_float32(checked) if wants_float32(checked) else None
    return judge(checked) if report is None else report


def start(part: Any, exercise: Exercise) -> Report | None:
    """Gate 1: something that can be called, a class where a class is asked for."""
    name = exercise.name
    if part is None:
        return Report(name, False, f"you hand over None: give the {noun(exercise)} itself, as in check({name})")
    if not callable(part):
        return Report(name, False, f"you hand over {kind(part)}: give the {noun(exercise)} itself, as in check({name})")
    if inspect.isclass(exercise.part) and not inspect.isclass(part) and not isinstance(part, nn.Module):
        return Report(name, False, f"a class is asked for, {kind(part)} was given")
    if inspect.isclass(part) and not inspect.isclass(exercise.part):
        return Report(name, False, f"a function is asked for, a class was given: def {name}(…)")
    return None


def noun(exercise: Exercise) -> str:
    """What is asked for."""
    return "class" if inspect.isclass(exercise.part) else "function"


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
            part: Any = exercise.with_bugs(*bugs)
            if case.state is not None:
                part = build(part, case.build, case.state, torch.float64)
        except ValueError:
            exercise.known[bugs, n] = None
        except Exception as error:  # a bug may be one that cannot be built
            exercise.known[bugs, n] = Outcome(error=error)
        else:
            endless = any(bug.endless for bug in exercise.bugs if bug.name in bugs)
            exercise.known[bugs, n] = run(part, exercise, case, SHORT if endless else LONG)
    found: Outcome | None = exercise.known[bugs, n]
    return found


def judge(checked: Checked) -> Report:
    """Gates 4 to 6, in float64."""
    exercise, outcomes = checked.exercise, checked.outcomes
    name = exercise.name
    wrong = [n for n, found in enumerate(outcomes) if not right(exercise, n, found)]
    if unsteady(checked, wrong[0] if wrong else len(outcomes) - 1):
        says = "it gives another result each time: is dropout on, or a random number?"
        return Report(name, False, says, "random")
    if not wrong:
        return Report(name, True, f"right, on {len(outcomes)} inputs")
    bugs = identify(exercise, outcomes)
    if bugs:
        does = " and ".join(bug.does for bug in exercise.bugs if bug.name in bugs)
        proof = f"on all {len(outcomes)} inputs it does what the solution does with this change alone"
        lines = difference_of(exercise, wrong[0], outcomes[wrong[0]], expected(exercise, wrong[0]))
        return Report(name, False, f"it {does}", "+".join(bugs), [proof, *lines])
    report = failed(checked, wrong)
    return unknown(checked, wrong) if report is None else report


def right(exercise: Exercise, n: int, found: Outcome, *bugs: str) -> bool:
    """Whether an outcome is that of the solution, with bugs in it or without."""
    wanted = expected(exercise, n, *bugs)
    return wanted is not None and alike(found, wanted)


def identify(exercise: Exercise, outcomes: list[Outcome]) -> tuple[str, ...]:
    """The bug, or the two bugs, with which the solution does on every case what the part did."""
    names = [bug.name for bug in exercise.bugs]
    for bugs in candidates(names):
        if all(right(exercise, n, found, *bugs) for n, found in enumerate(outcomes)):
            return bugs
    return ()


def candidates(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Each bug alone, then two of them together."""
    yield from ((name,) for name in names)
    yield from combinations(names, 2)


def failed(checked: Checked, wrong: list[int]) -> Report | None:
    """Gate 3: what ended without a value, wrote into its arguments, or returned what cannot be compared."""
    exercise, name = checked.exercise, checked.exercise.name
    for n in wrong:
        found, wanted, how = checked.outcomes[n], expected(exercise, n), called(exercise, n)
        if found.endless:
            return Report(name, False, f"it does not end on {how}: stopped after a second", "endless")
        if found.error is not None:
            return Report(name, False, f"it fails on {how}", lines=own_line(found.error))
        if found.wrote and wanted is not None and not wanted.wrote:
            return Report(name, False, f"it changes its argument in {how}: work on a copy", "in_place")
        if isinstance(wanted, Outcome) and isinstance(wanted.value, Tensor):
            if not isinstance(found.value, Tensor):
                return Report(name, False, f"it returns {kind(found.value)} on {how}, a tensor is asked for")
            if found.value.shape != wanted.value.shape:
                shapes = f"{tuple(found.value.shape)} on {how}, asked for is {tuple(wanted.value.shape)}"
                return Report(name, False, f"it returns the shape {shapes}", lines=where(checked, n))
    return None


def unknown(checked: Checked, wrong: list[int]) -> Report:
    """Gate 6: the smallest input on which it is wrong, and where its way parts from the solution's."""
    exercise, n = checked.exercise, wrong[0]
    found, wanted = checked.outcomes[n], expected(exercise, n)
    if wanted is not None and same(found.value, wanted.value):
        names = [name for name in wanted.grads if not same(found.grads.get(name), wanted.grads[name])]
        cut = all(found.grads.get(name) is None for name in names)
        why = "none arrives: something cuts it off, such as detach, .data, no_grad or .item()" if cut else "it differs"
        return Report(exercise.name, False, f"the result is right, the gradient of {', '.join(names)} is not: {why}")
    lines = difference_of(exercise, n, found, wanted)
    return Report(exercise.name, False, f"it is wrong on {called(exercise, n)}", lines=[*lines, *where(checked, n)])


def where(checked: Checked, n: int) -> list[str]:
    """The two expressions at which a part and the solution part."""
    case, exercise = checked.exercise.cases[n], checked.exercise
    solution = Checked(exercise.with_bugs(), exercise, torch.float64, [])
    yours, reference = (
        steps_of(partial(run, one.runnable(case), exercise, Case(case.args))) for one in (checked, solution)
    )
    return parting(yours, reference) if reference else []


def unsteady(checked: Checked, n: int) -> bool:
    """Whether a part does something else when it is run again on a case."""
    exercise, case, before = checked.exercise, checked.exercise.cases[n], checked.outcomes[n]
    return not before.failed and not alike(run(checked.runnable(case), exercise, case), before)


def wants_float32(checked: Checked) -> bool:
    """Whether a part cannot compute in float64, or leaves it on its way."""
    return any(
        (isinstance(found.error, RuntimeError) and re.search("dtype|scalar type", str(found.error)))
        or (isinstance(found.value, Tensor) and found.value.dtype in NARROW)
        or near(found, expected(checked.exercise, n))
        for n, found in enumerate(checked.outcomes)
    )


def near(found: Outcome, wanted: Outcome | None) -> bool:
    """Whether an outcome is right but for rounding to float32, gradients left out."""
    if wanted is None or found.failed or not isinstance(found.value, Tensor) or not isinstance(wanted.value, Tensor):
        return False
    return EXACT < distance(found.value, wanted.value) < ROUNDED


def in_float32(checked: Checked) -> Report | None:
    """The verdict on a part that rounds to float32: by cases of real numbers, and none where two bugs are as near."""
    exercise, name = checked.exercise, checked.exercise.name
    if any(found.failed for found in checked.outcomes):  # it cannot do float64 at all
        checked = Checked(checked.part, exercise, torch.float32, [])
        if run_cases(checked) is not None or len(checked.outcomes) < len(exercise.cases):
            return None
    real = [n for n, case in enumerate(exercise.cases) if not case.crafted]

    def fits(*bugs: str) -> bool:
        wanted = ((n, expected(exercise, n, *bugs)) for n in real)
        return all(w is not None and rounded(checked.outcomes[n], w) for n, w in wanted)

    if fits():
        case = exercise.cases[real[0]]
        step = narrowing(steps_of(lambda: run(checked.runnable(case), exercise, in_dtype(case, checked.dtype))))
        place = f": line {step.line} leaves float64" if step else ""
        return Report(name, True, f"right to float32, on {len(real)} inputs{place}")
    found = [bug for bug in exercise.bugs if fits(bug.name)]
    if len(found) != 1:
        return None
    proof = f"on {len(real)} inputs it does, to float32, what the solution does with this change alone"
    return Report(name, False, f"it {found[0].does}", found[0].name, [proof])


def rounded(found: Outcome, wanted: Outcome) -> bool:
    """Whether two outcomes are the same but for rounding to float32, gradients left out."""
    if found.failed or wanted.failed:
        return found.failed and wanted.failed
    return same(found.value, wanted.value, ROUNDED)
