"""The slides: every cell says whether it begins one, and none holds more than it can show."""

import copy
import doctest
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import lecture
import links
import slides

TUTORIALS = Path(__file__).parents[2] / "tutorials"
NOTEBOOKS = sorted([*TUTORIALS.glob("[0-9]*.ipynb"), *TUTORIALS.glob("solved/*.ipynb")])
BEGIN = ("slide", "subslide")


def cells(path: Path) -> list[Any]:
    return list(nbformat.read(path, as_version=4).cells)


def kind(cell: Any) -> str:
    return str(cell.metadata["slideshow"]["slide_type"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[str(path.relative_to(TUTORIALS)) for path in NOTEBOOKS])
def test_every_cell_is_marked(path: Path) -> None:
    found = cells(path)
    assert found, "make lessons"
    assert kind(found[0]) == "slide"
    headed = False
    for cell in found:
        assert kind(cell) in (*BEGIN, "fragment", "skip")
        assert cell.cell_type == "code" or not re.search(r".\n## ", cell.source, re.DOTALL), "a heading begins a cell"
        if cell.source.startswith("## "):
            headed = True
            assert kind(cell) == "slide"
        if kind(cell) == "skip":
            assert not headed
            assert "import " in cell.source
        question = bool(re.search(r"^quiz\(", cell.source, re.MULTILINE))
        assert ("question" in cell.metadata.get("tags", [])) == question
        if question:
            assert kind(cell) == "subslide"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[str(path.relative_to(TUTORIALS)) for path in NOTEBOOKS])
def test_a_slide_holds_no_more_than_it_shows(path: Path) -> None:
    """32 lines, by the measure of slides.py; a cell that is higher by itself stands alone."""
    shown: list[list[float]] = []
    for cell in cells(TUTORIALS / "solved" / path.name):
        if kind(cell) in BEGIN:
            shown.append([])
        if kind(cell) != "skip":
            shown[-1].append(slides.height(cell))
    assert all(sum(slide) <= slides.HIGH or len(slide) == 1 for slide in shown)
    assert sum(len(slide) == 1 and slide[0] > slides.HIGH for slide in shown) <= 5, "cut long cells"
    found, again = cells(path), copy.deepcopy(cells(TUTORIALS / "solved" / path.name))
    for cell in again:
        cell.metadata.pop("slideshow")
        cell.metadata.pop("tags", None)
    slides.mark(again)
    assert [cell.metadata for cell in found] == [cell.metadata for cell in again], "make lessons"


def test_what_nbconvert_is_told() -> None:
    """The lines are those of the page's height, and of it nbconvert leaves a twentieth free where it scrolls."""
    told = json.loads((TUTORIALS / "slides.json").read_text("utf-8"))
    assert slides.HIGH <= int(told["SlidesExporter"]["reveal_height"]) * 0.95 / slides.PIXELS <= slides.HIGH + 1
    assert told["TagRemovePreprocessor"]["remove_input_tags"] == ["question"]


def test_a_cell_that_does_not_fit_begins_a_slide_below() -> None:
    code = nbformat.v4.new_code_cell
    text = nbformat.v4.new_markdown_cell
    lesson = [
        text("# Title"),
        code("import install"),
        code("import this"),
        text("## First"),
        code("\n".join(["x"] * 20)),
        code("\n".join(["y"] * 9)),
        text("So."),
        text("## Second"),
        code("z"),
        code("quiz(1)"),
        code("quiz(2)"),
    ]
    slides.mark(lesson)
    found = [kind(cell) for cell in lesson]
    assert found[:5] == ["slide", "skip", "skip", "slide", "fragment"]
    assert found[5:] == ["subslide", "fragment", "slide", "fragment", "subslide", "subslide"]


@pytest.mark.parametrize("module", [slides, links, lecture], ids=lambda module: module.__name__)
def test_examples(module: Any) -> None:
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
