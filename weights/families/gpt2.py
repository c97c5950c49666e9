"""GPT-2's dialects (lesson 07): the official files with bare names and mask buffers, and what transformers saves."""

import re
from collections.abc import Mapping
from typing import Any

from minigpt.models.config import GPT2Config
from minigpt.models.variants.gpt2 import build_gpt2
from weights.families.family import NEUTRAL, OTHER_HEADS, Family, field, refuse_unless, size
from weights.families.gpt2_variants import with_variants, write_variants


def read_config(data: Mapping[str, Any]) -> GPT2Config:
    """The sizes in a GPT-2's config.json, else transformers' defaults; a ValueError names a field not implemented here.

    >>> read_config({"vocab_size": 99, "n_positions": 64, "n_embd": 8, "n_layer": 2, "n_head": 2}).n_inner
    32
    """
    refuse_unless(data, **NEUTRAL)
    plain = GPT2Config(
        vocab_size=size(data, "vocab_size", default=50257),
        n_ctx=size(data, "n_positions", "max_position_embeddings", default=size(data, "n_ctx", default=1024)),
        n_layer=size(data, "n_layer", "num_hidden_layers", default=12),
        n_head=size(data, "n_head", "num_attention_heads", default=12),
        n_embd=size(data, "n_embd", "hidden_size", default=768),
        n_inner=size(data, "n_inner", default=0, optional=True),
        norm_eps=field(data, "layer_norm_epsilon", kind=float, default=1e-5),
        dropout=field(data, "resid_pdrop", kind=float, default=0.1),
    )
    return with_variants(plain, data)


def write_config(config: GPT2Config) -> dict[str, Any]:
    """The config.json that transformers reads."""
    sizes = {name: getattr(config, name) for name in ("vocab_size", "n_layer", "n_head", "n_embd", "n_inner")}
    rates = {"embd_pdrop": config.dropout, "resid_pdrop": config.dropout, "attn_pdrop": 0.0}
    sizes |= {"n_positions": config.n_ctx, "layer_norm_epsilon": config.norm_eps}
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", **sizes, **rates, **write_variants(config)}


GPT2_FAMILY = Family(
    name="gpt2",
    build=build_gpt2,
    read_config=read_config,
    write_config=write_config,
    prefixes=("transformer.",),
    ignored=re.compile(rf"h\.\d+\.attn\.(bias|masked_bias)|{OTHER_HEADS}"),  # whole names, so not attn.c_attn.bias
    transposed=re.compile(r"h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight"),
    embedding="wte.weight",
)
