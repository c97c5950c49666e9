"""The families of models that can be loaded, by the name that config.json gives them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights.families.family import Family
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY, MISTRAL_FAMILY, QWEN2_FAMILY, QWEN3_FAMILY
from weights.formats.folder import read_config

FAMILIES = {family.name: family for family in (GPT2_FAMILY, LLAMA_FAMILY, MISTRAL_FAMILY, QWEN2_FAMILY, QWEN3_FAMILY)}
RELATIVES = {  # weights/relatives.py loads these
    "bert": "an encoder, which writes no text",
    "bart": "an encoder-decoder, which writes an answer to a text",
    "t5": "an encoder-decoder, which writes an answer to a text",
}


def check_config(folder: Path, families: Mapping[str, Family] = FAMILIES) -> tuple[Family, Any]:
    """The family and the sizes in a folder's config.json; a ValueError names a field that is not implemented here."""
    data = read_config(folder)
    kind = data.get("model_type")
    family = families.get(str(kind))
    if family is None:
        raise ValueError(f"{folder / 'config.json'}: model_type is {kind!r:.80}{instead(str(kind), families)}")
    try:
        config = family.read_config(data)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from None
    return family, config


def instead(kind: str, families: Mapping[str, Family] = FAMILIES) -> str:
    """What a model_type that is not among these is, and what loads it.

    >>> instead("bert")
    ', an encoder, which writes no text: load it with minigpt.load_relative'
    """
    if kind in RELATIVES and kind not in families and families is FAMILIES:
        return f", {RELATIVES[kind]}: load it with minigpt.load_relative"
    if kind in FAMILIES:
        return ", which minigpt.load loads"
    return f"; expected one of {', '.join(families)}"
