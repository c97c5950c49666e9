"""The questions that the warm process answers about a file: is it right, what is wrong with it, what does it do?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigpt.lecture.kernel import Job, Kernel
from minigpt.lecture.merging import Way
from minigpt.lecture.plan import Lecture


class Trials:
    """Runs files of one lecture. `name` is what their lines are reported under."""

    def __init__(self, lecture: Lecture, name: str, kernel: Kernel) -> None:
        self.lecture, self.name, self.kernel = lecture, name, kernel
        self.steps = len(lecture.steps)
        self.known: str | None = None

    def first_right(self, ways: Sequence[Way]) -> Way | None:
        """The first of several ways whose whole file gives what the reference gives."""
        answer = self._ask("first_right", texts=["\n".join(way.whole) for way in ways], tries=self._tries(self.steps))
        return ways[answer["first"]] if answer.get("first", -1) >= 0 else None

    def wrong(self, way: Way) -> Job:
        """What is wrong with a file: the line of it that fails, the checker's name for it, or the try that differs."""
        told = self._ask("try_out", "\n".join(way.whole), tries=self._tries(way.step))
        named = self._ask("examine", "\n".join(way.whole), checks=self._checks())
        if told["right"] or (named.get("bug") and not told["line"]):
            return named
        return {**told, "bug": named.get("bug")}

    def perform(self, way: Way, on_text: Callable[[str], None]) -> Job:
        """The lecture's run with a file in place of its sources."""
        renames = {old: new for (scope, old), new in way.changes.items() if not scope}
        names = {module: list(own) for module, own in self.lecture.names.items()}
        return self._ask("perform", "\n".join(way.whole), on_text, run=self.lecture.run, names=names, renames=renames)

    def expected(self) -> str:
        """What the reference gives in a run; computed once."""
        if self.known is None:
            pieces: list[str] = []
            lines = self.lecture.text(self.steps).split("\n")
            if not self.perform(Way(lines, self.steps, {}, lines), pieces.append)["right"]:
                return "".join(pieces)
            self.known = "".join(pieces)
        return self.known

    def _tries(self, until: int) -> list[tuple[int, str]]:
        return [(step.number, source) for step in self.lecture.steps[:until] for source in step.tries]

    def _checks(self) -> list[dict[str, str]]:
        return [{"exercise": check.exercise, "part": check.part} for check in self.lecture.checks]

    def rehearsal(self) -> list[Job]:
        """What the warm process may do once for itself, so that no run has to: the reference tried and checked."""
        reference = self.lecture.text(self.steps)
        tried = self._job("try_out", reference, tries=self._tries(self.steps))
        return [tried, self._job("examine", reference, checks=self._checks())]

    def _job(self, do: str, text: str, **more: Any) -> Job:
        reference = self.lecture.text(self.steps)
        return {"do": do, "text": text, "name": self.name, "reference": reference, "setup": self.lecture.setup, **more}

    def _ask(self, do: str, text: str = "", on_text: Callable[[str], None] = lambda _: None, **more: Any) -> Job:
        return self.kernel.ask(self._job(do, text, **more), on_text)
