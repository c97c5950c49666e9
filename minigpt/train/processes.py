"""Several processes that train one model, as `torchrun --nproc-per-node N -m minigpt train …` starts them.

Each has its share of every batch. PyTorch's DistributedDataParallel averages their gradients, so the weights stay
equal everywhere; its FSDP2 (`fully_shard`) also spreads weights and optimizer, so that each process holds a part of
them. With a single process nothing here does anything. B batch, T tokens in a block.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.utils._pytree import tree_map_only

X = TypeVar("X")


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is; 0 is the one that writes files and messages."""
    return dist.get_rank() if count() > 1 else 0


@contextmanager
def together(device: str | None) -> Iterator[str | None]:
    """Joins the processes that torchrun started with this one, if there are others; yields this one's device.

    On CUDA, which NCCL connects, each process has a GPU of its own; elsewhere Gloo connects them.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device == "cuda" or (device in (None, "auto") and torch.cuda.is_available()):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    device = "cpu" if device in (None, "auto") else device
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def share(batch: Tensor) -> Tensor:
    """This process's rows of a batch: (B, T) -> (B / n, T)."""
    return batch.chunk(count())[rank()]


def mean(value: float) -> float:
    """The mean of a number over the processes, the same in each."""
    if count() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=home())
    dist.all_reduce(total)
    return total.item() / count()


def most(value: float) -> float:
    """The largest of the processes' numbers, the same in each."""
    if count() == 1:
        return value
    found = torch.tensor(value, dtype=torch.float64, device=home())
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return found.item()


def from_first(value: X) -> X:
    """The first process's value, in each of them; it may be any that can be pickled."""
    box = [value]
    if count() > 1:
        dist.broadcast_object_list(box, device=home())
    return box[0]


def wait() -> None:
    """Wait until all processes are here."""
    mean(0.0)


def home() -> torch.device:
    """The device of the tensors that this process sends."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")


class LossModule(nn.Module):
    """A model with its loss, as one module, since DDP and FSDP2 act when a module is called."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean loss of x and y, (B, T) each."""
        return self.loss(self.model, x, y)


def spread(model: nn.Module, loss: Callable[[nn.Module, Tensor, Tensor], Tensor], shard: bool) -> nn.Module:
    """The module (x, y) -> loss that all processes call together; with `shard` each then holds a part of the model."""
    whole = LossModule(model, loss)
    if not shard:
        return nn.parallel.DistributedDataParallel(whole)
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:
        raise ImportError("--shard needs torch 2.6 or newer: pip install -U torch, or leave it out") from None
    mesh = init_device_mesh(next(model.parameters()).device.type, (count(),))
    for block in getattr(model, "h", None) or model.layers:  # type: ignore[union-attr]
        fully_shard(block, mesh=mesh)
    fully_shard(whole, mesh=mesh)
    return whole


def gathered(state: Any) -> Any:
    """A state with whole tensors, on the CPU, where FSDP2 has spread them; all processes call it."""
    if count() == 1:
        return state
    from torch.distributed.tensor import DTensor

    return tree_map_only(DTensor, lambda part: part.full_tensor().cpu(), state)


def spread_like(parameter: Tensor, state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's whole state of a parameter, spread as the parameter is."""
    if count() == 1:
        return dict(state)
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(parameter, DTensor):
        return dict(state)
    mesh, places = parameter.device_mesh, parameter.placements
    return {
        name: distribute_tensor(value, mesh, places) if value.shape == parameter.shape else value
        for name, value in state.items()
    }
