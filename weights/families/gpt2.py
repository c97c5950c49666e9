"""GPT-2's dialects: the official files with bare names and mask buffers, and what transformers saves."""

import re
from collections.abc import Mapping
from typing import Any

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from weights.families.family import Family, field, refuse_unless


def read_config(data: Mapping[str, Any]) -> GPT2Config:
    """The sizes in a GPT-2's config.json; a ValueError names a field that this GPT-2 does not implement.

    >>> read_config({"vocab_size": 99, "n_positions": 64, "n_embd": 8, "n_layer": 2, "n_head": 2}).n_inner
    32
    """
    refuse_unless(data, activation_function=("gelu_new", "gelu_pytorch_tanh", None), tie_word_embeddings=(True,))
    refuse_unless(data, scale_attn_weights=(True,), scale_attn_by_inverse_layer_idx=(False,))
    refuse_unless(data, add_cross_attention=(False,))
    return GPT2Config(
        vocab_size=field(data, "vocab_size"),
        n_ctx=field(data, "n_positions", "n_ctx"),
        n_layer=field(data, "n_layer"),
        n_head=field(data, "n_head"),
        n_embd=field(data, "n_embd"),
        n_inner=field(data, "n_inner", default=0),
        norm_eps=field(data, "layer_norm_epsilon", kind=float, default=1e-5),
        dropout=field(data, "resid_pdrop", kind=float, default=0.0),
    )


def write_config(config: GPT2Config) -> dict[str, Any]:
    """The config.json that transformers reads."""
    sizes = {name: getattr(config, name) for name in ("vocab_size", "n_layer", "n_head", "n_embd", "n_inner")}
    rates = {"embd_pdrop": config.dropout, "resid_pdrop": config.dropout, "attn_pdrop": 0.0}
    sizes |= {"n_positions": config.n_ctx, "layer_norm_epsilon": config.norm_eps}
    fixed = {"activation_function": "gelu_new", "tie_word_embeddings": True}
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", **sizes, **rates, **fixed}


GPT2_FAMILY = Family(
    name="gpt2",
    build=GPT2,
    read_config=read_config,
    write_config=write_config,
    prefixes=("transformer.",),
    ignored=re.compile(r"h\.\d+\.attn\.(bias|masked_bias)"),  # whole names: attn.c_attn.bias is a parameter
    transposed=re.compile(r"h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight"),
    embedding="wte.weight",
)
