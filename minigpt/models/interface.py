"""What generation asks of a model, and what a model asks of its input."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor
from torch.nn import Parameter

from minigpt.models.cache import KVCache
from minigpt.models.llama_config import Config


class Model(Protocol):
    """Ids (B, T) to vectors (B, T, C), vectors to logits (..., V); a fast form of a model has this interface, too."""

    @property
    def config(self) -> Config: ...
    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor: ...
    def unembed(self, x: Tensor) -> Tensor: ...
    def parameters(self) -> Iterator[Parameter]: ...


def check_shape(ids: Tensor, n_ctx: int) -> None:
    """Raises ValueError unless ids are (B, T), a batch of texts, with T at most n_ctx.

    >>> import torch
    >>> check_shape(torch.tensor([1, 2, 3]), n_ctx=8)
    Traceback (most recent call last):
    ValueError: ids have the shape (3,); expected (B, T): a single text is ids[None]
    """
    if ids.ndim != 2:
        raise ValueError(f"ids have the shape {tuple(ids.shape)}; expected (B, T): a single text is ids[None]")
    if ids.shape[1] > n_ctx:
        raise ValueError(f"{ids.shape[1]} tokens exceed the model's {n_ctx} positions (n_ctx)")
