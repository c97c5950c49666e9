"""A lecture typed through as it will be held: what in it does not run, or takes too long, on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minigpt.lecture.held import Answer, Held
from minigpt.lecture.kernel import Job, Kernel
from minigpt.lecture.working_file import WorkingFile

NOTHING: Job = {"do": "try_out", "text": "", "name": "nothing.py", "reference": "", "setup": "", "tries": []}
SLOW = 1.0  # seconds after which a check is timed once more, to be fair: the faster one counts
CHANGED = "if the source was changed, git diff shows where and git stash takes it back"


class Watched(Kernel):
    """A warm process with the network off, and the most memory that a file took in it."""

    MODULE = "minigpt.lecture.preflight_kernel"
    memory = 0  # bytes

    def ask(self, job: Job, on_text: Callable[[str], None] = lambda _: None, seconds: float = 30.0) -> Job:
        """The answer to a job; notes how much memory it took."""
        answer = super().ask(job, on_text, seconds)
        self.memory = max(self.memory, answer.get("memory", 0))
        return answer


@dataclass
class Rehearsal:
    """How a lecture went."""

    name: str
    n_steps: int = 0
    answers: dict[str, float] = field(default_factory=dict)  # seconds that a check took, by step
    seconds: float = 0.0
    warm: float = 0.0  # seconds until the process was
    memory: int = 0  # bytes
    wrong: list[str] = field(default_factory=list)


def rehearse(name: str, folder: Path, kernel: Watched, progress: Callable[[str], None]) -> Rehearsal:
    """One lecture from its first step to its last, and its run."""
    one, begun = Rehearsal(name), time.monotonic()
    kernel.memory = 0
    try:
        held = Held(WorkingFile.start(name, folder), kernel)
        one.n_steps = held.n_steps
        one.wrong = typed_through(held, one.answers, progress) or ran(held)
    except (ValueError, OSError) as error:
        one.wrong = [f"{name}: {error}: {CHANGED}"]
    one.seconds, one.memory = time.monotonic() - begun, kernel.memory
    return one


def typed_through(held: Held, answers: dict[str, float], progress: Callable[[str], None]) -> list[str]:
    """What is wrong with the file after one of the steps; the checks' seconds go to `answers`."""
    for step in range(held.n_steps + 1):
        progress(f"{held.lecture.name}, step {step} of {held.n_steps}")
        if step:
            held.next()
        where = f"{held.lecture.name}, step {held.title()}" if step else f"{held.lecture.name}, before step 1"
        told = held.kernel.ask(NOTHING | {"text": held.history.present.text, "name": held.file.path.name})
        if not told["right"]:
            return [wrong_at(where, "the file does not run", told["lines"])]
        seconds, answer = timed(held.check)
        if not answer.ok:
            return [wrong_at(where, answer.says, answer.lines)]
        if seconds > SLOW:
            seconds = min(seconds, timed(held.check)[0])
        answers[where] = seconds
    return []


def ran(held: Held) -> list[str]:
    """What is wrong with the run at the end."""
    answer = held.run()
    if answer.ok and "".join(answer.mine).strip():
        return []
    says = "it prints nothing" if answer.ok else answer.says
    return [wrong_at(f"{held.lecture.name}, run", says, answer.lines)]


def wrong_at(where: str, says: str, lines: Sequence[str]) -> str:
    """A problem in one line, with the way out.

    >>> wrong_at("gpt2, run", "it does not run", ["NetworkOff: it asks for huggingface.co"])[-70:]
    'it asks for huggingface.co: fetch it beforehand, minigpt download NAME'
    """
    text = ": ".join([where, says, *(line.strip() for line in lines[:2])])
    if "NetworkOff" in text:
        return f"{text}: fetch it beforehand, minigpt download NAME"
    return text if "minigpt download" in text else f"{text}: {CHANGED}"


def timed(command: Callable[[], Answer]) -> tuple[float, Answer]:
    """The seconds that a command takes, and its answer."""
    begun = time.monotonic()
    answer = command()
    return time.monotonic() - begun, answer
