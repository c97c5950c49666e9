"""LoRA's matrices in a folder of their own, as peft writes and reads them (adapter_config.json is its LoraConfig): a
tuned model in a hundredth of its size, for anyone who has its base."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.models.gpt2 import GPT2
from tokenizer.fetch.atomic import exclusive, replacing_files, write_text
from weights.checkpoint import Checkpoint, load_checkpoint
from weights.companions import read_chat_template
from weights.families.family import Family, field, refuse_unless
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY
from weights.fetch import locate
from weights.formats.folder import read_json
from weights.formats.safetensors import read
from weights.formats.safetensors_writer import write

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base_model_name_or_path"
BESIDE = (
    "chat_template.jinja",
    "tokenizer_config.json",
    "generation_config.json",
)  # what a tuned model may have of its own
WRAPPER = "base_model.model."  # what peft puts before transformers' names
NEUTRAL: dict[str, tuple[Any, ...]] = {  # what changes the product or adds to it, with the values that do not
    "peft_type": ("LORA",),
    "bias": ("none", None),
    **dict.fromkeys(("use_dora", "use_rslora", "lora_bias", "use_qalora"), (False, None)),
    **dict.fromkeys(("rank_pattern", "alpha_pattern"), ({}, None)),
    **dict.fromkeys(("modules_to_save", "trainable_token_indices", "target_parameters"), (None, [])),
}


def save_adapter(
    factors: Mapping[str, tuple[Tensor, Tensor]],
    alpha: float,
    family: Family,
    folder: Path,
    base: str,
    companions: Mapping[str, str],
    dtype: torch.dtype | None = None,
) -> None:
    """Writes A (r, in) and B (out, r) of the named matrices, h.0.attn.c_attn and so on; `base` is the model that they
    belong to, by its name or folder. `companions` are texts to store beside them, such as a chat template, by name."""
    tensors = {}
    for name, pair in factors.items():
        for letter, factor in zip("AB", pair, strict=True):
            tensors[f"{WRAPPER}{family.prefixes[0]}{name}.lora_{letter}.weight"] = factor
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        BASE: base,
        "r": len(next(iter(factors.values()))[0]),
        "lora_alpha": alpha,
        "target_modules": sorted({name.split(".", 2)[2] for name in factors}),
        "fan_in_fan_out": family.name == "gpt2",  # whose files hold the matrices as (in, out)
        "bias": "none",
        "inference_mode": True,
    }
    with exclusive(folder), replacing_files(folder) as part:
        write(part / WEIGHTS, tensors, dtype)
        write_text(part / CONFIG, json.dumps(config, indent=2) + "\n")
        for file in companions.keys() & {*BESIDE}:
            write_text(part / file, companions[file])


def adapter_in(name_or_path: str | Path) -> Path | None:
    """The folder of that name if it holds LoRA's matrices and no whole model, else None."""
    found = locate.local(name_or_path)
    folder = found.path if found else Path()
    return folder if found and (folder / CONFIG).exists() and not (folder / "config.json").exists() else None


def load_adapted(folder: Path, device: torch.device | str, dtype: torch.dtype | str | None, force: bool) -> Checkpoint:
    """The base of an adapter with the adapter merged into it, and the adapter's chat template and settings if any.

    Raises ValueError if the adapter does not fit, and whatever loading its base raises.
    """
    base = load_checkpoint(str(field(read_json(folder / CONFIG), BASE, kind=str)), device, dtype, force)
    merge_adapter(base.model, GPT2_FAMILY if isinstance(base.model, GPT2) else LLAMA_FAMILY, folder)
    settings = folder / "generation_config.json"
    return replace(
        base,
        name=str(folder),
        path=folder if (folder / "tokenizer_config.json").exists() else base.path,
        chat_template=read_chat_template(folder) or base.chat_template,
        generation_config=read_json(settings) if settings.exists() else base.generation_config,
    )


@torch.no_grad()
def merge_adapter(model: nn.Module, family: Family, folder: Path) -> None:
    """Adds alpha / r · B A to the matrices of its base. Raises ValueError for an adapter of another kind or model."""
    config = read_json(folder / CONFIG)
    refuse_unless(config, **NEUTRAL)
    factors: dict[str, dict[str, Tensor]] = {}
    for key, stored in read(folder / WEIGHTS).items():
        name, _, rest = key.removeprefix(WRAPPER).rpartition(".lora_")
        factors.setdefault(family.parameter(f"{name}.weight") or name, {})[rest.removesuffix(".weight")] = stored.read()
    weights = dict(model.named_parameters())
    for name, pair in factors.items():
        shapes = [tuple(pair[letter].shape) if letter in pair else () for letter in "BA"]
        wanted = tuple(weights[name].shape) if name in weights else None
        if len(pair) != 2 or wanted != (*shapes[0][:1], *shapes[1][1:]) or shapes[0][1:] != shapes[1][:1]:
            raise ValueError(f"{folder / WEIGHTS}: {name} has B and A of {shapes}, its base's is {wanted}: other base?")
        scale = field(config, "lora_alpha", kind=float) / len(pair["A"])
        weights[name].add_((scale * (pair["B"].double() @ pair["A"].double())).to(weights[name]))
