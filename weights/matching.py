"""Which tensor in the files is which parameter: every parameter exactly once, no tensor unused, no other shape."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from minigpt.models.llama_config import Config
from weights.families.family import Family
from weights.formats.stored import StoredTensor
from weights.report import LoadReport, examples


def check_sizes(config: Config, family: Family, stored: Mapping[str, StoredTensor], where: str) -> None:
    """A ValueError that names a size larger than anything in the files: only what is there is ever built."""
    fix = f"use {sizes_from(where)} that belongs to these weights"
    layers = {found[0] for key in stored if (found := re.match(family.layers, family.parameter(key) or ""))}
    if config.n_layer > len(layers):
        there = f"there are {len(layers)} layers in {examples(list(stored))}"
        raise ValueError(f"{where}: n_layer is {config.n_layer} in {sizes_from(where)}, {there}: {fix}")
    largest = max((n for tensor in stored.values() for n in tensor.shape), default=0)
    names = ("vocab_size", "n_embd", "n_inner", "n_head", "n_kv_head", "head_dim")
    for name in (*names, "n_ctx") if family.name == "gpt2" else names:  # no tensor of the others has n_ctx rows
        if getattr(config, name, 0) > largest:
            there = f"no tensor is longer than {largest} in any direction"
            raise ValueError(f"{where}: {name} is {getattr(config, name)} in {sizes_from(where)}, {there}: {fix}")


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
    if "lm_head.weight" not in parameters and family.embedding not in chosen and "lm_head.weight" in chosen:
        chosen[family.embedding], keys[family.embedding] = chosen.pop("lm_head.weight"), keys["lm_head.weight"]
    head, embedding = chosen.get("lm_head.weight"), chosen.get(family.embedding)
    if head and embedding and "lm_head.weight" not in parameters:  # the model uses the embedding in its place
        if head.shape != embedding.shape or not torch.equal(head.read(), embedding.read()):
            what = f"lm_head.weight differs from {family.embedding}"
            raise ValueError(f"{where}: {what}; the config ties them: set tie_word_embeddings to false to use both")
        chosen.pop("lm_head.weight").drop()
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
    """Where the sizes come from, for errors."""
    return "the header" if where.endswith(".gguf") else "config.json"


def check_shape(name: str, tensor: StoredTensor, expected: tuple[int, ...], family: Family, where: str) -> None:
    """A ValueError if a tensor's shape is not the parameter's, transposed if required, or it is not floating-point."""
    transposed = family.transposed.fullmatch(name) is not None
    expected = expected[::-1] if transposed else expected
    if tensor.shape != expected:
        hint = " (is it stored the other way round, as torch.nn.Linear does?)" if transposed else ""
        hint = hint if tensor.shape == expected[::-1] else ""
        raise ValueError(
            f"{where}: {name} has the shape {tensor.shape}, {sizes_from(where)} makes it {expected}{hint}: "
            f"use {sizes_from(where)} that belongs to these weights"
        )
    if not tensor.dtype.is_floating_point:
        raise ValueError(f"{where}: {name} holds {tensor.kind}, expected floating-point numbers")


def refuse_not_finite(name: str, value: Tensor, where: str) -> None:
    """A ValueError if a parameter holds NaN or infinite numbers, which would spoil everything computed from it."""
    if value.numel() and not all(bound.isfinite() for bound in value.aminmax()):  # the fastest that sees NaN too
        way_out = (
            "fetch it again, or load it as float32 where float16 was chosen, which has no larger numbers than 65504"
        )
        raise ValueError(f"{where}: {name} holds NaN or infinite numbers: {way_out}")
