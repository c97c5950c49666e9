"""A GGUF file as a model of one of our families: its config, its tensors under our names, its default settings."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from minigpt.models.llama_config import Config
from weights.families import gguf_gpt2, gguf_llama
from weights.families.family import Family
from weights.families.gguf_config import as_config
from weights.families.known import FAMILIES
from weights.formats.gguf_parts import read_parts
from weights.formats.stored import StoredTensor


@dataclass(frozen=True)
class GGUFModel:
    """What a GGUF file holds, including all its parts if it has several."""

    files: list[Path]
    values: dict[str, Any]  # the header's
    family: Family
    config: Config
    tensors: dict[str, StoredTensor]  # under the parameters' names
    reordered: list[str]  # those whose rows were put in another order


def read(path: Path) -> GGUFModel:
    """The model in a GGUF file; a ValueError names the file, and the value that is not implemented here."""
    files, values, stored = read_parts(path)
    try:
        data = as_config(values, stored)
        if data["model_type"] == "gpt2":
            data["tie_word_embeddings"] = is_tied(stored)
        family = FAMILIES[data["model_type"]]
        config = family.read_config(data)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: {error}") from None
    is_llama, rename = data["model_type"] == "llama", gguf_llama.rename
    if data["model_type"] == "gpt2":
        rename, family = gguf_gpt2.rename, replace(family, transposed=FAMILIES["llama"].transposed)
    tensors: dict[str, StoredTensor] = {}
    reordered = []
    for key, tensor in stored.items():
        if is_llama and key == "rope_freqs.weight":  # in the config already
            continue
        name = rename(key)
        turned = (
            gguf_llama.reorder(name, tensor, config.n_head, config.n_kv_head, config.head_dim) if is_llama else None
        )
        reordered += [name] if turned else []
        tensors[name] = turned or tensor
    return GGUFModel(files, values, family, config, tensors, reordered)


def is_tied(stored: dict[str, StoredTensor]) -> bool:
    """Whether GPT-2's output matrix is its embedding: converters write it twice."""
    head, embedding = stored.get("output.weight"), stored["token_embd.weight"]
    if head is None:
        return True
    return head.shape == embedding.shape and head.kind == embedding.kind and torch.equal(head.read(), embedding.read())
