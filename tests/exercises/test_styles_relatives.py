"""Lesson 13 as learners write it: right in other styles passes, every bug gets its name, none a wrong one."""

from collections.abc import Callable
from typing import Any

import pytest

from minigpt import check
from minigpt.exercises.catalog import exercise
from tests.exercises import learners_relatives as relatives

Part = Callable[..., Any]

RIGHT: dict[str, list[Part]] = {
    "BertLayer": relatives.BERT_RIGHT,
    "CrossAttention": relatives.CROSS_RIGHT,
    "relative_bias": relatives.BIAS_RIGHT,
}
NAMED: dict[str, dict[str, list[Part]]] = {
    "BertLayer": relatives.BERT,
    "CrossAttention": relatives.CROSS,
    "relative_bias": relatives.BIAS,
}
OTHER: dict[str, list[tuple[Part, set[str]]]] = {
    "BertLayer": relatives.BERT_OTHER,
    "CrossAttention": relatives.CROSS_OTHER,
    "relative_bias": relatives.BIAS_OTHER,
}


@pytest.mark.parametrize("name", RIGHT)
def test_other_styles_are_right(name: str) -> None:
    assert len(RIGHT[name]) >= 3
    for part in RIGHT[name]:
        report = check(part, name)
        assert report.ok, report
        assert report.bug is None
        assert "float32" not in report.says


@pytest.mark.parametrize("name", NAMED)
def test_every_bug_is_written_in_two_styles(name: str) -> None:
    assert set(NAMED[name]) == {bug.name for bug in exercise(name).bugs}
    assert [bug for bug, parts in NAMED[name].items() if len(parts) < 2] == []


@pytest.mark.parametrize(("name", "bug"), [(name, bug) for name in NAMED for bug in NAMED[name]])
def test_a_bug_is_named_in_every_style(name: str, bug: str) -> None:
    for part in NAMED[name][bug]:
        report = check(part, name)
        assert report.bug == bug, report


@pytest.mark.parametrize(("name", "n"), [(name, n) for name in OTHER for n in range(len(OTHER[name]))])
def test_another_bug_gets_no_wrong_name(name: str, n: int) -> None:
    """None, or one that is true; either way something is said."""
    part, truthful = OTHER[name][n]
    report = check(part, name)
    assert not report.ok, report
    assert report.bug is None or report.bug in truthful, report
    assert report.says
