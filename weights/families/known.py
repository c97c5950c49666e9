"""The families of models that can be loaded, by the name that config.json gives them."""

from pathlib import Path

from minigpt.models.llama_config import Config
from weights.families.family import Family
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY, MISTRAL_FAMILY, QWEN2_FAMILY, QWEN3_FAMILY
from weights.formats.folder import read_config

FAMILIES = {family.name: family for family in (GPT2_FAMILY, LLAMA_FAMILY, MISTRAL_FAMILY, QWEN2_FAMILY, QWEN3_FAMILY)}


def check_config(folder: Path) -> tuple[Family, Config]:
    """The family and the sizes in a folder's config.json; a ValueError names a field that is not implemented here."""
    data = read_config(folder)
    family = FAMILIES.get(str(data.get("model_type")))
    if family is None:
        raise ValueError(
            f"{folder / 'config.json'}: model_type is {data.get('model_type')!r:.80}; "
            f"expected one of {', '.join(FAMILIES)}"
        )
    try:
        config = family.read_config(data)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from None
    return family, config
