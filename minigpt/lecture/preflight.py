"""The evening before: every step of the lectures on this laptop, with the network off, and what the audience will see.

Each lecture is typed through in a folder of its own on the disk where it will be held: after each step the file runs as
it is, its tries and checks are right and quick, and at the end it writes what the source writes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from minigpt.lecture.kernel import LOST
from minigpt.lecture.plan import NAMES, lecture
from minigpt.lecture.preflight_machine import Seen, encodable, library, machine, place, terminal, workshop
from minigpt.lecture.preflight_rehearsal import CHANGED, NOTHING, Rehearsal, Watched, rehearse
from minigpt.lecture.trials import Trials
from minigpt.terminal import columns, wrap
from tokenizer.display import BOLD, clip, paint, use_color

ANSWER = 0.3  # seconds in which a usual answer should come
SLOWEST = 2.0  # seconds in which every answer should come
GREEN, RED = "32", "31"
EDITOR = "switch on auto-save, or save before next: only what is saved is seen"


def run(names: Sequence[str] = (), folder: Path = Path()) -> int:
    """Prints how each lecture went on this machine, and one line at the end: ready, or what there is to do. Exit code
    0 if all is well, else 1. Raises ValueError for a lecture that does not exist."""
    for name in names:
        if name not in NAMES:
            lecture(name)
    begun, kernel = time.monotonic(), Watched()
    try:
        wrong = [*map(reported, [place(folder), terminal(sys.stdout), library()])]
        held = [*rehearsals(names or NAMES, folder, kernel)]
    finally:
        kernel.close()
    wrong += [line for one in held for line in one.wrong]
    memory = max([one.memory for one in held], default=0)
    answers = {where: seconds for one in held for where, seconds in one.answers.items()}
    if answers:
        reported(Seen("process", f"warm after {max(one.warm for one in held):.1f} s, the network off"))
        wrong += [reported(machine(memory)), reported(answering(answers))]
    reported(Seen("editor", EDITOR))
    todo = [line for line in wrong if line]
    n_steps = sum(one.n_steps for one in held)
    seconds = time.monotonic() - begun
    if not todo:
        parts = f"{count(len(held), 'lecture')}, {count(n_steps, 'step')} in {seconds:.0f} s with the network off"
        printed(f"ready: {parts}, {memory / 1e6:.0f} MB at most", f"{GREEN};{BOLD}")
        return 0
    printed(f"not ready, {count(len(todo), 'thing')} to do:", f"{RED};{BOLD}")
    for line in todo:
        printed(f"{sign(False)} {line}")
    return 1


def count(n: int, what: str) -> str:
    """A number of things.

    >>> count(1, "lecture"), count(2, "step")
    ('1 lecture', '2 steps')
    """
    return f"{n} {what}{'s' * (n != 1)}"


def rehearsals(names: Sequence[str], folder: Path, kernel: Watched) -> Iterator[Rehearsal]:
    """Each lecture typed through, one after the other, with a line for each; none after one whose process does not
    start. If the folder is not writable, which has been reported by then, the system's temporary folder is used.
    """
    room = folder if not place(folder).wrong else Path(tempfile.gettempdir())
    with workshop(room) as made:
        for name in names:
            seconds, why = started(name, kernel)
            if why:
                wrong = f"the process that runs the files does not start: {why}: {CHANGED}"
                reported(Seen(name, "not tried", wrong))
                yield Rehearsal(name, wrong=[wrong])
                return
            one = rehearse(name, made, kernel, progress)
            one.warm = seconds
            steps = count(one.n_steps, "step")
            says = f"{steps:<8} {one.seconds:5.1f} s  {one.memory / 1e6:5.0f} MB"
            reported(Seen(name, says, one.wrong[0] if one.wrong else ""))
            yield one


def started(name: str, kernel: Watched) -> tuple[float, str]:
    """Starts the warm process anew, as `lecture live` does for this lecture: the seconds until it answers, and why it
    does not, "" if it does."""
    progress(f"{name}, the warm process starts")
    kernel.close()
    begun, kernel.first = time.monotonic(), []
    with suppress(ValueError):  # a plan that does not fit has its own line
        kernel.first = Trials(lecture(name), f"{name}.py", kernel).rehearsal()
    if kernel.ask(NOTHING) != LOST:
        return time.monotonic() - begun, ""
    kernel.first = []
    if kernel.ask(NOTHING) != LOST:  # it was the lecture's own: typed through, it says which step
        return time.monotonic() - begun, ""
    alone = subprocess.run(kernel.command(), input='{"first": []}\n', capture_output=True, text=True, check=False)
    return 0.0, (alone.stderr.strip().split("\n")[-1] or "it ends by itself").strip()


def answering(answers: Mapping[str, float]) -> Seen:
    """Whether answers come soon: those of a check, the slowest of all commands except a run."""
    usual, slowest = median(answers.values()), max(answers, key=lambda where: answers[where])
    says = f"in {usual:.2f} s, the slowest in {answers[slowest]:.2f} s"
    if usual > ANSWER:
        return Seen(
            "answers", says, f"a check takes {usual:.2f} s, not {ANSWER}: close other programs, plug in the cable"
        )
    slow = (
        f"{slowest}: a check takes {answers[slowest]:.1f} s: do it beforehand, or shorten the step's tries in the plan"
    )
    return Seen("answers", says, slow if answers[slowest] > SLOWEST else "")


# -- what is printed --------------------------------------------------------------------------------------------------


def reported(seen: Seen) -> str:
    """Prints what was looked at on a line; returns what is wrong with it, for the end."""
    color = GREEN if not seen.wrong else RED
    mark = paint(sign(not seen.wrong), color, use_color())
    printed(f"{seen.name:<10} {mark}  {seen.says}")
    return seen.wrong


def sign(well: bool) -> str:
    """A tick or a cross, in letters if the encoding has neither."""
    mark, letters = ("✓", "ok") if well else ("✗", "no")
    return mark if encodable(mark, sys.stdout.encoding or "ascii") else letters


def printed(text: str, look: str = "") -> None:
    """Prints a line, wrapped to the terminal, over the one that showed the progress. What the encoding lacks becomes a
    question mark."""
    progress("")
    encoding = sys.stdout.encoding or "ascii"
    text = text.encode(encoding, "replace").decode(encoding)
    for line in wrap(text, columns(), indent=2) if sys.stdout.isatty() else [text]:
        print(paint(line, look, use_color()), flush=True)


def progress(text: str) -> None:
    """Shows what is being done, on a line of a terminal that the next one replaces."""
    if sys.stderr.isatty() and sys.stdout.isatty():
        print(f"\r{clip(text, columns() - 1)}\x1b[K", end="", file=sys.stderr, flush=True)
