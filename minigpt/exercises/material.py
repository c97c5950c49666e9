"""Real weights and activations for the cases: the embedded storyteller's, in float64, computed once."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from minigpt.analysis.activations import record
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2

if TYPE_CHECKING:
    from weights.checkpoint import Checkpoint

TEXTS = (
    "Once upon a time there was a little girl who lived in a wood",
    "The king said to his three sons: go out into the world and",
)


@cache
def checkpoint() -> "Checkpoint":
    """The embedded model and its vocabulary: loaded once, since that takes most of a first check's time."""
    from weights.checkpoint import load_checkpoint

    return load_checkpoint("storyteller", "cpu")


@cache
def storyteller() -> GPT2:
    """The embedded model in float64, for reading only."""
    model = checkpoint().model
    assert isinstance(model, GPT2)
    return model.double().eval().requires_grad_(False)


@cache
def ids() -> Tensor:
    """The ids of two texts, cut to the same length: (2, T)."""
    tok = checkpoint().tokenizer
    assert tok is not None
    rows = [tok.encode(text) for text in TEXTS]
    return torch.tensor([row[: min(map(len, rows))] for row in rows])


@cache
def activations() -> dict[str, Tensor]:
    """What the storyteller computes for `ids()`, by the names of `minigpt.record`."""
    with torch.no_grad(), record(storyteller()) as seen:
        storyteller()(ids())
    return dict(seen)


@cache
def few_logits() -> tuple[Tensor, Tensor]:
    """The storyteller's logits (2, T, V) of every 16th token and of those of `ids()`, and the ids (2, T) among these.

    So few that code which loops over the vocabulary ends in time.
    """
    kept = torch.cat([torch.arange(0, storyteller().config.vocab_size, 16), ids().flatten()]).unique()
    return activations()["logits"][..., kept].clone(), torch.searchsorted(kept, ids())


def state(prefix: str) -> dict[str, Tensor]:
    """The parameters of a part of the storyteller, such as "h.0.attn.", by their names within it."""
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
    """Random parameters, ten times as large as would do, so that nothing is near zero or one."""
    return {name: numbers(*shape, seed=seed + n) * 0.3 for n, (name, shape) in enumerate(shapes.items())}


def random_parameters(module: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    """Random values for all of a module's parameters, by their names."""
    return random_state({name: tuple(value.shape) for name, value in module.named_parameters()}, seed)


def table_model(n_vocab: int, n_ctx: int, seed: int = 0) -> Callable[[Sequence[int]], Tensor]:
    """A stand-in for a model: ids -> the logits (V,) of the next token, a row of a table chosen by all ids together.

    As GPT-2 does, it refuses ids that are not in its vocabulary, more than n_ctx ids, and an empty list.
    """
    table = numbers(101, n_vocab, seed=seed)

    def model(ids: Sequence[int]) -> Tensor:
        seen = torch.as_tensor(ids).flatten()
        if seen.is_floating_point() or not 0 < len(seen) <= n_ctx:
            raise ValueError(f"the model takes 1 to {n_ctx} ids, not {len(seen)} of {seen.dtype}")
        row = 0
        for id in seen.tolist():
            if not 0 <= id < n_vocab:
                raise IndexError(f"id {id} is not in the vocabulary: ids are 0 to {n_vocab - 1}")
            row = (7 * row + id + 1) % len(table)
        return table[row].clone()

    return model


def as_list(ids: Any) -> Any:
    """Ids as a list of numbers, if they are a tensor, a tuple, or tensors in a list; anything else as it is.

    >>> as_list(torch.tensor([1, 2])), as_list((torch.tensor(3), 4)), as_list(None)
    ([1, 2], [3, 4], None)
    """
    if isinstance(ids, Tensor):
        return ids.tolist()
    if isinstance(ids, (list, tuple)):
        return [id.item() if isinstance(id, Tensor) and id.numel() == 1 else id for id in ids]
    return ids
