"""From the tensors of files to the parameters of a model: rename, transpose, compare shapes, leave nothing over."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from minigpt.models.llama_config import Config
from weights.families.family import Family
from weights.formats.safetensors import StoredTensor
from weights.report import LoadReport, examples

CHUNK = 1 << 24  # bytes converted at a time
FACTORIES = (torch.randn, torch.zeros, torch.ones, torch.empty)
SCALINGS = ("mul", "div", "mul_", "div_", "__mul__", "__rmul__", "normal_", "uniform_", "fill_")


class Blank(TorchFunctionMode):
    """While a model is built: its tensors get shapes and no memory, on the meta device.

    `torch.device("meta")` does that too, but its random numbers and products load 800 modules, in two seconds.

    >>> with Blank():
    ...     weight = nn.Parameter(0.02 * torch.randn(10**6, 10**6))
    >>> weight.shape, weight.device
    (torch.Size([1000000, 1000000]), device(type='meta'))
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in FACTORIES:
            return torch.empty(*args, device="meta")
        if func.__name__ in SCALINGS:
            return next(a for a in args if isinstance(a, Tensor))
        return func(*args, **(kwargs or {}))


def load_model(
    config: Config,
    family: Family,
    stored: Mapping[str, StoredTensor],
    where: str,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> tuple[nn.Module, LoadReport]:
    """The model of this config with the stored values, in eval mode, and the report of what went where.

    Without a dtype it is the files' own; half-precision files become float32 on a CPU. Nothing is copied where the
    device is the CPU and the files have the dtype. `where` names the files in errors, all of them ValueErrors:
    a parameter that is missing or there twice, a tensor that is unexpected or of the wrong shape.
    """
    with Blank():
        model = family.build(config)
    parameters = dict(model.named_parameters())
    report = LoadReport(family.name)
    chosen = choose(stored, family, parameters, where, report)
    report.kinds = dict(Counter(tensor.kind for tensor in chosen.values()))
    compare_shapes(chosen, family, parameters, where)
    dtype = dtype or own_dtype((tensor.dtype for tensor in chosen.values()), device)
    for name, tensor in chosen.items():
        value = convert(tensor, device, dtype)
        if family.transposed.fullmatch(name):
            value = value.T  # a view: the numbers stay where they are
            report.transposed.append(name)
        path, _, last = name.rpartition(".")
        setattr(model.get_submodule(path), last, nn.Parameter(value))
        report.used.append(name)
        report.n_parameters += value.numel()
        report.n_bytes += value.numel() * value.element_size()
    report.dtype, report.device = str(dtype).removeprefix("torch."), str(device)
    for name, made in chain(model.named_parameters(), model.named_buffers()):
        if made.is_meta:  # never, unless a model holds what no file gives
            raise ValueError(f"{where}: nothing gives {name} its values")
    return model.eval(), report


def choose(
    stored: Mapping[str, StoredTensor], family: Family, parameters: Mapping[str, Tensor], where: str, report: LoadReport
) -> dict[str, StoredTensor]:
    """Each parameter's tensor, under the parameter's name, every parameter exactly once."""
    chosen: dict[str, StoredTensor] = {}
    keys: dict[str, str] = {}
    for key, tensor in stored.items():
        name = family.parameter(key)
        if name is None:
            report.ignored.append(key)
        elif name in chosen:
            raise ValueError(f"{where}: both {keys[name]} and {key} name the parameter {name}; expected one of them")
        else:
            chosen[name], keys[name] = tensor, key
    if "lm_head.weight" in chosen and "lm_head.weight" not in parameters and family.embedding in chosen:
        check_tied(chosen.pop("lm_head.weight"), chosen[family.embedding], family.embedding, where)
        report.tied.append(keys["lm_head.weight"])
    report.missing = [name for name in parameters if name not in chosen]
    report.unexpected = [keys[name] for name in chosen if name not in parameters]
    if report.missing or report.unexpected:
        raise ValueError(
            f"{where}: the tensors do not fit a {family.name} of the sizes in {sizes_from(where)}; "
            f"missing {examples(report.missing)}; unexpected {examples(report.unexpected)}"
        )
    return chosen


def sizes_from(where: str) -> str:
    """Where the sizes stand, for errors."""
    return "the header" if where.endswith(".gguf") else "config.json"


def check_tied(head: StoredTensor, embedding: StoredTensor, name: str, where: str) -> None:
    """A ValueError unless the stored output matrix is the embedding, which the model uses in its place."""
    if head.shape != embedding.shape or not torch.equal(head.read(), embedding.read()):
        raise ValueError(f"{where}: lm_head.weight differs from {name}; only tied ones, equal to it, are built here")
    head.drop()


def compare_shapes(
    chosen: Mapping[str, StoredTensor], family: Family, parameters: Mapping[str, Tensor], where: str
) -> None:
    """A ValueError for the first tensor whose shape is not the parameter's, or the parameter's turned where due."""
    for name, tensor in chosen.items():
        expected = tuple(parameters[name].shape)
        turned = family.transposed.fullmatch(name) is not None
        expected = expected[::-1] if turned else expected
        if tensor.shape != expected:
            hint = " (is it stored the other way round, as torch.nn.Linear does?)" if turned else ""
            hint = hint if tensor.shape == expected[::-1] else ""
            raise ValueError(
                f"{where}: {name} has the shape {tensor.shape}, {sizes_from(where)} makes it {expected}{hint}: "
                f"use {sizes_from(where)} that belongs to these weights"
            )
        if not tensor.dtype.is_floating_point:
            raise ValueError(f"{where}: {name} holds {tensor.kind}, expected floating-point numbers")


def own_dtype(dtypes: Iterable[torch.dtype], device: torch.device) -> torch.dtype:
    """The widest of the files' dtypes; on a CPU half precision becomes float32, which every operation is made for.

    >>> own_dtype([torch.float16, torch.float32], torch.device("cuda"))
    torch.float32
    """
    widest = reduce(torch.promote_types, dtypes)
    return torch.promote_types(widest, torch.float32) if device.type == "cpu" else widest


def convert(tensor: StoredTensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The tensor's values on the device in the dtype; where they are copied, the file's pages are given back."""
    value = tensor.read()
    if device.type == "cpu" and value.dtype == dtype:
        return value
    copy = torch.empty(value.shape, dtype=dtype, device=device)
    n_rows = max(1, CHUNK * value.shape[0] // max(1, value.nbytes))
    for target, part in zip(copy.split(n_rows), value.split(n_rows), strict=True):
        target.copy_(part)
        tensor.drop()
    return copy
