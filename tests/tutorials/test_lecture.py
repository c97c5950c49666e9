"""The lecturers' pages: the mistakes are those of the banks, and the minutes those of the lessons."""

import re
from pathlib import Path

import pytest

import lecture
from minigpt.exercises.catalog import TASKS, exercise

PLAN = lecture.PLAN.read_text("utf-8")
HERE = {path.stem[:2]: path for path in lecture.sources()}


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    part = PLAN.split(f"\n## {heading}")[1].split("\n## ")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", part, re.MULTILINE)][2:]


def test_the_pages_are_what_the_script_writes() -> None:
    assert lecture.main(["--check"]) == 0, "make lessons"


def test_a_stale_page_is_found_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "mistakes.md"
    old.write_text(lecture.mistakes() + "| `one_more` |\n", encoding="utf-8")
    monkeypatch.setattr(lecture, "MISTAKES", old)
    assert lecture.main(["--check"]) == 1
    assert "one_more" in old.read_text("utf-8"), "--check changes nothing"
    assert lecture.main([]) == 0
    assert old.read_text("utf-8") == lecture.mistakes()


def test_every_mistake_of_a_lessons_exercises_is_there_once() -> None:
    page = lecture.MISTAKES.read_text("utf-8")
    parts = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^###? |\Z)", page, re.MULTILINE | re.DOTALL))
    tasks = [task for task in map(exercise, TASKS) if task.lesson in HERE]
    assert set(parts) == {task.name for task in tasks}
    for task in tasks:
        rows = re.findall(r"^\| `([^`]+)` \|", parts[task.name], re.MULTILINE)
        assert rows == [bug.name for bug in task.bugs]
        assert all(len(re.split(r"(?<!\\)\|", row)) == 5 for row in parts[task.name].split("\n") if row[:3] == "| `")


def test_the_ninety_minutes_are_ninety_and_name_parts_that_there_are() -> None:
    rows = table("Ninety minutes")
    assert sum(int(minutes) for minutes, _, _ in rows) == 90
    for _, _, where in rows:
        number, heading = where[:2], where[4:].strip('"')
        assert f"\n# ## {heading}\n" in HERE[number].read_text("utf-8"), where


def test_a_week_is_ninety_minutes_with_the_lesson_as_long_as_it_says() -> None:
    rows = table("A semester")
    assert [row[0] for row in rows] == [str(week) for week in range(1, len(HERE) + 1)]
    overview = (lecture.HERE / "README.md").read_text("utf-8")
    stated = re.findall(r"^\| \[.+?\]\((\S+?)\.ipynb\) \| (\d+) \|", overview, re.MULTILINE)
    for path, (_, name, back, lesson, rest) in zip(HERE.values(), rows, strict=True):
        assert f"({path.stem}.ipynb)" in name
        assert int(back) + int(lesson) + int(rest) == lecture.MEETING
        assert int(lesson) == lecture.minutes(path)
        assert int(rest) >= 0
    for stem, minutes in stated:
        assert int(minutes) == lecture.minutes(lecture.HERE / f"{stem}.py"), f"README.md, {stem}"
    assert f"All lessons together: {sum(int(row[3]) for row in rows)} minutes." in PLAN


def test_a_lesson_must_say_its_time(tmp_path: Path) -> None:
    lesson = tmp_path / "01_short.py"
    lesson.write_text("# %% [markdown]\n# # 01 · Short\n#\n# *Sixty minutes. You need nothing.*\n", encoding="utf-8")
    assert lecture.minutes(lesson) == 60
    lesson.write_text("# %% [markdown]\n# # 01 · Short\n#\n# *Half an hour.*\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"01_short\.py does not say its time"):
        lecture.minutes(lesson)


def test_exercises_come_in_the_order_of_the_lesson_and_the_first_week_looks_back_at_nothing() -> None:
    page = lecture.MISTAKES.read_text("utf-8")
    for path in HERE.values():
        part = page.split(f"\n## {lecture.title(path)}\n")[1].split("\n## ")[0]
        taught = re.findall(r'^# %% exercise="(\w+)"', path.read_text("utf-8"), re.MULTILINE)
        assert [name for name in re.findall(r"^### `(\w+)`", part, re.MULTILINE) if name in taught] == taught
    assert [row[2] for row in table("A semester")][:2] == ["0", "10"]


def test_links_lead_somewhere() -> None:
    for page in (lecture.PLAN, lecture.MISTAKES):
        words = re.sub("`[^`]*`", "", page.read_text("utf-8"))  # code is no link: `models[name](prompt)`
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", words):
            assert (lecture.HERE / link).is_file(), link
