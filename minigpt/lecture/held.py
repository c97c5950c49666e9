"""A lecture as it is held: its working file, what the lecturer may do with it, and nothing of what was typed lost.

Before anything is changed, the file as it stands goes into the history; a new text is written beside and swapped.
"""

from __future__ import annotations

import ast
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from filelock import FileLock

from minigpt.lecture.history import FOLDER, History
from minigpt.lecture.kernel import Job, Kernel
from minigpt.lecture.merging import Sides
from minigpt.lecture.plan import Break, Lecture, lecture
from tokenizer.fetch.atomic import write_text


@dataclass(frozen=True)
class Answer:
    """What a command says: whether all is well, one line, more lines, and two versions where there are two."""

    ok: bool
    says: str
    lines: list[str] = field(default_factory=list)
    mine: list[str] = field(default_factory=list)  # beside `right`
    right: list[str] = field(default_factory=list)


class Held:
    """One lecture's working file in a folder. Every command gives an `Answer`; a ValueError is for what cannot be."""

    def __init__(self, plan: Lecture, path: Path, kernel: Kernel | None = None) -> None:
        self.lecture, self.path = plan, path
        self.history = History(path.parent / FOLDER / f"{plan.name}.jsonl")
        self.kernel = kernel or Kernel()

    @classmethod
    def start(cls, name: str, folder: Path, kernel: Kernel | None = None) -> Held:
        """Lays down the working file of a lecture. Raises ValueError where a file of that name is there already."""
        plan = lecture(name)
        path = folder / f"{plan.name}.py"
        held = cls(plan, path, kernel)
        if held.history.states:
            at = f"it is being held there, after step {held.step}"
            raise ValueError(f"{path}: {at}: minigpt lecture next goes on, minigpt lecture goto 0 begins anew")
        if path.exists():
            raise ValueError(f"{path} is there already: name another folder, minigpt lecture start {name} FOLDER")
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, plan.text(0))
        held.history.add(plan.text(0), 0, "start")
        return held

    @classmethod
    def open(cls, folder: Path, name: str | None = None, kernel: Kernel | None = None) -> Held:
        """The lecture that is held in a folder, of several the one that was touched last."""
        logs = sorted((folder / FOLDER).glob("*.jsonl"), key=lambda log: log.stat().st_mtime)
        found = [log for log in logs if name in (None, log.stem)]
        if not found:
            what = name or "NAME"
            raise ValueError(f"no lecture is held in {folder}: begin with minigpt lecture start {what} {folder}")
        plan = lecture(found[-1].stem)
        return cls(plan, folder / f"{plan.name}.py", kernel)

    @property
    def step(self) -> int:
        """How many steps stand in the file."""
        return self.history.present.step

    @property
    def n_steps(self) -> int:
        """How many steps there are."""
        return len(self.lecture.steps)

    # -- the file -----------------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[Sides]:
        """No other command meanwhile; what is in the file now is in the history first."""
        self.history.path.parent.mkdir(exist_ok=True)
        with FileLock(self.history.path.with_suffix(".lock"), timeout=10):
            self.record()
            yield Sides.of(self.lecture, self.step, self.history.present.text.split("\n"))

    def record(self) -> bool:
        """Notes the file as it stands, and says whether it is another than before. A file that is gone is written
        again; raises ValueError for one that is not UTF-8."""
        self.history.refresh()
        try:
            text = self.path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except FileNotFoundError:
            write_text(self.path, self.history.present.text)
            return False
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.path} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
            ) from None
        if text == self.history.present.text:
            return False
        self.history.add(text, self.step, "typed")
        return True

    def write(self, lines: list[str], step: int, how: str) -> None:
        """The file's new text."""
        text = "\n".join(lines)
        write_text(self.path, text)
        self.history.add(text, step, how)

    # -- forward and back ---------------------------------------------------------------------------------------------

    def next(self) -> Answer:
        """Fills in the next step; what the lecturer typed in its place stays if it is right, else as comments."""
        with self.alone() as sides:
            if self.step == self.n_steps:
                return Answer(False, f"all {self.n_steps} steps stand in the file")
            if not sides.typed:
                return self._filled_in(sides, sides.filled(self.step, self.step + 1))
            for done in range(self.n_steps, self.step, -1):
                taken = sides.taken(done)
                if self._right(taken.whole()):
                    return self._accepted(taken)
            if harmless(sides.own, sides.reference(self.n_steps)[sides.end(self.step) :]) or (
                sides.spot.base_start < sides.end(self.step) and self._right(sides.whole())
            ):
                return self._filled_in(sides, sides.filled(self.step, self.step + 1))
            theirs = list(self.lecture.steps[self.step].lines)
            own = sides.own
            self.write(sides.set_aside(), self.step + 1, "next")
            says = f"{self.title()}: your lines stand as comments above the reference's"
            return Answer(not self.trouble(), says, self.trouble(), own, theirs)

    def _filled_in(self, sides: Sides, lines: list[str]) -> Answer:
        before = sides.mine
        self.write(lines, self.step + 1, "next")
        place = new_lines(before, lines)
        return Answer(not self.trouble(), f"{self.title()}: {place}", self.trouble())

    def _accepted(self, taken: Sides) -> Answer:
        first, last = self.step + 1, taken.step
        self.write(taken.mine, last, "next")
        which = f"step {first}" if first == last else f"steps {first} to {last}"
        return Answer(True, f"{which} as you typed it: right")

    def title(self) -> str:
        """The step that the file has now, "3. The mask"."""
        return f"{self.step}. {self.lecture.steps[self.step - 1].title}" if self.step else "nothing typed yet"

    def trouble(self) -> list[str]:
        """The line of the file that is no Python, if there is one."""
        try:
            ast.parse(self.history.present.text)
        except SyntaxError as error:
            return [f"line {error.lineno} does not run: {(error.text or '').strip()}", str(error.msg)]
        return []

    def undo(self) -> Answer:
        """The file as it was before the last change, typed or filled in; as often as one likes."""
        with self.alone():
            present = self.history.present
            if present.parent == present.number:
                return Answer(False, "this is how it began")
            return self._moved(present.parent, f"before {present.how}")

    def redo(self) -> Answer:
        """Takes an undo back."""
        with self.alone():
            state = self.history.redone()
            if state is None:
                return Answer(False, "nothing was undone here")
            return self._moved(state.number, f"after {state.how}")

    def _moved(self, number: int, says: str) -> Answer:
        write_text(self.path, self.history.states[number].text)
        self.history.move(number, says)
        return Answer(not self.trouble(), f"{says}: {self.title()}", self.trouble())

    def goto(self, step: int) -> Answer:
        """Forward by `next` to a step; back to the file as it was when it had just this step."""
        if not 0 <= step <= self.n_steps:
            raise ValueError(f"{self.lecture.name} has steps 0 to {self.n_steps}, not {step}")
        if step > self.step:
            answers = [self.next()]
            while self.step < step and answers[-1].ok:
                answers.append(self.next())
            return answers[-1]
        with self.alone():
            line, number = [], self.history.present.number
            while self.history.states[number].parent != number:
                number = self.history.states[number].parent
                line.append(self.history.states[number])
            earlier = next((state.text for state in line if state.step == step), self.lecture.text(step))
            self.write(earlier.split("\n"), step, f"goto {step}")
            return Answer(not self.trouble(), self.title(), self.trouble())

    def fix(self) -> Answer:
        """This step as in the reference, then those before it, until the file is right; at last the whole file."""
        with self.alone() as sides:
            tried = sides
            for step in range(self.step, 0, -1):
                tried = Sides.of(self.lecture, self.step, tried.step_of(step))
                if tried.mine != sides.mine and self._right(tried.whole()):
                    self.write(tried.mine, self.step, "fix")
                    return Answer(True, f"step {step} as in the reference: {new_lines(sides.mine, tried.mine)}")
            if self._right(sides.whole()) and not sides.typed:
                return Answer(True, "right as it stands")
            self.write(self.lecture.text(self.step).split("\n"), self.step, "fix")
            return Answer(True, "the whole file as in the reference; undo brings yours back")

    # -- looking ------------------------------------------------------------------------------------------------------

    def show(self) -> Answer:
        """The next step, for the lecturer's eyes: its lines, what to say, what to ask."""
        if self.step == self.n_steps:
            return Answer(True, f"all {self.n_steps} steps stand in the file")
        step = self.lecture.steps[self.step]
        ask = [f"ask: {step.ask}"] if step.ask else []
        say = [f"say: {step.say}"] if step.say else []
        return Answer(True, f"next: {step.number}. {step.title} ({step.minutes:g} min)", [*ask, *say, *step.lines])

    def check(self) -> Answer:
        """Whether the file is right so far; if not, the checker's name for the slip, or where it fails."""
        with self.alone() as sides:
            taken, told = self._so_far(sides)
            if told["right"]:
                named = self.kernel.ask(self._job("examine", taken.whole(), checks=self._checks(taken.step)))
                if named["right"]:
                    typed = f"; step {taken.step} is yours" if taken.step > self.step else ""
                    return Answer(True, f"right so far, {taken.step} of {self.n_steps} steps{typed}")
                told = named
            else:
                named = self.kernel.ask(self._job("examine", taken.whole(), checks=self._checks(taken.step)))
                told = named if named.get("bug") else told
            return Answer(False, "not right yet" + (f": {told['bug']}" if told.get("bug") else ""), told["lines"])

    def _so_far(self, sides: Sides) -> tuple[Sides, Job]:
        """The file with what was typed taken for the steps that it is right for, and what its tries give."""
        if not sides.typed:
            return sides, self._tried(sides.whole(), self.step)
        for done in range(self.n_steps, self.step, -1):
            taken = sides.taken(done)
            told = self._tried(taken.whole(), done)
            if told["right"] and self._right(taken.whole()):
                return taken, told
        return taken, told

    def run(self, on_text: Callable[[str], None] = lambda _: None) -> Answer:
        """What the whole program does with the file as it stands; missing steps are the reference's."""
        with self.alone() as sides:
            taken, _ = self._so_far(sides)
        pieces: list[str] = []

        def heard(text: str) -> None:
            pieces.append(text)
            on_text(text)

        told = self.kernel.ask(self._job("perform", taken.whole(), run=self.lecture.run), heard)
        if not told["right"]:
            return Answer(False, "it does not run", told["lines"], "".join(pieces).split("\n"))
        mine = "".join(pieces)
        right = self.expected()
        missing = self.n_steps - taken.step
        rest = f"; {missing} missing step{'s' * (missing > 1)} from the reference" if missing else ""
        if mine == right:
            return Answer(True, f"as the reference{rest}", [], mine.split("\n"))
        return Answer(False, f"not what the reference gives{rest}", [], mine.split("\n"), right.split("\n"))

    def expected(self) -> str:
        """What the reference gives in a run; computed once."""
        if not hasattr(self, "_expected"):
            pieces: list[str] = []
            text = self.lecture.text(self.n_steps).split("\n")
            self.kernel.ask(self._job("perform", text, run=self.lecture.run), pieces.append)
            self._expected = "".join(pieces)
        return self._expected

    def break_(self, name: str) -> Answer:
        """Plants a mistake from the plan: what will the model write now?"""
        found = self.mistake(name)
        with self.alone() as sides:
            if found.step > self.step:
                title = self.lecture.steps[found.step - 1].title
                return Answer(False, f"{name} breaks step {found.step}, {title}: the file has {self.step}")
            broken = sides.with_edit(found.find, found.put)
            if broken is None:
                line = found.find.strip().split("\n")[0]
                return Answer(False, f"{line!r} does not stand in the file as in the reference: fix puts it there")
            self.write(broken, self.step, f"break {name}")
            place = new_lines(sides.mine, broken)
            return Answer(True, f"{place}: {found.does}", ["What will it write now? run shows it, undo takes it back."])

    def mistake(self, name: str) -> Break:
        """One of the plan's mistakes, by its name."""
        for each in self.lecture.breaks:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.lecture.breaks)
        raise ValueError(f"{self.lecture.name} has no break {name!r}: choose from {known}")

    def time(self) -> Answer:
        """Where one is against the plan."""
        begun = self.history.states[0].time
        passed = (time.time() - begun) / 60
        planned = sum(step.minutes for step in self.lecture.steps[: self.step])
        left = self.lecture.minutes - planned
        late = passed - planned
        where = "on time" if abs(late) < 1 else f"{abs(late):.0f} min {'behind' if late > 0 else 'ahead'}"
        reached = {}
        for state in self.history.states:
            reached.setdefault(state.step, (state.time - begun) / 60)
        lines, so_far = [], 0.0
        for step in self.lecture.steps:
            so_far += step.minutes
            at = f"{reached[step.number]:5.1f}" if step.number <= self.step and step.number in reached else "    –"
            lines.append(f"{so_far:5.1f}  {at}  {step.number}. {step.title}")
        says = (
            f"{passed:.0f} min, planned {planned:.0f}: {where}; {self.n_steps - self.step} steps, {left:.0f} min to go"
        )
        return Answer(late < 1, says, ["plan   held  step", *lines])

    def ask(self, question: str) -> Answer:
        """Writes down a question from the hall, for the handout."""
        self.history.note("question", question)
        return Answer(True, f"noted: {question}")

    # -- the warm process ---------------------------------------------------------------------------------------------

    def _tried(self, lines: list[str], until: int) -> Job:
        tries = [(step.number, source) for step in self.lecture.steps[:until] for source in step.tries]
        return self.kernel.ask(self._job("try_out", lines, tries=tries))

    def _right(self, lines: list[str]) -> bool:
        return bool(self._tried(lines, self.n_steps)["right"])

    def _checks(self, until: int) -> list[dict[str, Any]]:
        return [
            {"exercise": check.exercise, "part": check.part} for check in self.lecture.checks if check.step <= until
        ]

    def _job(self, do: str, lines: list[str], **more: Any) -> Job:
        changes = Sides.of(self.lecture, self.step, lines).changes
        return {
            "do": do,
            "text": "\n".join(lines),
            "name": self.path.name,
            "reference": self.lecture.text(self.n_steps),
            "setup": self.lecture.setup,
            "names": {module: list(names) for module, names in self.lecture.names.items()},
            "renames": {old: new for (scope, old), new in changes.items() if not scope},
            **more,
        }


def harmless(own: list[str], rest: list[str]) -> bool:
    """Whether lines that were typed before the rest of a lecture are beside it, as a print is: no name that they give a
    value is given one there, and nothing ends with them.

    >>> harmless(["print(x.shape)"], ["y = x + 1"]), harmless(["y = x"], ["y = x + 1"]), harmless(["y = ("], [])
    (True, False, False)
    """
    try:
        nodes = [*ast.walk(ast.parse(textwrap.dedent("\n".join(own))))]
    except SyntaxError:
        return False
    given = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    there = {word for line in rest for word in re.findall(r"\w+", line.partition("=")[0])}
    ends = (ast.Return, ast.Yield, ast.YieldFrom, ast.Raise, ast.FunctionDef, ast.ClassDef)
    return not given & there and not any(isinstance(node, ends) for node in nodes)


def new_lines(before: list[str], after: list[str]) -> str:
    """Where the second text has lines that the first has not.

    >>> new_lines(["a", "d"], ["a", "b", "c", "d"])
    'lines 2 to 3'
    """
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    numbers = [i + 1 for tag, _, _, c, d in codes if tag != "equal" for i in range(c, d) if after[i].strip()]
    if not numbers:
        return "lines taken out"
    return f"line {numbers[0]}" if numbers[0] == numbers[-1] else f"lines {numbers[0]} to {numbers[-1]}"
