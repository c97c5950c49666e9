"""What `python attention.py` does with a working file: the tries of the steps so far, and what the program writes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from minigpt.lecture import stage
from minigpt.lecture.merging import BLANK, Sides
from minigpt.lecture.plan import lecture


def run(path: str) -> None:
    """Runs a working file where it is: each try with its value, then the program with the file in its place."""
    file = Path(path)
    plan = lecture(file.stem)
    text = file.read_text("utf-8-sig")
    blank = re.search(BLANK + r"(\d+)", text)
    step = int(blank[1]) - 1 if blank else len(plan.steps)
    lines = text.split("\n")
    whole = "\n".join(Sides.of(plan, step, lines, lines, {}).whole())
    try:
        space = stage.prepared({"setup": plan.setup}, text, file.name)
        for number, source in [(each.number, source) for each in plan.steps[:step] for source in each.tries]:
            print(f"{number}  {source}\n   {stage.short(stage.value_of(source, space))}")
    except stage.Failed as error:
        sys.exit("\n".join(error.lines))
    print(f"\nthe program with {file.name} in it" + (", missing steps from the reference" if blank else "") + ":")
    told = stage.perform(
        {"text": whole, "name": file.name, "names": plan.names, "renames": {}, "run": plan.run, "setup": plan.setup}
    )
    sys.exit(0 if told["right"] else "\n".join(told["lines"]))
