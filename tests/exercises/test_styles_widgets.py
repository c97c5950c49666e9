"""Lesson 12 as learners write it: right in other styles passes, every bug gets its name, none a wrong one."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from traitlets import TraitType

import minigpt
from minigpt import check
from minigpt.exercises.catalog import exercise
from tests.exercises import learners_widgets as learners

ROOT = Path(__file__).parents[2]
NAME = "playground"
NAMED, OTHER = learners.PLAYGROUND, learners.PLAYGROUND_OTHER


@pytest.mark.parametrize("n", range(len(learners.PLAYGROUND_RIGHT)))
def test_other_styles_are_right(n: int) -> None:
    report = check(learners.PLAYGROUND_RIGHT[n], NAME)
    assert report.ok, report


def test_every_bug_is_written_in_two_styles() -> None:
    assert set(NAMED) == {bug.name for bug in exercise(NAME).bugs}
    assert [bug for bug, parts in NAMED.items() if len(parts) < 2] == []


@pytest.mark.parametrize(("bug", "n"), [(bug, n) for bug, parts in NAMED.items() for n in range(len(parts))])
def test_a_bug_is_named_in_every_style(bug: str, n: int) -> None:
    report = check(NAMED[bug][n], NAME)
    assert report.bug == bug, report


@pytest.mark.parametrize("n", range(len(OTHER)))
def test_another_bug_gets_no_wrong_name(n: int) -> None:
    part, truthful = OTHER[n]
    report = check(part, NAME)
    assert not report.ok, report
    assert report.bug is None or report.bug in truthful, report
    assert report.says


def test_nothing_reaches_a_page_and_nothing_stays_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr("comm.create_comm", lambda **told: opened.append(told))
    places: list[tuple[Any, str]] = [
        *((threading.Thread, "start"), (ThreadPoolExecutor, "submit"), (threading, "excepthook")),
        *((ipywidgets.Output, "__enter__"), (ipywidgets.Output, "clear_output"), (ipywidgets.Widget, "open")),
        (TraitType, "get"),
    ]
    before, threads = [getattr(place, name) for place, name in places], set(threading.enumerate())
    for part in (exercise(NAME).part, OTHER[0][0], OTHER[12][0]):
        check(part, NAME)
    assert opened == []
    assert [getattr(place, name) for place, name in places] == before
    for thread in set(threading.enumerate()) - threads:
        thread.join(5.0)
        assert not thread.is_alive() or type(thread) is not threading.Thread, "an endless thread was left"


def test_an_error_within_a_thread_is_shown_at_its_line() -> None:
    report = check(learners.written(learners.JOB, "out.append_stdout(piece)", "out.append_stdout(piec)"), NAME)
    assert report.lines[0].endswith("out.append_stdout(piec)")
    assert "NameError: name 'piec' is not defined" in report.lines[1]


def test_without_ipywidgets_the_check_says_so_and_the_blank_can_be_had() -> None:
    code = """
import sys
sys.modules["ipywidgets"] = None
import minigpt
from minigpt import check
check.reset("playground")
check(lambda models: None, "playground")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert 'raise NotImplementedError("your turn")' in done.stdout
    says = 'ImportError: this exercise needs ipywidgets: pip install "minigpt[notebook]"'
    assert done.stderr.strip().splitlines()[-1] == says


def test_the_solution_serves_the_projects_own_models() -> None:
    """With texts of the storyteller: those of generate."""
    lm = minigpt.load("storyteller", device="cpu")

    def storyteller(prompt: str, _strategy: str, temperature: float) -> object:
        return lm.stream(prompt, temperature=temperature, top_k=50, seed=0, max_new_tokens=9)

    box = exercise(NAME).part({"storyteller": storyteller})
    prompt, *_, button, text = box.children
    button.click()
    wanted = lm.generate(prompt.value, temperature=0.8, top_k=50, seed=0, max_new_tokens=9).text
    end = time.monotonic() + 60
    while "".join(out["text"] for out in text.outputs) != wanted:
        assert time.monotonic() < end, text.outputs
        time.sleep(0.01)


def test_a_script_that_imports_widgets_gets_its_report_printed() -> None:
    """Though ipywidgets imports IPython, there is no notebook that would show it."""
    code = "import ipywidgets; from minigpt import check; check(lambda models: None, 'playground')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "✗ playground: it returns None: is the return missing?\n"
