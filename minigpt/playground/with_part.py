"""A text that a learner's part writes: its tokens, and what the model says about each of them.

B batch, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from minigpt.analysis.filters import OFF
from minigpt.exercises.parameters import Unbuilt
from minigpt.fast.choose import fast_form
from minigpt.generation.constraints import Ids, process
from minigpt.generation.decoding import decode
from minigpt.generation.noise import uniform
from minigpt.generation.sampling import Sample, draw, filter_candidates, in_float32
from minigpt.generation.settings import Settings
from minigpt.playground.logits import Watched
from minigpt.playground.parts import ORDER, Gone, at_work
from minigpt.playground.same import needed
from minigpt.playground.shelf import Loaded
from minigpt.playground.wire import Refused, Request
from minigpt.playground.work import Event
from minigpt.playground.writing import Writing
from minigpt.prompts import Prompt

TEXT = 30.0  # seconds for a part that writes a whole text at once
FINISHED = "part"  # the reason to end if such a part gives fewer tokens than it might


class WithPart(Writing):
    """A text with a learner's part: the steps of `lm.generate` with the same settings and seed, except that one.

    Raises `Refused` (422) also if the settings leave the part without anything to do.
    """

    def __init__(self, loaded: Loaded, request: Request) -> None:
        assert loaded.part
        self.part, self.stopped = loaded.part, False
        super().__init__(loaded.lm, request, loaded.recent)
        self.check()

    def begin(self, prompt: Prompt) -> list[int]:
        """The prompt's ids, by the part if it is one that encodes."""
        if self.part.kind != "encode" or not isinstance(prompt, str):
            return super().begin(prompt)
        ids = at_work(self.part.name, lambda: [int(id) for id in self.part.writer().encode(prompt)])
        return ids or super().begin(prompt)

    def same(self) -> dict[str, str]:
        """The Python for the same text; no command reads a part."""
        settings = "".join(f", {name}={value!r}" for name, value in needed(self.part.lm, self.given).items())
        file = f"Mine({str(self.part.file)!r}, minigpt.load({self.part.lm.name!r}))"
        call = f"print({file}.write({self.part.name!r}, {self.prompt!r}{settings}))"
        return {"command": "", "python": f"import minigpt\nfrom minigpt.playground.mine import Mine\n\n{call}"}

    def check(self) -> None:
        """Refuse settings with which the part would not be called, or would be asked for what it does not do."""
        name, kind, settings = self.part.exercise.name, self.part.kind, self.settings
        if kind in ("probs", "draw") and (not settings.samples or settings.num_beams > 1):
            raise Refused(422, f"your {name} is for sampling: give a temperature above 0, and no beams")
        if name in OFF and name != "temperature" and getattr(settings, name) == OFF[name]:
            raise Refused(422, f"{name} is off, so that your {name} has nothing to do: give {name} another value")
        if kind == "write":
            if settings.samples or (settings.num_beams > 1) != (name == "beam"):
                raise Refused(422, f"your {name} searches: choose {'beams' if name == 'beam' else 'greedy'}")
            if settings.repetition_penalty != 1 or settings.no_repeat_ngram_size:
                raise Refused(422, f"your {name} penalizes nothing: switch penalties and bans off")

    def tokens(self) -> Iterator[Event]:
        """Tokens as they are drawn; a text that the part writes all at once is reported afterwards."""
        if self.part.kind == "write":
            self.write()
            if self.sequence.new_ids:
                yield from self.read_again(fast_form(self.lm.model, self.settings.plain))
        elif self.part.kind in ("probs", "draw"):
            model = Watched(fast_form(self.lm.model, self.settings.plain))
            for _ in decode(model, [self.sequence], self.settings, self.drawing()):
                yield self.token(len(self.sequence.ids) - 1, model.logits[0])
        else:
            yield from super().tokens()

    def beams(self) -> Iterator[Event]:
        """The part's own search, else the model's."""
        return self.tokens() if self.part.kind == "write" else super().beams()

    def stop(self) -> None:
        """Ends a part that writes a whole text, at its next look at the model."""
        self.stopped = True

    def write(self) -> None:
        """The whole text by the part."""
        sequence = self.sequence
        writer = self.part.writer(lambda: self.settings.num_beams)
        writer.model.register_forward_pre_hook(self.look)
        if sequence.finish_reason:  # no token was asked for
            return
        new = at_work(
            self.part.name, lambda: [int(id) for id in writer.write(list(sequence.ids), sequence.limit)], TEXT
        )
        size = self.lm.model.config.vocab_size
        wrong = next((id for id in new if not 0 <= id < size), None)
        if wrong is not None:
            raise ValueError(f"your {self.part.name} gives the id {wrong}: ids are 0 to {size - 1}")
        if len(new) > sequence.limit:
            raise ValueError(f"your {self.part.name} gives {len(new)} tokens: {sequence.limit} were asked for")
        for id in new:
            if not sequence.finish_reason:
                sequence.append(id, 0.0)
        sequence.finish_reason = sequence.finish_reason or FINISHED

    def look(self, *_: object) -> None:
        """Stops the part if nobody is waiting for it."""
        if self.stopped:
            raise Gone

    def drawing(self) -> Sample:
        """`minigpt.generation.sampling.sample` with the part in its place."""
        number: list[Any] = []  # the setting's, or the random one by which a token is drawn
        writer = self.part.writer(lambda: number[0])
        name = self.part.exercise.name

        def sample(logits: Tensor, ids: Ids, settings: Settings, keys: Tensor, steps: Tensor) -> Tensor:
            scores = process(in_float32(logits), ids, settings, steps).cpu()  # (1, V)
            if self.part.kind == "draw":
                number[:] = [uniform(keys, steps, torch.zeros(1, 1, dtype=torch.int64))[:, 0]]  # (1,)
                probs = filter_candidates(scores, settings).double().softmax(-1)  # (1, V)
                return torch.tensor([at_work(self.part.name, lambda: drawn(writer.draw(probs), probs))])
            number[:] = [getattr(settings, name, None)]
            before, after = around(name, settings)
            scores = filter_candidates(scores, before)  # (1, V)
            probs = at_work(self.part.name, lambda: checked(writer.probs(scores[:, None]), scores.shape)).double()
            if any(getattr(after, other) != OFF[other] for other in OFF):
                probs = filter_candidates(probs.log(), after).softmax(-1)
            return draw(probs, uniform(keys, steps, torch.arange(probs.shape[-1])[None]))

        return lambda logits, *others: sample(logits, *others).to(logits.device)


def check_inside(loaded: Loaded, request: Request, inside: bool = False) -> None:
    """Refuse a look into a learner's modules, which reveal nothing of their inside, and switching parts of them off."""
    without, what = request.more.get("without"), request.more.get("what", "surprise")
    if loaded.part and (without or (loaded.part.kind == "model" and (inside or what != "surprise"))):
        own = loaded.part.lm.name
        raise Refused(422, f"this looks inside the project's own modules, not into {loaded.lm.name}: look at {own}")


def around(name: str, settings: Settings) -> tuple[Settings, Settings]:
    """The settings with only the filters before a step, and with those after it."""
    at = ORDER.index(name)
    off = [{other: OFF[other] for other in some if other in OFF} for some in (ORDER[at:], ORDER[: at + 1])]
    return replace(settings, **off[0]), replace(settings, **off[1])


def checked(probs: Any, shape: torch.Size) -> Tensor:
    """Probabilities (1, V) from which a token can be drawn. Raises `Unbuilt` for others."""
    if not isinstance(probs, Tensor) or probs.shape != shape:
        got = tuple(probs.shape) if isinstance(probs, Tensor) else type(probs).__name__
        raise Unbuilt(f"it gives {got}, asked for is {tuple(shape)}")
    if not probs.isfinite().all() or (probs < 0).any() or not probs.sum() > 0:
        raise Unbuilt("it leaves no token to draw: no probability is a number above 0")
    return probs


def drawn(found: Any, probs: Tensor) -> int:
    """The id that was drawn from probabilities (1, V). Raises `Unbuilt` for what is not one."""
    id = int(found)
    if not 0 <= id < probs.shape[-1]:
        raise Unbuilt(f"it draws the id {id}: ids are 0 to {probs.shape[-1] - 1}")
    return id
