"""A model without some of its parts, for single steps of work: in between it is whole, for everyone else.

What is knocked out (zero ablation) is a head's output, or all that an attention or an MLP adds to the residual stream.

V vocabulary.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar

from torch import Tensor

from minigpt.analysis.activations import patch
from minigpt.generation.rules import shown
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.pictures.seen import model_of
from minigpt.playground.logits import Recent
from minigpt.playground.same import same_text
from minigpt.playground.shelf import Loaded
from minigpt.playground.wire import Refused, Request
from minigpt.playground.with_part import WithPart, check_inside
from minigpt.playground.work import Event
from minigpt.playground.writing import Writing

T = TypeVar("T")
WITHOUT = {"without": list}  # the field of a request: pairs of a layer and a head, "attention" or "mlp"
WHOLE = {"attention": "attn.out", "mlp": "mlp.out"}  # activations that are added to the residual stream


class KnockedOut:
    """The parts of a model that a request does without; none if it names none.

    Raises `Refused` (422) for a part that the model does not have.
    """

    def __init__(self, lm: LanguageModel, request: Request) -> None:
        self.lm = lm
        n_layer, n_head = lm.model.config.n_layer, lm.model.config.n_head
        self.changes: dict[str, float] = {}  # as `patch` takes them
        for pair in request.more.get("without", []):
            if not (isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) in (int, str)):
                raise Refused(
                    422, f'without has pairs such as [2, 5], [2, "attention"] or [2, "mlp"], not {shown(pair)}'
                )
            layer, part = pair
            check("layer", layer, n_layer)
            if isinstance(part, int):
                check("head", part, n_head)
            elif part not in WHOLE:
                raise Refused(422, f"a part of a layer is the number of a head, attention or mlp, not {shown(part)}")
            name = WHOLE[part] if isinstance(part, str) else f"attn.heads[:, {part}]"
            self.changes[f"h.{layer}.{name}"] = 0
        if self.changes and not isinstance(lm.model, GPT2 | Llama):
            raise Refused(422, f"a {type(lm.model).__name__} has no parts to leave out: GPT-2 and Llama models have")

    def without(self, compute: Callable[[], T]) -> T:
        """What `compute` returns when the model lacks these parts."""
        if not self.changes:
            return compute()
        with patch(model_of(self.lm), self.changes):
            return compute()

    def each(self, steps: Generator[Event, None, None]) -> Generator[Event, None, None]:
        """The same steps, each computed by the model without these parts; between them it has them."""
        try:
            while (found := self.without(lambda: next(steps, None))) is not None:
                yield found
        finally:
            steps.close()

    def apart(self, recent: Recent) -> Recent:
        """Where logits are kept, so that those without these parts are not taken for the model's own."""
        return Apart(recent, " ".join(sorted(self.changes))) if self.changes else recent


class Apart(Recent):
    """The logits of a changed model among those of others, in the same store: under negative numbers, never ids."""

    def __init__(self, recent: Recent, name: str) -> None:
        self.recent, self.mark = recent, [-1 - byte for byte in name.encode()]

    def put(self, ids: Sequence[int], logits: Tensor) -> None:
        """Keeps the logits (V,) after a text."""
        self.recent.put([*self.mark, *ids], logits)

    def get(self, ids: Sequence[int]) -> Tensor | None:
        """The logits after a text, or None if they are not here (any more)."""
        return self.recent.get([*self.mark, *ids])


class Without(Writing):
    """A text by the model without some parts: that of `lm.generate` within `patch`, with the same settings and seed.

    The plain form writes it, since the fast ones would compute the parts that are to be missing.
    """

    def __init__(self, lm: LanguageModel, request: Request, recent: Recent, parts: KnockedOut) -> None:
        super().__init__(lm, replace(request, settings={**request.settings, "plain": True}), parts.apart(recent))
        self.parts = parts

    def events(self) -> Generator[Event, None, None]:
        """Those of `Writing`; there is Python for the same text, but no command."""
        for event in self.parts.each(super().events()):
            if event["event"] == "end":
                given = {name: value for name, value in self.given.items() if name != "plain"}
                event |= same_text(self.lm, self.prompt, given, self.parts.changes)
            yield event


def writing(loaded: Loaded, request: Request) -> Writing:
    """The text that a request asks for, planned; raises `Refused` as `Writing` and `KnockedOut` do."""
    check_inside(loaded, request)
    parts = KnockedOut(loaded.lm, request)
    if loaded.part and not parts.changes:
        return WithPart(loaded, request)
    if parts.changes:
        return Without(loaded.lm, request, loaded.recent, parts)
    return Writing(loaded.lm, request, loaded.recent)


def check(what: str, value: int, n: int) -> None:
    """Refuse the number of a layer or head that does not exist."""
    if not 0 <= value < n:
        raise Refused(422, f"{what} {shown(value)}: the model has {n}, 0 to {n - 1}")
