"""The three-way merge of a lecture: the file as the lecturer left it, and the next step of the reference.

What both come from is the reference after the last step. Lines that only the lecturer changed stay. Where the next
step goes and the lecturer typed as well, there are several ways to go on; which one is right is found by running them.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING

from minigpt.lecture.renaming import Renames, anchors, renamed, renames

if TYPE_CHECKING:
    from minigpt.lecture.plan import Lecture

BLANK = "# next: "  # what a plan's blanks hold
YOURS = "# yours: "  # before the lecturer's lines where the reference's had to go


@dataclass(frozen=True)
class Hunk:
    """A stretch of the lecturer's lines, mine[start:end], and what the reference has there, base[base_start:base_end]."""

    start: int
    end: int
    base_start: int
    base_end: int
    mine: tuple[str, ...]
    base: tuple[str, ...]


def hunk(base: list[str], mine: list[str], start: int, end: int) -> Hunk:
    """The lecturer's lines around base[start:end]: up to the next lines before and after that both have.

    >>> hunk(["a", "b", "c"], ["a", "x", "b!", "c"], 1, 2)
    Hunk(start=1, end=3, base_start=1, base_end=2, mine=('x', 'b!'), base=('b',))
    """
    pairs = anchors(base, mine)
    before = max((pair for pair in pairs if pair[0] < start), default=(-1, -1))
    after = min((pair for pair in pairs if pair[0] >= end), default=(len(base), len(mine)))
    first, last, base_first = before[1] + 1, after[1], before[0] + 1
    return Hunk(first, last, base_first, after[0], tuple(mine[first:last]), tuple(base[base_first : after[0]]))


@dataclass(frozen=True)
class Sides:
    """The lecturer's lines after some steps, beside the reference's in the lecturer's names."""

    lecture: Lecture
    step: int
    mine: list[str]
    changes: Renames

    @classmethod
    def of(cls, lecture: Lecture, step: int, mine: list[str]) -> Sides:
        """The same, with the names that the lecturer changed found out."""
        return cls(lecture, step, mine, renames(lecture.text(step).split("\n"), mine))

    def reference(self, step: int) -> list[str]:
        """The reference after some steps."""
        return self.in_my_names(self.lecture.text(step))

    def in_my_names(self, text: str) -> list[str]:
        """The lines of a text of the reference, with the names that the lecturer chose."""
        return renamed(text.split("\n"), self.changes)

    def with_edit(self, old: str, new: str) -> list[str] | None:
        """The file with a text of the reference's replaced by another; None where its lines do not stand in it."""
        text = self.lecture.text(self.step)
        before, after = self.in_my_names(text), self.in_my_names(text.replace(old, new, 1))
        lines = [line.rstrip() for line in self.mine]
        for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if tag != "equal":
                here = [i for i in range(len(lines) - (b - a) + 1) if lines[i : i + b - a] == before[a:b]]
                return [*self.mine[: here[0]], *after[c:d], *self.mine[here[0] + b - a :]] if here and b > a else None
        return None

    def end(self, step: int) -> int:
        """How many lines of the reference come before the blank after some steps, and the empty lines around it."""
        lines = self.lecture.text(step).split("\n")
        blank = self.lecture.blank(step)
        end = lines.index(blank) if blank else len(lines) - len(self.lecture.footer) - 1
        while not lines[end - 1].strip():
            end -= 1
        return end

    @cached_property
    def spot(self) -> Hunk:
        """Where the next step goes; after the last one, below it."""
        base, end = self.reference(self.step), self.end(self.step)
        blanks = [i for i, line in enumerate(base) if i >= end and BLANK in line]
        return hunk(base, self.mine, end, blanks[0] + 1 if blanks else end)

    @cached_property
    def own(self) -> list[str]:
        """The lecturer's lines there, without the blank."""
        lines = [line for line in self.spot.mine if BLANK not in line]
        while lines and not lines[-1].strip():
            del lines[-1]
        return lines

    @property
    def typed(self) -> bool:
        """Whether the lecturer wrote something there that is not the reference's."""
        kept = self.reference(self.step)[self.spot.base_start : self.end(self.step)]
        return [line.rstrip() for line in self.own if line.strip()] != [line for line in kept if line.strip()]

    def filled(self, done: int, until: int) -> list[str]:
        """The file if the lecturer's own lines stand for the steps up to `done`, with those up to `until` below."""
        return [*self.mine[: self.spot.start], *self.own, *self._new(done, until), *self.mine[self.spot.end :]]

    def set_aside(self) -> list[str]:
        """The file with the reference's next step, and above it the lecturer's lines as comments."""
        kept = self.reference(self.step)[self.spot.base_start : self.end(self.step)]
        new = self._new(self.step, self.step + 1)
        first = next(line for line in new if line.strip())
        indent = first[: len(first) - len(first.lstrip())]
        lines = textwrap.dedent("\n".join(self.own)).split("\n")
        comments = [f"{indent}{YOURS}{line}" for line in lines if line.strip()]
        return [*self.mine[: self.spot.start], *kept, *comments, *new, *self.mine[self.spot.end :]]

    def taken(self, done: int) -> Sides:
        """The file if what the lecturer typed is taken for the steps up to `done`, and the names chosen there too."""
        return Sides.of(self.lecture, done, self.filled(done, done))

    def whole(self) -> list[str]:
        """The file with all missing steps from the reference."""
        return self.filled(self.step, len(self.lecture.steps))

    def step_of(self, step: int) -> list[str]:
        """The file with one step that it has already as in the reference."""
        base = self.reference(self.step)
        place = hunk(base, self.mine, self.end(step - 1), self.end(step))
        return [*self.mine[: place.start], *place.base, *self.mine[place.end :]]

    def _new(self, done: int, until: int) -> list[str]:
        """The reference's lines from after the steps up to `done` to those both sides have below the blank."""
        below = len(self.reference(self.step)) - self.spot.base_end
        reference = self.reference(until)
        return reference[self.end(done) : len(reference) - below]
