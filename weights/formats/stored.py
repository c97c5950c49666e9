"""A tensor in a file, whatever the format: what is known about it, and how to read it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StoredTensor:
    """What a format's reader returns for each tensor; none of its numbers are read before `read` is called."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    kind: str  # the file's own name of its type: "F16", "Q8_0"
    read: Callable[[], Tensor]  # the values; memory-mapped where the file holds them as they are
    unpacked: bool = False  # from quantized blocks
    drop: Callable[[], None] = lambda: None  # give back the memory of the mapped pages, once they are copied
