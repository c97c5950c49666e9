"""The dialects of Llama, Qwen2 and Qwen3: one model with four points of difference, named in config.json."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from weights.families.family import Family, field, refuse_unless


def read_config(data: Mapping[str, Any]) -> LlamaConfig:
    """The sizes in a Llama's, Qwen2's or Qwen3's config.json; a ValueError names a field that is not implemented here.

    The base of RoPE's angles is `rope_theta`, or, as transformers 5 writes it, `rope_parameters["rope_theta"]`.
    """
    refuse_unless(data, hidden_act=("silu",), attention_bias=(False, None), mlp_bias=(False, None))
    family = data["model_type"]
    n_head, n_embd = field(data, "num_attention_heads"), field(data, "hidden_size")
    return LlamaConfig(
        vocab_size=field(data, "vocab_size"),
        n_ctx=context(data),
        n_layer=field(data, "num_hidden_layers"),
        n_head=n_head,
        n_kv_head=field(data, "num_key_value_heads", default=n_head),
        n_embd=n_embd,
        n_inner=field(data, "intermediate_size"),
        head_dim=field(data, "head_dim", default=128 if family == "qwen3" else 0),
        norm_eps=field(data, "rms_norm_eps", kind=float, default=1e-6),
        rope_theta=rope_theta(data),
        qkv_bias=family == "qwen2",
        qk_norm=family == "qwen3",
        tied=field(data, "tie_word_embeddings", kind=bool, default=False),
    )


def rope_theta(data: Mapping[str, Any]) -> float:
    """The base of the rotary positions; a ValueError for scaled ones.

    >>> rope_theta({"rope_theta": 1e6}), rope_theta({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}})
    (1000000.0, 500000.0)
    >>> rope_theta({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}})
    Traceback (most recent call last):
    ValueError: rope_scaling has the type 'yarn'; only 'default' is implemented here
    """
    for name in ("rope_scaling", "rope_parameters"):
        rope = data.get(name) or {}
        if not isinstance(rope, dict):
            raise ValueError(f"{name} should be an object with rope_type, not {rope!r}")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default":
            raise ValueError(f"{name} has the type {kind!r}; only 'default' is implemented here")
    refuse_unless(data, partial_rotary_factor=(1, 1.0, None))
    rope = data.get("rope_parameters") or {}
    return field({**data, **rope}, "rope_theta", kind=float, default=10000.0)


def context(data: Mapping[str, Any]) -> int:
    """How many positions the model has; a ValueError where a sliding window would narrow what a token sees."""
    n_ctx = field(data, "max_position_embeddings")
    window = field(data, "sliding_window", default=n_ctx)
    first = field(data, "max_window_layers", default=0)
    slides = data.get("use_sliding_window") and first < field(data, "num_hidden_layers")
    layer_types = data.get("layer_types") or []
    if not isinstance(layer_types, list):
        raise ValueError(f"layer_types should be a list, not {layer_types!r}")
    slides = slides or "sliding_attention" in layer_types
    if slides and window < n_ctx:
        raise ValueError(
            f"sliding_window {window} is narrower than the {n_ctx} positions; only full attention is implemented"
        )
    return n_ctx


def write_config(config: LlamaConfig) -> dict[str, Any]:
    """The config.json that transformers reads, versions 4 and 5."""
    family = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    names = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    return {
        "architectures": [f"{names[family]}ForCausalLM"],
        "model_type": family,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.n_ctx,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.n_kv_head,
        "hidden_size": config.n_embd,
        "intermediate_size": config.n_inner,
        "head_dim": config.head_dim,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": config.tied,
    }


LLAMA_FAMILY = Family(
    name="llama",
    build=Llama,
    read_config=read_config,
    write_config=write_config,
    prefixes=("model.",),
    ignored=re.compile(r"(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"),
    transposed=re.compile(r"(?!)"),  # none: Linear's own layout
    embedding="embed_tokens.weight",
)
QWEN2_FAMILY, QWEN3_FAMILY = replace(LLAMA_FAMILY, name="qwen2"), replace(LLAMA_FAMILY, name="qwen3")
