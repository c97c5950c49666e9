"""The lectures: cut from the tested source, every state runs, every step shows something, every break is seen."""

import ast
import contextlib
import dataclasses
import functools
import importlib
import io
import re
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import minigpt
import tokenizer
from minigpt.exercises.catalog import exercise
from minigpt.exercises.checker import report_on
from minigpt.language_model import LanguageModel
from minigpt.lecture import plan
from minigpt.lecture.cuts import complete, step_starts
from minigpt.lecture.form import Source
from minigpt.lecture.plan import NAMES, Break, Lecture, cut, lecture, text_of
from minigpt.models import gpt2
from tests import forked

PLANS = Path(plan.__file__).parent / "plans"


@pytest.fixture(autouse=True)
def _gradients() -> Iterator[None]:
    """A lecture's setup may switch them off."""
    yield
    torch.set_grad_enabled(True)


LECTURES = {name: lecture(name) for name in NAMES}
STEPS = [pytest.param(name, step.number, id=f"{name}-{step.number}") for name in NAMES for step in LECTURES[name].steps]
BREAKS = [pytest.param(name, b, id=f"{name}-{b.name}") for name in NAMES for b in LECTURES[name].breaks]


def whole(held: Lecture) -> str:
    return held.text(len(held.steps))


def toml(name: str) -> str:
    return (PLANS / f"{name}.toml").read_text("utf-8")


def bare(tree: ast.AST) -> str:
    """A syntax tree without docstrings, as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    """Some setups switch them off for the process, which is the file's own elsewhere."""
    before = torch.is_grad_enabled()
    yield
    torch.set_grad_enabled(before)


def space_of(text: str) -> dict[str, Any]:
    """What a working file defines, imported as a module that is not the main one."""
    module = types.ModuleType("working")
    module.__dict__.update(minigpt=minigpt, torch=torch, tokenizer=tokenizer)
    exec(compile(text, "working.py", "exec"), module.__dict__)
    return module.__dict__


@contextlib.contextmanager
def placed(held: Lecture, space: dict[str, Any]) -> Iterator[None]:
    """The file's names in the place of the sources' own, in every module that holds these."""
    old = {(s, name): getattr(importlib.import_module(s), name) for s, names in held.names.items() for name in names}
    new = {id(value): space.get(name, value) for (_, name), value in old.items()}
    before = [
        (module, key, value)
        for module in [*sys.modules.values()]
        if (getattr(module, "__name__", None) or "").startswith(("minigpt", "tokenizer", "weights"))
        for key, value in vars(module).items()
        if id(value) in new
    ]
    for module, key, value in before:
        setattr(module, key, new[id(value)])
    try:
        with torch.set_grad_enabled(True):  # a setup may switch it off
            yield
    finally:
        for module, key, old in before:
            setattr(module, key, old)


def shown(value: Any) -> str:
    """A value of a try, as it is compared."""
    return repr(value.detach().tolist()) if isinstance(value, Tensor) else repr(value)


def values(held: Lecture, text: str, tries: tuple[str, ...]) -> list[str]:
    """What the tries give with a file; a name for what they raise."""
    torch.manual_seed(0)
    try:
        space = space_of(text)
    except Exception as error:
        return [f"does not run: {type(error).__name__}"]
    found = []
    with placed(held, space):
        exec(held.setup, space)
        for one in tries:
            try:
                found.append(shown(eval(one, space)))
            except Exception as error:
                found.append(f"{type(error).__name__}!")
    return found


def all_tries(held: Lecture) -> tuple[str, ...]:
    return tuple(one for step in held.steps for one in step.tries)


def ran(held: Lecture, text: str) -> str:
    """What `run` prints."""
    space, out = space_of(text), io.StringIO()
    with placed(held, space), contextlib.redirect_stdout(out):
        try:
            exec(held.run, space)
        except Exception as error:
            print(f"{type(error).__name__}!")
    return out.getvalue()


@functools.cache
def right_values(name: str) -> list[str]:
    return values(LECTURES[name], whole(LECTURES[name]), all_tries(LECTURES[name]))


def anew(lm: LanguageModel) -> LanguageModel:
    """A model of the class that stands in the place now, with the weights of one that was loaded: much faster."""
    with torch.device("meta"):
        model = gpt2.GPT2(lm.model.config)
    model.load_state_dict(lm.model.state_dict(), assign=True)
    return LanguageModel(model.eval(), lm.tokenizer, lm.generation_config, plain=True)


def outcomes() -> dict[str, dict[str, str]]:
    """What each lecture's `run` prints; and, shortened, whole, again, and with each break. All of it in one process
    with one thread, with all modules there before anything is put into their place."""
    torch.set_num_threads(1)
    lm = minigpt.load("storyteller", device="cpu", plain=True)
    lm.generate("a", max_new_tokens=2)
    found = {name: {"whole": ran(lecture(name), whole(lecture(name)))} for name in NAMES}
    minigpt.load = lambda *_, **__: anew(lm)
    for name in NAMES:
        held = lecture(name)
        short = dataclasses.replace(held, run=re.sub(r"(max_new_tokens=|n_new=|steps=|NEW = )\d+", r"\g<1>8", held.run))
        texts = {"short": whole(held), "again": whole(held)} | {b.name: broken(held, b) for b in held.breaks}
        found[name] |= {key: ran(short, text) for key, text in texts.items()}
    return found


def broken(held: Lecture, planted: Break) -> str:
    return whole(held).replace(planted.find, planted.put)


@pytest.mark.parametrize("name", NAMES)
def test_a_lecture_is_its_source_but_for_docstrings(name: str) -> None:
    held = LECTURES[name]
    typed = {}
    for node in ast.parse("\n".join(held.body)).body:
        key = getattr(node, "name", None) or ast.unparse(node).split(" = ")[0]
        typed[key] = node
    assert [*typed] == [name for module in held.sources for name in held.names[module]], "in order, and nothing else"
    for module, names in held.names.items():
        source = Source(module, text_of(module), names).definitions()
        for one in names:
            assert bare(typed[one]) == bare(source[one]), one


@pytest.mark.parametrize("name", NAMES)
def test_every_state_imports_and_says_what_comes_next(name: str) -> None:
    held = LECTURES[name]
    for k in range(len(held.steps) + 1):
        text = held.text(k)
        assert text.endswith("\n")
        assert "noqa" not in text
        space_of(text)
        lines = text.split("\n")
        assert lines.count(held.blank(k)) == 1 or k == len(held.steps)
        if k < len(held.steps):
            step = held.steps[k]
            first = next(line for line in step.lines if line)
            after = held.text(k + 1).split("\n")
            place = lines.index(held.blank(k))
            assert after[place] == first, "the blank stands where the next line will stand"
            begin = "...  # next: " if first[0] == " " else "# next: "
            assert held.blank(k).lstrip() == f"{begin}{step.number}. {step.title}"
            assert len(held.blank(k)) - len(held.blank(k).lstrip()) == len(first) - len(first.lstrip())
    assert "# next:" not in whole(held)


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_short_and_have_what_a_lecturer_needs(name: str) -> None:
    held = LECTURES[name]
    assert 3 <= len(held.breaks) <= 6
    assert len({b.name for b in held.breaks}) == len(held.breaks)
    assert all(b.name.isalpha() and len(b.name) <= 10 and b.step for b in held.breaks)
    for step in held.steps:
        assert 5 <= sum(1 for line in step.lines if line) <= 15, step.title
        assert step.say.strip()
        assert step.ask.strip().endswith("?"), step.title
        assert step.tries
        assert step.minutes > 0
        assert len(step.title) <= 50, "it stands in a column"


@pytest.mark.parametrize(("name", "number"), STEPS)
def test_a_step_is_seen(name: str, number: int) -> None:
    """Its tries give values once it is typed, other ones than before; and the whole file without it fails some try."""
    held = LECTURES[name]
    step = held.steps[number - 1]
    now = values(held, held.text(number), step.tries)
    assert not [one for one in now if one.endswith("!")]
    before = values(held, held.text(number - 1), step.tries)
    assert before[0].startswith("does not run") or all(a != b for a, b in zip(now, before, strict=True)), (
        "what shows nothing new"
    )
    without = "\n".join([*held.header, *(line for s in held.steps if s is not step for line in s.lines)])
    assert values(held, without, all_tries(held)) != right_values(name)


@pytest.mark.parametrize(("name", "planted"), BREAKS)
def test_a_break_is_seen_and_has_the_name_that_check_gives_it(name: str, planted: Break) -> None:
    held = LECTURES[name]
    assert values(held, broken(held, planted), all_tries(held)) != right_values(name)
    if planted.bug:
        space = space_of(broken(held, planted))
        exec(held.setup, space)
        banks = {check: [bug.name for bug in exercise(check.exercise).bugs] for check in held.checks}
        reports = [report_on(eval(c.part, space), c.exercise) for c in held.checks if planted.bug in banks[c]]
        assert planted.bug in [report.bug for report in reports], reports


@pytest.mark.parametrize("name", NAMES)
def test_what_is_typed_is_right(name: str) -> None:
    held = LECTURES[name]
    for check in held.checks:
        space = space_of(held.text(check.step))
        exec(held.setup, space)
        report = report_on(eval(check.part, space), check.exercise)
        assert report.ok, report


def test_run_shows_the_file_and_every_break() -> None:
    for name, found in forked.call(outcomes).items():
        text, short = found.pop("whole"), found.pop("short")
        assert len(text) > 60, name
        assert len(text.split("\n")[-1]) == 0
        assert "Error" not in text, text
        assert found.pop("again") == short, f"{name}: the same each time"
        for planted, other in found.items():
            assert other != short, f"break {planted} of {name} writes the same"
            assert "Error" not in other, f"break {planted} of {name}: {other}"


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"no lecture 'atention': did you mean 'attention'\?"):
        lecture("atention")
    with pytest.raises(ValueError, match="there are attention, "):
        lecture("quicksort")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("scores = scores.masked_fill(~mask", "scores = torch.where(~mask", "step 4, The mask, the weights, the mean"),
        ("def merge_heads", "def join_heads", "minigpt.models.attention does not define merge_heads"),
        ("return weights @ v", "result = weights @ v\n        return result", "break values: 'return weights @ v'"),
    ],
)
def test_a_plan_that_no_longer_fits_is_refused_by_name(old: str, new: str, says: str) -> None:
    with pytest.raises(ValueError, match="no longer fits the source") as raised:
        cut("attention", toml("attention"), lambda module: text_of(module).replace(old, new))
    assert str(raised.value).startswith("lecture attention: ")
    assert says in str(raised.value)


def test_a_step_begins_a_statement() -> None:
    inside = toml("bpe").replace("NONE = 1 << 62  # above every rank", "special_tokens: Sequence[str] = (),")
    with pytest.raises(ValueError, match="does not begin a statement"):
        cut("bpe", inside)


def test_a_break_stands_once() -> None:
    twice = toml("attention").replace('find = " / math.sqrt(q.shape[-1])"', 'find = "scores"')
    with pytest.raises(ValueError, match=r"break scale: 'scores' stands \d+ times"):
        cut("attention", twice)


def test_a_check_waits_until_its_part_is_typed() -> None:
    steps = {name: [check.step for check in LECTURES[name].checks] for name in NAMES}
    assert steps["attention"] == [4], "what comes after is not needed"
    assert steps["layers"] == [1, 3, 4]
    assert steps["bpe"] == [2, 6]
    assert complete("(a, b)", ["a = 1", "b = 2"], [0, 1]) == 2


def test_a_line_that_comes_twice_begins_two_steps_and_blank_lines_go_with_the_second() -> None:
    planned = [{"title": "one", "starts": "x = 1"}, {"title": "two", "starts": "x = 1"}]
    assert step_starts(planned, ["x = 1", "", "x = 1"]) == [0, 1]


def test_every_plan_is_a_lecture() -> None:
    assert {path.stem for path in PLANS.glob("*.toml")} == set(NAMES)
    for name in NAMES:
        assert tomllib.loads(toml(name)).keys() == {"title", "about", "setup", "run", "part", "step", "check", "break"}
