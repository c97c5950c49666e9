"""What a family of models is to the loader: how to read its config.json, and how its files name the parameters."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from minigpt.models.llama_config import Config

WRAPPERS = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile when they save


@dataclass(frozen=True)
class Family:
    """One architecture's dialects."""

    name: str
    build: Callable[[Any], nn.Module]
    read_config: Callable[[Mapping[str, Any]], Config]  # of config.json's values; ValueError names field and value
    write_config: Callable[[Any], dict[str, Any]]  # back to config.json's values
    prefixes: tuple[str, ...]  # what transformers puts before the parameters' names
    ignored: re.Pattern[str]  # names of tensors that are no parameters
    transposed: re.Pattern[str]  # names of parameters stored as (in, out)
    embedding: str  # where the output matrix is when the files tie it

    def parameter(self, key: str) -> str | None:
        """The parameter that a file's key names, or None for a tensor that is none."""
        while key.startswith(WRAPPERS):
            key = key.split(".", 1)[1]
        for prefix in self.prefixes:
            key = key.removeprefix(prefix)
        return None if self.ignored.fullmatch(key) else key


def field(data: Mapping[str, Any], *names: str, kind: type = int, default: Any = None) -> Any:
    """The value of the first of these names that is there; a ValueError where none is, or of another kind.

    >>> field({"n_ctx": 1024}, "n_positions", "n_ctx")
    1024
    >>> field({"n_ctx": "x"}, "n_ctx")
    Traceback (most recent call last):
    ValueError: n_ctx should be a number, not 'x'
    """
    for name in names:
        value = data.get(name)
        if value is not None:
            wanted = (int, float) if kind is float else kind
            if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
                raise ValueError(f"{name} should be {'true or false' if kind is bool else 'a number'}, not {value!r}")
            return kind(value)
    if default is None:
        raise ValueError(f"{names[0]} is missing")
    return default


def refuse_unless(data: Mapping[str, Any], **expected: tuple[Any, ...]) -> None:
    """A ValueError for the first field that is there with a value that the model does not implement.

    >>> refuse_unless({"hidden_act": "gelu"}, hidden_act=("silu",))
    Traceback (most recent call last):
    ValueError: hidden_act is 'gelu'; only 'silu' is implemented here
    """
    for name, values in expected.items():
        if name in data and data[name] not in values:
            named = " or ".join(repr(v) for v in values if v is not None)
            raise ValueError(f"{name} is {data[name]!r}; only {named} is implemented here")
