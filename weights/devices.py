"""Where a model is and in which number format: the device and the dtype that a user names."""

from collections.abc import Iterable
from functools import reduce

import torch

HALVES = {"F16": torch.float16, "BF16": torch.bfloat16}  # by the files' names for them


def name_of(dtype: torch.dtype) -> str:
    """A dtype's name.

    >>> name_of(torch.float16)
    'float16'
    """
    return str(dtype).removeprefix("torch.")


DTYPES = {name_of(dtype): dtype for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64)}


def available() -> list[str]:
    """The devices of this machine, best first.

    >>> available()[-1]
    'cpu'
    """
    devices = ["cuda"] if torch.cuda.is_available() else []
    return [*devices, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """The named device; "auto" is cuda, else mps, else cpu. A ValueError if this machine lacks it."""
    if str(name) == "auto":
        return torch.device(available()[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"no device {name!r}; choose auto, {', '.join(available())}") from None
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type not in available() or (device.type == "cuda" and (device.index or 0) >= n_cuda):
        raise ValueError(f"device {str(name)!r} is not on this machine; choose {', '.join(available())}")
    return device


def pick_dtype(dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype | None:
    """The named dtype, or None for the checkpoint's own.

    >>> pick_dtype("float16", torch.device("cpu"))
    torch.float16
    >>> pick_dtype("int3", torch.device("cpu"))
    Traceback (most recent call last):
    ValueError: no dtype 'int3' here; choose float32, float16, bfloat16 or float64 (minigpt.load has auto and int8, too)
    """
    if dtype is None:
        return None
    found = DTYPES.get(str(dtype).removeprefix("torch."))
    if found is None:
        *names, last = DTYPES
        also = "(minigpt.load has auto and int8, too)"
        raise ValueError(f"no dtype {str(dtype)!r} here; choose {', '.join(names)} or {last} {also}")
    if found == torch.float64 and device.type == "mps":
        raise ValueError("dtype float64 is not on the device mps; use dtype='float32', or device='cpu'")
    return found


def own_dtype(dtypes: Iterable[torch.dtype], device: torch.device) -> torch.dtype:
    """The widest of the files' dtypes; on a CPU half precision becomes float32, which every operation supports.

    >>> own_dtype([torch.float16, torch.float32], torch.device("cuda"))
    torch.float32
    """
    widest = reduce(torch.promote_types, dtypes)
    return torch.promote_types(widest, torch.float32) if device.type == "cpu" else widest
