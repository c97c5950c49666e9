"""Parts that are right except for rounding to float32, or that can compute in nothing else."""

import re
from functools import partial

import torch
from torch import Tensor

from minigpt.exercises.checked import Checked, expected, in_dtype, run_cases
from minigpt.exercises.outcomes import EXACT, ROUNDED, Outcome, distance, run, same
from minigpt.exercises.report import Report
from minigpt.exercises.shown import called, difference_of
from minigpt.exercises.trace import narrowing, steps_of

NARROW = (torch.float32, torch.float16, torch.bfloat16)


def wants_float32(checked: Checked) -> bool:
    """Whether a part cannot compute in float64, or leaves it along the way."""
    return any(
        (isinstance(found.error, RuntimeError) and re.search("dtype|scalar type", str(found.error)))
        or (isinstance(found.value, Tensor) and found.value.dtype in NARROW)
        or near(found, expected(checked.exercise, n))
        for n, found in enumerate(checked.outcomes)
    )


def near(found: Outcome, wanted: Outcome | None) -> bool:
    """Whether an outcome is right except for rounding to float32, gradients left out."""
    if wanted is None or found.failed or not isinstance(found.value, Tensor) or not isinstance(wanted.value, Tensor):
        return False
    return EXACT < distance(found.value, wanted.value) < ROUNDED


def in_float32(checked: Checked) -> Report | None:
    """The verdict on a part that rounds to float32, by cases of real numbers; none if two bugs fit equally well."""
    exercise, name = checked.exercise, checked.exercise.name
    if any(found.failed for found in checked.outcomes):  # it cannot do float64 at all
        checked = Checked(checked.part, exercise, torch.float32)
        if run_cases(checked) is not None or len(checked.outcomes) < len(exercise.cases):
            return None
    real = [n for n, case in enumerate(exercise.cases) if not case.crafted]

    def fits(*bugs: str) -> bool:
        wanted = ((n, expected(exercise, n, *bugs)) for n in real)
        return all(w is not None and rounded(checked.outcomes[n], w) for n, w in wanted)

    if fits():
        case = exercise.cases[real[0]]
        step = narrowing(steps_of(partial(run, checked.runnable(case), exercise, in_dtype(case, checked.dtype))))
        place = f": line {step.line} leaves float64" if step else ""
        return Report(name, True, f"right to float32, on {len(real)} inputs{place}")
    found = [bug for bug in exercise.bugs if fits(bug.name)]
    if len(found) == 1:
        proof = f"put into the solution, this one mistake gives what yours gives, on {len(real)} inputs, to float32"
        return Report(name, False, f"it {found[0].does}", found[0].name, [proof, *example(checked, real)])
    for n in real:
        wanted = expected(exercise, n)
        if checked.outcomes[n].wrote and wanted is not None and not wanted.wrote:
            says = f"it changes its argument in {called(exercise, n)}: work on a copy"
            return Report(name, False, says, "in_place")
    return None


def example(checked: Checked, real: list[int]) -> list[str]:
    """What a part gave on the first case on which more than rounding is wrong, and what is right."""
    for n in real:
        found, wanted = checked.outcomes[n], expected(checked.exercise, n)
        if wanted is not None and not rounded(found, wanted):
            return difference_of(checked.exercise, n, unrounded(found, wanted), wanted)
    return []


def unrounded(found: Outcome, wanted: Outcome) -> Outcome:
    """An outcome with the right number wherever it differs by rounding only."""
    a, b = found.value, wanted.value
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.shape != b.shape:
        return found
    largest = b.double().nan_to_num(posinf=0, neginf=0).abs().amax().item()
    return Outcome(torch.where((a.double() - b.double()).abs() <= ROUNDED * largest, b, a.to(b.dtype)))


def rounded(found: Outcome, wanted: Outcome) -> bool:
    """Whether two outcomes are the same except for rounding to float32, gradients left out."""
    if found.failed or wanted.failed:
        return found.failed and wanted.failed
    return found.wrote == wanted.wrote and same(found.value, wanted.value, ROUNDED)
