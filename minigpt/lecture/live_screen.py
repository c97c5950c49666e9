"""What the lecture's screen shows: head, last answer, what is being done, keys; in the terminal's own colours."""

from __future__ import annotations

from contextlib import suppress

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from minigpt.lecture.held import Answer, Held
from minigpt.lecture.live_commands import AHEAD, Commands
from minigpt.lecture.live_file import Watch
from minigpt.lecture.live_prompt import Prompt
from minigpt.lecture.live_view import head, key_rows, rows_of, welcome
from minigpt.terminal import wrap


class Shown(App[None]):
    """The screen over a lecture that is held, without its keys."""

    CSS = """
    #head, #keys { height: auto; text-style: reverse bold; }
    #main { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    #answer { height: auto; }
    #status { height: 1; padding: 0 1; text-style: bold; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None  # else the prompt, which is closed, would take the keys

    class Changed(Message):
        """Something that the screen shows is new."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.held = held
        self.commands = Commands(held, self.changed)
        self.file = Watch(held.file, self.changed)
        self.peek: tuple[str, Answer] | None = None  # shown instead of the last answer until the next key
        self.prompt = Prompt()
        self.ahead: object = None  # the warm process for which the reference's text was computed
        self.parts = {name: Static(id=name, markup=False) for name in ("head", "answer", "status", "keys")}
        self.main = VerticalScroll(self.parts["answer"], id="main", can_focus=False)
        self.drawn: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Head, answer, prompt or what is being done, keys."""
        yield from (self.parts["head"], self.main, self.prompt, self.parts["status"], self.parts["keys"])

    def on_mount(self) -> None:
        """Begins to watch and to work."""
        self.theme = "ansi-dark"  # the terminal's own colours: dark where it is dark, light where it is light
        self.commands.start()
        self.file.start()
        self.set_interval(0.25, self.tick)

    def leave(self) -> None:
        """Ends what is being done, and the watching."""
        self.file.over.set()
        self.commands.stop()

    def changed(self) -> None:
        """Called from any thread when there is something new."""
        self.post_message(self.Changed())

    def on_shown_changed(self) -> None:
        """Shows what is new."""
        self.draw()

    def on_resize(self) -> None:
        """Another width, other rows."""
        self.draw()

    def tick(self) -> None:
        """The clock goes on; a warm process that died is started again, and computes the reference's text."""
        kernel = self.held.kernel
        if self.commands.doing is None:
            with suppress(OSError):  # tried again
                kernel.start()
            if kernel.warm.is_set() and self.ahead is not kernel.process:
                self.ahead = kernel.process
                self.commands.submit(AHEAD, self.prepare)
        self.draw()

    def prepare(self) -> None:
        """What the first run would have to wait for."""
        self.held.trials.expected()

    def draw(self) -> None:
        """Everything, from what is known now."""
        width = self.size.width - 2
        self.put("head", "\n".join(f" {row} " for row in head(self.held, self.file.state, width)))
        self.put("keys", "\n".join(f" {row:{width}} " for row in key_rows(width)))
        name, mark, answer = self.shown()
        said = "\n".join(wrap(f"{mark}{answer.says}", width - 2, indent=2))
        rows = "\n".join(["\n", *rows_of(name, answer, width - 2)])
        main = self.main
        if self.put("answer", said + rows, Content.assemble((said, "bold"), rows)):
            main.scroll_to(y=main.max_scroll_y if self.commands.pieces else 0, animate=False)
            self.call_after_refresh(self.draw)  # only then is the number of rows known
        more = "↓ more" if main.max_scroll_y > main.scroll_y else ""
        warming = "" if self.held.kernel.warm.is_set() else "warming up: check and run wait for it"
        self.put("status", self.commands.status() or more or warming)
        self.parts["status"].display = self.prompt.then is None

    def put(self, name: str, text: str, content: Content | None = None) -> bool:
        """Puts some text in its place; returns whether it has changed."""
        if self.drawn.get(name) == text:
            return False
        self.drawn[name] = text
        self.parts[name].update(content or text)
        return True

    def shown(self) -> tuple[str, str, Answer]:
        """What the main part shows: whose answer, what comes before it, the answer."""
        commands = self.commands
        if self.peek is not None:
            return self.peek[0], "", self.peek[1]
        if commands.pieces:
            return "run", "… ", Answer(True, "run", [], "".join(commands.pieces).splitlines())
        if commands.said is None:
            return "", "", welcome(self.held)
        name, answer = commands.said
        return name, f"{'✓' if answer.ok else '✗'} {name}: ", answer
