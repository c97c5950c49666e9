"""Every state that a working file has had, in one file beside it: what was typed can always be brought back.

The file is a log in JSON lines. Nothing in it is ever changed; a state that was undone stays, as a branch that the
lecture left. A line that was cut off, by a full disk or a crash, is skipped.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = ".lecture"  # beside the working file
TYPED = "typed"  # how a state arose that no command made
Names = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class State:
    """A text that the working file had: after how many steps, what brought it about ("next", "typed"), and when."""

    number: int  # from 0
    parent: int  # the state before it; its own number at the beginning
    step: int
    how: str
    time: float  # seconds since 1970
    text: str
    names: Names = ()  # function, name in the reference, the lecturer's

    @property
    def changes(self) -> dict[tuple[str, str], str]:
        """The names that the lecturer chose, as `renaming` takes them."""
        return {(scope, old): new for scope, old, new in self.names}


class History:
    """The states of one lecture's working file, and which of them is the present one.

    >>> import tempfile
    >>> history = History(Path(tempfile.mkdtemp(), "attention.jsonl"))
    >>> _ = history.add("a = 1\\n", 0, "start"), history.add("a = 2\\n", 1, "next")
    >>> history.move(history.present.parent, "undo").text, len(history.states)
    ('a = 1\\n', 2)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states: list[State] = []
        self.notes: list[dict[str, Any]] = []  # questions and pictures, in order
        self.at = 0
        self.read = 0  # bytes of the log that were read
        self.refresh()

    @property
    def present(self) -> State:
        """The last state of the working file, as far as the history knows."""
        return self.states[self.at]

    def refresh(self) -> None:
        """Reads what another process, or this one, has added."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(self.read)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # still being written, or cut off
                self.read += len(line)
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        if "note" in entry:
            self.notes.append(entry)
            return
        if "text" in entry:
            self.states.append(State(**entry))
        self.at = entry["number"]

    @property
    def laid(self) -> State:
        """The state that the last command left, before anything was typed."""
        state = self.present
        while state.how == TYPED and state.parent != state.number:
            state = self.states[state.parent]
        return state

    def add(self, text: str, step: int, how: str, names: Names = ()) -> State:
        """Adds a state, which is the present one from now on. OSError if it cannot be written down."""
        number = len(self.states)
        parent = self.at if self.states else 0
        self._write(asdict(State(number, parent, step, how, time.time(), text, names)))
        return self.present

    def move(self, number: int, how: str) -> State:
        """Makes an earlier state, or one that was undone, the present one."""
        self._write({"number": number, "how": how, "time": time.time()})
        return self.present

    def note(self, kind: str, text: str) -> None:
        """Writes down a question from the audience, or a picture that was drawn, with the time."""
        self._write({"note": kind, "says": text, "step": self.present.step, "time": time.time()})

    def redone(self) -> State | None:
        """The newest state that came after the present one and was undone."""
        after = [state for state in self.states if state.parent == self.at and state.number != self.at]
        return after[-1] if after else None

    def _write(self, entry: dict[str, Any]) -> None:
        self.path.parent.mkdir(exist_ok=True)
        cut_off = self.path.exists() and self.path.stat().st_size > self.read
        data = ("\n" if cut_off else "") + json.dumps(entry, ensure_ascii=False) + "\n"
        with self.path.open("ab") as log:
            log.write(data.encode("utf-8", "surrogatepass"))
            log.flush()
            os.fsync(log.fileno())
        self.refresh()
