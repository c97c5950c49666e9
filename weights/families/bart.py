"""BART's dialects: what transformers saves of the whole model, and BART-base's own files, which have no "model."."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from minigpt.models.bart import Bart
from minigpt.models.seq2seq_config import BartConfig
from weights.families.family import NEUTRAL, OTHER_HEADS, Family, field, refuse_unless, size

OF_BOTH = {name: values for name, values in NEUTRAL.items() if name != "is_encoder_decoder"}
OF_BOTH |= {"is_encoder_decoder": (True, None), "is_decoder": (False, None)}
OF_FAIRSEQ = {  # what older files carry over from there, with BART's values
    **dict.fromkeys(("normalize_before", "add_final_layer_norm", "static_position_embeddings"), (False, None)),
    "normalize_embedding": (True, None),
    "extra_pos_embeddings": (2, None),
}


def read_config(data: Mapping[str, Any]) -> BartConfig:
    """The sizes in a BART's config.json, else transformers' defaults; a ValueError names a field not implemented here.

    >>> read_config({"d_model": 32, "encoder_layers": 2, "decoder_layers": 3}).n_decoder_layer
    3
    >>> read_config({"encoder_ffn_dim": 8, "decoder_ffn_dim": 16})
    Traceback (most recent call last):
    ValueError: decoder_ffn_dim is 16; only 8 is implemented here
    """
    refuse_unless(data, **OF_BOTH, **OF_FAIRSEQ)
    refuse_unless(data, activation_function=("gelu", "gelu_python", None), tie_word_embeddings=(True, None))
    n_head, n_inner = size(data, "encoder_attention_heads", default=16), size(data, "encoder_ffn_dim", default=4096)
    n_layer = size(data, "encoder_layers", default=size(data, "num_hidden_layers", default=12))
    sides = {"decoder_attention_heads": (n_head,), "decoder_ffn_dim": (n_inner,)}
    refuse_unless({"decoder_attention_heads": 16, "decoder_ffn_dim": 4096} | dict(data), **sides)
    return BartConfig(
        vocab_size=size(data, "vocab_size", default=50265),
        n_ctx=size(data, "max_position_embeddings", default=1024),
        n_layer=n_layer,
        n_decoder_layer=few(size(data, "decoder_layers", default=12), "decoder_layers"),
        n_head=n_head,
        n_embd=size(data, "d_model", "hidden_size", default=1024),
        n_inner=n_inner,
        scaled=field(data, "scale_embedding", kind=bool, default=False),
        dropout=field(data, "dropout", kind=float, default=0.1),
    )


def few(n_layer: int, name: str) -> int:
    """The number of layers, if that many could be built: a ValueError beyond 10,000."""
    if n_layer > 10_000:
        raise ValueError(f"{name} is {n_layer}; expected at most 10000")
    return n_layer


def with_parts(config: BartConfig, names: Collection[str]) -> BartConfig:
    """The config with a bias of the logits if there is one.

    >>> with_parts(BartConfig(), ["shared.weight"]).has_bias
    False
    """
    return replace(config, has_bias="final_logits_bias" in names)


def write_config(config: BartConfig) -> dict[str, Any]:
    """The config.json that transformers reads."""
    return {
        "architectures": ["BartForConditionalGeneration" if config.has_bias else "BartModel"],
        "model_type": "bart",
        "is_encoder_decoder": True,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.n_ctx,
        "encoder_layers": config.n_layer,
        "decoder_layers": config.n_decoder_layer,
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), config.n_head),
        "d_model": config.n_embd,
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), config.n_inner),
        "scale_embedding": config.scaled,
        "activation_function": "gelu",
        "dropout": config.dropout,
        "tie_word_embeddings": True,
    }


BART_FAMILY = Family(
    name="bart",
    build=Bart,
    read_config=read_config,
    write_config=write_config,
    prefixes=("model.",),
    ignored=re.compile(rf"(en|de)coder\.version|classification_head\..+|{OTHER_HEADS}"),
    transposed=re.compile(r"(?!)"),  # none: Linear's own layout
    embedding="shared.weight",
    renames=((r"^(en|de)coder\.embed_tokens\.", "shared."),),
    layers=r"encoder\.layers\.\d+\.",
)
