"""Lessons 10, 11 and 14 as learners write them: what is right passes, every bug gets its name, and none a wrong one."""

from collections.abc import Callable
from typing import Any

import pytest

from minigpt import check
from minigpt.exercises.catalog import exercise
from tests.exercises import learners_cache as caches
from tests.exercises import learners_chat as chats
from tests.exercises import learners_training as training

Part = Callable[..., Any]

RIGHT: dict[str, list[Part]] = {
    "cached_attention": caches.CACHED_RIGHT,
    "generate_cached": caches.GENERATE_RIGHT,
    "chat_prompt": chats.CHAT_RIGHT,
    "stop": chats.STOP_RIGHT,
    "loss": training.LOSS_RIGHT,
    "train_step": training.STEP_RIGHT,
    "batch": training.BATCH_RIGHT,
}
NAMED: dict[str, dict[str, list[Part]]] = {
    "cached_attention": caches.CACHED,
    "generate_cached": caches.GENERATE,
    "chat_prompt": chats.CHAT,
    "stop": chats.STOP,
    "loss": training.LOSS,
    "train_step": training.STEP,
    "batch": training.BATCH,
}
OTHER: dict[str, list[tuple[Part, set[str]]]] = {
    "cached_attention": caches.CACHED_OTHER,
    "generate_cached": caches.GENERATE_OTHER,
    "chat_prompt": chats.CHAT_OTHER,
    "stop": chats.STOP_OTHER,
    "loss": training.LOSS_OTHER,
    "train_step": training.STEP_OTHER,
    "batch": training.BATCH_OTHER,
}


@pytest.mark.parametrize("name", RIGHT)
def test_other_styles_are_right(name: str) -> None:
    assert len(RIGHT[name]) >= 3
    for part in RIGHT[name]:
        report = check(part, name)
        assert report.ok, report
        assert report.bug is None


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
