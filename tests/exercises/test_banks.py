"""Every exercise: its solution passes, its blank is one, each of its bugs is named as itself and as no other."""

import random
from itertools import combinations
from typing import Any

import pytest

from minigpt import check
from minigpt.exercises.catalog import TASKS, exercise, plain
from minigpt.exercises.exercise import compiled

NAMES = sorted(TASKS)
BUGS = [(name, bug.name) for name in NAMES for bug in exercise(name).bugs]
PAIRS = 6  # of each exercise, drawn: all of them are thousands


def blank(name: str) -> Any:
    """An exercise as the learner gets it."""
    task = exercise(name)
    return compiled(task.blank(), task.part)[task.name]


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(name: str) -> None:
    task = exercise(name)
    for part in (task.part, task.with_bugs()):
        report = check(part, name)
        assert report.ok, report
        assert report.bug is None
    assert "SOLUTION" not in task.solution()


@pytest.mark.parametrize("name", NAMES)
def test_the_blank_is_not_implemented_yet(name: str) -> None:
    report = check(blank(name), name)
    assert not report
    assert report.blank
    assert report.says == "not implemented yet"


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_is_whole(name: str) -> None:
    task = exercise(name)
    assert plain(task.name) == plain(name)
    assert len(task.lesson) == 2
    assert task.part.__doc__
    assert len(task.hints) == len(set(task.hints)) == 3
    assert len({bug.name for bug in task.bugs}) == len(task.bugs) >= 5
    assert len({bug.does for bug in task.bugs}) == len(task.bugs)
    for bug in task.bugs:
        assert bug.does[0].islower(), "it goes on from: it …"
        assert not bug.does.endswith(".")


@pytest.mark.parametrize(("name", "bug"), BUGS)
def test_a_bug_is_named(name: str, bug: str) -> None:
    """Also: it is not dead, since the solution would pass, and coincides with no other, which would be named."""
    report = check(exercise(name).with_bugs(bug), name)
    assert not report
    assert report.bug == bug, report


@pytest.mark.parametrize("name", NAMES)
def test_two_bugs_get_no_third_name(name: str) -> None:
    task = exercise(name)
    pairs = list(combinations([bug.name for bug in task.bugs], 2))
    for pair in random.Random(1).sample(pairs, min(PAIRS, len(pairs))):
        try:
            part = task.with_bugs(*pair)
        except ValueError:
            continue  # both change the same place
        report = check(part, name)
        told = set((report.bug or "").split("+")) - {""}
        assert told <= set(pair) | {"in_place", "endless"}, f"{pair}: {report}"
