"""The warm process as its user sees it: lost, ended, killed, it is there again, and takes nothing with it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minigpt.lecture.kernel import LOST, Ended, Kernel
from tests.lecture.light import Light

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    light = Light()
    yield light
    light.close()


def job(text: str, do: str = "try_out") -> dict[str, Any]:
    return {"do": do, "text": text}


def until(true: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def running(pid: int) -> bool:
    """Whether a process runs; one that has ended, and that nobody asked about, does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_work_that_is_ended_gives_no_answer_and_the_next_job_its_own(kernel: Kernel) -> None:
    assert kernel.ask(job("fine"))["right"]
    process, heard, times = kernel.process, [], []

    def end() -> None:
        until(lambda: heard)
        times.append(time.monotonic())
        kernel.end()

    threading.Thread(target=end).start()
    with pytest.raises(Ended):
        kernel.ask(job("forever", "perform"), heard.append)
    assert time.monotonic() - times[0] < 0.5
    assert not kernel.ask(job("wrong"))["right"]
    assert kernel.ask(job("fine"))["right"]
    assert kernel.process is process
    until(lambda: not running(int(heard[0])))


def test_an_end_without_work_ends_nothing(kernel: Kernel) -> None:
    kernel.end()
    assert kernel.ask(job("fine"))["right"]
    kernel.end()
    assert kernel.ask(job("fine"))["right"]


def test_a_process_that_was_lost_is_asked_again(kernel: Kernel) -> None:
    assert kernel.ask(job("fine"))["right"]
    assert kernel.process
    os.kill(kernel.process.pid, signal.SIGKILL)
    assert kernel.ask(job("fine"))["right"]
    first = kernel.process
    threading.Timer(0.1, lambda: os.kill(first.pid, signal.SIGKILL)).start()
    threading.Timer(1.0, kernel.end).start()
    with pytest.raises(Ended):  # it went on in another process
        kernel.ask(job("forever"))
    assert kernel.process is not first


def test_a_file_that_ends_its_process_does_not_end_the_warm_one(kernel: Kernel) -> None:
    assert kernel.ask(job("fine"))["right"]
    process = kernel.process
    assert kernel.ask(job("crash")) == LOST
    assert "EOF" in kernel.ask(job("asks"))["lines"][0]  # and reads nothing of what is for the warm process
    assert kernel.ask(job("forever"), seconds=0.2)["lines"] == ["not done after 0 seconds"]
    assert kernel.process is process


@pytest.mark.parametrize("how", ["closed", "its user is gone"])
def test_nothing_runs_on(kernel: Kernel, how: str) -> None:
    heard: list[str] = []
    asking = threading.Thread(target=lambda: kernel.ask(job("forever", "perform"), heard.append), daemon=True)
    asking.start()
    until(lambda: heard)
    process = kernel.process
    assert process
    assert process.stdin
    if how == "closed":
        kernel.close()
    else:
        process.stdin.close()
    until(lambda: process.poll() is not None and not running(int(heard[0])))
    asking.join(10)
    assert not asking.is_alive()


def test_the_first_jobs_are_done_by_the_process_itself(kernel: Kernel, tmp_path: Path) -> None:
    kernel.first = [{"do": "note", "path": str(tmp_path / "pid")}]
    kernel.start()
    assert kernel.warm.wait(10)
    assert kernel.process
    assert (tmp_path / "pid").read_text("utf-8") == str(kernel.process.pid)


def test_files_beside_the_lecturers_are_not_taken_for_modules(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "tokenizer", "minigpt"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert kernel.ask(job("fine"))["right"]
