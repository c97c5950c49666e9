"""Runs the commands of the lecture's screen one after the other in a thread of its own, so that no key has to wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from minigpt.lecture.held import Answer, Held
from minigpt.lecture.kernel import Ended

Command = Callable[[], Answer | None]  # None: there is nothing to show
AHEAD = ""  # the name of what is done before it is asked for


class Commands(threading.Thread):
    """A queue of commands, the one that is being done, and what the last one said. `on_change` is called in this
    thread when any of it is new."""

    def __init__(self, held: Held, on_change: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.held, self.on_change = held, on_change
        self.waiting: deque[tuple[str, Command]] = deque()
        self.more = threading.Condition()
        self.doing: str | None = None
        self.since = 0.0
        self.over = False
        self.said: tuple[str, Answer] | None = None
        self.pieces: list[str] = []  # of the text that a run has written so far

    def submit(self, name: str, command: Command) -> None:
        """Queues a command behind those before it; what is being done ahead gives way."""
        with self.more:
            if self.doing == AHEAD:
                self.held.kernel.end()
            if not self.over:
                self.waiting.append((name, command))
                self.more.notify()

    def end(self) -> None:
        """Ends the command that is being done, and drops those that wait."""
        with self.more:
            self.waiting.clear()
            if self.doing is not None:
                self.held.kernel.end()

    def stop(self, seconds: float = 2.0) -> None:
        """Ends all, and waits a little for a file that is being written."""
        self.end()
        with self.more:
            self.over = True
            self.more.notify()
        until = time.monotonic() + seconds
        while self.busy() and time.monotonic() < until:
            time.sleep(0.01)

    def busy(self) -> bool:
        """Whether something is being done, or waits."""
        with self.more:
            return self.doing is not None or bool(self.waiting)

    def hear(self, text: str) -> None:
        """Some more text of a run."""
        self.pieces.append(text)
        self.on_change()

    def status(self) -> str:
        """What is being done and for how long, and what waits for it; "" when nothing is."""
        if not self.doing:
            return ""
        then = " · then ".join(["", *(name for name, _ in self.waiting)])
        return f"{self.doing}: {time.monotonic() - self.since:.0f} s, Esc ends it{then}"

    def run(self) -> None:
        """Does what is submitted."""
        while True:
            with self.more:
                self.more.wait_for(lambda: self.waiting or self.over)
                if not self.waiting:
                    return
                name, command = self.waiting.popleft()
                self.doing, self.since = name, time.monotonic()
            answer = self.answered(name, command)
            with self.more:
                self.doing, self.pieces = None, []
                if answer is not None:
                    self.said = name, answer
            self.on_change()

    def answered(self, name: str, command: Command) -> Answer | None:
        """What a command says; whatever goes wrong in it is one line."""
        try:
            return command()
        except Ended:
            return Answer(False, "ended", [], "".join(self.pieces).splitlines()) if name else None
        except OSError as error:
            return Answer(False, f"{error.strerror or error}: nothing that was typed is lost")
        except ValueError as error:
            return Answer(False, str(error))
        except Exception as error:  # nothing may end the lecture
            return Answer(False, f"{type(error).__name__}: {error}")
