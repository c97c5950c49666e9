"""Real weights and activations for the cases: those of the embedded storyteller, in float64, computed once."""

from functools import cache

import torch
from torch import Tensor, nn

from minigpt.analysis.activations import record
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2

TEXTS = (
    "Once upon a time there was a little girl who lived in a wood",
    "The king said to his three sons: go out into the world and",
)


@cache
def storyteller() -> GPT2:
    """The embedded model in float64, for reading only."""
    from weights.checkpoint import load_checkpoint

    model = load_checkpoint("storyteller", "cpu").model
    assert isinstance(model, GPT2)
    return model.double().eval().requires_grad_(False)


@cache
def ids() -> Tensor:
    """The ids of two texts, cut to the same length: (2, T)."""
    from tokenizer import Tokenizer

    rows = [Tokenizer.load("storyteller").encode(text) for text in TEXTS]
    return torch.tensor([row[: min(map(len, rows))] for row in rows])


@cache
def activations() -> dict[str, Tensor]:
    """What the storyteller computes for `ids()`, by the names of `minigpt.record`."""
    with torch.no_grad(), record(storyteller()) as seen:
        storyteller()(ids())
    return dict(seen)


def state(prefix: str) -> dict[str, Tensor]:
    """The parameters of a part of the storyteller, as "h.0.attn.", by their names within it."""
    return {
        name.removeprefix(prefix): value.detach()
        for name, value in storyteller().named_parameters()
        if name.startswith(prefix)
    }


def small_config() -> GPT2Config:
    """A configuration in which no two sizes are the same, so that no mistake fits by chance."""
    return GPT2Config(vocab_size=23, n_ctx=11, n_layer=2, n_head=3, n_embd=15, n_inner=34)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers in float64, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_state(shapes: dict[str, tuple[int, ...]], seed: int = 1) -> dict[str, Tensor]:
    """Random parameters, a tenth of which would do, so that nothing is near zero or one."""
    return {name: numbers(*shape, seed=seed + n) * 0.3 for n, (name, shape) in enumerate(shapes.items())}


def random_parameters(module: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    """Random values for all of a module's parameters, by their names."""
    return random_state({name: tuple(value.shape) for name, value in module.named_parameters()}, seed)
