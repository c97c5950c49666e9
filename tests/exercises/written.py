"""Learners' code kept as text: a right answer in another style, and the same with a slip in it."""

import linecache
import math
import textwrap
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_numbers = count()
SPACE = {"math": math, "np": np, "torch": torch, "F": F, "nn": nn, "Tensor": Tensor}


def written(source: str, *edits: str) -> Callable[..., Any]:
    """The last function that a source defines, once each odd text of `edits`, found exactly once, is the next one."""
    source = textwrap.dedent(source).strip() + "\n"
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in\n{source}"
        source = source.replace(old, new)
    file = f"<learner {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space = dict(SPACE)
    exec(compile(source, file, "exec"), space)
    found: Callable[..., Any] = [thing for name, thing in space.items() if name not in SPACE and callable(thing)][-1]
    return found


def slips(source: str, **edits: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    """A source with each of several slips in it, by name."""
    return {name: written(source, *pairs) for name, pairs in edits.items()}


def both(*styles: dict[str, Callable[..., Any]]) -> dict[str, list[Callable[..., Any]]]:
    """The slips of several styles together: for each name all that have it."""
    names = dict.fromkeys(name for style in styles for name in style)
    return {name: [style[name] for style in styles if name in style] for name in names}
