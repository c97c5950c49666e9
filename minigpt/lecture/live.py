"""The lecture's screen, beside the editor: one key for each command, no mouse, and nothing to wait for.

It watches the file (`live_file.py`); what the keys do is done in a separate thread (`live_commands.py`).
Source: https://textual.textualize.io, guides "Input", "Events and Messages" and "Workers".
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from textual.events import Event, Key

from minigpt.lecture.held import Answer, Held
from minigpt.lecture.kernel import Job
from minigpt.lecture.live_commands import Command
from minigpt.lecture.live_screen import Shown
from minigpt.lecture.live_view import KEYS, helped
from minigpt.lecture.live_xray import PROMPT, XrayScreen, job

SCROLL = {"up": -1, "down": 1, "pageup": -8, "pagedown": 8}
COMMANDS = {"enter": "run", **{key: name for key, name, _, _ in KEYS}}
HABIT = 1.0  # seconds


class Live(Shown):
    """The screen over a lecture that is held, with its keys."""

    peeked = ""  # what the present key has taken away

    async def on_event(self, event: Event) -> None:
        """Keys are handled here and at once, so that the next one finds it done: what follows "a" is a question."""
        taken = False
        if isinstance(event, Key) and not event.is_forwarded:
            taken = self.pressed(event.character if event.is_printable and event.character else event.key)
        if not taken:
            await super().on_event(event)

    def pressed(self, key: str) -> bool:
        """Does what a key says; False for a key of the prompt or of the X-ray, which have keys of their own."""
        if key == "ctrl+c":
            self.exit()
        elif isinstance(self.screen, XrayScreen):
            return False
        elif key in SCROLL:
            self.scroll_by(SCROLL[key])
        elif key == "escape":
            self.escape()
        elif self.prompt.then is not None:
            return False
        else:  # what is shown until the next key ends with it, whatever key that is
            self.peeked, self.peek = self.peek[0] if self.peek else "", None
            habit = key == "enter" and time.monotonic() - self.prompt.chosen < HABIT  # after the digit of a choice
            self.prompt.chosen = -math.inf
            if key in COMMANDS and not habit:
                self.do(COMMANDS[key])
            self.draw()
        return True

    def scroll_by(self, by: int) -> None:
        """Some rows up or down."""
        self.main.scroll_relative(y=by, animate=False)
        self.call_after_refresh(self.draw)

    def escape(self) -> None:
        """Leaves the prompt, or ends what is being done."""
        if self.prompt.then is not None:
            self.prompt.close()
        else:
            self.commands.end()
        self.peek = None
        self.draw()

    def do(self, name: str) -> None:
        """Does what a key says; what a key shows, it takes away again."""
        if name == "quit":
            self.exit()
        elif name in ("show", "help"):
            if name != self.peeked:
                self.peek = name, self.held.show() if name == "show" else helped(self.size.width - 4)
        elif name in ("goto", "break", "ask", "xray"):
            getattr(self, f"ask_{name}")()
        else:
            self.submit(name, partial(self.held.run, self.commands.hear) if name == "run" else getattr(self.held, name))
        self.draw()

    def submit(self, name: str, command: Command) -> None:
        """Queues a command, whose answer replaces what was shown."""
        self.peek = None
        self.commands.submit(name, command)
        self.draw()

    def choose(self, name: str, question: str, choices: Sequence[str], then: Callable[[str], Command]) -> None:
        """Asks for one of some choices, which are shown with their numbers."""
        self.peek = name, Answer(True, question, [*choices])
        self.prompt.ask(f"{name}:", lambda typed: self.submit(name, then(typed)), [each.split()[0] for each in choices])

    def ask_goto(self) -> None:
        """To which step?"""
        titles = ["the beginning", *(step.title for step in self.held.lecture.steps)]
        choices = [f"{number}  {title}" for number, title in enumerate(titles)]
        self.choose("goto", "to which step?", choices, lambda typed: partial(self.goto, typed))

    def goto(self, typed: str) -> Answer:
        """To the step of a number."""
        if not typed.isdecimal():
            raise ValueError(f"goto takes the number of a step, 0 to {self.held.n_steps}, not {typed!r}")
        return self.held.goto(int(typed))

    def ask_break(self) -> None:
        """Which mistake, by number or name?"""
        breaks = {str(i): each for i, each in enumerate(self.held.lecture.breaks, start=1)}
        choices = [f"{i}  {each.name}: {each.does}" for i, each in breaks.items()]

        def planted(typed: str) -> Command:
            return partial(self.held.break_, breaks[typed].name if typed in breaks else typed)

        self.choose("break", "which mistake?", choices, planted)

    def ask_ask(self) -> None:
        """What did somebody ask?"""
        self.prompt.ask("question:", lambda text: self.submit("ask", partial(self.held.ask, text)))

    def ask_xray(self) -> None:
        """Through which part?"""
        name = self.held.lecture.name
        question = f"X-ray of (Enter: {name}):"
        self.prompt.ask(question, lambda part: self.submit("xray", partial(self.xray, part)), default=name)

    def xray(self, part: str) -> Answer | None:
        """In the commands' thread: the pass, drawn by the warm process; then its screen, or the same one redrawn."""
        drawn = self.held.kernel.ask(job(part, *self.size))
        if not drawn["right"]:
            return Answer(False, " ".join(drawn["lines"]))
        if not isinstance(self.screen, XrayScreen):
            self.held.note("xray", f"{part} {PROMPT}")
        self.call_from_thread(self.open_xray, part, drawn)
        return None

    def open_xray(self, part: str, drawn: Job) -> None:
        """Shows an X-ray."""
        if isinstance(self.screen, XrayScreen):
            self.screen.redrawn(drawn)
        else:
            self.push_screen(XrayScreen(drawn, lambda: self.submit("xray", partial(self.xray, part))))


def run(held: Held) -> int:
    """Holds a lecture on the whole screen of the terminal, until q or Ctrl-C. The exit code: 0, or 1 after a crash."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ValueError("lecture live needs a terminal: minigpt lecture next, check, run do the same without one")
    held.kernel.first = [*held.trials.rehearsal(), job("attention", 80, 24)]
    held.kernel.start()
    app = Live(held)
    try:
        app.run(mouse=False)
    finally:
        app.leave()
        held.kernel.close()
    return app.return_code or 0
