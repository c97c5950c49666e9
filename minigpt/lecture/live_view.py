"""What the lecture's screen says, in rows of a given width: pure functions, without the screen itself.

Rows of plain text, so that nothing depends on a colour. Below `WIDE` cells, what is otherwise side by side is stacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent

from minigpt.lecture.held import Answer, Held
from minigpt.terminal import GAP, side_by_side, wrap
from tokenizer.display import cells, clip, pad

WIDE = 72  # cells
PART = "▶"  # where two texts diverge
KEYS = (  # key, command, its word in the last rows, what it does
    ("n", "next", "next", "the next step"),
    ("u", "undo", "undo", "as it was before"),
    ("r", "redo", "redo", "takes an undo back"),
    ("g", "goto", "goto", "to the step of a number"),
    ("s", "show", "show", "what comes next"),
    ("c", "check", "check", "right so far?"),
    ("f", "fix", "fix", "as in the reference"),
    ("R", "run", "run", "what does it write? (Enter)"),
    ("b", "break", "break", "plants a mistake"),
    ("t", "time", "time", "against the plan"),
    ("a", "ask", "ask", "notes a question of the hall"),
    ("x", "xray", "X-ray", "a pass, line by line"),
    ("?", "help", "help", "this page"),
    ("q", "quit", "quit", "nothing is lost"),
)
CHOICES = ("goto", "break", "help")  # whose lines begin with a key


def head(held: Held, state: str, width: int) -> list[str]:
    """Lecture, clock, step and what is known about the file, in two rows or three."""
    n = held.step
    title = f' "{held.lecture.steps[n - 1].title}"' if n else ""
    clock = held.time().says.partition(":")[0]
    step = f"step {n} of {held.n_steps}{title}"
    first = ends(held.lecture.title, clock, width)
    if width < WIDE:
        return [first, *(pad(clip(text, width), width) for text in (step, state))]
    return [first, ends(step, state, width)]


def ends(left: str, right: str, width: int) -> str:
    """Two texts at the ends of a row; the left one is cut if they do not fit, the right one only if it must be."""
    right = clip(right, width - 12)
    room = width - cells(right) - 2
    return pad(clip(left, room), room) + "  " + right


def key_rows(width: int) -> list[str]:
    """The keys with their words, as many in a row as fit."""
    rows = [""]
    for key, _, word, _ in KEYS:
        item = f"{key} {word}"
        if rows[-1] and cells(f"{rows[-1]}  {item}") > width:
            rows.append("")
        rows[-1] += f"  {item}" if rows[-1] else item
    return rows


def welcome(held: Held) -> Answer:
    """What is shown before the first key."""
    about = " ".join(held.lecture.about.split())
    minutes = f"{held.n_steps} steps, {held.lecture.minutes:.0f} minutes"
    return Answer(True, held.lecture.title, [minutes, "", about, "", f"Open {held.file.path} in your editor."])


def helped(width: int) -> Answer:
    """All keys with what they do, in two columns if they fit."""
    lines = [f"{key}  {word}: {does}" for key, _, word, does in KEYS]
    if width >= WIDE:
        half = (len(lines) + 1) // 2
        lines = [pad(a, width // 2) + b for a, b in zip(lines[:half], [*lines[half:], ""], strict=False)]
    return Answer(True, "↑ ↓ scroll, Esc ends what runs", lines)


def rows_of(name: str, answer: Answer, width: int) -> list[str]:
    """An answer's lines, and below them two versions beside each other, if there are two."""
    if name == "time":
        return [clip(line, width) for line in answer.lines]
    rows = wrapped(answer.lines, width, 3 if name in CHOICES else 2)
    if not answer.mine and not answer.right:
        return rows
    rows += [""] * bool(rows)
    if name == "run":
        return rows + versions(("this file writes", "right would be"), *parted(answer.mine, answer.right), width)
    mine, right = (dedent("\n".join(lines)).split("\n") for lines in (answer.mine, answer.right))
    return rows + versions(("yours", "the reference"), mine, right, width)


def versions(titles: Sequence[str], mine: Sequence[str], right: Sequence[str], width: int) -> list[str]:
    """Two texts under their titles; the second may be empty.

    >>> versions(("yours", "right"), ["a cat"], ["a dog"], 40)
    ['yours:', 'a cat', '', 'right:', 'a dog']
    """
    if not any(right):
        return [f"{titles[0]}:", *wrapped(mine, width)]
    if width < WIDE:
        return [f"{titles[0]}:", *wrapped(mine, width), "", f"{titles[1]}:", *wrapped(right, width)]
    each = (width - len(GAP)) // 2
    columns = [[title, "─" * each, *wrapped(text, each)] for title, text in zip(titles, (mine, right), strict=True)]
    return side_by_side(columns, each)


def wrapped(lines: Sequence[str], width: int, hang: int = 0) -> list[str]:
    """Lines of text or code; those that are too long continue below, indented by `hang` more."""
    return [row for line in lines for row in wrap(line, width, len(line) - len(line.lstrip()) + hang) or [""]]


def parted(mine: Sequence[str], right: Sequence[str]) -> tuple[list[str], list[str]]:
    """Two texts' lines with a mark before the first word in which they differ, if there are two.

    >>> parted(["a little girl"], ["a little gift"])
    (['a little ▶girl'], ['a little ▶gift'])
    """
    a, b = "\n".join(mine), "\n".join(right)
    if not right or a == b:
        return [*mine], [*right]
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(a.rfind(space, 0, same) for space in " \n") + 1
    a, b = (text[:start] + PART + text[start:] for text in (a, b))
    return a.split("\n"), b.split("\n")
