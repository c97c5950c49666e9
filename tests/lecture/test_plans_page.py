"""The page for lecturers has the lectures as they are planned."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from minigpt.lecture.plan import NAMES, lecture

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """tutorials/lecture.py, which writes the page."""
    spec = importlib.util.spec_from_file_location("lecture_page", ROOT / "tutorials" / "lecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(script: ModuleType, name: str) -> list[list[str]]:
    """The rows of one of the page's tables, as it stands there."""
    text = script.PLAN.read_text("utf-8").split(f"<!-- {name}: written by lecture.py -->\n")[1].split(script.END)[0]
    assert text == script.tables()[name]
    return [re.split(r"(?<!\\)\|", row)[1:-1] for row in text.split("\n") if row.startswith("| ")][1:]


@pytest.mark.parametrize(
    ("name", "held", "minutes"), [("attention", ["attention"], 20), ("gpt2", ["block", "gpt2"], 45)]
)
def test_a_lecture_minute_by_minute(script: ModuleType, name: str, held: list[str], minutes: int) -> None:
    found, steps = rows(script, name), [(plan, step) for plan in map(lecture, held) for step in plan.steps]
    assert sum(step.minutes for _, step in steps) == minutes
    assert f"Together: {minutes} minutes." in script.tables()[name]
    begins = [float(row[0]) for row in found]
    ends = [*begins[1:], minutes]
    assert [end - begin for begin, end in zip(begins, ends, strict=True)] == [step.minutes for _, step in steps]
    for row, (plan, step) in zip(found, steps, strict=True):
        assert len(row) == 5
        assert f"`{plan.name}` {step.number}. " in row[1]
        assert row[2].strip().endswith("?")
        assert re.findall("`(.+?)`", row[4]) == [b.name for b in plan.breaks if b.step == step.number]


def test_the_course_has_six_hours_and_every_lecture_once(script: ModuleType) -> None:
    found = rows(script, "course")
    assert len(found) == 6
    assert sorted(name for names in script.COURSE for name in names) == sorted(NAMES)
    for row, names in zip(found, script.COURSE, strict=True):
        assert re.findall(r"`(\w+)`:", row[1]) == [*names]
        assert float(row[2]) == sum(lecture(name).minutes for name in names)
        assert float(row[2]) + float(row[3]) == script.HOUR
        assert float(row[3]) >= 5


def test_every_break_is_listed(script: ModuleType) -> None:
    for row, name in zip(rows(script, "breaks"), NAMES, strict=True):
        assert re.findall(r"`(\w+)`", "|".join(row)) == [name, *(b.name for b in lecture(name).breaks)]


def test_numbers_that_the_page_and_the_plans_tell() -> None:
    """What is said of sizes, from the configurations themselves."""
    from minigpt.models.config import GPT2Config

    config = GPT2Config()
    assert config.vocab_size * config.n_embd // 10**6 == 38  # "39 million", rounded
    assert round(config.n_ctx * config.n_embd / 1e6, 1) == 0.8
    attention, mlp = 4 * config.n_embd**2, 2 * config.n_embd * config.n_inner
    assert mlp == 2 * attention, "two thirds and one third"
    assert round((attention + mlp) / 1e6) == 7
    assert round(2 * 4 * config.n_layer * config.n_ctx * config.n_embd / 1e6) == 75
