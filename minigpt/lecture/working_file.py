"""The file that a lecturer types into: before a command changes it, its state is in the history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from minigpt.lecture.history import FOLDER, TYPED, History
from minigpt.lecture.merging import Sides
from minigpt.lecture.plan import Lecture, lecture
from minigpt.lecture.renaming import Renames
from tokenizer.fetch.atomic import write_text


class WorkingFile:
    """The working file of one lecture in a folder, with every state that it has had."""

    def __init__(self, plan: Lecture, path: Path) -> None:
        self.lecture, self.path = plan, path
        self.history = History(path.parent / FOLDER / f"{plan.name}.jsonl")
        self.line_end = "\n"

    @classmethod
    def start(cls, name: str, folder: Path) -> WorkingFile:
        """Creates the working file of a lecture. Raises ValueError if a file of that name is there already."""
        plan = lecture(name)
        file = cls(plan, folder / f"{plan.name}.py")
        if file.history.states:
            at = f"it is being held there, after step {file.history.present.step}"
            raise ValueError(f"{file.path}: {at}: minigpt lecture next goes on, minigpt lecture goto 0 starts over")
        if file.path.exists():
            raise ValueError(f"{file.path} is there already: name another folder, minigpt lecture start {name} FOLDER")
        file.history.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(file.path, plan.text(0))
        file.history.add(plan.text(0), 0, "start")
        return file

    @classmethod
    def open(cls, folder: Path, name: str | None = None) -> WorkingFile:
        """The lecture that is held in a folder; of several, the one that was touched last."""
        logs = sorted((folder / FOLDER).glob("*.jsonl"), key=lambda log: log.stat().st_mtime)
        found = [log for log in logs if name in (None, log.stem)]
        if not found:
            where = "" if folder == Path() else f" {folder}"
            what = f"no lecture {name + ' ' if name else ''}is held in {folder.resolve()}"
            raise ValueError(f"{what}: begin with minigpt lecture start {name or 'attention'}{where}")
        plan = lecture(found[-1].stem)
        return cls(plan, folder / f"{plan.name}.py")

    @property
    def step(self) -> int:
        """How many steps are in the file."""
        return self.history.present.step

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside it no other command runs, and what is in the file now is in the history."""
        with FileLock(self.history.path.with_suffix(".lock"), timeout=10):
            self.record()
            yield

    @contextmanager
    def alone(self) -> Iterator[Sides]:
        """The same, with what a command needs to know about the file."""
        with self.recorded():
            present, laid = self.history.present, self.history.laid
            yield Sides.of(self.lecture, self.step, laid.text.split("\n"), present.text.split("\n"), laid.changes)

    def record(self) -> bool:
        """Records the file as it is, and says whether it has changed. A file that is gone is written again; raises
        ValueError for one that is not UTF-8."""
        self.history.refresh()
        try:
            data = self.path.read_bytes()
            text = data.decode("utf-8-sig")
        except FileNotFoundError:
            write_text(self.path, self.history.present.text)
            return False
        except UnicodeDecodeError as error:
            where = f"{error.reason} at byte {error.start}"
            raise ValueError(f"{self.path} is not UTF-8, {where}: save it as UTF-8") from None
        self.line_end = "\r\n" if b"\r\n" in data else "\n"
        text = text.replace("\r\n", "\n")
        if text == self.history.present.text:
            return False
        self.history.add(text, self.step, TYPED, self.history.present.names)
        return True

    def write(self, lines: list[str], step: int, how: str, changes: Renames) -> None:
        """Writes the file's new text: beside it and swapped in, then into the history."""
        text = "\n".join(lines)
        self.swap(text)
        self.history.add(text, step, how, tuple((scope, old, new) for (scope, old), new in changes.items()))

    def swap(self, text: str) -> None:
        """Puts another text into the file, with the line ends that it has."""
        write_text(self.path, text.replace("\n", self.line_end))
