"""The learner's part at work: in the storyteller, generating."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from minigpt.exercises.exercise import Exercise
from minigpt.exercises.parameters import build
from minigpt.models.gpt2 import GPT2

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel

Choose = Callable[[Tensor], Tensor]  # scores (1, V) to scores, before the draw


class Alone(nn.Module):
    """A learner's module in the place of the model's: it is given x and nothing else, no cache."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, *_: Any) -> Any:
        return self.part(x)


def put_in(lm: "LanguageModel", part: Any, exercise: Exercise) -> int:
    """Puts a learner's module into the place of every one of its kind in a model, with its weights; how many.

    Raises `Unbuilt` where its parameters are others.
    """
    assert isinstance(lm.model, GPT2)
    places = [(name, old) for name, old in lm.model.named_modules() if type(old).__name__ == exercise.name and name]
    for name, old in places:
        state = {key: value.detach() for key, value in old.named_parameters()}
        new = Alone(build(part, exercise.built_from(old, lm.model.config), state, torch.float32))
        path, _, last = name.rpartition(".")
        lm.model.get_submodule(path)._modules[last] = new
    return len(places)


def play(part: Any, exercise: Exercise, prompt: str, n: int, seed: int) -> str:
    """What the storyteller writes after a prompt with a learner's part in it.

    Raises `Unbuilt` for a module whose parameters are others, and ValueError for a part that has no place in a model.
    """
    from minigpt.language_model import load

    lm = load("storyteller", device="cpu", plain=True)
    choose: Choose | None = None
    if exercise.acts is not None:
        choose = exercise.acts(lm, part)
    elif not put_in(lm, part, exercise):
        raise ValueError(f"{exercise.name} has no place in a model that writes: check.play is for parts of a model")
    return write(lm, prompt, n, seed, choose or (lambda scores: scores / 0.7))


@torch.no_grad()
def write(lm: "LanguageModel", prompt: str, n: int, seed: int, choose: Choose) -> str:
    """n tokens after a prompt, the whole text through the model for each, as the first lesson does it."""
    model, ids = lm.model, torch.tensor([lm.encode(prompt)])
    assert isinstance(model, GPT2)
    numbers = torch.Generator().manual_seed(seed)
    for _ in range(n):
        scores = choose(model(ids[:, -model.config.n_ctx :])[:, -1])  # (1, V)
        ids = torch.cat([ids, torch.multinomial(scores.softmax(dim=-1), 1, generator=numbers)], dim=1)
    assert lm.tokenizer
    return lm.tokenizer.decode(ids[0].tolist())
