"""The memory itself: how long it takes to read as many bytes as a token's weights. No decode step can be faster."""

import time
from collections.abc import Callable

import torch

from minigpt.bench import material
from minigpt.bench.workers import Run, Sample

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
TRIES = 5


def weights_bytes(model: str, dtype: str) -> int:
    """The bytes that one token reads: every weight but the rows of positions, of which it needs one."""
    size = material.config(model)
    return (material.n_parameters(model) - size["n_ctx"] * size["n_embd"]) * BYTES[dtype]


def read(model: str, dtype: str = "float32") -> Run:
    """Seconds to read that many bytes with the threads that the contestants have.

    The buffer is written first: pages never written all map to one page of zeros, which the cache holds. It is read
    by a sum or by a product with a vector, whichever is faster here.
    """
    n = weights_bytes(model, dtype)
    buffer = torch.ones(n // 4)
    wide = buffer[: len(buffer) // 64 * 64].view(64, -1)
    vector = torch.ones(wide.shape[1])
    readers: dict[str, Callable[[], torch.Tensor]] = {"sum": buffer.sum, "product": lambda: torch.mv(wide, vector)}
    name = min(readers, key=lambda name: min(timed(readers[name]) for _ in range(TRIES)))

    def once() -> Sample:
        seconds = min(timed(readers[name]) for _ in range(TRIES))
        return seconds, {"output": None, "notes": f"{name} of {n} bytes, {n / seconds / 1e9:.1f} GB/s"}

    return once


def timed(reader: Callable[[], torch.Tensor]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    reader()
    return time.perf_counter() - start


def at_rate(model: str, dtype: str, bytes_per_second: float) -> Run:
    """Seconds to read a token's weights at a known rate, such as a GPU's."""
    return amount(weights_bytes(model, dtype) / bytes_per_second)


def amount(value: float) -> Run:
    """A fixed amount that ours is compared with, such as the bytes of the weights."""
    return lambda: (value, {"output": None})


def cache_bytes(model: str, batch: int, tokens: int) -> Run:
    """The bytes of the keys and values of so many tokens in float32."""
    size = material.config(model)
    return amount(2 * 4 * size["n_layer"] * size["n_embd"] * batch * tokens)


def checkpoint_bytes(model: str, dtype: str) -> Run:
    """The bytes of a checkpoint's weights."""
    return amount(material.n_parameters(model) * BYTES[dtype])
