"""The learner's part at work: in the storyteller, generating."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from minigpt.exercises.exercise import Exercise
from minigpt.exercises.parameters import Unbuilt, build
from minigpt.models.gpt2 import GPT2

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel


def probs(logits: Tensor) -> Tensor:
    """How likely each token is to come next, at temperature 0.7: (1, T, V) -> (1, V)."""
    return (logits[:, -1] / 0.7).softmax(dim=-1)


class Alone(nn.Module):
    """A learner's module in place of the model's: it is given x and nothing else, no cache."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, *_: Any) -> Any:
        return self.part(x)


class Writer:
    """Generation at its simplest, with the whole text through the model for each token. Each step is an attribute, so
    that a learner's part can take its place: an exercise's `acts` puts it there."""

    def __init__(self, lm: "LanguageModel", seed: int) -> None:
        assert isinstance(lm.model, GPT2)
        assert lm.tokenizer
        self.model, self.tokenizer = lm.model, lm.tokenizer
        self.numbers = torch.Generator().manual_seed(seed)
        self.eos = lm.tokenizer.special_tokens["<|endoftext|>"]
        self.forward: Callable[[Tensor], Tensor] = lm.model  # ids (1, T) to logits (1, T, V)
        self.encode: Callable[[str], list[int]] = lm.encode
        self.probs: Callable[[Tensor], Tensor] = probs  # logits (1, T, V) to probabilities (1, V)
        self.draw: Callable[[Tensor], Any] = lambda probs: torch.multinomial(probs, 1, generator=self.numbers)
        self.write: Callable[[list[int], int], list[int]] = self.sampled  # ids and how many to new ids

    def logits(self, ids: list[int]) -> Tensor:
        """After each token of a text, or of the last ones that the model can see, (1, T, V)."""
        return self.forward(torch.tensor([ids[-self.model.config.n_ctx :]]))

    def scores(self, ids: Sequence[int]) -> Tensor:
        """Of the next token, (V,)."""
        return self.logits(list(ids))[0, -1]

    def sampled(self, ids: list[int], n: int) -> list[int]:
        """New ids, drawn one by one."""
        new: list[int] = []
        for _ in range(n):
            probs = self.probs(self.logits(ids + new))
            if not probs.isfinite().all() or not probs.sum() > 0:
                raise Unbuilt(f"after {len(new)} new tokens it leaves none to draw: no probability is a number above 0")
            new.append(int(self.draw(probs)))
            if not 0 <= new[-1] < probs.shape[-1]:
                raise Unbuilt(f"it draws the id {new[-1]}; ids are 0 to {probs.shape[-1] - 1}")
        return new


def put_in(writer: Writer, part: Any, exercise: Exercise) -> int:
    """Puts a learner's module in place of every one of its kind in a model, with its weights; returns how many.

    Raises `Unbuilt` if its parameters are different.
    """
    model = writer.model
    places = [(name, old) for name, old in model.named_modules() if type(old).__name__ == exercise.name]
    for name, old in places:
        state = {key: value.detach() for key, value in old.named_parameters()}
        new = Alone(build(part, exercise.built_from(old, model.config), state, torch.float32))
        path, _, last = name.rpartition(".")
        if name:
            model.get_submodule(path)._modules[last] = new
        else:
            writer.forward = new
    return len(places)


@torch.no_grad()
def play(part: Any, exercise: Exercise, prompt: str, n: int, seed: int) -> str:
    """What the storyteller writes after a prompt with a learner's part in it: n tokens. An empty prompt begins a tale.

    Raises `Unbuilt` for a module whose parameters are different, and for a part that has no place in a model.
    """
    from minigpt.language_model import load

    writer = Writer(load("storyteller", device="cpu", plain=True), seed)
    if exercise.acts is not None:
        exercise.acts(writer, part)
    elif not put_in(writer, part, exercise):
        raise Unbuilt("it has no place in a model that writes: check.play is for what reads, computes or draws there")
    ids = writer.encode(prompt) or [writer.eos]
    return writer.tokenizer.decode([*ids, *writer.write(ids, n)])
