"""What generation asks of a model: every model of this folder has it, and so has a fast form of one."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor
from torch.nn import Parameter

from minigpt.models.cache import KVCache
from minigpt.models.llama_config import Config


class Model(Protocol):
    """Ids (B, T) to vectors (B, T, C), and vectors to logits (..., V)."""

    @property
    def config(self) -> Config: ...
    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor: ...
    def unembed(self, x: Tensor) -> Tensor: ...
    def parameters(self) -> Iterator[Parameter]: ...
