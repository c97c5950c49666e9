"""The three-way merge of a lecture: the file as the lecturer left it, and the next step of the reference.

Their common ancestor is the reference after the last step. Lines that only the lecturer changed stay. If the lecturer
also typed where the next step goes, there are several ways to go on; which one is right is found by running them.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING

from minigpt.lecture.lines import BLANK as BLANK
from minigpt.lecture.lines import counts
from minigpt.lecture.renaming import Renames, anchors, composed, paired, renamed, renames

if TYPE_CHECKING:
    from minigpt.lecture.plan import Lecture

YOURS = "# yours: "  # put before the lecturer's lines where the reference's had to go


@dataclass(frozen=True)
class Hunk:
    """A stretch of the lecturer's lines, mine[start:end], and what was there before, base[base_start:base_end]."""

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
class Way:
    """A way to go on: the file that it gives, after how many steps, the names chosen, and the file with all steps."""

    lines: list[str]
    step: int
    changes: Renames
    whole: list[str]


@dataclass(frozen=True)
class Sides:
    """Three versions: the file as the last command left it, as the lecturer has it now, and the reference's steps."""

    lecture: Lecture
    step: int
    laid: list[str]
    mine: list[str]
    changes: Renames  # the reference's names to the lecturer's

    @classmethod
    def of(cls, lecture: Lecture, step: int, laid: list[str], mine: list[str], before: Renames) -> Sides:
        """The same, after working out which names the lecturer has changed since then."""
        reference = renamed(lecture.text(step).split("\n"), before)
        return cls(lecture, step, laid, mine, composed(before, renames(reference, mine)))

    def reference(self, step: int) -> list[str]:
        """The reference after some steps, in the lecturer's names."""
        return renamed(self.lecture.text(step).split("\n"), self.changes)

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
        """Where the next step goes; after the last one, above the footer."""
        blanks = [i for i, line in enumerate(self.laid) if BLANK in line]
        if blanks:
            return hunk(self.laid, self.mine, blanks[0], blanks[0] + 1)
        end = max(len(self.laid) - len(self.lecture.footer) - 1, 0)
        return hunk(self.laid, self.mine, end, end)

    @cached_property
    def own(self) -> list[str]:
        """The lecturer's lines there, without the blank."""
        lines = [line for line in self.spot.mine if BLANK not in line]
        while lines and not lines[-1].strip():
            del lines[-1]
        return lines

    @property
    def typed(self) -> bool:
        """Whether the lecturer wrote something there since the last command, apart from other names."""
        names = {old: new for (_, old), new in self.changes.items()}
        kept = [re.sub(r"\w+", lambda word: names.get(word[0], word[0]), line) for line in self.spot.base]
        own = [re.sub(r"\w+", lambda word: names.get(word[0], word[0]), line) for line in self.own]
        return bare(own) != bare(line for line in kept if BLANK not in line)

    def filled(self, own: list[str], done: int, until: int, skipped: int = 0) -> list[str]:
        """The file with `own` in place of the steps up to `done`, and those up to `until` below it, the next one
        without its first lines."""
        reference = self.reference(until)
        footer = len(reference) - len(self.lecture.footer) - 1
        new = reference[self.end(done) + skipped : footer]
        return [*self.mine[: self.spot.start], *own, *new, *self.mine[self.spot.end :]]

    def whole(self) -> list[str]:
        """The file with all missing steps from the reference."""
        return self.filled(self.own, self.step, len(self.lecture.steps))

    def plain(self) -> Way:
        """The next step below everything that the lecturer typed there."""
        return Way(self.filled(self.own, self.step, self.step + 1), self.step + 1, self.changes, self.whole())

    def taken(self, done: int, skipped: int = 0) -> Way:
        """What the lecturer typed replaces the steps up to `done` or, where lines are skipped, that many of the next
        step's; the names chosen there are kept."""
        until = done + bool(skipped)
        reference, first = self.reference(until), self.end(self.step)
        theirs = reference[first : first + skipped if skipped else self.end(done)]
        file = self.filled(self.own, done, until, skipped)
        changes = composed(self.changes, paired(theirs, self.own, reference, first))
        changes = composed(changes, renames(renamed(self.lecture.text(until).split("\n"), changes), file))
        new = replace(self, changes=changes)
        rest = new.filled(self.own, done, len(self.lecture.steps), skipped)
        return Way(new.filled(self.own, done, until, skipped), until, changes, rest)

    def ways(self) -> Iterator[Way]:
        """The ways to go on from what was typed at the spot, beginning with those that keep most of it as it is."""
        for done in range(len(self.lecture.steps), self.step, -1):
            yield self.taken(done)
        reference = self.reference(self.step + 1)
        for line in range(self.end(self.step + 1) - 1, self.end(self.step), -1):
            if reference[line].strip() and begins_statement(reference, line):
                way = self.taken(self.step, line - self.end(self.step))
                if counts(self.own, way.whole[self.spot.start + len(self.own) :]):
                    yield way
        if any(line.strip() and BLANK not in line for line in self.spot.base):  # an earlier line, the lecturer's way
            yield self.plain()

    def set_aside(self) -> Way:
        """The reference's next step, and above it the lecturer's lines as comments."""
        kept = [line for line in self.spot.base if BLANK not in line]
        while kept and not kept[-1].strip():
            del kept[-1]
        new = self.reference(self.step + 1)[self.end(self.step) :]
        first = next(line for line in new if line.strip())
        indent = first[: len(first) - len(first.lstrip())]
        lines = textwrap.dedent("\n".join(line for line in self.own if line not in kept)).split("\n")
        comments = [f"{indent}{YOURS}{line}" for line in lines if line.strip()]
        above = [*kept, *comments]
        whole = self.filled(above, self.step, len(self.lecture.steps))
        return Way(self.filled(above, self.step, self.step + 1), self.step + 1, self.changes, whole)

    def step_of(self, step: int) -> list[str]:
        """The file with one of its steps replaced by the reference's."""
        base = self.reference(self.step)
        place = hunk(base, self.mine, self.end(step - 1), self.end(step))
        return [*self.mine[: place.start], *place.base, *self.mine[place.end :]]

    def with_edit(self, old: str, new: str) -> list[str] | None:
        """The file with a text of the reference's replaced by another; None if its lines are not in it."""
        text = self.lecture.text(self.step)
        before, after = (renamed(t.split("\n"), self.changes) for t in (text, text.replace(old, new, 1)))
        lines = [line.rstrip() for line in self.mine]
        for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if tag != "equal":
                here = [i for i in range(len(lines) - (b - a) + 1) if lines[i : i + b - a] == before[a:b]]
                return [*self.mine[: here[0]], *after[c:d], *self.mine[here[0] + b - a :]] if here and b > a else None
        return None


def bare(lines: Iterable[str]) -> list[str]:
    """The lines that are not empty, without trailing blanks."""
    return [line.rstrip() for line in lines if line.strip()]


def begins_statement(lines: list[str], line: int) -> bool:
    """Whether a line of a Python text is the first one of a statement."""
    nodes = ast.walk(ast.parse("\n".join(lines)))
    return any(isinstance(node, ast.stmt) and node.lineno == line + 1 for node in nodes)
