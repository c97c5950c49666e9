"""The X-ray on a full screen of the terminal: a widget that other screens can hold, and a screen of its own.

Source: https://textual.textualize.io, guides "Widgets", "Input" and "Actions".
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.widget import Widget

from minigpt.analysis.xray import Line
from minigpt.pictures.xray import step_text
from minigpt.terminal import wrap
from tokenizer.display import clip

KEYS = "← → a step   ↑ ↓ a line   g N go   ? keys   q quit"
HELP = (
    *("→, space: the next step", "←, b: the step before", "↓, ↑: the next line, the line before"),
    *("home, end: the first step, the last", "g, a number, enter: that step", "?: these keys, or back to the step"),
    *("q: quit", ""),
    "A step is one value: an argument, what an expression gives, what a name is bound to, what is returned. The line "
    "that runs is marked, and on it the expression. Blue is above 0, orange below; what changed is underlined.",
)


class XrayView(Widget, can_focus=True):
    """The steps of an X-ray, one at a time, in whatever room it has."""

    DEFAULT_CSS = "XrayView { width: 1fr; height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "step(1)", "next step"),
        Binding("left,b", "step(-1)", "step back"),
        Binding("down", "line(1)", "next line"),
        Binding("up", "line(-1)", "line back"),
        Binding("home", "go(0)", "first"),
        Binding("end", "go(-1)", "last"),
        Binding("g", "ask", "go to"),
        Binding("question_mark", "help", "keys"),
    ]

    def __init__(
        self, lines: Sequence[Line], tokens: Sequence[str] = (), title: str = "", color: bool = True, keys: str = KEYS
    ) -> None:
        super().__init__()
        self.lines, self.tokens, self.title, self.color, self.keys = lines, tokens, title, color, keys
        self.at = 0
        self.asked: str | None = None  # the digits after g
        self.helping = False

    def render(self) -> Text:
        """The step, the last line for the keys."""
        width, height = self.size
        if self.helping:
            rows = [row for text in HELP for row in (wrap(text, width, indent=2) or [""])]
        else:
            rows = step_text(self.lines, self.at, self.tokens, self.title, width, max(1, height - 1), self.color)
        rows = [*rows, *[""] * (height - 1 - len(rows))][: height - 1]
        last = self.keys if self.asked is None else f"go to step {self.asked}_ of {len(self.lines)}, enter"
        return Text.from_ansi("\n".join([*rows, clip(last, width)]), no_wrap=True, end="")

    def action_step(self, by: int) -> None:
        """Some steps forward or back, as far as there are any."""
        self.show(self.at + by)

    def action_line(self, by: int) -> None:
        """To the next line that has steps, or to the first step of the line before."""
        self.show(leap(self.lines, self.at, by))

    def action_go(self, at: int) -> None:
        """To a step; -1 is the last."""
        self.show(at if at >= 0 else len(self.lines) + at)

    def action_ask(self) -> None:
        """Digits follow."""
        self.asked = ""
        self.refresh()

    def action_help(self) -> None:
        """The keys, or the step again."""
        self.helping = not self.helping
        self.refresh()

    def show(self, at: int) -> None:
        """Shows a step, the nearest there is."""
        self.at, self.helping, self.asked = max(0, min(len(self.lines) - 1, at)), False, None
        self.refresh()

    def on_key(self, event: Key) -> None:
        """The digits after g; escape cancels g, as does any other key, which then does its own work."""
        if self.asked is None:
            return
        if event.key.isdecimal():
            self.asked += event.key
        elif event.key == "backspace":
            self.asked = self.asked[:-1]
        elif event.key == "enter" and self.asked:
            self.show(int(self.asked) - 1)
        else:
            self.asked = None
        self.refresh()
        if self.asked is not None or event.key in ("enter", "escape"):
            event.stop()
            event.prevent_default()


class XrayApp(App[None]):
    """The X-ray alone, on the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape,ctrl+c", "quit", "quit")]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, lines: Sequence[Line], tokens: Sequence[str] = (), title: str = "", color: bool = True) -> None:
        super().__init__(ansi_color=True)
        self.view = XrayView(lines, tokens, title, color)

    def compose(self) -> ComposeResult:
        """The view, and nothing else."""
        yield self.view

    def on_mount(self) -> None:
        """Keys go to it."""
        self.view.focus()


def leap(lines: Sequence[Line], at: int, by: int) -> int:
    """The first step of the next line, or of the one before."""

    def place(n: int) -> tuple[str, int]:
        return lines[n].source.name, lines[n].number

    n = at
    while 0 <= n < len(lines) and place(n) == place(at):
        n += by
    n = max(0, min(len(lines) - 1, n))
    while by < 0 and n > 0 and place(n - 1) == place(n):
        n -= 1
    return n
