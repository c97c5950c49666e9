"""How a config.json of GPT-2 may differ from the GPT-2 of 2019."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from minigpt.models.config import GPT2Config
from minigpt.models.variants.activations import ACTIVATIONS, ALIASES
from minigpt.models.variants.gpt2 import GPT2VariantConfig
from weights.families.family import field

FIELDS = {"tie_word_embeddings": "tied", "scale_attn_weights": "scale_scores"}
FIELDS |= {"scale_attn_by_inverse_layer_idx": "scale_by_layer"}


def with_variants(plain: GPT2Config, data: Mapping[str, Any]) -> GPT2Config:
    """The config with what these values vary; the plain one if they vary nothing.

    reorder_and_upcast_attn only reorders the same sums, and is ignored.

    >>> with_variants(GPT2Config(), {"activation_function": "relu"}).activation
    'relu'
    >>> with_variants(GPT2Config(), {"activation_function": "gelu_pytorch_tanh"}) == GPT2Config()
    True
    """
    varied: dict[str, Any] = {"activation": activation_name(data, "activation_function", "gelu_new")}
    for name, ours in FIELDS.items():
        varied[ours] = field(data, name, kind=bool, default=getattr(GPT2VariantConfig, ours))
    config = GPT2VariantConfig(**asdict(plain), **varied)
    return plain if config == GPT2VariantConfig(**asdict(plain)) else config


def write_variants(config: GPT2Config) -> dict[str, Any]:
    """Their fields in config.json."""
    activation = getattr(config, "activation", "gelu_new")
    return {"activation_function": activation} | {
        name: getattr(config, ours, getattr(GPT2VariantConfig, ours)) for name, ours in FIELDS.items()
    }


def activation_name(data: Mapping[str, Any], name: str, default: str) -> str:
    """Our name for the activation in this field; a ValueError if it is none of ours.

    >>> activation_name({"hidden_act": "swish"}, "hidden_act", "silu")
    'silu'
    """
    theirs = field(data, name, kind=str, default=default)
    ours = ALIASES.get(theirs, theirs)
    if ours not in ACTIVATIONS:
        raise ValueError(f"{name} is {theirs!r:.80}; implemented here are {', '.join([*ACTIVATIONS, *ALIASES])}")
    return str(ours)
