"""Watches the working file: every save goes into the history, and is compiled at once.

An editor may write a file in pieces, replace it or remove it for a moment: what is there counts once it has stayed
unchanged between two looks.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from minigpt.lecture.working_file import WorkingFile

EVERY = 0.1  # seconds between two looks
GONE = 10  # looks after which a file that is gone is written again
AGAIN = 1.0  # seconds until a save that could not be recorded is tried again

Stamp = tuple[int, int, int] | None  # of a file as it is; None if there is none


class Watch(threading.Thread):
    """Looks at the file until `over`; `state` is one line about it, `on_change` is called when that changes."""

    def __init__(self, file: WorkingFile, on_change: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.file, self.on_change = file, on_change
        self.state = f"… {file.path.name}"
        self.failing = False  # the last save could not be recorded
        self.over = threading.Event()

    def run(self) -> None:
        """Looks every tenth of a second."""
        known: Stamp = (0, 0, 0)
        before, looks = known, 0
        while not self.over.wait(EVERY):
            now = stamp(self.file.path)
            looks = looks + 1 if now == before else 0
            before = now
            if now == known or looks < (1 if now else GONE):
                continue
            if self.taken():
                known = now
            else:
                self.over.wait(AGAIN)

    def taken(self) -> bool:
        """Compiles the file as it is, and records it; False if that must be tried again."""
        try:
            state = self.state
            with suppress(FileNotFoundError):
                state = compiled(self.file.path.read_bytes().decode("utf-8-sig", "replace"), self.file.path.name)
            if not self.failing:
                self.say(state)  # at once, whoever has the lock
            with self.file.recorded():
                self.failing = False
            self.say(state)
        except Timeout:
            return False  # a command is at work, and will have recorded it
        except OSError as error:
            self.failing = True
            self.say(f"✗ not noted: {error.strerror or error}")
            return False
        except ValueError as error:
            self.say(f"✗ {error}".replace(str(self.file.path), self.file.path.name))
        except Exception as error:  # it goes on watching, whatever the file holds
            self.say(f"✗ {type(error).__name__}: {error}")
        return True

    def say(self, state: str) -> None:
        """Reports what is known about the file now."""
        if state != self.state:
            self.state = state
            self.on_change()


def stamp(path: Path) -> Stamp:
    """What distinguishes one state of a file from another without reading it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def compiled(text: str, name: str) -> str:
    """A tick, or the line that is not valid Python and why.

    >>> compiled("x = 1", "a.py"), compiled("x = (1", "a.py")
    ('✓ a.py', "✗ line 1: '(' was never closed")
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"✗ line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"✗ {error}"
    return f"✓ {name}"
