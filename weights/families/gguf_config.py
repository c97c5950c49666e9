"""The sizes in a GGUF file's header, as the equivalent fields of config.json; what has none is refused by name.

The keys: docs/gguf.md of the ggml project; what llama.cpp makes of them: its src/llama-model.cpp and src/models/.
"""

from collections.abc import Mapping
from math import isclose
from typing import Any

from weights.families.family import field
from weights.families.gguf_rope import rope_scaling
from weights.formats.stored import StoredTensor

Values = Mapping[str, Any]

LLAMA_FIELDS = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
GPT2_FIELDS = {
    "context_length": "n_positions",
    "embedding_length": "n_embd",
    "block_count": "n_layer",
    "feed_forward_length": "n_inner",
    "attention.head_count": "n_head",
    "attention.layer_norm_epsilon": "layer_norm_epsilon",
}
FIELDS = {"llama": LLAMA_FIELDS, "qwen2": LLAMA_FIELDS, "qwen3": LLAMA_FIELDS, "gpt2": GPT2_FIELDS}
OPTIONAL = ("attention.head_count_kv", "attention.key_length", "rope.freq_base")
SCALING = (
    *("type", "factor", "original_context_length", "attn_factor", "yarn_ext_factor", "yarn_attn_factor"),
    *("yarn_beta_fast", "yarn_beta_slow", "yarn_log_multiplier"),
)
WITHOUT_EFFECT = {  # on the logits of a text
    *("tensor_data_layout", "rope.scaling.finetuned", "pooling_type", "expert_used_count", "rope.scale_linear"),
    *(f"rope.scaling.{name}" for name in SCALING),  # read below, where they have one
}


def as_config(values: Values, stored: Mapping[str, StoredTensor]) -> dict[str, Any]:
    """What a config.json of this model would hold; a ValueError names what is missing or not implemented here."""
    arch = values.get("general.architecture")
    if values.get("general.type", "model") != "model":
        raise ValueError(
            f"general.type is {values['general.type']!r:.60}, which holds no whole model: name the model's own file"
        )
    if arch not in FIELDS:
        raise ValueError(f"general.architecture is {arch!r:.60}; only {', '.join(FIELDS)} are read here")
    embedding = stored.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise ValueError("token_embd.weight, the embedding, is missing or no matrix")
    config: dict[str, Any] = {"model_type": arch, "vocab_size": embedding.shape[0]}
    for key, name in FIELDS[arch].items():
        config[name] = field(values, f"{arch}.{key}", kind=float if key.endswith("epsilon") else int)
    check_layers(values, stored, arch)
    n_head, n_embd = values[f"{arch}.attention.head_count"], values[f"{arch}.embedding_length"]
    head_dim = field(values, f"{arch}.attention.key_length", default=n_embd // max(1, n_head))
    config["tie_word_embeddings"] = "output.weight" not in stored
    if arch != "gpt2":
        config["head_dim"] = head_dim
        config["num_key_value_heads"] = field(values, f"{arch}.attention.head_count_kv", default=n_head)
        config["rope_theta"] = field(values, f"{arch}.rope.freq_base", kind=float, default=10000.0)
        factors = stored.get("rope_freqs.weight") if arch == "llama" else None
        scaling = rope_scaling(values, arch, config, factors.read().tolist() if factors else None)
        config |= {"rope_scaling": scaling} if scaling else {}
    if arch == "llama":
        config["attention_bias"] = any(key.endswith(".attn_q.bias") for key in stored)
        config["mlp_bias"] = any(key.endswith(".ffn_up.bias") for key in stored)
    refuse_others(values, arch, head_dim, embedding.shape[0])
    return config


def check_layers(values: Values, stored: Mapping[str, StoredTensor], arch: str) -> None:
    """A ValueError if the header's number of layers differs from the file's, before that many are made."""
    n = len({key.split(".")[1] for key in stored if key.startswith("blk.")})
    if values[f"{arch}.block_count"] != n:
        raise ValueError(f"{arch}.block_count is {values[f'{arch}.block_count']}, the file has {n} blocks")


def refuse_others(values: Values, arch: str, head_dim: int, n_vocab: int) -> None:
    """A ValueError for the first key of the architecture that would change the numbers and is not implemented here."""
    neutral: dict[str, Any] = {
        "vocab_size": n_vocab,
        "rope.dimension_count": head_dim,
        "attention.value_length": head_dim,
        "attention.scale": max(1, head_dim) ** -0.5,
        "attention.causal": True,
        **dict.fromkeys(("logit_scale", "residual_scale", "embedding_scale"), 1.0),
    }
    if arch == "gpt2":
        neutral |= {"attention.key_length": head_dim, "attention.head_count_kv": values[f"{arch}.attention.head_count"]}
    read = {*FIELDS[arch], *WITHOUT_EFFECT, *(OPTIONAL if arch != "gpt2" else ())}
    n_ctx = values[f"{arch}.context_length"]
    for key, value in values.items():
        name = key.removeprefix(f"{arch}.")
        if name == key or name in read or value in (0, "", []):  # 0 and false stand for none
            if name == "attention.causal" and value is False:
                raise ValueError(f"{key} is false; only attention to the tokens before is implemented here")
            continue
        wide = name == "attention.sliding_window" and isinstance(value, int) and value >= n_ctx
        if name in neutral and isinstance(value, (int, float)) and isclose(value, neutral[name], rel_tol=1e-6):
            continue
        if not wide:
            only = (
                f"; only {neutral[name]:g} is implemented here"
                if name in neutral
                else ", which is not implemented here"
            )
            raise ValueError(f"{key} is {f'{value:g}' if isinstance(value, float) else repr(value)[:60]}{only}")
