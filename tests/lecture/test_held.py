"""Lectures held from the first step to the last, with the warm process: right is seen, wrong is named."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from minigpt.lecture.held import Held
from minigpt.lecture.kernel import Kernel
from minigpt.lecture.lines import trouble
from minigpt.lecture.merging import YOURS
from minigpt.lecture.plan import NAMES, lecture
from minigpt.lecture.working_file import WorkingFile
from tests.lecture.improvising import hold

WRONG = "scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    warm = Kernel()
    yield warm
    warm.close()


def held(folder: Path, kernel: Kernel, step: int, name: str = "attention") -> Held:
    lecture = Held(WorkingFile.start(name, folder), kernel)
    lecture.goto(step)
    return lecture


def replace(lecture: Held, old: str, new: str) -> None:
    text = lecture.file.path.read_text("utf-8")
    assert old in text
    lecture.file.path.write_text(text.replace(old, new), "utf-8")


def over_the_blank(lecture: Held, *lines: str) -> None:
    replace(lecture, lecture.lecture.blank(lecture.step), "\n".join(lines))


@pytest.mark.parametrize("name", NAMES)
def test_held_by_somebody_who_improvises(name: str, tmp_path: Path, kernel: Kernel) -> None:
    hold(name, tmp_path, Random(name), kernel)


@pytest.mark.parametrize("name", NAMES)
def test_each_mistake_changes_what_the_program_does(name: str, tmp_path: Path, kernel: Kernel) -> None:
    plan = lecture(name)
    mine = held(tmp_path, kernel, len(plan.steps), name)
    assert mine.check().ok
    for each in plan.breaks:
        assert mine.break_(each.name).ok, each
        answer = mine.check()
        assert not answer.ok, each
        assert not each.bug or each.bug in answer.says, (each, answer)
        mine.undo()


def test_a_step_typed_in_own_words_is_taken_and_its_names_carried_on(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 2)
    over_the_blank(
        mine,
        "    def forward(self, q, k, v, mask=None):",
        "        n = q.shape[1] // k.shape[1]",
        "        k = k.repeat_interleave(n, dim=1)",
        "        v = v.repeat_interleave(n, dim=1)",
        "        if mask is None:",
        "            mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril()",
        '        print("typed")',
        "        pairs = q @ k.mT / q.shape[-1] ** 0.5",
    )
    assert mine.check().says == "right so far, 3 of 5 steps; step 3 is yours"
    answer = mine.run()
    assert answer.says == "as the reference; 2 missing steps from the reference"
    assert answer.lines[0] == "your file prints: typed"
    assert answer.mine[0].startswith("Once upon a time")
    assert mine.next().says.startswith("step 3 as you typed it: right")
    assert mine.next().ok
    text = mine.file.path.read_text("utf-8")
    assert "pairs = pairs.masked_fill(~mask, -math.inf)" in text
    assert "q.shape[-1] ** 0.5" in text
    assert YOURS not in text
    assert mine.check().ok


def test_the_beginning_of_a_step_is_kept_and_the_rest_filled_in(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 3)
    over_the_blank(mine, "        masked = torch.where(mask, scores, -math.inf)", "        weights = softmax(masked)")
    answer = mine.next()
    assert answer.says.startswith("step 4 as you typed it: right; lines"), answer
    text = mine.file.path.read_text("utf-8")
    assert "torch.where(mask, scores, -math.inf)" in text
    assert "masked_fill" not in text
    assert "return weights @ v" in text
    assert YOURS not in text


@pytest.mark.parametrize("name", ["pairs", "scores"])
def test_a_slip_that_the_rest_of_the_step_would_hide_is_seen(name: str, tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 2)
    lines = list(mine.lecture.steps[2].lines[1:-1])
    over_the_blank(mine, *lines, f"        {name} = q @ k.transpose(-2, -1)")
    assert mine.check().says == "not right yet: no_scale"
    replace(mine, "k.transpose(-2, -1)", "k.transpose(-2, -1) / math.sqrt(q.shape[-1])")
    assert mine.check().says == "right so far, 3 of 5 steps; step 3 is yours"


def test_two_steps_typed_at_once(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 3)
    lines = [line for step in mine.lecture.steps[3:] for line in step.lines]
    over_the_blank(mine, *lines)
    assert mine.next().says == "steps 4 to 5 as you typed it: right"
    assert mine.step == 5


def test_a_slip_is_named_and_stands_as_a_comment_when_the_step_comes(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 3)
    over_the_blank(mine, "        weights = self.softmax(scores)", "        return weights @ v")
    answer = mine.check()
    assert answer.says == "not right yet: no_mask"
    answer = mine.next()
    assert answer.says == "4. The mask, the weights, the mean: your lines are kept as comments above the reference's"
    assert [line.strip() for line in answer.mine] == ["weights = self.softmax(scores)", "return weights @ v"]
    assert any("masked_fill" in line for line in answer.right)
    assert f"        {YOURS}return weights @ v" in mine.file.path.read_text("utf-8")
    assert mine.check().ok


def test_a_half_typed_line_elsewhere_is_named_and_stays(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 3)
    replace(mine, "self.softmax = Softmax()", "self.softmax = Softmax(")
    answer = mine.next()
    assert not answer.ok
    assert answer.lines[0].startswith("line 27 does not run: self.softmax = Softmax(")
    assert mine.step == 4
    assert "self.softmax = Softmax(\n" in mine.file.path.read_text("utf-8")
    assert mine.fix().ok
    assert not trouble(mine.file.path.read_text("utf-8"))
    assert mine.check().ok


def test_a_mistake_is_seen_in_the_text_named_and_fixed(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 4)
    replace(mine, "        weights = self", "        remark = 1\n        weights = self")
    mine.break_("mask")
    answer = mine.run()
    assert answer.says == "not what the reference gives; 1 missing step from the reference"
    assert answer.mine != answer.right
    assert all(text[0].startswith("Once upon a time") for text in (answer.mine, answer.right))
    assert mine.check().says == "not right yet: no_mask"
    assert mine.fix().ok
    assert mine.check().ok
    text = mine.file.path.read_text("utf-8")
    assert "masked_fill" in text


def test_loops_crashes_and_exits_end_nothing_but_the_run(tmp_path: Path, kernel: Kernel) -> None:
    mine = held(tmp_path, kernel, 4)
    text = mine.file.path.read_text("utf-8")
    for line, says in (
        ("import os; os._exit(3)", "ended by itself"),
        ("import sys; sys.exit()", "SystemExit"),
        ("1 / 0", "ZeroDivisionError"),
    ):
        mine.file.path.write_text(
            text.replace("        weights = self", f"        {line}\n        weights = self"), "utf-8"
        )
        answer = mine.run()
        assert not answer.ok
        assert any(says in line for line in answer.lines), (line, answer)
        assert line in mine.file.path.read_text("utf-8")
    replace(mine, "        1 / 0", "        while True: pass")
    answer = mine.check()
    assert answer.says == "not right yet: endless"
    assert answer.lines[1:] == ["line 37: while True: pass", "still running after 3 seconds: does this loop end?"]
    mine.file.path.write_text(text, "utf-8")
    assert mine.run().ok


def test_a_kernel_that_was_killed_is_started_again(tmp_path: Path) -> None:
    kernel = Kernel()
    mine = held(tmp_path, kernel, 3)
    assert mine.check().ok
    assert kernel.process
    os.kill(kernel.process.pid, 9)
    kernel.process.wait()
    over_the_blank(mine, *mine.lecture.steps[3].lines)
    assert mine.next().says == "step 4 as you typed it: right"
    kernel.close()
