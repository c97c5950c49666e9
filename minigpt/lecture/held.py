"""A lecture as it is held: all that the lecturer may do with the working file. Nothing that was typed is ever lost."""

from __future__ import annotations

from collections.abc import Callable

from minigpt.lecture.clock import against_the_plan
from minigpt.lecture.moves import Answer as Answer
from minigpt.lecture.moves import Moves


class Held(Moves):
    """The commands that look at the file, beside those that change it."""

    def show(self) -> Answer:
        """The next step, for the lecturer's eyes: its lines, what to say, what to ask."""
        if self.step == self.n_steps:
            return Answer(True, f"all {self.n_steps} steps are in the file")
        step = self.lecture.steps[self.step]
        words = [f"{what}: {' '.join(text.split())}" for what, text in (("ask", step.ask), ("say", step.say)) if text]
        return Answer(True, f"next: {step.number}. {step.title} ({step.minutes:g} min)", [*words, *step.lines])

    def check(self) -> Answer:
        """Whether the file is right so far; if not, the checker's name for the slip, or where it fails."""
        with self.file.alone() as sides:
            way = self._so_far(sides)
        told = self.trials.wrong(way)
        if told["right"]:
            typed = f"; step {way.step} is yours" if way.step > self.step else ""
            return Answer(True, f"right so far, {way.step} of {self.n_steps} steps{typed}")
        return Answer(False, "not right yet" + (f": {told['bug']}" if told.get("bug") else ""), told["lines"])

    def run(self, on_text: Callable[[str], None] = lambda _: None) -> Answer:
        """What the whole program does with the file as it is; missing steps are the reference's."""
        with self.file.alone() as sides:
            way = self._so_far(sides)
        pieces: list[str] = []

        def heard(text: str) -> None:
            pieces.append(text)
            on_text(text)

        told = self.trials.perform(way, heard)
        mine, printed = "".join(pieces), [f"your file prints: {line}" for line in told.get("printed", [])]
        if not told["right"]:
            return Answer(False, "it does not run", [*told["lines"], *printed], mine.splitlines())
        missing, right = self.n_steps - way.step, self.trials.expected()
        rest = f"; {missing} missing step{'s' * (missing > 1)} from the reference" if missing else ""
        if mine == right:
            return Answer(True, f"as the reference{rest}", printed, mine.splitlines())
        return Answer(False, f"not what the reference gives{rest}", printed, mine.splitlines(), right.splitlines())

    def time(self) -> Answer:
        """How far along the lecture is compared with the plan."""
        late, says, lines = against_the_plan(self.lecture, self.history)
        return Answer(late < 1, says, lines)

    def ask(self, question: str) -> Answer:
        """Writes down a question from the audience, for the handout."""
        self.note("question", question)
        return Answer(True, f"noted: {question}")

    def note(self, kind: str, text: str) -> None:
        """Writes down what the handout is to show: a "question", or an "xray", whose part and prompt are the text."""
        with self.file.recorded():
            self.history.note(kind, text)
