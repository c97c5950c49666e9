"""What a lecturer does with the working file: the next step, back, right again, wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field

from minigpt.lecture.kernel import Kernel
from minigpt.lecture.lines import harmless, new_lines, trouble
from minigpt.lecture.merging import Sides, Way
from minigpt.lecture.plan import Break
from minigpt.lecture.trials import Trials
from minigpt.lecture.working_file import WorkingFile


@dataclass(frozen=True)
class Answer:
    """What a command says: whether all is well, one line, more lines, and two versions if there are two."""

    ok: bool
    says: str
    lines: list[str] = field(default_factory=list)
    mine: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)  # beside `mine`


class Moves:
    """The commands that change the file. Each gives an `Answer`; if it raises a ValueError or an OSError, nothing was
    done."""

    def __init__(self, file: WorkingFile, kernel: Kernel | None = None) -> None:
        self.file, self.lecture, self.history = file, file.lecture, file.history
        self.kernel = kernel or Kernel()
        self.trials = Trials(file.lecture, file.path.name, self.kernel)
        self.n_steps = len(file.lecture.steps)

    @property
    def step(self) -> int:
        """How many steps are in the file."""
        return self.file.step

    def next(self) -> Answer:
        """Fills in the next step. What the lecturer typed in its place stays if it is right, else as comments."""
        with self.file.alone() as sides:
            if self.step == self.n_steps:
                return Answer(False, f"all {self.n_steps} steps are in the file")
            if self._beside(sides):
                return self._filled_in(sides, sides.plain())
            way = self.trials.first_right([*sides.ways()])
            if way is None:
                return self._set_aside(sides)
            if way.lines == sides.plain().lines:
                return self._filled_in(sides, way)
            first = self.step + 1
            self._write(way, "next")
            which = f"step {first}" if first == way.step else f"steps {first} to {way.step}"
            lines = new_lines(sides.mine, way.lines)
            return self._said(f"{which} as you typed it: right" + (f"; {lines} added" if lines else ""))

    def _beside(self, sides: Sides) -> bool:
        """Whether the lecturer typed nothing where the next step goes, or only what does not affect it, as a print."""
        return not sides.typed or harmless(sides.own, sides.reference(self.n_steps)[sides.end(self.step) :])

    def _filled_in(self, sides: Sides, way: Way) -> Answer:
        self._write(way, "next")
        return self._said(f"{self.title()}: {new_lines(sides.mine, way.lines)}")

    def _set_aside(self, sides: Sides) -> Answer:
        theirs = sides.reference(self.step + 1)[sides.end(self.step) : sides.end(self.step + 1)]
        self._write(sides.set_aside(), "next")
        says = f"{self.title()}: your lines are kept as comments above the reference's"
        return Answer(not self.trouble(), says, self.trouble(), sides.own, theirs)

    def undo(self) -> Answer:
        """The file as it was before the last change, typed or filled in; can be repeated."""
        with self.file.alone():
            present = self.history.present
            if present.parent == present.number:
                return Answer(False, "this is how it began")
            return self._moved(present.parent, f"before {present.how}")

    def redo(self) -> Answer:
        """Reverses an undo."""
        with self.file.alone():
            state = self.history.redone()
            if state is None:
                return Answer(False, "nothing was undone here")
            return self._moved(state.number, f"after {state.how}")

    def _moved(self, number: int, says: str) -> Answer:
        self.file.swap(self.history.states[number].text)
        self.history.move(number, says)
        return self._said(f"{says}: {self.title()}")

    def goto(self, step: int) -> Answer:
        """Forward by `next` to a step; back to the file as it last was with exactly these steps."""
        if not 0 <= step <= self.n_steps:
            raise ValueError(f"{self.lecture.name} has steps 0 to {self.n_steps}, not {step}")
        if step > self.step:
            answer = self.next()
            while self.step < step:
                answer = self.next()
            return answer
        with self.file.alone():
            number, before = self.history.present.number, []
            while self.history.states[number].parent != number:
                number = self.history.states[number].parent
                before.append(self.history.states[number])
            state = next(state for state in before or [self.history.present] if state.step <= step)
            text, changes = (state.text, state.changes) if state.step == step else (self.lecture.text(step), {})
            self.file.write(text.split("\n"), step, f"goto {step}", changes)
            return self._said(self.title())

    def fix(self) -> Answer:
        """This step as in the reference, then those before it, until the file is right; finally the whole file."""
        with self.file.alone() as sides:
            ways, mine = [], sides
            for step in range(self.step, 0, -1):
                mine = Sides(self.lecture, self.step, sides.laid, mine.step_of(step), sides.changes)
                ways.append(Way(mine.mine, self.step, sides.changes, mine.whole()))
            way = self.trials.first_right(ways)
            if way is None or sides.typed:
                text = self.lecture.text(self.step).split("\n")
                if text != sides.mine:
                    self.file.write(text, self.step, "fix", {})
                    return Answer(True, "the file as in the reference; undo brings yours back")
            if way is None or way.lines == sides.mine:
                return Answer(True, "it is as in the reference")
            self._write(way, "fix")
            done = self.step - ways.index(way)
            which = f"step {done}" if done == self.step else f"steps {done} to {self.step}"
            return self._said(f"{which} as in the reference: {new_lines(sides.mine, way.lines) or 'lines taken out'}")

    def _so_far(self, sides: Sides) -> Way:
        """The file as it is meant: what was typed counts as the steps that it is right for, or as the next one."""
        plain = Way(sides.mine, self.step, sides.changes, sides.whole())
        if self.step == self.n_steps or self._beside(sides):
            return plain
        way = self.trials.first_right([*sides.ways()])
        return sides.taken(self.step + 1) if way is None else plain if way.lines == sides.plain().lines else way

    def break_(self, name: str) -> Answer:
        """Plants a mistake from the plan: what will the model write now?"""
        found = self.mistake(name)
        with self.file.alone() as sides:
            if found.step > self.step:
                title = self.lecture.steps[found.step - 1].title
                return Answer(False, f"{name} breaks step {found.step}, {title}: the file has {self.step}")
            broken = sides.with_edit(found.find, found.put)
            if broken is None:
                line = found.find.strip().split("\n")[0]
                return Answer(False, f"{line!r} is not in the file as in the reference: fix puts it there")
            self.file.write(broken, self.step, f"break {name}", sides.changes)
            where = new_lines(sides.mine, broken)
            return Answer(True, f"{where}: {found.does}", ["What will it write now? run shows it, undo takes it back."])

    def mistake(self, name: str) -> Break:
        """One of the plan's mistakes. Raises ValueError for a name that it does not have."""
        for each in self.lecture.breaks:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.lecture.breaks)
        raise ValueError(f"{self.lecture.name} has no break {name!r}: choose from {known}")

    def title(self) -> str:
        """The step that the file has now, "3. The mask"."""
        return f"{self.step}. {self.lecture.steps[self.step - 1].title}" if self.step else "nothing typed yet"

    def trouble(self) -> list[str]:
        """The line of the file that is not valid Python, if there is one."""
        return trouble(self.history.present.text)

    def _said(self, says: str) -> Answer:
        return Answer(not self.trouble(), says, self.trouble())

    def _write(self, way: Way, how: str) -> None:
        self.file.write(way.lines, way.step, how, way.changes)
