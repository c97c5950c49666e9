"""The slides of a lesson, as `jupyter nbconvert --config slides.json --to slides` makes them: what begins one, and how
much it can show.

Each heading begins a slide, and each question has its own. Other cells appear on it one by one; one that would not fit
any more begins a new one below. A cell that alone is too high for a slide stands on its own, and scrolls.

A line is 26 pixels of the 1440 x 900 in slides.json; the other numbers are what Chromium makes of a cell, in lines.
"""

import base64
import re
import textwrap
from collections.abc import Iterable
from typing import Any

HIGH = 32.0  # lines that a slide shows
WIDE = 140  # characters in a line of prose
PIXELS = 26
TITLE, HEADING, ROW, CODE, GAP = (
    8.0,
    3.0,
    1.5,
    0.9,
    1.2,
)  # a row of a table, a line of code, what is above a cell
QUESTION = 10.0
IMAGE = "image/png"


def parts(source: str) -> list[str]:
    """The text of a cell, cut before each heading.

    >>> parts("# 14 · Training\\n\\nIt begins.\\n\\n## How wrong?\\n\\nSo.\\n\\n## Five questions")
    ['# 14 · Training\\n\\nIt begins.', '## How wrong?\\n\\nSo.', '## Five questions']
    """
    return re.split(r"\n+(?=## )", source)


def is_question(cell: Any) -> bool:
    """Whether a cell asks one of the five questions."""
    return cell.cell_type == "code" and re.search(r"^quiz\(", cell.source, re.MULTILINE) is not None


def mark(cells: Iterable[Any]) -> None:
    """Writes into the metadata of cells, run already, where their slides begin: the types are those of nbconvert. Code
    before the first heading, which imports, is on none; the code of a question, which names the answer, is tagged."""
    used, headed = 0.0, False
    for n, cell in enumerate(cells):
        high = height(cell)
        headed = headed or cell.source.startswith("## ")
        if cell.cell_type == "code" and not headed:
            kind = "skip"
        elif n == 0 or cell.source.startswith("## "):
            kind = "slide"
        elif is_question(cell) or used + high > HIGH:
            kind = "subslide"
        else:
            kind = "fragment"
        if is_question(cell):
            cell.metadata["tags"] = ["question"]
        cell.metadata["slideshow"] = {"slide_type": kind}
        used = {"skip": used, "fragment": used + high}.get(kind, high)


def height(cell: Any) -> float:
    """How high a cell is on a slide with its outputs, in lines."""
    if cell.cell_type == "markdown":
        return prose(cell.source)
    if is_question(cell):
        return QUESTION
    return block(cell.source) + sum(output_height(output) for output in cell.get("outputs", []))


def block(text: str) -> float:
    """How high code is, or what was printed."""
    return GAP + CODE * len(text.rstrip().split("\n"))


def prose(source: str) -> float:
    """How high a text is: paragraphs are wrapped, rows of a table are not.

    >>> prose("## So\\n\\nIt ends."), prose("| a | b |\\n|---|---|\\n| 1 | 2 |")
    (6.0, 4.2)
    """
    lines = GAP
    for text in re.split(r"\n\n+", source):
        if text.startswith("#"):
            lines += HEADING if text.startswith("## ") else TITLE
        elif text.startswith(("|", "```", "- ", "1. ")):
            lines += ROW * len([row for row in text.split("\n") if not row.startswith("|--")])
        else:
            lines += 0.8 + len(textwrap.wrap(text, WIDE))
    return lines


def output_height(output: Any) -> float:
    """How high an output is: a picture's own height, or that of a report, or of what was printed."""
    data = output.get("data", {})
    if IMAGE in data:
        head = base64.b64decode(
            data[IMAGE][:64]
        )  # a PNG's width and height stand behind its first 16 bytes
        return GAP + int.from_bytes(head[20:24], "big") / PIXELS
    return block(str(output.get("text") or data.get("text/plain", "")))
