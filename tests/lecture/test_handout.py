"""The handout: what was held, typed and asked, all of it and nothing else; the notebook runs."""

import ast
import codeop
import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import minigpt
from minigpt.lecture import clock, handout, handout_html, handout_notebook, handout_pictures, history
from minigpt.lecture.handout_record import Event, Handout, Row, Value
from minigpt.lecture.held import Held
from minigpt.lecture.kernel import Kernel
from minigpt.lecture.working_file import WorkingFile
from tests import forked
from tests.pictures.browser import MISSING, Browser

REHEARSED, EARLY, ASKED, LATE = "only a rehearsal?", "Is it recorded?", "Is k_i * q_i < 1?\n<b>", "And f`x`?"
BEGAN = 1_800_000_000.0


class Clock:
    """Minutes that go by as the test says."""

    def __init__(self) -> None:
        self.minutes = 0.0

    def time(self) -> float:
        return BEGAN + 60 * self.minutes


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    kernel.start()
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def talk(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """`attention`, held once, with all that may come in between; its handout after four steps, and at the end."""
    folder, now = tmp_path_factory.mktemp("talk"), Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "time", now)
        patch.setattr(clock, "time", now)
        held = Held(WorkingFile.start("attention", folder), kernel)
        path = held.file.path
        held.ask(REHEARSED)
        held.next()
        now.minutes = 50
        held.goto(0)
        now.minutes = 100
        held.ask(EARLY)
        now.minutes = 110
        held.next()
        typed(path, "exponentials", "e")  # another name
        now.minutes = 113
        held.ask(ASKED)
        held.next()
        now.minutes = 118
        held.next()
        typed(path, "        ...  # next", '        print("shape", scores.shape)\n        ...  # next')
        now.minutes = 125
        held.next()
        part = handout.gathered(held)
        for now.minutes in (126, 127):
            held.break_("mask")
            held.undo()
        held.history.note("xray", "softmax The cat")
        typed(
            path, "# next: 5", "def split_heads(x:\n    return x * 2\n\n\n# next: 5"
        )  # no Python: it becomes comments
        held.ask(LATE)
        held.next()
        typed(path, "import math", "import math  # roots")
        seen: list[Handout] = []
        gathered = handout.gathered
        patch.setattr(handout, "gathered", lambda held: seen.append(gathered(held)) or seen[0])
        written = handout.write(held)
    return SimpleNamespace(held=held, part=part, whole=seen[0], book=written[0], page=written[1], folder=folder)


def typed(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def cells_run(book: Path) -> list[tuple[dict[str, Any], str, str]]:
    """Each cell of code, run after those above it: what it printed, and what its last line gave. For a process of its
    own: the last cells put the file's names in the place of ours."""
    space: dict[str, Any] = {"__name__": "__main__"}
    compiled, found = codeop.Compile(), []
    for cell in json.loads(book.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            *lines, last = (ast.unparse(node) for node in ast.parse(cell["source"]).body)
            out, value = io.StringIO(), None
            with redirect_stdout(out):
                exec(compiled("\n".join([*lines, "0"]), "<cell>", "exec"), space)
                try:
                    value = eval(compiled(last, "<cell>", "eval"), space)
                except SyntaxError:
                    exec(compiled(last, "<cell>", "exec"), space)
            found.append((cell, out.getvalue(), repr(value)))
    return found


def test_the_notebook_is_one_and_its_cells_run(talk: SimpleNamespace) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.reads(talk.book.read_text("utf-8"), as_version=nbformat.NO_CONVERT))
    shown, run = [], forked.call(cells_run, talk.book)
    for cell, out, value in run:
        if cell["source"].startswith("minigpt.xray("):
            continue
        for output in cell["outputs"]:
            if output["output_type"] == "stream" and "minigpt.load" not in cell["source"]:
                assert output["text"].strip() == out.strip()
            elif "text/plain" in output.get("data", {}):
                assert output["data"]["text/plain"] == value
                shown.append(cell["source"])
    assert shown == [source for step in talk.held.lecture.steps for source in step.tries]
    (story,) = [output["text"] for output in run[-1][0]["outputs"]]
    assert run[-1][1].count("shape") > 100, "the notebook's own definitions run in the program"
    assert "".join(re.sub(r"shape.*\n", "", run[-1][1])) == story
    assert story == talk.held.trials.expected()
    assert talk.whole.writes.endswith("but for what the file itself prints")


def test_the_values_are_those_of_the_half_typed_file(talk: SimpleNamespace) -> None:
    """`so_far` gives the scores while there is no `return` yet: after all steps it would give the result."""
    third = talk.whole.parts[2]
    (scores,) = [value for value in third.values if value.source == "so_far(Attention().forward, q, k, values)[0, 0]"]
    assert scores.rows == [[1.0, 0.0], [0.0, 2.0]]
    book = json.loads(talk.book.read_text("utf-8"))
    (cell,) = [cell for cell in book["cells"] if cell["source"] == scores.source]
    kinds = [kind for output in cell["outputs"] for kind in output["data"]]
    assert kinds == ["text/plain", "image/png"]


def test_the_lecturers_own_lines_are_marked_and_other_names_are_not(talk: SimpleNamespace) -> None:
    own = [row.text.strip() for row in talk.whole.rows if row.own]
    assert own == [
        "import math  # roots",
        'print("shape", scores.shape)',
        *("# yours: def split_heads(x:", "# yours:     return x * 2"),
    ]
    assert any("e = torch.exp(" in row.text for row in talk.whole.rows)
    assert {(old, new) for (_, old), new in talk.whole.changes.items()} == {("exponentials", "e")}
    page, book = talk.page.read_text("utf-8"), talk.book.read_text("utf-8")
    assert page.count("<span class=own>import math") == 1
    assert page.count('<span class=own>        print("shape", scores.shape)') == 2  # in its step, and in the file
    assert '\\n+         print(\\"shape\\", scores.shape)\\n' in book
    assert "<code>e</code> for <code>exponentials</code>" in page
    assert "`e` for `exponentials`" in book


def test_a_step_shows_its_own_lines_alone(talk: SimpleNamespace) -> None:
    assert [row.text.strip() for row in talk.whole.parts[1].rows][:1] == ["class Attention(nn.Module):"]
    texts = [row.text for part in talk.whole.parts for row in part.rows]
    assert len([text for text in texts if text.startswith("def ")]) == 4
    assert not [text for text in texts if "# next:" in text or "__main__" in text]
    assert [cell.split("\n")[0] for cell in talk.whole.parts[2].code] == ["class Attention(nn.Module):"]


def test_nothing_is_said_that_was_not_held(talk: SimpleNamespace) -> None:
    told = [handout_html.page(talk.part), handout_notebook.notebook(talk.part)]
    last = talk.held.lecture.steps[-1]
    for text in told:
        assert "4 of 5 steps" in text
        assert last.title not in text
        assert last.ask not in text
        assert "Channels 4 to 7" not in text
        assert LATE not in text
        assert "What the whole program writes" not in text
    for path in (talk.book, talk.page):
        text = path.read_text("utf-8")
        assert REHEARSED not in text
        assert last.title in text
    assert [event.says for event in talk.whole.before] == [EARLY]


def test_what_came_in_between_stands_where_it_came(talk: SimpleNamespace) -> None:
    told: Handout = talk.whole
    assert [[event.kind for event in part.events] for part in told.parts] == [
        *(["question"], [], []),
        ["break", "xray", "question"],
        [],
    ]
    assert [round(part.reached) for part in told.parts] == [0, 3, 8, 15, 17]
    assert [part.planned for part in told.parts] == [0, 4, 6, 11, 17]
    assert [told.at(told.before[0]), told.at(told.parts[0].events[0])] == ["before the start", "3 min"]
    page, book = talk.page.read_text("utf-8"), talk.book.read_text("utf-8")
    assert "<td>4. The mask, the weights, the mean</td><td>11</td><td>15</td>" in page
    assert "| 4. The mask, the weights, the mean | 11 | 15 |" in book
    assert "From the hall, 3 min:</strong> Is k_i * q_i &lt; 1?\n&lt;b&gt;" in page
    assert "**From the hall, 3 min:** Is k\\\\_i \\\\* q\\\\_i \\\\< 1? \\\\<b\\\\>" in book
    assert "And f\\\\`x\\\\`?" in book


def test_a_break_shows_the_line_and_both_texts(talk: SimpleNamespace) -> None:
    (event,) = [event for part in talk.whole.parts for event in part.events if event.kind == "break"]
    assert event.says == "mask: each token sees those after it"
    assert [line.split(maxsplit=1)[1] for line in event.lines] == [
        *("scores = scores.masked_fill(~mask, -math.inf)", "scores = scores + 0"),
    ]
    assert event.right == talk.held.trials.expected()
    assert event.wrote != event.right
    assert talk.whole.at(event) == "16 min", "when it came for the first time"
    assert event.wrote.startswith("Once upon a time")
    page, book = talk.page.read_text("utf-8"), json.loads(talk.book.read_text("utf-8"))
    (cell,) = [cell["source"] for cell in book["cells"] if "Broken on purpose" in cell["source"]]
    for text in (event.wrote.strip(), event.right.strip()):
        assert text in cell
        assert handout_html.escape(text, quote=False) in page


def test_the_page_needs_nothing_else_and_prints_black_on_white(talk: SimpleNamespace) -> None:
    text = talk.page.read_text("utf-8")
    assert not re.findall(r"(?:src|href|url)\b[=(]|@import", text)
    assert {*re.findall(r"https?://[^\s\"]+", text)} <= {"http://www.w3.org/2000/svg"}
    if MISSING:
        pytest.skip(MISSING)
    with Browser() as browser:
        browser.open(talk.page, width=400, dark=True)
        assert browser.errors == []
        assert browser.evaluate("document.documentElement.scrollWidth") == 400
        color = "getComputedStyle(document.querySelector('p')).color"
        assert browser.evaluate(color) == "rgb(255, 255, 255)"
        browser.do(lambda page: page.emulate_media(media="print"))
        assert browser.evaluate(color) == "rgb(0, 0, 0)"
        assert browser.evaluate("getComputedStyle(document.querySelector('svg text')).fill") == "rgb(255, 255, 255)"


def test_a_file_that_does_not_run_is_shown_but_not_run(kernel: Kernel, tmp_path: Path) -> None:
    held = Held(WorkingFile.start("attention", tmp_path), kernel)
    with pytest.raises(ValueError, match="nothing of attention has been held yet: minigpt lecture next"):
        handout.write(held)
    assert not [*tmp_path.glob("*handout*")]
    held.next()
    held.next()
    typed(held.file.path, "import math\n", "import math\n\nundefined_name\n")
    held.next()
    typed(held.file.path, "undefined_name\n", "")
    held.next()
    typed(held.file.path, "weights = ", "weights = (")
    told = handout.gathered(held)
    assert [len(part.code) for part in told.parts] == [2, 1, 0, 2]
    assert [bool(part.values) for part in told.parts] == [True, True, False, True]
    assert "undefined_name" in [row.text for row in told.parts[2].rows]
    assert "        weights = (self.softmax(scores)  # (B, H, T, S), each row sums to 1" in [
        row.text for row in told.rows
    ]
    (tmp_path / "book").write_text(handout_notebook.notebook(told), "utf-8")
    assert len(forked.call(cells_run, tmp_path / "book")) > 8


def test_an_xray_is_drawn_where_the_package_can(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(lm: Any, part: str, prompt: str) -> Any:
        if part != "mlp":
            raise ValueError("no such part")
        return SimpleNamespace(_repr_html_=lambda: f"<table>{lm.name} {part} {prompt}</table>")

    monkeypatch.setattr(minigpt, "xray", draw, raising=False)
    assert handout_pictures.xray("mlp The cat sat") == "<table>storyteller mlp The cat sat</table>"
    assert handout_pictures.xray("nose The cat") == ""
    event = Event("xray", "mlp The cat sat", 0.0, 1, drawn="<table>")
    told = SimpleNamespace(at=lambda _: "3 min")
    assert "</p><table></div>" in handout_html.of_event(told, event)  # type: ignore[arg-type]
    text, code = handout_notebook.of_event(told, event)  # type: ignore[arg-type]
    assert text["source"] == "**X-ray, 3 min:** mlp The cat sat"
    assert code["source"].endswith("'mlp', 'The cat sat')")
    assert code["outputs"][0]["data"]["text/html"] == "<table>"


def test_the_imports_are_one_cell_that_compiles() -> None:
    head = ["from __future__ import annotations", "import torch", "from torch import Tensor"]
    plan = SimpleNamespace(title="A lecture", about="", steps=[])
    told = SimpleNamespace(lecture=plan, day="today", parts=[], head=head, before=[])
    cell = [*handout_notebook.opening(told)][-1]["source"]  # type: ignore[arg-type]
    compile(cell, "<cell>", "exec")
    assert cell.split("\n") == [*head, "import minigpt", "import tokenizer"]


def test_numbers_as_pictures() -> None:
    drawing = handout_pictures.heat_map([[1.0, -0.5], [float("-inf"), 0.0]], "four numbers")
    assert drawing.table[1] == [["0", "1.00", "-0.50"], ["1", "-inf", "0.00"]]
    assert drawing.shades == [[1.0, 0.5], [0.0, 0.0]]
    boxes = [shape for shape in drawing.shapes if isinstance(shape, handout_pictures.Box)]
    assert [box.color for box in boxes] == ["tint", "second", "second", "tint"]
    assert handout_pictures.heat_map([[float("nan")]], "none").table[1] == [["0", "nan"]]


def test_without_matplotlib_the_numbers_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    value = Value("x", "tensor([1., 2.])", "", [[1.0, 2.0]])
    assert len([*handout_notebook.outputs(value)]) == 2
    monkeypatch.setattr(handout_notebook, "find_spec", lambda _: None)
    (output,) = handout_notebook.outputs(value)
    assert output["data"] == {"text/plain": "tensor([1., 2.])"}
    assert handout_notebook.fence([Row("a", False), Row("b", True)]) == "```diff\n  a\n+ b\n```"
    assert handout_notebook.quoted("a ``` b").startswith("````text\n")
