"""A learner's part at work: in every place of its kind in a model, or as a step of writing; `check.play` does the same.

B batch, T tokens, V vocabulary.
"""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from minigpt.exercises.checked import BLANK, is_blank
from minigpt.exercises.exercise import Exercise
from minigpt.exercises.own import own_line
from minigpt.exercises.parameters import Unbuilt
from minigpt.exercises.play import Writer, put_in
from minigpt.exercises.sandbox import TooLong, limited, shielded
from minigpt.generation.fields import FILTERS
from minigpt.language_model import LanguageModel
from minigpt.models.cache import KVCache
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.playground.logits import Recent

T = TypeVar("T")
ALONE = threading.RLock()  # `shielded` puts back what belongs to the whole process: one part runs at a time
STEP = 5.0  # seconds that a part may take for a token
ORDER = ("temperature", *FILTERS, "next_probs")  # in which the steps of a draw run
SEARCH: dict[str, Any] = {"temperature": 0, "repetition_penalty": 1}
NEEDS: dict[str, dict[str, Any]] = {  # settings with which a part has something to do, and its effect shows
    "temperature": {"temperature": 0.7},
    "top_k": {"temperature": 1, "top_k": 3, "top_p": 1, "min_p": 0},  # among few tokens, one too many is soon drawn
    "top_p": {"temperature": 1, "top_p": 0.9, "top_k": 0, "min_p": 0},
    "min_p": {"temperature": 1, "min_p": 0.05, "top_k": 0, "top_p": 1},
    "next_probs": {"temperature": 0.7},
    "sample": {"temperature": 0.7},
    "greedy": SEARCH,
    "generate_cached": SEARCH,
    "beam": {**SEARCH, "num_beams": 3},
}
NUMBER = {"temperature": 1, "top_k": 1, "top_p": 1, "min_p": 1, "sample": 1, "beam": 3}  # the argument's place


class Gone(BaseException):
    """Nobody is waiting for the text any more; no `except Exception` of a learner's catches it."""


def at_work(name: str, work: Callable[[], T], seconds: float = STEP) -> T:
    """What a learner's code returns, within some seconds. Raises ValueError, in one line, if it does not."""
    try:
        with ALONE, shielded(), torch.no_grad():
            found: T = limited(work, seconds)
            return found
    except Unbuilt as error:
        says = "; ".join([error.says, *error.lines[:3]])
    except TooLong:
        says = f"it takes more than {seconds:.0f} seconds: does it end? If it is only slow, ask for fewer tokens"
    except Gone:
        says = "stopped, since nobody waits for its text"
    except BaseException as error:  # sys.exit() too
        says = BLANK if is_blank(error) else "it fails inside the model: " + ": ".join(own_line(error)[:2])
    raise ValueError(f"your {name}: {says}")


class Uncached(nn.Module):
    """A model that reads the whole text for each token, since a learner's part has no cache.

    What it keeps in a KV cache is the ids themselves, so beam search works as with any other. `model` says how large it
    is; what computes is made by `make` when first asked, since a part may remember what it saw, and gives logits, which
    serve as its vectors, too.
    """

    def __init__(self, name: str, model: GPT2, make: Callable[[], Callable[[Tensor], Any]]) -> None:
        super().__init__()
        self.name, self.model, self.make = name, model, make
        self.made: list[Callable[[Tensor], Any]] = []
        self.eval()

    @property
    def config(self) -> GPT2Config:
        """The model's own."""
        return self.model.config

    @torch.no_grad()
    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Logits (B, T, V) after ids (B, T). Raises ValueError if the part fails, or gets the shape wrong."""
        new = ids.shape[1]
        if cache is not None:
            pos = torch.arange(new).expand(ids.shape) if pos is None else pos
            cache.k[0, torch.arange(len(ids))[:, None], 0, pos, 0] = ids.to(cache.k)
            ids = cache.k[0, :, 0, : int(pos.max()) + 1, 0].long()  # (B, S)
        if not self.made:
            self.made.append(at_work(self.name, self.make))
        logits = at_work(self.name, lambda: self.made[0](ids))
        wanted = (*ids.shape, self.config.vocab_size)
        if not isinstance(logits, Tensor) or logits.shape != wanted:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(f"your {self.name}: with it the model gives {got} for logits, asked for is {wanted}")
        if not logits[:, -1].isfinite().all():
            raise ValueError(f"your {self.name}: with it the model's logits are not all finite")
        return logits[:, -new:]  # (B, T, V)

    def unembed(self, x: Tensor) -> Tensor:
        """The logits (..., V), which they already are."""
        return x


@dataclass
class Part:
    """An exercise that a learner wrote, and a model on the CPU into which it is put.

    `kind` is the step of `minigpt.exercises.play.Writer` that it replaces: encode, probs, draw or write; "model" for a
    part of the model; empty for what has no place in writing.
    """

    name: str
    value: Any
    exercise: Exercise
    lm: LanguageModel
    file: Path
    recent: Recent = field(default_factory=Recent)

    @cached_property
    def kind(self) -> str:
        """See the class."""
        if self.exercise.acts is None:
            there = any(type(module).__name__ == self.exercise.name for module in model_of(self.lm).modules())
            return "model" if there else ""
        writer = Writer(structure(self.lm, model_of(self.lm)), 0)
        steps = {name: step_of(getattr(writer, name)) for name in ("encode", "probs", "draw", "write")}
        self.exercise.acts(writer, self.value)
        return next((name for name, step in steps.items() if step_of(getattr(writer, name)) is not step), "model")

    @property
    def needs(self) -> dict[str, Any]:
        """The settings with which it has something to do."""
        return NEEDS.get(self.exercise.name, {})

    @cached_property
    def model(self) -> GPT2:
        """A private copy of the model: nobody else reads what the part writes into it."""
        return copy.deepcopy(model_of(self.lm))

    def writer(self, number: Callable[[], Any] = lambda: None) -> Writer:
        """A new writer with the part in its place; it gets `number()` where `check.play` gives a number of its own."""
        writer, part = Writer(structure(self.lm, self.model), 0), self.value
        if self.exercise.name in NUMBER:
            place = NUMBER[self.exercise.name]
            part = lambda *args: self.value(*args[:place], number(), *args[place + 1 :])  # noqa: E731
        if self.exercise.acts is None:
            put_in(writer, part, self.exercise)
        else:
            self.exercise.acts(writer, part)
        return writer

    def language_model(self) -> LanguageModel:
        """The model with the part in every place of its kind; if it is a step of writing, the model as it is."""
        if self.kind != "model":
            return self.lm
        model = Uncached(self.name, model_of(self.lm), lambda: self.writer().forward)
        return LanguageModel(model, self.lm.tokenizer, self.lm.generation_config, name=self.lm.name, plain=True)


def model_of(lm: LanguageModel) -> GPT2:
    """The model into which parts are put."""
    assert isinstance(lm.model, GPT2)
    return lm.model


def structure(lm: LanguageModel, model: GPT2) -> LanguageModel:
    """A model with modules and a tokenizer of its own, but the same numbers."""
    copied = copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    return LanguageModel(copied, copy.deepcopy(lm.tokenizer), lm.generation_config, name=lm.name)


def step_of(function: Any) -> Any:
    """What identifies a function, whichever object it may be bound to."""
    return getattr(getattr(function, "__func__", function), "__code__", function)
