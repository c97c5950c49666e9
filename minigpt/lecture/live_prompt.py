"""The line of the lecture's screen into which something is typed: a question, a step, a mistake."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Static


class Prompt(Horizontal):
    """One line to type into, while it is open. For up to ten choices a digit is enough, without Enter."""

    DEFAULT_CSS = """
    Prompt { height: 1; padding: 0 1; display: none; }
    Prompt Static { width: auto; text-style: bold; }
    """

    then: Callable[[str], None] | None = None  # takes what was typed; None while the line is closed
    choices: Collection[str] = ()
    default = ""
    chosen = -math.inf  # when a choice was taken without Enter

    def compose(self) -> ComposeResult:
        """The question, and where the answer is typed."""
        yield Static(markup=False)
        yield Input(compact=True)

    def ask(self, question: str, then: Callable[[str], None], choices: Collection[str] = (), default: str = "") -> None:
        """Opens the line; Enter alone takes the default, if there is one."""
        self.then, self.choices, self.default, self.display = then, choices, default, True
        self.query_one(Static).update(f"{question} ")
        typed = self.query_one(Input)
        typed.value = ""
        self.screen.set_focus(typed)  # at once: the next key is for this line

    def close(self) -> str:
        """Closes it; returns what was in it."""
        typed = self.query_one(Input).value.strip()
        self.then, self.display = None, False
        self.screen.set_focus(None)
        return typed

    def on_input_changed(self, event: Input.Changed) -> None:
        """A choice that is the beginning of no other needs no Enter."""
        value = event.value.strip()
        if self.then and value in self.choices and sum(choice.startswith(value) for choice in self.choices) == 1:
            self.chosen = time.monotonic()
            self.on_input_submitted()

    def on_input_submitted(self) -> None:
        """Takes what was typed, unless it is nothing."""
        then, typed = self.then, self.close()
        if then is not None and (typed or self.default):
            then(typed or self.default)
