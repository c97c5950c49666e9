"""Learners' answers to lessons 01 to 03: right ones pass, each bug gets its own name, none gets a wrong one."""

import linecache
from collections import Counter
from typing import Any

import pytest

from minigpt import check
from minigpt.exercises.catalog import exercise
from tests.exercises import learners_words, learners_words_bpe, learners_words_cuts
from tests.exercises.learners_words import Style, changed

MODULES = (learners_words, learners_words_bpe, learners_words_cuts)
STYLES: list[Style] = [style for module in MODULES for style in module.STYLES]
RIGHT = [(style.exercise, style.source) for style in STYLES]
NAMED = [(style.exercise, bug, changed(style.source, edits)) for style in STYLES for bug, edits in style.bugs.items()]
NAMED += [(one.exercise, one.bug, one.source) for module in MODULES for one in module.WRONG if one.bug]
OUTSIDE = [(style.exercise, what, changed(style.source, e)) for style in STYLES for what, e in style.outside.items()]
OUTSIDE += [(one.exercise, "another", one.source) for module in MODULES for one in module.WRONG if not one.bug]


def made(name: str, source: str) -> Any:
    """What a learner's source defines under the exercise's name."""
    file = f"<learner of {name} {hash(source)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": "learner"}
    exec(compile(source, file, "exec"), space)
    return space[name]


@pytest.mark.parametrize(("name", "source"), RIGHT, ids=[name for name, _ in RIGHT])
def test_a_right_answer_passes(name: str, source: str) -> None:
    report = check(made(name, source), name)
    assert report.ok, report


@pytest.mark.parametrize(("name", "bug", "source"), NAMED, ids=[f"{name}-{bug}" for name, bug, _ in NAMED])
def test_a_bug_gets_its_name(name: str, bug: str, source: str) -> None:
    report = check(made(name, source), name)
    assert not report.ok
    assert report.bug is not None, report
    assert set(bug.split("+")) <= set(report.bug.split("+")), report


@pytest.mark.parametrize(("name", "what", "source"), OUTSIDE, ids=[f"{name}-{what}" for name, what, _ in OUTSIDE])
def test_another_bug_gets_none(name: str, what: str, source: str) -> None:
    """But it gets the input on which it shows, and a word on what comes out, or where it fails."""
    report = check(made(name, source), name)
    assert not report.ok
    assert report.bug in (None, "endless", "in_place"), f"{what}: {report}"
    assert name in report.says or "it returns None" in report.says


@pytest.mark.parametrize("name", sorted({name for name, _ in RIGHT}))
def test_each_bug_is_met_in_two_styles(name: str) -> None:
    met = Counter(bug for one, bug, _ in NAMED if one == name)
    assert [bug.name for bug in exercise(name).bugs if met[bug.name] < 2] == []
    assert sum(one == name for one, _ in RIGHT) >= 3
    assert sum(one == name for one, _, _ in OUTSIDE) >= 5
