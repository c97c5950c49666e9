"""The lessons: notebooks are what their sources say, run without a network, and ask fair questions."""

import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import build
from minigpt.exercises.catalog import TASKS, exercise, plain
from minigpt.exercises.files import defined
from minigpt.exercises.lesson import quiz, source
from tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
SOURCES = build.lessons([])
NAMES = [path.stem for path in SOURCES]


def notebook(name: str, solved: bool) -> Any:
    folder = ROOT / "tutorials" / ("solved" if solved else "")
    return nbformat.reads((folder / f"{name}.ipynb").read_text("utf-8"), as_version=4)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_the_notebooks_have_the_cells_of_the_source(path: Path) -> None:
    for solved in (False, True):
        stored, made = notebook(path.stem, solved), build.read(path, solved)
        assert [(c.id, c.source) for c in stored.cells] == [(c.id, c.source) for c in made.cells], "make lessons"
        nbformat.validate(stored)
        assert stored.metadata == {"kernelspec": build.KERNEL}
        assert len(json.dumps(stored)) < 2_000_000


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_every_exercise_is_checked_in_the_cell_after_it(path: Path) -> None:
    cells = notebook(path.stem, solved=False).cells
    names = [cell.metadata["exercise"] for cell in cells if "exercise" in cell.metadata]
    assert names, "a lesson has something to do"
    for n, cell in enumerate(cells):
        if "exercise" in cell.metadata:
            assert 'raise NotImplementedError("your turn")' in cell.source
            assert cells[n + 1].source.startswith(f"check({exercise(cell.metadata['exercise']).name}")


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_what_is_shown_is_right_and_can_be_seen_on_github(path: Path) -> None:
    for cell in notebook(path.stem, solved=True).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.source
            data = output.get("data", {})
            assert "application/vnd.jupyter.widget-view+json" not in data
            assert "<svg" not in str(data.get("text/html", ""))
            if cell.source.startswith("check("):
                assert data["text/plain"].startswith("✓"), data["text/plain"]


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_no_helper_bears_the_name_of_another_lessons_exercise(path: Path) -> None:
    """`minigpt check` would take it for one."""
    cells = [cell for cell in build.read(path, solved=True).cells if cell.cell_type == "code"]
    exercises = {cell.metadata["exercise"] for cell in cells if "exercise" in cell.metadata}
    nodes = [node for cell in cells if "exercise" not in cell.metadata for node in ast.parse(cell.source).body]
    helpers = {defined(node) for node in nodes}
    assert not {plain(name) for name in helpers} & {plain(name) for name in {*TASKS} - exercises}


@pytest.mark.slow
@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_lesson_runs_and_gives_what_is_stored(path: Path) -> None:
    for place, text in build.build(path).items():
        stored = place.read_text("utf-8")
        assert build.without_images(text) == build.without_images(stored), f"{place.name} is stale: make lessons"


def test_the_longest_option_is_right_no_more_often_than_chance() -> None:
    longest = total = 0
    for path in SOURCES:
        found = [cell for cell in notebook(path.stem, solved=True).cells if "quiz(" in cell.source]
        shown = [cell.outputs[-1].data["text/html"] for cell in found if cell.outputs and "data" in cell.outputs[-1]]
        shown = [html for html in shown if "<details>" in html]
        assert len(shown) == 5, f"{path.stem}: five questions, not {len(shown)}"
        for html in shown:
            options = re.findall(r"<div>([A-E])&emsp;(.*?)</div>", html)
            answer = re.search(r"</summary>([A-E]):", html)
            assert answer
            right = dict(options)[answer[1]]
            total += 1
            longest += all(len(right) > len(text) for letter, text in options if letter != answer[1])
    assert longest <= 0.4 * total + 1, f"{longest} of {total}"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_the_code_of_a_question_is_folded_away_and_no_other(path: Path) -> None:
    """It names the answer."""
    for solved in (False, True):
        for cell in build.read(path, solved).cells:
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            assert hidden == (cell.cell_type == "code" and re.search(r"^quiz\(", cell.source, re.MULTILINE) is not None)


def test_a_question_has_one_right_option_in_an_order_of_its_own() -> None:
    orders = {tuple(quiz(f"Question {n}?", [1, 2, 3], 1, "").options) for n in range(30)}
    assert len(orders) == 6
    with pytest.raises(ValueError, match="2 of its options are 1"):
        quiz("Which?", [1, 1, 2], 1, "")


def test_source_names_the_file_within_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    """Not the folder in which the project happens to lie, of which every reader has another, and no line's number,
    which would make the lesson stale with every change above."""
    for part, name in ((Tokenizer.encode_by_hand, "bpe.py, Tokenizer.encode_by_hand"), (source, "lesson.py, source")):
        source(part)
        head, code = capsys.readouterr().out.split("\n", 1)
        assert head == f"# {part.__module__.rpartition('.')[0].replace('.', '/')}/{name}"
        assert code.strip() == inspect.getsource(part).strip()


def test_a_stale_notebook_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "01_small.py").write_text('# %% exercise="merge"\n\n# %%\nprint(1 + 1)\n', encoding="utf-8")
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert build.main([]) == 0
    written = {file.name: file.read_bytes() for file in tmp_path.rglob("*.ipynb")}
    assert len(list(tmp_path.rglob("*.ipynb"))) == 2
    assert build.main(["--check"]) == 0
    assert build.main([]) == 0
    assert {file.name: file.read_bytes() for file in tmp_path.rglob("*.ipynb")} == written, (
        "built twice: the same bytes"
    )
    (tmp_path / "01_small.py").write_text('# %% exercise="merge"\n\n# %%\nprint(1 + 2)\n', encoding="utf-8")
    assert build.main(["--check"]) == 1
    with pytest.raises(ValueError, match="no lesson 99"):
        build.main(["99"])


def test_the_overview_lists_every_lesson_with_its_exercises() -> None:
    text = (ROOT / "tutorials" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(.+?)\]\((\S+?)\.ipynb\) \| (\d+) \| (.+?) \|$", text, re.MULTILINE)
    assert [row[1] for row in rows] == NAMES
    for path, (title, _, _, exercises) in zip(SOURCES, rows, strict=True):
        cells = build.read(path, solved=False).cells
        assert cells[0].source.startswith(f"# {title}\n")
        assert re.findall(r"`(\w+)`", exercises) == [c.metadata["exercise"] for c in cells if "exercise" in c.metadata]
