"""Twins for the parity tests: one of our models and one of transformers' with the same random weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama grouped": ("llama", {}),
    "llama plain heads, tied": ("llama", {"num_key_value_heads": 6, "tie_word_embeddings": True}),
    "llama one key head, slow rotation": ("llama", {"num_key_value_heads": 1, "rope_theta": 500000.0}),
    "llama smollm2-like": (
        "llama",
        {"hidden_size": 54, "num_attention_heads": 9, "rope_theta": 100000.0, "rms_norm_eps": 1e-5}
        | {"tie_word_embeddings": True},
    ),
    "llama odd sizes": (
        "llama",
        {"hidden_size": 35, "intermediate_size": 41, "vocab_size": 67, "num_attention_heads": 5, "head_dim": 14}
        | {"num_key_value_heads": 5, "num_hidden_layers": 2},
    ),
    "qwen2 grouped, biases": ("qwen2", {"rope_theta": 1000000.0}),
    "qwen2 plain heads, biases, tied": ("qwen2", {"num_key_value_heads": 6, "tie_word_embeddings": True}),
    "qwen3 head_dim of its own": ("qwen3", {"rope_theta": 1000000.0}),
    "qwen3 wide heads, tied": ("qwen3", {"head_dim": 16, "num_key_value_heads": 2, "tie_word_embeddings": True}),
    "qwen3 fast rotation": ("qwen3", {"rope_theta": 100.0, "num_key_value_heads": 1}),
}


@pytest.fixture
def llama_twins(random_reference: Callable[..., Any]) -> Callable[..., tuple[Llama, Any]]:
    """`llama_twins(shape, dtype=torch.float32)`: our model and transformers', one with the other's weights."""

    def make(shape: str, dtype: torch.dtype = torch.float32) -> tuple[Llama, Any]:
        return twins(random_reference, shape, dtype)

    return make


def twins(random_reference: Callable[..., Any], shape: str, dtype: torch.dtype) -> tuple[Llama, Any]:
    family, sizes = SHAPES[shape]
    sizes = dict(sizes)
    theta = sizes.pop("rope_theta", 10000.0)
    rope = {"rope_type": "default", "rope_theta": theta}  # as transformers 5 says it; 4 says it without the dict
    reference = random_reference(family, rope_theta=theta, rope_parameters=rope, **sizes)
    names = reference.config
    config = LlamaConfig(
        vocab_size=names.vocab_size,
        n_ctx=names.max_position_embeddings,
        n_layer=names.num_hidden_layers,
        n_head=names.num_attention_heads,
        n_kv_head=names.num_key_value_heads,
        n_embd=names.hidden_size,
        n_inner=names.intermediate_size,
        head_dim=getattr(names, "head_dim", None) or 0,
        norm_eps=names.rms_norm_eps,
        rope_theta=theta,
        qkv_bias=family == "qwen2",
        qk_norm=family == "qwen3",
        tied=names.tie_word_embeddings,
    )
    ours = Llama(config).eval()
    weights = {name.removeprefix("model."): w for name, w in reference.state_dict().items()}
    if config.tied:
        del weights["lm_head.weight"]
    ours.load_state_dict(weights)
    return ours.to(dtype), reference.to(dtype)
