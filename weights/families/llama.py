"""The dialects of Llama, Mistral, Qwen2 and Qwen3: one model with a few differences, named in config.json."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from weights.families.family import NEUTRAL, OTHER_HEADS, Family, field, refuse_unless, size
from weights.families.gpt2_variants import activation_name
from weights.families.rope import read_rope, write_rope

# transformers' defaults for fields that a config.json lacks; 0 stands for "as many as query heads", "n_embd / n_head"
NAMES = ("vocab_size", "intermediate_size", "max_position_embeddings", "num_key_value_heads", "head_dim")
DEFAULTS = {
    "llama": (32000, 11008, 2048, 0, 0),
    "mistral": (32000, 14336, 131072, 8, 0),
    "qwen2": (151936, 22016, 32768, 32, 0),
    "qwen3": (151936, 22016, 32768, 32, 128),
}


def read_config(data: Mapping[str, Any]) -> LlamaConfig:
    """The sizes in the config.json of one of these families, or transformers' defaults for missing fields; a
    ValueError names a field that is not implemented here."""
    family = data["model_type"]
    usual = dict(zip(NAMES, DEFAULTS[family], strict=True))
    refuse_unless(data, **NEUTRAL)
    if family != "llama":
        refuse_unless(data, mlp_bias=(False, None))
    n_head, n_layer = size(data, "num_attention_heads", default=32), size(data, "num_hidden_layers", default=32)
    if n_layer > 10_000:  # before anything of that length is made
        raise ValueError(f"num_hidden_layers is {n_layer}; expected at most 10000")
    n_ctx = size(data, "max_position_embeddings", default=usual["max_position_embeddings"])
    biased = family in ("llama", "qwen3") and field(data, "attention_bias", kind=bool, default=False)
    theta, scaling = read_rope(data, n_ctx)
    window, sliding_layers = read_window(data, family, n_layer, n_ctx)
    n_kv_head = n_head if "num_key_value_heads" in data else usual["num_key_value_heads"] or n_head
    return LlamaConfig(
        vocab_size=size(data, "vocab_size", default=usual["vocab_size"]),
        n_ctx=n_ctx,
        n_layer=n_layer,
        n_head=n_head,
        n_kv_head=size(data, "num_key_value_heads", default=n_kv_head, optional=True),
        n_embd=size(data, "hidden_size", default=4096),
        n_inner=size(data, "intermediate_size", default=usual["intermediate_size"]),
        head_dim=size(data, "head_dim", default=usual["head_dim"], optional=True),
        norm_eps=field(data, "rms_norm_eps", kind=float, default=1e-6),
        rope_theta=theta,
        rope_scaling=scaling,
        qkv_bias=family == "qwen2" or biased,
        o_bias=biased,
        mlp_bias=field(data, "mlp_bias", kind=bool, default=False),
        qk_norm=family == "qwen3",
        activation=activation_name(data, "hidden_act", "silu"),
        window=window,
        sliding_layers=sliding_layers,
        tied=field(data, "tie_word_embeddings", kind=bool, default=False),
    )


def read_window(data: Mapping[str, Any], family: str, n_layer: int, n_ctx: int) -> tuple[int, tuple[int, ...]]:
    """How many tokens a token sees in the layers with a sliding window, and which these are; (0, ()) if it sees all.

    Mistral's window applies to every layer; Qwen's needs use_sliding_window and applies to the layers from
    max_window_layers on, or to those that layer_types names. Llama has none.

    >>> qwen = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}
    >>> read_window(qwen, "qwen2", n_layer=4, n_ctx=64)
    (8, (2, 3))
    """
    named = read_layer_types(data, n_layer)
    window = size(data, "sliding_window", default=0, optional=True)
    if family == "llama":
        if named or 0 < window < n_ctx:
            raise ValueError(
                f"sliding_window is {data.get('sliding_window')!r}, and Llama has none: take it out for attention to "
                "all tokens, or set model_type to 'mistral' for a window"
            )
        return 0, ()
    if "sliding_window" not in data:
        window = 4096
    if family == "mistral":
        if data.get("layer_types") is not None:
            raise ValueError("layer_types makes a Mistral a Ministral, which is not implemented here: take it out")
        layers = tuple(range(n_layer))
    else:
        if not field(data, "use_sliding_window", kind=bool, default=False):
            window = 0
        first = field(data, "max_window_layers", default=28)
        if named and not window:
            raise ValueError("layer_types has sliding_attention, but use_sliding_window is not true")
        layers = tuple(range(max(first, 0), n_layer)) if data.get("layer_types") is None else named
    return (window, layers) if layers and 0 < window < n_ctx else (0, ())


def read_layer_types(data: Mapping[str, Any], n_layer: int) -> tuple[int, ...]:
    """Which layers have a sliding window according to layer_types."""
    types = data.get("layer_types")
    if types is None:
        return ()
    if not isinstance(types, list):
        raise ValueError(f"layer_types should be a list, not {types!r:.80}")
    for kind in types:
        if kind not in ("full_attention", "sliding_attention"):
            raise ValueError(
                f"layer_types has {kind!r:.80}; only full_attention and sliding_attention are implemented here"
            )
    if len(types) != n_layer:
        raise ValueError(f"layer_types has {len(types)} entries for {n_layer} layers (num_hidden_layers)")
    return tuple(i for i, kind in enumerate(types) if kind == "sliding_attention")


def write_config(config: LlamaConfig) -> dict[str, Any]:
    """The config.json that transformers reads, versions 4 and 5; a ValueError if none of its families matches."""
    family = family_of(config)
    names = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    slides = ["sliding_attention" if i in config.sliding_layers else "full_attention" for i in range(config.n_layer)]
    window: dict[str, Any] = {"sliding_window": config.window or None}
    if family.startswith("qwen"):
        window |= {"use_sliding_window": bool(config.sliding_layers), "layer_types": slides}
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
        **write_rope(config),
        "hidden_act": config.activation,
        "attention_bias": config.o_bias,
        **({"mlp_bias": config.mlp_bias} if family == "llama" else {}),
        **(window if family != "llama" else {}),
        "tie_word_embeddings": config.tied,
    }


def family_of(config: LlamaConfig) -> str:
    """The model_type in transformers that computes this."""
    slides = bool(config.sliding_layers)
    if config.qk_norm and config.qkv_bias == config.o_bias and not config.mlp_bias:
        return "qwen3"
    if not config.qk_norm and config.qkv_bias and not config.o_bias and not config.mlp_bias:
        return "qwen2"
    if not config.qk_norm and config.qkv_bias == config.o_bias and not slides:
        return "llama"
    every = config.sliding_layers == tuple(range(config.n_layer))
    if not (config.qk_norm or config.qkv_bias or config.o_bias or config.mlp_bias) and every:
        return "mistral"
    raise ValueError(f"no family of transformers is like this, so it cannot be written for it: {config}")


LLAMA_FAMILY = Family(
    name="llama",
    build=Llama,
    read_config=read_config,
    write_config=write_config,
    prefixes=("model.", "transformer."),
    ignored=re.compile(rf"(.*\.)?rotary_emb\.inv_freq|{OTHER_HEADS}"),
    transposed=re.compile(r"(?!)"),  # none: Linear's own layout
    embedding="embed_tokens.weight",
)
MISTRAL_FAMILY = replace(LLAMA_FAMILY, name="mistral")
QWEN2_FAMILY, QWEN3_FAMILY = replace(LLAMA_FAMILY, name="qwen2"), replace(LLAMA_FAMILY, name="qwen3")
