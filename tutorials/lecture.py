"""Writes what lecturers read: mistakes.md, from the banks of the exercises, and the tables in for_lecturers.md: the
weeks of the semester, from the times that the lessons state, and the live coding, from the lectures' plans.

    python tutorials/lecture.py           writes both
    python tutorials/lecture.py --check   changes nothing; 1 where one of them is not what would be written
"""

import argparse
import re
import sys
from pathlib import Path

from minigpt.exercises.catalog import TASKS, exercise
from minigpt.exercises.exercise import Bug, Exercise
from minigpt.lecture.plan import NAMES, lecture
from tokenizer.fetch.atomic import write_text

HERE = Path(__file__).parent
MISTAKES, PLAN = HERE / "mistakes.md", HERE / "for_lecturers.md"
END = "<!-- end -->"
MEETING, BACK = 90, 10  # minutes of a week's meeting, and those for last week's mistakes
TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60}
EXERCISE = r'^# %% exercise="(\w+)"'
HOUR = 60  # minutes of a meeting of the course of six
COURSE = (
    *(("bpe",), ("layers", "attention"), ("block", "gpt2")),
    *(("generate", "sampling"), ("cache", "llama"), ("training",)),
)
LONGEST = 60  # characters of code in a table
HEAD = """# What students may get wrong

By lesson and exercise, not by frequency: the mistakes that `check` knows by name, what each does, and the place in the
right code where it is made, or the line that runs through it. To ask what that place is for is often hint enough.

Written by `lecture.py` from `minigpt/exercises/tasks/`: change those.
"""


def sources() -> list[Path]:
    """The lessons, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def title(path: Path) -> str:
    """The heading of a lesson."""
    return path.read_text("utf-8").split("\n")[1].removeprefix("# # ")


def minutes(path: Path) -> int:
    """How long a lesson takes, as it says below its title. Raises ValueError where it does not say."""
    found = re.search(r"^# \*(\w+)(-five)? minutes\.", path.read_text("utf-8"), re.MULTILINE)
    if found is None or found[1].lower() not in TENS:
        raise ValueError(
            f"{path.name} does not say its time below the title, as in *Forty-five minutes. …*"
        )
    return TENS[found[1].lower()] + (5 if found[2] else 0)


def mistakes() -> str:
    """The page of the mistakes, lesson by lesson; an exercise that no lesson has is not on it."""
    names = {path.stem[:2]: title(path) for path in sources()}
    in_lesson = {
        path.stem[:2]: re.findall(EXERCISE, path.read_text("utf-8"), re.MULTILINE) for path in sources()
    }
    tasks = [exercise(name) for name in TASKS]
    pages = [HEAD]
    for number, name in names.items():
        order = in_lesson[number]
        own = sorted(
            (task for task in tasks if task.lesson == number), key=lambda task: place(order, task.name)
        )
        pages += [f"## {name}\n", *map(section, own)]
    return "\n".join(pages)


def place(order: list[str], name: str) -> int:
    """Where in the lesson an exercise comes; one that is in the bank alone, last."""
    return order.index(name) if name in order else len(order)


def section(task: Exercise) -> str:
    """One exercise: the nudges for who is stuck, and its mistakes."""
    rows = "\n".join(f"| `{bug.name}` | it {plain(bug.does)} | {where(bug)} |" for bug in task.bugs)
    return f"""### `{task.name}`

*A nudge:* {plain(task.hints[0])}

*A stronger one:* {plain(task.hints[1])}

| mistake | what it does | where |
|---|---|---|
{rows}
"""


def where(bug: Bug) -> str:
    """The right code that a mistake changes, as far as a table has room."""
    line = next(line.strip() for line in bug.edits[0][0].split("\n") if line.strip())
    short = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return "`{}`".format(short.replace("|", "\\|"))


def plain(text: str) -> str:
    """A text in which nothing is a mark of Markdown.

    >>> plain("a[i] * b | c")
    'a\\\\[i\\\\] \\\\* b \\\\| c'
    """
    return re.sub(r"([\\`*_\[\]<|])", r"\\\1", text)


def weeks() -> str:
    """The semester: a week for each lesson."""
    rows = ["| week | lesson | looking back | the lesson | open |", "|---|---|---|---|---|"]
    for week, path in enumerate(sources(), start=1):
        back = BACK if week > 1 else 0
        open_ = MEETING - back - minutes(path)
        rows.append(
            f"| {week} | [{title(path)}]({path.stem}.ipynb) | {back} | {minutes(path)} | {open_} |"
        )
    return "\n".join(rows) + f"\n\nAll lessons together: {sum(map(minutes, sources()))} minutes.\n"


def held(*names: str) -> str:
    """Lectures, minute by minute: what is typed, asked and said, and what can be broken from there on."""
    rows = ["| minute | step | ask | say | break |", "|---|---|---|---|---|"]
    minute = 0.0
    for plan in map(lecture, names):
        for step in plan.steps:
            breaks = " ".join(f"`{found.name}`" for found in plan.breaks if found.step == step.number)
            what = f"`{plan.name}` {step.number}. {plain(step.title)}"
            words = [plain(" ".join(text.split())) for text in (step.ask, step.say)]
            rows.append(f"| {minute:g} | {what} | {' | '.join(words)} | {breaks} |")
            minute += step.minutes
    return "\n".join(rows) + f"\n\nTogether: {minute:g} minutes.\n"


def course() -> str:
    """The course of six: what is typed in each meeting, and how long that takes."""
    rows = ["| meeting | lectures | typing | questions and breaks |", "|---|---|---|---|"]
    for meeting, names in enumerate(COURSE, start=1):
        plans = [lecture(name) for name in names]
        minutes = sum(plan.minutes for plan in plans)
        titles = "; ".join(f"`{plan.name}`: {plain(plan.title)}" for plan in plans)
        rows.append(f"| {meeting} | {titles} | {minutes:g} | {HOUR - minutes:g} |")
    return "\n".join(rows) + "\n"


def breaks() -> str:
    """What can be broken in every lecture."""
    rows = ["| lecture | `break` … |", "|---|---|"]
    for plan in map(lecture, NAMES):
        rows.append(
            f"| `{plan.name}` | {'; '.join(f'`{b.name}`: {plain(b.does)}' for b in plan.breaks)} |"
        )
    return "\n".join(rows) + "\n"


def tables() -> dict[str, str]:
    """The parts of for_lecturers.md that are written here, by the name in their mark."""
    return {
        "weeks": weeks(),
        "attention": held("attention"),
        "gpt2": held("block", "gpt2"),
        "course": course(),
        "breaks": breaks(),
    }


def pages() -> dict[Path, str]:
    """Both pages as they should be."""
    text = PLAN.read_text("utf-8")
    for name, table in tables().items():
        begin = f"<!-- {name}: written by lecture.py -->\n"
        before, rest = text.split(begin)
        text = f"{before}{begin}{table}{END}{rest.split(END, 1)[1]}"
    return {MISTAKES: mistakes(), PLAN: text}


def main(words: list[str]) -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description="the pages for lecturers")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where a page is stale")
    args = parser.parse_args(words)
    stale = [
        place
        for place, text in pages().items()
        if (place.read_text("utf-8") if place.is_file() else "") != text
    ]
    for place in stale:
        if not args.check:
            write_text(place, pages()[place])
    if stale and args.check:
        print(f"stale: {', '.join(place.name for place in stale)}: make lessons", file=sys.stderr)
    return 1 if stale and args.check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
