"""The models on this machine: which there are, what it costs to load one, and those that are loaded."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigpt.commands.models import weight_bytes
from minigpt.language_model import LanguageModel, load
from minigpt.playground.logits import Recent
from minigpt.playground.wire import Refused
from minigpt.playground.work import Worker
from weights.families.known import FAMILIES
from weights.fetch.locate import local
from weights.fetch.registry import ENTRIES, REGISTRY
from weights.report import size_text

if TYPE_CHECKING:
    from minigpt.playground.mine import Mine
    from minigpt.playground.parts import Part

SLIDERS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")  # which start as the model's files say
FLOAT = 4  # bytes of a number in memory; half precision is float32 on a CPU


@dataclass
class Loaded:
    """A model that is ready, with the thread that works on it and the logits it gave last."""

    lm: LanguageModel
    worker: Worker = field(default_factory=Worker)
    recent: Recent = field(default_factory=Recent)
    part: Part | None = None  # a learner's, which is in the model or takes one of the steps of writing


class Shelf:
    """Models by name: those that are registered and on this machine, and the one that the command line names."""

    def __init__(self, first: LanguageModel, **how: Any) -> None:
        self.first, self.how = first.name, how  # how: device, dtype and plain, as `minigpt.load` takes them
        self.loaded = {first.name: Loaded(first)}
        self.lock = threading.Lock()  # one model is loaded at a time
        self.mine: Mine | None = None  # a learner's file, each of whose parts makes a model of its own

    def names(self) -> list[str]:
        """The models on this machine, the command line's first."""
        writers = [entry.name for entry in ENTRIES if entry.family in FAMILIES and entry.name != self.first]
        return [self.first, *filter(found, writers), *(self.mine.names() if self.mine else [])]

    def get(self, name: str) -> Loaded:
        """A model that is loaded; 409 if it is not, 404 if there is none of that name here."""
        if name in self.loaded:
            return self.loaded[name]
        if self.mine and (ready := self.mine.get(name)):
            return ready
        self.check(name)
        raise Refused(409, f"{name} is not loaded yet: load it first")

    def check(self, name: str) -> None:
        """Refuse a name that is not that of a model on this machine; nothing is downloaded from here."""
        if name not in self.names():
            here = ", ".join(self.names())
            raise Refused(
                404, f"there is no model {name!r:.60} on this machine: there are {here}; minigpt download has more"
            )

    def load(self, name: str) -> Loaded:
        """Loads a model if it is not there yet; 404 as `check`, 422 if it cannot be loaded."""
        with self.lock:
            if self.mine and (ready := self.mine.get(name)):
                return ready
            if name not in self.loaded:
                self.check(name)
                try:
                    lm = load(name, **self.how)
                except (ValueError, OSError, ImportError, MemoryError) as error:
                    raise Refused(422, " ".join(str(error).split()) or type(error).__name__) from None
                if lm.tokenizer is None:
                    raise Refused(422, f"{name} has no vocabulary: the page shows text")
                self.loaded[name] = Loaded(lm)
        return self.loaded[name]

    def describe(self) -> list[dict[str, Any]]:
        """Every model with its size, whether it is loaded, and what loading it costs."""
        return [self.description(name) for name in self.names()]

    def description(self, name: str) -> dict[str, Any]:
        """One model's."""
        ready = self.loaded.get(name) or (self.mine.get(name) if self.mine else None)
        if ready:
            lm, config = ready.lm, ready.lm.model.config
            n = lm.report.n_parameters if lm.report else sum(p.numel() for p in lm.model.parameters())
            settings = lm.settings({})
            own = {setting: getattr(settings, setting) for setting in SLIDERS}
            sizes = {"n_ctx": config.n_ctx, "n_layer": config.n_layer, "n_head": config.n_head}
            about = {"parameters": n, "cost": "", "own": own, "chat": lm.chat_template is not None, **sizes}
            part = {"part": ready.part.name, "needs": ready.part.needs} if ready.part else {}
            return {"name": name, "loaded": True, **about, **part}
        n, path = REGISTRY[name].n_parameters, found(name)
        on_disk = size_text(weight_bytes(path)) if path else "nothing"
        cost = f"{on_disk} to read, about {size_text(FLOAT * n)} of memory{free_memory()}"
        return {"name": name, "loaded": False, "parameters": n, "cost": cost, "chat": REGISTRY[name].chat}

    def close(self) -> None:
        """Ends all work after the step that is under way."""
        workers = [ready.worker for ready in self.loaded.values()]
        for worker in [*workers, *([self.mine.worker] if self.mine else [])]:
            worker.stop(cancel=True)


def found(name: str) -> Path | None:
    """Where a model's files are; None for one that is not here, or damaged."""
    try:
        place = local(name)
    except (OSError, ValueError):
        return None
    return place.path if place else None


def free_memory() -> str:
    """How much of the machine's memory is free, in words; nothing if the system does not say."""
    try:
        return f" ({size_text(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_AVPHYS_PAGES'))} are free)"
    except (AttributeError, ValueError, OSError):
        return ""
