"""A learner's file beside the models: each exercise in it is checked, and makes a model of its own."""

import copy
import time
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from minigpt.commands.check import stamp
from minigpt.exercises.catalog import exercise_for
from minigpt.exercises.checker import report_on
from minigpt.exercises.files import read, that_matters
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import shielded
from minigpt.language_model import LanguageModel, load
from minigpt.models.gpt2 import GPT2
from minigpt.playground.parts import ALONE, Part
from minigpt.playground.shelf import Loaded
from minigpt.playground.wire import Request
from minigpt.playground.with_part import WithPart
from minigpt.playground.work import Worker


class Mine:
    """The parts in a file, as `minigpt check` reads it, each put into a GPT-2 on the CPU: `lm`, or the storyteller.

    The file is read again after it is saved; texts under way continue with what was read before. Raises OSError and
    ValueError if the file does not exist, is not a file, or has no exercise in it.
    """

    def __init__(self, path: str | Path, lm: LanguageModel | None = None) -> None:
        self.path, self.lm = Path(path), on_cpu(lm)
        self.lock = Lock()  # one check at a time
        self.parts: dict[str, Part] = {}
        self.reports: list[Report] = []
        self.trouble: list[str] = []
        self.stamp, self.checked_at, self.times = stamp(self.path), "", 0
        self.check()
        if not self.reports:
            more = f" ({self.trouble[0]})" if self.trouble else ""
            raise ValueError(
                f"{path}: no exercise in it: define one by its name, such as def merge or class LayerNorm{more}"
            )

    @cached_property
    def worker(self) -> Worker:
        """The thread on which the parts work."""
        return Worker()

    def check(self) -> None:
        """Reads the file, and checks each exercise in it."""
        with ALONE:
            with shielded():
                found = read(self.path)
            self.reports = [report_on(part, name) for name, part in found.parts.items()]
        self.trouble = that_matters(found)
        ready = [pair for pair, report in zip(found.parts.items(), self.reports, strict=True) if not report.blank]
        parts = [Part(name, value, exercise_for(value, name), self.lm, self.path) for name, value in ready]
        self.parts = {f"{self.lm.name} with your {part.name}": part for part in parts if part.kind}
        self.checked_at, self.times = time.strftime("%H:%M:%S"), self.times + 1

    def look(self) -> dict[str, Any]:
        """What is known about the file; if it was saved since, it is first read anew and checked."""
        with self.lock:
            now = stamp(self.path)
            if now != self.stamp:
                self.stamp = now
                try:
                    self.check()
                except (OSError, ValueError) as error:  # gone, or half saved: the next save will settle it
                    self.trouble = [" ".join(str(error).split())]
            kinds = {part.name: part.kind for part in self.parts.values()}
            reports = [
                {"name": r.name, "ok": r.ok, "blank": r.blank, "bug": r.bug, "text": str(r), "kind": kinds.get(r.name)}
                for r in self.reports
            ]
            told = {"file": self.path.name, "at": self.checked_at, "times": self.times}
            return {**told, "reports": reports, "trouble": self.trouble, "models": self.names()}

    def names(self) -> list[str]:
        """The models with a part."""
        return list(self.parts)

    def get(self, name: str) -> Loaded | None:
        """A model with a part, ready; None for a name that is not one."""
        part = self.parts.get(name)
        if part is None:
            return None
        lm = copy.copy(part.language_model())
        lm.name = name
        return Loaded(lm, self.worker, part.recent, part)

    def write(self, part: str, prompt: str | list[int], **settings: Any) -> str:
        """The text that the page writes with the part of that name."""
        ready = self.get(f"{self.lm.name} with your {part}")
        if ready is None:
            raise ValueError(f"{self.path} has no {part} that writes: there are {', '.join(self.names()) or 'none'}")
        *_, end = WithPart(ready, Request(ready.lm.name, prompt, settings, {})).events()
        return str(end["text"])


def on_cpu(lm: LanguageModel | None) -> LanguageModel:
    """A GPT-2 on the CPU in float32 to put parts into: a copy of this one, else the storyteller.

    A model in another dtype than its files', such as int8, is loaded again, since a part is compared with the files.
    """
    if lm is None or type(lm.model) is not GPT2:
        return load("storyteller", device="cpu")
    if lm.report and lm.report.dtype != lm.report.own_dtype:
        return load(lm.name, device="cpu", dtype="float32", plain=lm.plain)
    found = copy.copy(lm)
    found.model = copy.deepcopy(lm.model).cpu().float().eval()
    return found
