"""The file and its history: nothing is lost, whatever happens to disk, editor or process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigpt.lecture import working_file
from minigpt.lecture.held import Held
from minigpt.lecture.history import History
from minigpt.lecture.kernel import Kernel
from minigpt.lecture.working_file import WorkingFile


class NoKernel(Kernel):
    """For what must be done without running anything."""

    def start(self) -> None:
        raise AssertionError("the warm process was started")


def held(folder: Path, name: str = "attention") -> Held:
    return Held(WorkingFile.start(name, folder), NoKernel())


def test_undo_has_no_end_and_redo_comes_back(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    path, texts = lecture.file.path, [lecture.file.path.read_text("utf-8")]
    for n in range(3):
        lecture.next()
        texts.append(path.read_text("utf-8"))
        path.write_text(path.read_text("utf-8") + f"# {n}\n", "utf-8")
        texts.append(path.read_text("utf-8"))
    for text in texts[-2::-1]:
        assert lecture.undo().ok
        assert path.read_text("utf-8") == text
    assert not lecture.undo().ok
    for text in texts[1:]:
        assert lecture.redo().ok
        assert path.read_text("utf-8") == text
    assert not lecture.redo().ok


def test_what_an_undo_left_stays_in_the_history(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    lecture.next()
    lecture.file.path.write_text("mine\n", "utf-8")
    lecture.undo()
    lecture.next()
    assert "mine\n" in [state.text for state in lecture.history.states]
    assert lecture.step == 2
    lecture.undo()
    assert lecture.file.path.read_text("utf-8") == lecture.lecture.text(1)


def test_goto_back_is_the_file_as_it_was_there_and_forward_the_steps(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    lecture.goto(2)
    path = lecture.file.path
    path.write_text(path.read_text("utf-8").replace("class Attention", "# mine\nclass Attention"), "utf-8")
    lecture.goto(4)
    assert "# mine\nclass Attention" in path.read_text("utf-8")
    lecture.goto(2)
    assert "# mine\nclass Attention" in path.read_text("utf-8")
    assert path.read_text("utf-8").count("masked_fill") == 0
    lecture.goto(0)
    assert path.read_text("utf-8") == lecture.lecture.text(0)
    with pytest.raises(ValueError, match="attention has steps 0 to 5, not 6"):
        lecture.goto(6)


def test_a_file_is_never_laid_over_another(tmp_path: Path) -> None:
    (tmp_path / "attention.py").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match="is there already: name another folder"):
        WorkingFile.start("attention", tmp_path)
    assert (tmp_path / "attention.py").read_text("utf-8") == "mine"
    held(tmp_path, "bpe")
    with pytest.raises(ValueError, match="it is being held there, after step 0"):
        WorkingFile.start("bpe", tmp_path)
    with pytest.raises(ValueError, match=r"no lecture gpt2 is held in .*begin with minigpt lecture start gpt2"):
        WorkingFile.open(tmp_path, "gpt2")


def test_of_several_lectures_the_one_touched_last_is_open(tmp_path: Path) -> None:
    held(tmp_path, "attention")
    other = held(tmp_path, "bpe")
    os.utime(tmp_path / ".lecture" / "attention.jsonl", (1, 1))
    assert WorkingFile.open(tmp_path).lecture.name == "bpe"
    assert WorkingFile.open(tmp_path, "attention").lecture.name == "attention"
    assert other.step == 0


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_a_byte_order_mark_are_no_edit(tmp_path: Path, end: str) -> None:
    lecture = held(tmp_path)
    lecture.next()
    path = lecture.file.path
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", end.encode()))
    assert lecture.next().ok
    assert len(lecture.history.states) == 3
    assert path.read_bytes() == lecture.lecture.text(2).replace("\n", end).encode()


def test_a_file_that_is_not_utf8_is_refused_and_left(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    lecture.file.path.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ValueError, match="is not UTF-8, invalid continuation byte at byte 5: save it as UTF-8"):
        lecture.next()
    assert lecture.file.path.read_bytes() == b"# caf\xe9\n"


def test_a_file_that_was_deleted_comes_back(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    lecture.goto(2)
    lecture.file.path.unlink()
    assert lecture.next().ok
    assert lecture.file.path.read_text("utf-8") == lecture.lecture.text(3)


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lecture = held(tmp_path)
    lecture.next()
    path = lecture.file.path
    typed = path.read_text("utf-8").replace("# next", "x = 1\n# next")
    path.write_text(typed, "utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(History, "_write", full)
        with pytest.raises(OSError, match="No space left"):
            lecture.next()
    assert path.read_text("utf-8") == typed
    with monkeypatch.context() as patch:
        patch.setattr(working_file, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            lecture.next()
    assert path.read_text("utf-8") == typed
    assert lecture.step == 1
    lecture.next()
    assert "x = 1\n" in path.read_text("utf-8")
    assert lecture.step == 2


def test_a_line_of_the_history_that_was_cut_off_is_skipped(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    lecture.goto(2)
    log = lecture.history.path
    whole = log.read_bytes()
    log.write_bytes(whole + whole.split(b"\n")[1][:200])
    again = Held(WorkingFile.open(tmp_path), NoKernel())
    assert again.step == 2
    again.next()
    assert Held(WorkingFile.open(tmp_path), NoKernel()).step == 3
    assert len(History(log).states) == 4


def test_a_process_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    held(tmp_path)
    code = (
        "from pathlib import Path; from minigpt.lecture.held import Held; "
        "from minigpt.lecture.working_file import WorkingFile; h = Held(WorkingFile.open(Path('.')))\n"
        "print('ready', flush=True)\nwhile True: h.goto(5); h.goto(0)"
    )
    plan = held(tmp_path / "other").lecture
    states = {plan.text(step) for step in range(6)}
    for delay in (0.01, 0.05, 0.12):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert (tmp_path / "attention.py").read_text("utf-8") in states
        assert Held(WorkingFile.open(tmp_path)).goto(3).ok


@pytest.mark.parametrize(("before", "after"), [(1, 2), (5, 0)], ids=["next", "goto 0"])
def test_a_file_that_was_written_and_not_noted_goes_on(tmp_path: Path, before: int, after: int) -> None:
    lecture = held(tmp_path)
    lecture.goto(before)
    lecture.file.swap(lecture.lecture.text(after))  # and here the process is killed
    again = Held(WorkingFile.open(tmp_path))
    assert again.goto(3).ok
    assert (again.step, lecture.file.path.read_text("utf-8")) == (3, lecture.lecture.text(3))


def test_two_screens_see_each_others_steps(tmp_path: Path) -> None:
    one = held(tmp_path)
    two = Held(WorkingFile.open(tmp_path), NoKernel())
    one.next()
    two.next()
    one.ask("why?")
    two.history.refresh()
    assert (one.step, two.step) == (2, 2)
    assert two.history.notes[0]["says"] == "why?"


def test_the_clock_begins_with_the_first_step(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    log = lecture.history.path
    entry = json.loads(log.read_text("utf-8"))
    log.write_text(json.dumps(entry | {"time": entry["time"] - 86400}) + "\n", "utf-8")
    lecture = Held(WorkingFile.open(tmp_path), NoKernel())
    assert lecture.time().says.startswith("0 min, on time: 5 steps, 20 min to go")
    lecture.goto(3)
    assert lecture.time().says.startswith("0 min, 11 min ahead: 2 steps, 9 min to go")
    states = lecture.history.states
    object.__setattr__(states[1], "time", states[1].time - 60 * 30)
    answer = lecture.time()
    assert not answer.ok
    assert answer.says.startswith("30 min, 13 min behind")
    assert answer.lines[1].split()[:2] == ["4", "0"]


def test_showing_and_planting_without_running(tmp_path: Path) -> None:
    lecture = held(tmp_path)
    shown = lecture.show()
    assert shown.says == "next: 1. Softmax: scores to weights (4 min)"
    assert "def softmax(scores: Tensor) -> Tensor:" in shown.lines
    assert lecture.break_("mask").says == "mask breaks step 4, The mask, the weights, the mean: the file has 0"
    lecture.goto(4)
    answer = lecture.break_("mask")
    assert answer.says.endswith("each token sees those after it")
    assert "scores = scores + 0" in lecture.file.path.read_text("utf-8")
    lecture.undo()
    assert lecture.file.path.read_text("utf-8") == lecture.lecture.text(4)
    with pytest.raises(ValueError, match="attention has no break 'musk': choose from mask, scale"):
        lecture.break_("musk")
