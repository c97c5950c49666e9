"""The X-ray inside the lecture's screen: one step of a pass at a time, all of them drawn by the warm process.

That process has the model and torch already; the screen would freeze for seconds if it imported them itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Static

from minigpt.lecture.kernel import Job

PROMPT = "The cat sat"
HINT = "← → a step, ↑ ↓ a line, q back"


def job(part: str, width: int, height: int) -> Job:
    """The job for the warm process, for a screen of this size; the last row is for the keys."""
    seen = {"part": part, "prompt": PROMPT, "width": width, "height": height - 1}
    return {"do": "minigpt.lecture.xray_job.xray", **seen}


class XrayScreen(ModalScreen[None]):
    """The steps of an X-ray over everything else; q or Esc leads back. `again` draws it for another size."""

    CSS = "XrayScreen Static { width: 100%; height: 100%; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "on"),
        Binding("left,b", "back"),
        Binding("down", "line_on"),
        Binding("up", "line_back"),
        Binding("home", "first"),
        Binding("end", "last"),
        Binding("q,escape", "close"),
    ]

    def __init__(self, drawn: Job, again: Callable[[], None]) -> None:
        super().__init__()
        self.drawn, self.again, self.at = drawn, again, 0

    def compose(self) -> ComposeResult:
        """One step, and nothing else."""
        yield Static(markup=False)

    def on_mount(self) -> None:
        """Shows the first step."""
        self.show(0)

    def on_resize(self, event: Resize) -> None:
        """Other rows for another size."""
        if (event.size.width, event.size.height - 1) != (self.drawn["width"], self.drawn["height"]):
            self.again()

    def redrawn(self, drawn: Job) -> None:
        """The same steps for another size."""
        self.drawn = drawn
        self.show(self.at)

    def show(self, at: int) -> None:
        """A step, the nearest that there is."""
        steps = self.drawn["steps"]
        self.at = max(0, min(len(steps) - 1, at))
        rows = [*steps[self.at], *[""] * self.drawn["height"]][: self.drawn["height"]]
        self.query_one(Static).update(Text.from_ansi("\n".join([*rows, HINT]), no_wrap=True, end=""))

    def leap(self, by: int) -> None:
        """To the first step of the next line, or of the one before."""
        lines = self.drawn["lines"]
        firsts = [i for i, line in enumerate(lines) if i == 0 or line != lines[i - 1]]
        here = sum(first <= self.at for first in firsts) - 1
        self.show(firsts[max(0, min(len(firsts) - 1, here + by))])

    def action_on(self) -> None:
        """The next step."""
        self.show(self.at + 1)

    def action_back(self) -> None:
        """The step before."""
        self.show(self.at - 1)

    def action_line_on(self) -> None:
        """The next line."""
        self.leap(1)

    def action_line_back(self) -> None:
        """The line before."""
        self.leap(-1)

    def action_first(self) -> None:
        """The first step."""
        self.show(0)

    def action_last(self) -> None:
        """The last step."""
        self.show(len(self.drawn["steps"]) - 1)

    def action_close(self) -> None:
        """Back to the lecture."""
        self.dismiss()
