"""What a part is compared with: a solution with a bug in `forward` is the right module in another class, built once."""

import pytest

from minigpt.exercises.catalog import TASKS, exercise
from minigpt.exercises.checked import Checked, expected, same_but_forward, solution
from minigpt.exercises.outcomes import alike, run
from minigpt.exercises.parameters import Unbuilt

MODULES = sorted(name for name in TASKS if exercise(name).cases[0].state is not None)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_in_another_class_does_what_one_built_for_itself_does(name: str) -> None:
    """No bug writes into the module that they share either: the right one still does as before."""
    task = exercise(name)
    shared = 0
    for bug in task.bugs:
        part = task.with_bugs(bug.name)
        if bug.endless or not same_but_forward(part, task.with_bugs()):
            continue
        shared += 1
        for case in (task.cases[0], task.cases[-1]):
            own, other = Checked(part, task).runnable(case), solution(task, case, bug.name)
            assert type(own) is type(other)
            assert alike(run(own, task, case), run(other, task, case), 0.0), bug.name
    assert shared
    for n, case in enumerate(task.cases):
        wanted = expected(task, n)
        assert wanted is not None
        for part in (solution(task, case), Checked(task.part, task).runnable(case)):
            assert alike(run(part, task, case), wanted, 0.0)


def test_a_bug_outside_forward_gets_a_module_of_its_own() -> None:
    task = exercise("GPT2")
    assert not same_but_forward(task.with_bugs("block_shared"), task.with_bugs())
    with pytest.raises(Unbuilt):
        solution(task, task.cases[0], "block_shared")
