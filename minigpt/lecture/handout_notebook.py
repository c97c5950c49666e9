"""The handout as a notebook: its cells run from top to bottom wherever minigpt is installed.

Source of the format: nbformat 4.5, https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from minigpt.lecture.form import used_names
from minigpt.lecture.handout_pictures import heat_map
from minigpt.lecture.handout_record import Event, Handout, Part, Row, Value

Cell = dict[str, Any]
NAMES = ("import minigpt", "import tokenizer", "import torch")  # what tries and runs may use
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def notebook(told: Handout) -> str:
    """The notebook's JSON."""
    cells = [*opening(told), *(cell for part in told.parts for cell in of_part(told, part)), *closing(told)]
    numbered = [{"id": f"cell-{i}", **cell} for i, cell in enumerate(cells, start=1)]
    book = {"cells": numbered, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, ensure_ascii=False, indent=1) + "\n"


def opening(told: Handout) -> Iterator[Cell]:
    """Title, timetable, imports, and what came before the first step."""
    n, n_steps = len(told.parts), len(told.lecture.steps)
    held = f"{n} of {n_steps} steps" if n < n_steps else f"{n} step{'s' * (n != 1)}"
    yield text(f"# {plain(told.lecture.title)}", plain(told.lecture.about), f"Held on {told.day}: {held}.")
    rows = [f"| {p.step.number}. {plain(p.step.title)} | {p.planned:.0f} | {p.reached:.0f} |" for p in told.parts]
    yield text("\n".join(["| step | planned, min | reached, min |", "|:--|--:|--:|", *rows]))
    yield code("\n".join(dict.fromkeys([*told.head, *NAMES])))  # an import from the future comes first
    yield from (cell for event in told.before for cell in of_event(told, event))


def of_part(told: Handout, part: Part) -> Iterator[Cell]:
    """One step: what was said and asked, its code, its tries, what came in between."""
    asked = f"**To the hall:** {plain(part.step.ask)}" if part.step.ask else ""
    yield text(f"## {part.step.number}. {plain(part.step.title)}", asked, plain(part.step.say))
    if any(row.own for row in part.rows):
        yield text("What was typed; the lines marked + are the lecturer's own:", fence(part.rows))
    yield from (code(cell) for cell in part.code)
    if part.values and (part.step.number == told.setup_from or setup_again(told)):
        yield code(told.lecture.setup.strip())
    for value in part.values:
        yield code(value.source, *outputs(value))
    yield from (cell for event in part.events for cell in of_event(told, event))


def setup_again(told: Handout) -> bool:
    """Whether the tries' setup uses what is typed, and so must run anew when that has changed."""
    typed = {name for names in told.lecture.names.values() for name in names}
    return bool(used_names(ast.parse(told.lecture.setup)) & typed)


def of_event(told: Handout, event: Event) -> Iterator[Cell]:
    """A question, an X-ray, a break."""
    at = told.at(event)
    if event.kind == "break":
        differs = "\n".join(["```diff", *event.lines, "```"])
        texts = [f"It then wrote:\n\n{quoted(event.wrote)}", f"Right is:\n\n{quoted(event.right)}"]
        yield text(f"**Broken on purpose, {at}: {plain(event.says)}**", differs, *texts)
    elif event.kind == "xray":
        yield text(f"**X-ray, {at}:** {plain(event.says)}")
        if event.drawn:
            part, _, prompt = event.says.partition(" ")
            source = f'minigpt.xray(minigpt.load("storyteller", plain=True), {part!r}, {prompt!r})'
            yield code(source, result({"text/html": event.drawn, "text/plain": event.says}))
    else:
        yield text(f"**From the hall, {at}:** {plain(event.says)}")


def closing(told: Handout) -> Iterator[Cell]:
    """The file as it stands at the end, and what it writes."""
    yield text("## The file as it was held", names_changed(told), legend(told.rows), fence(told.rows))
    yield from (code(cell) for cell in told.after)
    if told.wrote is None:
        return
    renames = {old: new for (scope, old), new in told.changes.items() if not scope}
    yield text(f"{told.writes}:")
    place = f'put_in_place(globals(), lecture("{told.lecture.name}").names, {renames})'
    lines = ["from minigpt.lecture.plan import lecture", "from minigpt.lecture.stage import put_in_place", "", place]
    yield code("\n".join([*lines, told.lecture.run.strip()]), printed(told.wrote))


def names_changed(told: Handout) -> str:
    """The names that the lecturer chose instead of the source's."""
    pairs = dict.fromkeys(f"`{new}` for `{old}`" for (_, old), new in told.changes.items())
    return f"Names as they were chosen: {', '.join(pairs)}." if pairs else ""


def legend(rows: list[Row]) -> str:
    """What the marks mean, if there are any."""
    return "Lines marked + are the lecturer's own." if any(row.own for row in rows) else ""


def fence(rows: list[Row]) -> str:
    """Lines of the file, the lecturer's own marked as they are in a diff."""
    return "\n".join(["```diff", *(f"{'+' if row.own else ' '} {row.text}".rstrip() for row in rows), "```"])


def quoted(words: str) -> str:
    """Some lines as they were printed; the fence is longer than any in them."""
    fence = "```"
    while fence in words:
        fence += "`"
    return f"{fence}text\n{words.rstrip()}\n{fence}"


def plain(words: str) -> str:
    """A text on one line, with Markdown's special characters escaped.

    >>> print(plain("why  x_i * y_i, and < 1?"))
    why x\\_i \\* y\\_i, and \\< 1?
    """
    return re.sub(r"([\\`*_{}\[\]<>#$|~])", r"\\\1", joined(words))


def joined(words: str) -> str:
    """A text on one line."""
    return " ".join(words.split())


def text(*paragraphs: str) -> Cell:
    """A cell to read."""
    return {
        "cell_type": "markdown",
        "metadata": {},
        "source": "\n\n".join(part.strip("\n") for part in paragraphs if part),
    }


def code(source: str, *outputs: Cell) -> Cell:
    """A cell to run, with what it gave."""
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [*outputs], "source": source}


def outputs(value: Value) -> Iterator[Cell]:
    """A value as text and, of a few numbers, as a picture where one can be drawn."""
    if value.printed:
        yield printed(value.printed)
    yield result({"text/plain": value.text})
    if value.rows and find_spec("matplotlib"):
        from minigpt.pictures.figure import png

        data = {"image/png": base64.b64encode(png(heat_map(value.rows, value.source))).decode()}
        yield {"output_type": "display_data", "metadata": {}, "data": data}


def result(data: dict[str, str]) -> Cell:
    """What the last expression of a cell gave, by its media types."""
    return {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}


def printed(words: str) -> Cell:
    """What a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": words.rstrip() + "\n"}
