"""The gates that a learner's part goes through, one after the other; the first that it fails gives the report.

1 it is there and can be called   2 its parameters are the checkpoint's   3 it runs, and returns what can be compared
4 the same numbers, and the same gradients   5 a bug of the bank, proved   6 else where it departs from the solution
"""

import inspect
from functools import partial
from itertools import chain, combinations
from typing import Any

from torch import Tensor, nn

from minigpt.exercises.checked import Checked, expected, right, run_cases, wrong_gradients
from minigpt.exercises.exercise import Case, Exercise
from minigpt.exercises.float32 import in_float32, wants_float32
from minigpt.exercises.outcomes import Outcome, alike, comparable, run
from minigpt.exercises.own import outside, own_line
from minigpt.exercises.parameters import kind
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import TooLong
from minigpt.exercises.shown import called, difference_of
from minigpt.exercises.trace import parting, steps_of


def check_part(part: Any, exercise: Exercise) -> Report:
    """Sends a part through the gates."""
    report = start(part, exercise)
    if report is not None:
        return report
    return with_outside(part, judge_all(Checked(part, exercise)))


def judge_all(checked: Checked) -> Report:
    """Gates 2 to 6."""
    report = run_cases(checked)
    if report is not None:
        return report
    report = in_float32(checked) if wants_float32(checked) else None
    return judge(checked) if report is None else report


def with_outside(part: Any, report: Report) -> Report:
    """A report; if what is wrong has no name, with what the part reads from outside, which may be the reason."""
    if not report.ok and not report.blank and report.bug in (None, "endless"):
        report.lines += outside(part)
    return report


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


def judge(checked: Checked) -> Report:
    """Gates 4 to 6, in float64."""
    exercise, outcomes = checked.exercise, checked.outcomes
    name = exercise.name
    wrong = [n for n, found in enumerate(outcomes) if not right(exercise, n, found)]
    if unsteady(checked, wrong[0] if wrong else len(outcomes) - 1):
        says = "it gives a different result each time: is dropout on, or a random number?"
        return Report(name, False, says, "random")
    if not wrong:
        return judge_gradients(checked)
    bugs = identify(exercise, outcomes)
    if bugs:
        first, *second = (bug.does for bug in exercise.bugs if bug.name in bugs)
        does = ("; and it " if set(first) & set(":,") else " and ").join([first, *second])
        put = "this one mistake gives" if len(bugs) == 1 else "these two mistakes give"
        proof = f"put into the solution, {put} what yours gives, on all {len(outcomes)} inputs"
        return Report(name, False, f"it {does}", "+".join(bugs), [proof, *example(exercise, wrong, outcomes)])
    report = failed(checked, wrong)
    return unknown(checked, wrong) if report is None else report


def judge_gradients(checked: Checked) -> Report:
    """Gate 4 for a part whose results are right: its gradients, which `detach` and the like cut off."""
    exercise, outcomes = checked.exercise, checked.outcomes
    try:
        wrong = wrong_gradients(checked)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = "does not end" if isinstance(error, TooLong) else "fails"
        says = f"the result is right, but it {what} where gradients are wanted, as in training"
        return Report(exercise.name, False, says, lines=own_line(error, checked.part))
    if not wrong:
        return Report(exercise.name, True, f"right, on {len(outcomes)} inputs")
    for bug in exercise.bugs:
        same_values = all(right(exercise, n, found, bug.name) for n, found in enumerate(outcomes))
        if same_values and not wrong_gradients(checked, bug.name):
            proof = (
                "the results are right; put into the solution, this one mistake gives the gradients that yours gives"
            )
            return Report(exercise.name, False, f"it {bug.does}", bug.name, [proof])
    cut = all(gradient is None for gradient in wrong.values())
    why = "none arrives: something cuts it off, such as detach, .data, no_grad or .item()" if cut else "it differs"
    return Report(exercise.name, False, f"the result is right, the gradient of {', '.join(wrong)} is not: {why}")


def identify(exercise: Exercise, outcomes: list[Outcome]) -> tuple[str, ...]:
    """The bug, or the two bugs, with which the solution does on every case what the part did.

    A part can fail everywhere for any reason. Two are named only if it gives a wrong value somewhere that is not all
    NaN, which many pairs give.
    """
    if all(found.error is not None for found in outcomes):
        return ()
    bugs = [bug for bug in exercise.bugs if expected(exercise, 0, bug.name) is not None]  # None: cannot be built
    alone = [(bug.name,) for bug in bugs]
    pairs = combinations([bug.name for bug in bugs if not bug.endless], 2)
    telling = any(not right(exercise, n, found) and tells(found) for n, found in enumerate(outcomes))
    order = sorted(enumerate(outcomes), key=lambda one: right(exercise, *one))  # wrong ones first: most bugs end there
    for names in chain(alone, pairs if telling else ()):
        if all(right(exercise, n, found, *names) for n, found in order):
            return names
    return ()


def example(exercise: Exercise, wrong: list[int], outcomes: list[Outcome]) -> list[str]:
    """What a part gave on the first case that it gets wrong; how it failed, if it gave nothing on any."""
    n = next((n for n in wrong if not outcomes[n].failed), wrong[0])
    error = outcomes[n].error
    return difference_of(exercise, n, outcomes[n], expected(exercise, n)) or (own_line(error) if error else [])


def tells(found: Outcome) -> bool:
    """Whether there is a value that is not all NaN."""
    return not found.failed and not (isinstance(found.value, Tensor) and bool(found.value.isnan().all()))


def failed(checked: Checked, wrong: list[int]) -> Report | None:
    """Gate 3: what ended without a value, wrote into its arguments, or returned what cannot be compared."""
    exercise, name = checked.exercise, checked.exercise.name
    for n in wrong:
        found, wanted, how = checked.outcomes[n], expected(exercise, n), called(exercise, n)
        if found.endless:
            return Report(name, False, f"it does not end on {how}: stopped after a second", "endless")
        if found.error is not None:
            return Report(name, False, f"it fails on {how}", lines=own_line(found.error, checked.part))
        if found.wrote and wanted is not None and not wanted.wrote:
            return Report(name, False, f"it changes its argument in {how}: work on a copy", "in_place")
        if wanted is not None and isinstance(wanted.value, Tensor):
            if not isinstance(found.value, Tensor):
                return Report(name, False, f"it returns {kind(found.value)} on {how}, a tensor is asked for")
            if found.value.shape != wanted.value.shape:
                shapes = f"{tuple(found.value.shape)} on {how}, asked for is {tuple(wanted.value.shape)}"
                return Report(name, False, f"it returns the shape {shapes}", lines=where(checked, n))
    return None


def unknown(checked: Checked, wrong: list[int]) -> Report:
    """Gate 6: the smallest input on which it is wrong, and where its computation departs from the solution's."""
    exercise, n = checked.exercise, wrong[0]
    found, wanted = checked.outcomes[n], expected(exercise, n)
    lines = difference_of(exercise, n, found, wanted)
    return Report(exercise.name, False, f"it is wrong on {called(exercise, n)}", lines=[*lines, *where(checked, n)])


def where(checked: Checked, n: int) -> list[str]:
    """The two expressions at which a part and the solution diverge."""
    case, exercise = checked.exercise.cases[n], checked.exercise
    solution = Checked(exercise.with_bugs(), exercise)
    yours, reference = (
        steps_of(partial(run, one.runnable(case), exercise, Case(case.args))) for one in (checked, solution)
    )
    return parting(yours, reference, checked.part) if reference else []


def unsteady(checked: Checked, n: int) -> bool:
    """Whether a part does something else when run again on a case; values that cannot be compared do not count."""
    exercise, case, before = checked.exercise, checked.exercise.cases[n], checked.outcomes[n]
    if before.failed or not comparable(before.value):
        return False
    return not alike(run(checked.runnable(case), exercise, case), before)
