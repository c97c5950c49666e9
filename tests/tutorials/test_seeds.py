"""What the source notebooks show stands in the lessons, where docs/seeds.md says.

python tests/tutorials/test_seeds.py    prints its table with the cell of each item
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
TABLE = [line for line in (ROOT / "docs" / "seeds.md").read_text("utf-8").splitlines() if line.startswith("|")][2:]
SEEDS = {"000", "001", "002", "003", "004"}
ROW = re.compile(r"\| (?P<seeds>[\d, ]+) \| (?P<item>.+) \| (?:wrong, )?(?P<lesson>\d\d|not met) \| (?P<words>.+) \|")


class Row(NamedTuple):
    """An item of the source notebooks; `words` find it in a lesson, or say why it is "not met"."""

    seeds: str
    item: str
    lesson: str
    words: str

    def spans(self) -> list[str]:
        """What stands in backticks."""
        return re.findall("`([^`]+)`", self.words)


def parse(line: str) -> Row:
    """Raises ValueError for a line that is not a row of the table."""
    found = ROW.fullmatch(line)
    if not found:
        raise ValueError(f"not | from | item | lesson | words |: {line}")
    return Row(**found.groupdict())


@cache
def cells(lesson: str) -> dict[str, str]:
    """What each cell of a solved lesson says, in its source and its output, by id; white space is one space."""
    (path,) = (ROOT / "tutorials" / "solved").glob(f"{lesson}_*.ipynb")
    notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
    return {cell.id: " ".join(" ".join([cell.source, *outputs(cell)]).split()) for cell in notebook.cells}


def outputs(cell: Any) -> list[str]:
    return [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]


def places(lesson: str, words: str) -> list[str]:
    """The ids of the cells that have the words."""
    return [name for name, text in cells(lesson).items() if words in text]


ROWS = [parse(line) for line in TABLE]
MET = [row for row in ROWS if row.lesson != "not met"]
WORDS = [(row.lesson, words) for row in MET for words in row.spans()]


@pytest.mark.parametrize(("lesson", "words"), WORDS)
def test_one_cell_of_the_lesson_has_the_words(lesson: str, words: str) -> None:
    found = places(lesson, words)
    assert len(found) == 1, f"{words!r} stands in {found or 'no cell'} of lesson {lesson}"


def test_each_item_is_listed_once_and_each_notebook_has_some() -> None:
    assert {seed for row in ROWS for seed in row.seeds.split(", ")} == SEEDS
    assert len({row.item for row in ROWS}) == len(ROWS)
    assert len(set(WORDS)) == len(WORDS)
    for row in MET:
        assert ", ".join(f"`{words}`" for words in row.spans()) == row.words, "nothing but words in backticks"


def test_the_blanks_of_the_exercise_notebook_are_all_there() -> None:
    """001 says YOUR CODE HERE 24 times."""
    numbers = {"a": 1, "two": 2, "three": 3, "five": 5}
    found = [re.search(r"(a|two|three|five) blanks?\b", row.item) for row in MET if "001" in row.seeds]
    assert sum(numbers[match[1]] for match in found if match) == 24


if __name__ == "__main__":
    print("| from | item | cell | words |\n|---|---|---|---|")
    for row in ROWS:
        found = [cell for words in row.spans() for cell in places(row.lesson, words)] if row in MET else [row.lesson]
        print(f"| {row.seeds} | {row.item} | {', '.join(dict.fromkeys(found))} | {row.words} |")
