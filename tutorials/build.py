"""Writes the notebooks of the lessons: NN_name.py, by hand, becomes NN_name.ipynb with blanks and solved/NN_name.ipynb.

    python tutorials/build.py [NN …]           all lessons, or some
    python tutorials/build.py --check [NN …]   changes nothing; 1 where a notebook is not what would be written

A source is in the percent format. A cell that is marked `# %% exercise="merge"` gets the exercise of that name: its
blank in one notebook, its solution in the other. The solved one is run; its outputs are also what the first one shows,
but for the checks, which say there what the learner has.
The code of a question is folded away: it names the answer. What begins a slide is marked (slides.py), and where the
project's place on GitHub is known, the lessons say how to open them from there (links.py).
"""

import argparse
import base64
import copy
import os
import re
import string
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

import links
import slides
from minigpt.exercises.catalog import exercise
from tokenizer.fetch.atomic import write_text

HERE = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SECONDS = 120  # for one cell
IMAGE = "image/png"
WIDEST = 840  # pixels: what JupyterLab's column holds in a window of 1280
FOLDED = {"jupyter": {"source_hidden": True}}  # a question's cell: its code names the answer


def lessons(numbers: list[str]) -> list[Path]:
    """The sources, in order. Raises ValueError for a number that none has."""
    found = sorted(HERE.glob("[0-9][0-9]_*.py"))
    for number in numbers:
        if not any(path.name.startswith(number) for path in found):
            raise ValueError(f"no lesson {number}: there are {', '.join(path.stem for path in found)}")
    return [path for path in found if not numbers or path.name.startswith(tuple(numbers))]


def read(path: Path, solved: bool) -> Any:
    """The notebook of a source, with solutions or blanks, not yet run."""
    text = jupytext.reads(path.read_text("utf-8"), "py:percent")
    cells, questions = [], 0
    for n, cell in enumerate(text.cells):
        own = f"{path.stem[:2]}-{n:02d}"
        if cell.cell_type == "markdown":
            texts = zip(["", *string.ascii_lowercase[1:]], slides.parts(cell.source), strict=False)
            cells += [nbformat.v4.new_markdown_cell(part, id=own + letter) for letter, part in texts]
            continue
        name = cell.metadata.get("exercise")
        if name:
            task = exercise(name)
            cell.source = (task.solution() if solved else task.blank()).rstrip()
        new = nbformat.v4.new_code_cell(cell.source, id=own, metadata={"exercise": name} if name else {})
        if slides.is_question(new) and not name:
            new.metadata = nbformat.from_dict(FOLDED)
            questions += 1
            new.source = f"# question {questions}\n{new.source}"  # what is seen of a folded cell
        cells.append(new)
    return nbformat.v4.new_notebook(cells=links.add(cells, path.stem), metadata={"kernelspec": KERNEL})


def run(notebook: Any) -> None:
    """Runs a notebook in a kernel of its own, without a network and without what was downloaded to this machine, so
    that it gives the same everywhere; outputs are left in it, without what changes."""
    with TemporaryDirectory() as empty:
        places = {"MINIGPT_CACHE": empty, "HF_HOME": empty, "HF_HUB_OFFLINE": "1"}
        env = os.environ | places | {"MINIGPT_PNG": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        folder = {"metadata": {"path": str(HERE)}}
        NotebookClient(notebook, timeout=SECONDS, coalesce_streams=True, resources=folder).execute(
            env=env
        )
    notebook.metadata = {"kernelspec": KERNEL}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [tidy(output) for output in cell.outputs]


def tidy(output: Any) -> Any:
    """An output as GitHub can show it: a picture as PNG, not as SVG within HTML, which it strips."""
    if "data" not in output:
        return output
    output.metadata = {}
    if IMAGE in output.data:
        output.data.pop("text/html", None)
        width = int.from_bytes(base64.b64decode(output.data[IMAGE])[16:20])  # in a PNG's first chunk
        output.metadata = {
            IMAGE: {"width": min(width, WIDEST), "unconfined": True}
        }  # a phone scrolls it
    return output


def build(path: Path) -> dict[Path, str]:
    """The two notebooks of a lesson, as texts by their places."""
    solved = read(path, solved=True)
    run(solved)
    slides.mark(solved.cells)
    blank = read(path, solved=False)
    for cell, done in zip(blank.cells, solved.cells, strict=True):
        cell.metadata = copy.deepcopy(done.metadata)
        if cell.cell_type == "code" and not cell.source.startswith("check("):  # a blank is not right yet
            cell.outputs = copy.deepcopy(done.outputs)
            cell.execution_count = done.execution_count
    places = {HERE / f"{path.stem}.ipynb": blank, HERE / "solved" / f"{path.stem}.ipynb": solved}
    return {place: nbformat.writes(notebook) + "\n" for place, notebook in places.items()}


def without_images(text: str) -> str:
    """A notebook's text without its pictures, whose bytes depend on matplotlib's version and the fonts."""
    return re.sub(rf'"{IMAGE}": "[^"]*"', f'"{IMAGE}": ""', text)


def main(words: list[str]) -> int:
    """Build, or check."""
    parser = argparse.ArgumentParser(description="the notebooks of the lessons")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons (default: all)")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; 1 where a notebook is stale"
    )
    args = parser.parse_args(words)
    stale = []
    for path in tqdm(lessons(args.lessons), "lessons", disable=None):
        for place, text in build(path).items():
            old = place.read_text("utf-8") if place.is_file() else ""
            if args.check:
                stale += [place.name] * (without_images(old) != without_images(text))
            elif old != text:
                place.parent.mkdir(exist_ok=True)
                write_text(place, text)
    if stale:
        print(f"stale: {', '.join(stale)}: make lessons", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
