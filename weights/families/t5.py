"""T5's dialects: what transformers saves of versions 1.0 and 1.1 and of what was made of them, such as Flan-T5."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from minigpt.models.seq2seq_config import T5Config
from minigpt.models.t5 import T5
from weights.families.bart import OF_BOTH, few
from weights.families.family import OTHER_HEADS, Family, field, refuse_unless, size

RENAMES = (
    (r"^(en|de)coder\.embed_tokens\.", "shared."),
    (r"^(en|de)coder\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias\.", r"\1coder_bias."),
    (r"^(en|de)coder\.final_layer_norm\.", r"\1coder_norm."),
    (r"^(en|de)coder\.block\.", r"\1coder."),
    (r"\.layer\.0\.SelfAttention\.", ".attn."),
    (r"\.layer\.0\.layer_norm\.", ".ln_1."),
    (r"\.layer\.1\.EncDecAttention\.", ".cross_attn."),
    (r"^(decoder\.\d+)\.layer\.1\.layer_norm\.", r"\1.ln_cross."),
    (r"\.layer\.[12]\.layer_norm\.", ".ln_2."),
    (r"\.layer\.[12]\.DenseReluDense\.", ".mlp."),
)


def read_config(data: Mapping[str, Any]) -> T5Config:
    """The sizes in a T5's config.json, else transformers' defaults; a ValueError names a field not implemented here.

    >>> config = read_config({"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_layers": 8})
    >>> config.gated, config.tied, config.n_decoder_layer
    (True, False, 8)
    >>> read_config({"feed_forward_proj": "gated-silu"})
    Traceback (most recent call last):
    ValueError: feed_forward_proj is 'gated-silu'; only 'relu' or 'gated-gelu' is implemented here
    """
    refuse_unless(data, **OF_BOTH, feed_forward_proj=("relu", "gated-gelu"))
    gated = data.get("feed_forward_proj") == "gated-gelu"
    refuse_unless(data, dense_act_fn=("gelu_new" if gated else "relu", None), is_gated_act=(gated, None))
    n_layer = size(data, "num_layers", default=size(data, "num_hidden_layers", default=6))
    tied = field(data, "tie_word_embeddings", kind=bool, default=True)
    return T5Config(
        vocab_size=size(data, "vocab_size", default=32128),
        n_layer=n_layer,
        n_decoder_layer=few(size(data, "num_decoder_layers", default=n_layer, optional=True), "num_decoder_layers"),
        n_head=size(data, "num_heads", "num_attention_heads", default=8),
        head_dim=size(data, "d_kv", "head_dim", default=64),
        n_embd=size(data, "d_model", "hidden_size", default=512),
        n_inner=size(data, "d_ff", default=2048),
        n_buckets=size(data, "relative_attention_num_buckets", default=32),
        max_distance=size(data, "relative_attention_max_distance", default=128),
        gated=gated,
        tied=field(data, "scale_decoder_outputs", kind=bool, default=tied),  # transformers 5 says tied of all
        norm_eps=field(data, "layer_norm_epsilon", kind=float, default=1e-6),
        dropout=field(data, "dropout_rate", kind=float, default=0.1),
    )


def with_parts(config: T5Config, _names: Collection[str]) -> T5Config:
    """The config unchanged: no T5 lacks a part."""
    return config


def write_config(config: T5Config) -> dict[str, Any]:
    """The config.json that transformers reads."""
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "is_encoder_decoder": True,
        "vocab_size": config.vocab_size,
        "num_layers": config.n_layer,
        "num_decoder_layers": config.n_decoder_layer,
        "num_heads": config.n_head,
        "d_kv": config.head_dim,
        "d_model": config.n_embd,
        "d_ff": config.n_inner,
        "relative_attention_num_buckets": config.n_buckets,
        "relative_attention_max_distance": config.max_distance,
        "feed_forward_proj": "gated-gelu" if config.gated else "relu",
        "layer_norm_epsilon": config.norm_eps,
        "dropout_rate": config.dropout,
        "tie_word_embeddings": config.tied,
    }


T5_FAMILY = Family(
    name="t5",
    build=T5,
    read_config=read_config,
    write_config=write_config,
    prefixes=("transformer.",),
    ignored=re.compile(rf"decoder\.0\.cross_attn\.relative_attention_bias\.weight|{OTHER_HEADS}"),  # never used
    transposed=re.compile(r"(?!)"),  # none: Linear's own layout
    embedding="shared.weight",
    renames=RENAMES,
    layers=r"encoder\.\d+\.",
)
