"""The state of any training in one file: a module's weights, its optimizer's running means, the steps done."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn


def save_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, step: int, file: str | Path | IO[bytes], **more: Any
) -> None:
    """Write what a training needs to go on, and whatever else is given by name, to a path or an open file."""
    state = {"model": module.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state | more, file)


def load_state(file: str | Path | IO[bytes], module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Give a module and its optimizer what `save_state` wrote; returns the number of steps done."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    module.load_state_dict(state["model"])
    restore_optimizer(optimizer, state["optimizer"])
    return int(state["step"])


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Give an optimizer the saved running means and settings of a run, which another form of AdamW may have made: what
    only one of them has a setting for stays as it is here."""
    own = optimizer.state_dict()["param_groups"]
    groups = [
        mine | {name: value for name, value in group.items() if name in mine}
        for mine, group in zip(own, saved["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
    for parameter, held in optimizer.state.items():  # fused kernels take for granted that both lie in memory alike
        alike = {name: value for name, value in held.items() if value.shape == parameter.shape}
        held.update({name: torch.empty_like(parameter).copy_(value) for name, value in alike.items()})
