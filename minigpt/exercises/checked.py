"""A learner's part as it is run on the cases, and the solution beside it, with bugs in it or without."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from dis import opmap
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.exercises.exercise import Case, Exercise
from minigpt.exercises.outcomes import Gradients, Outcome, alike, gradients, run, wrong_among
from minigpt.exercises.own import is_in, named, own_file, own_frame_of, own_line
from minigpt.exercises.parameters import Unbuilt, build
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import TooLong, limited

BLANK = "not implemented yet"
FEW = 6  # parameters that a report names
ENOUGH = 12  # cases: a part that fails on all of them will fail on the others
SHORT, LONG = 0.05, 20.0  # seconds that a solution gets for a case with a bug that is endless, and otherwise


@dataclass
class Checked:
    """A part under check: its outcomes on the cases, as far as it got."""

    part: Any
    exercise: Exercise
    dtype: torch.dtype = torch.float64
    outcomes: list[Outcome] = field(default_factory=list)

    def runnable(self, case: Case) -> Callable[..., Any]:
        """The part as a case uses it: a module built from the case, else the part itself."""
        if case.state is None:
            return self.part
        return build(self.part, case.build, case.state, self.dtype)


def run_cases(checked: Checked) -> Report | None:
    """Gates 2 and 3: builds and runs the part on every case; a report if that already says enough."""
    name = checked.exercise.name
    built: dict[int, Any] = {}
    for n, case in enumerate(checked.exercise.cases):
        try:
            if id(case.state) not in built:
                built[id(case.state)] = limited(partial(checked.runnable, case))
        except Unbuilt as error:
            return other_parameters(checked.exercise, n, error)
        except TooLong:
            return Report(name, False, "its __init__ does not end: stopped after a second", "endless")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if is_blank(error):
                return Report(name, False, unwritten(error, checked.part), blank=True)
            return Report(name, False, "it cannot be built", lines=own_line(error, checked.part))
        found = run(built[id(case.state)], checked.exercise, in_dtype(case, checked.dtype))
        if found.error is not None and is_blank(found.error):
            return Report(name, False, unwritten(found.error, checked.part), blank=True)
        checked.outcomes.append(found)
        failing = len(checked.outcomes) == ENOUGH and all(found.error for found in checked.outcomes)
        if found.endless or failing:
            break
    if all(not o.failed and o.value is None for o in checked.outcomes):
        wrote = any(o.wrote for o in checked.outcomes)
        why = "it changes its argument instead of returning the answer" if wrote else "is the return missing?"
        return Report(name, False, f"it returns None: {why}", "in_place" if wrote else None)
    return None


def other_parameters(exercise: Exercise, n: int, error: Unbuilt) -> Report:
    """The report on a part that could not be built, named after the one bug with which the solution fails alike."""
    bugs = [bug for bug in exercise.bugs if unbuilt(exercise, n, bug.name) == error.lines != []]
    lines = [*error.lines[:FEW], *([f"… and {len(error.lines) - FEW} more"] if len(error.lines) > FEW else [])]
    if len(bugs) != 1:
        return Report(exercise.name, False, error.says, lines=lines)
    return Report(exercise.name, False, f"it {bugs[0].does}", bugs[0].name, [f"{error.says}:", *lines])


def is_blank(error: BaseException | None) -> bool:
    """Whether nothing is written yet: a learner's own `raise NotImplementedError`. Torch raises one, too, when a
    module without `forward` is called, such as a ModuleList, and for x ^ 3 where x**3 is meant."""
    tb = error.__traceback__ if isinstance(error, NotImplementedError) else None
    while tb and tb.tb_next:
        tb = tb.tb_next
    if tb is None or not own_file(tb.tb_frame.f_code.co_filename):
        return False
    return tb.tb_frame.f_code.co_code[tb.tb_lasti] == opmap["RAISE_VARARGS"]


def unwritten(error: BaseException, part: Any) -> str:
    """What is not written yet, if `is_blank`: the part, or a function or class of the learner's that it calls."""
    own = own_frame_of(error)
    if own is None or is_in(own[0].f_code, part):
        return BLANK
    return f"{named(own[0].f_code).split('.')[0]}, which it calls, is not written yet"


def unbuilt(exercise: Exercise, n: int, bug: str) -> list[str]:
    """The parameters that are not the checkpoint's when the solution of a case has a bug."""
    try:
        Checked(exercise.with_bugs(bug), exercise).runnable(exercise.cases[n])
    except Unbuilt as error:
        return error.lines
    except Exception:
        return []
    return []


def in_dtype(case: Case, dtype: torch.dtype) -> Case:
    """A case with its floating-point arguments in another precision."""
    if dtype == torch.float64:
        return case
    args = tuple(a.detach().to(dtype) if isinstance(a, Tensor) and a.is_floating_point() else a for a in case.args)
    return Case(args, case.build, case.state, case.crafted)


def expected(exercise: Exercise, n: int, *bugs: str) -> Outcome | None:
    """What the solution does on a case, with bugs in it or without; None if there is none:
    two bugs exclude each other, or the parameters are not the checkpoint's."""
    if (bugs, n) not in exercise.known:
        case = exercise.cases[n]
        try:
            part = solution(exercise, case, *bugs)
        except (ValueError, Unbuilt):  # what cannot be built does nothing that a part could do
            exercise.known[bugs, n] = None
        except Exception as error:  # a bug may be one that cannot be built
            exercise.known[bugs, n] = Outcome(error=error)
        else:
            endless = any(bug.endless for bug in exercise.bugs if bug.name in bugs)
            exercise.known[bugs, n] = run(part, exercise, case, SHORT if endless else LONG)
    found: Outcome | None = exercise.known[bugs, n]
    return found


def solution(exercise: Exercise, case: Case, *bugs: str) -> Callable[..., Any]:
    """The solution as a case uses it, with bugs in it or without; for reading only.

    If bugs change nothing but `forward`, it is the right module in another class: building one anew takes longer than
    running it.
    """
    part: Any = exercise.with_bugs(*bugs)
    whole = exercise.with_bugs()
    if case.state is None or not same_but_forward(part, whole):
        return Checked(part, exercise).runnable(case)
    key = id(case.state)
    if key not in exercise.built:
        exercise.built[key] = Checked(whole, exercise).runnable(case)
    module: nn.Module = part.__new__(part)
    vars(module).update(vars(exercise.built[key]))
    return module


def same_but_forward(a: Any, b: Any) -> bool:
    """Whether two classes, of which one was made from the other's source, have the same code outside `forward`."""
    codes = [
        {name: value.__code__ for name, value in vars(one).items() if inspect.isfunction(value) and name != "forward"}
        for one in (a, b)
    ]
    return codes[0] == codes[1]


def right(exercise: Exercise, n: int, found: Outcome, *bugs: str) -> bool:
    """Whether an outcome is that of the solution, with bugs in it or without."""
    wanted = expected(exercise, n, *bugs)
    return wanted is not None and alike(found, wanted)


def wrong_gradients(checked: Checked, *bugs: str) -> Gradients:
    """The gradients that are not those of the solution, with bugs in it or without, in the first case that has some."""
    exercise = checked.exercise
    solution = Checked(exercise.with_bugs(*bugs), exercise)
    for case in (case for case in exercise.cases if case.grad):
        wrong = wrong_among(*(gradients(one.runnable(case), exercise, case) for one in (checked, solution)))
        if wrong:
            return wrong
    return {}
