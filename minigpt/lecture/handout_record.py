"""What there is to say about a lecture that was held: the handout's contents, before they are a notebook or a page."""

from __future__ import annotations

import time
from dataclasses import dataclass

from minigpt.lecture.plan import Lecture, Step
from minigpt.lecture.renaming import Renames


@dataclass(frozen=True)
class Row:
    """A line of the file, and whether it is the lecturer's own: different from the reference's in more than names."""

    text: str
    own: bool


@dataclass(frozen=True)
class Value:
    """What a try gives: as Python writes it and, for a small tensor, its numbers."""

    source: str
    text: str
    printed: str  # meanwhile, by the file: its first lines
    rows: list[list[float]] | None


@dataclass(frozen=True)
class Event:
    """What came in between: a "question" from the audience, an "xray" that was drawn, a "break" that was planted."""

    kind: str
    says: str
    time: float  # seconds since 1970
    step: int
    lines: tuple[str, ...] = ()  # of a break: the lines removed, "- …", and added, "+ …"
    wrote: str = ""  # by the broken file, in the lecture's run
    right: str = ""  # by the reference
    drawn: str = ""  # HTML of an X-ray


@dataclass(frozen=True)
class Part:
    """A step as it was held."""

    step: Step
    planned: float  # minutes from the beginning
    reached: float
    rows: list[Row]
    code: list[str]  # the definitions that are new or changed, each whole; none where the file does not run
    values: list[Value]
    events: list[Event]


@dataclass(frozen=True)
class Handout:
    """All that there is to say."""

    lecture: Lecture
    begun: float  # seconds since 1970, when the first step came
    head: list[str]  # code: the imports, and what was given
    before: list[Event]  # until the first step was there
    parts: list[Part]
    rows: list[Row]  # the file at the end
    changes: Renames
    setup_from: int  # the step whose tries are the first that the plan's setup runs for; 0 where it never does
    after: list[str]  # code: what was typed when the last step was there
    wrote: str | None  # by the whole file, in the lecture's run; None where steps are missing, or it does not run
    prints: bool  # whether the file prints something itself, too

    @property
    def day(self) -> str:
        """When it began, by the laptop's clock."""
        return time.strftime("%Y-%m-%d, %H:%M", time.localtime(self.begun))

    @property
    def writes(self) -> str:
        """The heading above the text that the whole file writes."""
        return "What the whole program writes with it" + ", but for what the file itself prints" * self.prints

    def at(self, event: Event) -> str:
        """After how many minutes something came."""
        minutes = (event.time - self.begun) / 60
        return f"{minutes:.0f} min" if minutes >= 0 else "before the start"
