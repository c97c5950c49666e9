"""From a file's tensors to model parameters: rename, check shapes, transpose, account for every tensor (lesson 07)."""

from collections import Counter
from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from minigpt.models.llama_config import Config
from weights.devices import name_of, own_dtype
from weights.families.family import Family
from weights.formats.stored import StoredTensor
from weights.matching import check_shape, check_sizes, choose, refuse_not_finite
from weights.report import LoadReport

CHUNK = 1 << 20  # bytes converted at a time: only these are in memory twice


def load_model(
    config: Config,
    family: Family,
    stored: Mapping[str, StoredTensor],
    where: str,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> tuple[nn.Module, LoadReport]:
    """The model of this config with the stored values, in eval mode, and the report of what went where.

    Without a dtype it is the files' own; half-precision files become float32 on a CPU. Nothing is copied if the
    device is the CPU and the files have the dtype. `where` names the files in errors, all of them ValueErrors:
    a parameter that is missing or present twice, a tensor that is unexpected or of the wrong shape.
    """
    check_sizes(config, family, stored, where)
    with torch.device("meta"):  # shapes only: no memory, no initial values
        model = family.build(config)
    parameters = dict(model.named_parameters())
    report = LoadReport(family.name)
    chosen = choose(stored, family, parameters, where, report)
    report.kinds = dict(Counter(tensor.kind for tensor in chosen.values()))
    own = own_dtype((tensor.dtype for tensor in chosen.values()), device)
    dtype = dtype or own
    for name, tensor in chosen.items():
        check_shape(name, tensor, tuple(parameters[name].shape), family, where)
    for name, tensor in chosen.items():
        value = convert(tensor, device, dtype)
        if value.dtype != tensor.dtype or tensor.unpacked:  # what is only mapped is not read before it is used
            refuse_not_finite(name, value, where)
        if family.transposed.fullmatch(name):
            value = value.T  # a view: the numbers stay where they are
            report.transposed.append(name)
        path, _, last = name.rpartition(".")
        setattr(model.get_submodule(path), last, nn.Parameter(value))
        report.used.append(name)
        report.n_parameters += value.numel()
        report.n_bytes += value.numel() * value.element_size()
    report.dtype, report.own_dtype, report.device = name_of(dtype), name_of(own), str(device)
    for name, made in chain(model.named_parameters(), model.named_buffers()):
        if made.is_meta:  # never, unless a model has values that no file provides
            raise ValueError(f"{where}: nothing gives {name} its values")
    return model.eval(), report


def convert(tensor: StoredTensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The tensor's values on the device in the dtype; if they are copied, the file's pages are released."""
    value = tensor.read()
    if device.type == "cpu" and value.dtype == dtype:
        return value
    copy = torch.empty(value.shape, dtype=dtype, device=device)
    n_rows = max(1, CHUNK * value.shape[0] // max(1, value.nbytes))
    for target, part in zip(copy.split(n_rows), value.split(n_rows), strict=True):
        target.copy_(part)
        tensor.drop()
    return copy
