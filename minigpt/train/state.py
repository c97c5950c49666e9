"""The state of any training in one file: a module's weights, its optimizer's running means, the steps done."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from minigpt.train import processes


def save_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, step: int, file: str | Path | IO[bytes], **more: Any
) -> None:
    """Write what a training needs to go on, and whatever else is given by name, to a path or an open file."""
    torch.save(state_of(module, optimizer, step) | more, file)


def state_of(module: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    """What a training needs to go on. Where several processes share a model, all of them call this."""
    state = {"model": module.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    return processes.gathered(state)


def load_state(file: str | Path | IO[bytes], module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Give a module and its optimizer what `save_state` wrote; returns the number of steps done."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    module.load_state_dict(state["model"])
    restore_optimizer(optimizer, state["optimizer"])
    return int(state["step"])


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Give an optimizer the saved running means and settings of a run, which another form of AdamW may have made: what
    only one of them has a setting for is left as it is."""
    own = optimizer.state_dict()["param_groups"]
    groups = [
        mine | {name: value for name, value in group.items() if name in mine}
        for mine, group in zip(own, saved["param_groups"], strict=True)
    ]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {i: processes.spread_like(parameters[i], values) for i, values in saved["state"].items()}
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, held in optimizer.state.items():  # fused kernels assume that both have the same memory layout
        alike = {name: value for name, value in held.items() if value.shape == parameter.shape}
        held.update({name: torch.empty_like(parameter).copy_(value) for name, value in alike.items()})
