"""Writes models of transformers as GGUF files the way llama.cpp's converter does, with the gguf package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

gguf: Any = pytest.importorskip("gguf")
LLAMA = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
GPT2 = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "lm_head": "output",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
Kinds = str | Callable[[str], str]  # of all matrices, or of each by its name


def neighbours(value: np.ndarray, n_head: int) -> np.ndarray:
    """llama.cpp's order of the rows of q and k: the two that turn together side by side."""
    n = value.shape[0] // n_head // 2
    return value.reshape(n_head, 2, n, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)


def blocks_of(value: np.ndarray, kind: str, seed: int = 0) -> np.ndarray:
    """The bytes of a tensor in a type; random ones of its size where the gguf package cannot quantize to it.

    Random bytes stay below 0x24, so that every half-precision scale among them is finite and small.
    """
    of = gguf.GGMLQuantizationType[kind]
    try:
        return gguf.quantize(value, of)
    except NotImplementedError:
        shape = gguf.quant_shape_to_byte_shape(value.shape, of)
        return np.random.default_rng(seed).integers(0, 0x24, shape, dtype=np.uint8)


def sizes_of(writer: Any, config: Any, arch: str) -> None:
    """The sizes in the header."""
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    if arch == "gpt2":
        writer.add_feed_forward_length(config.n_inner or 4 * config.hidden_size)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if arch == "llama":
        writer.add_rope_dimension_count(head_dim)
    else:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)


def write(
    path: Path,
    model: Any,
    kind: Kinds = "F32",
    arch: str = "llama",
    tensors: dict[str, np.ndarray] | None = None,
    edit: Callable[[Any], None] = lambda _: None,
    **extra: Any,
) -> dict[str, torch.Tensor]:
    """A model of transformers as a GGUF file; returns its state with the numbers that the file holds.

    `tensors` are further ones, `edit` does more with the writer, `extra` are values, "." written as "__".
    """
    writer = gguf.GGUFWriter(path, arch)
    sizes_of(writer, model.config, arch)
    for key, value in extra.items():
        add = {bool: writer.add_bool, str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}
        (writer.add_array if isinstance(value, list) else add[type(value)])(key.replace("__", "."), value)
    kept = {}
    for i, (key, tensor) in enumerate(model.state_dict().items()):
        if key == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        value, turn = tensor.numpy().astype(np.float32), lambda value: value
        if arch == "llama" and ("q_proj" in key or "k_proj" in key):
            n_head = model.config.num_attention_heads if "q_proj" in key else model.config.num_key_value_heads
            value, turn = neighbours(value, n_head), lambda value, n=n_head: neighbours_undone(value, n)
        if arch == "gpt2" and value.ndim == 2 and ".h." in key:
            value, turn = value.T, lambda value: value.T
        name = gguf_name(key, GPT2 if arch == "gpt2" else LLAMA)
        of = (
            "F32"
            if value.ndim == 1 or name == "position_embd.weight"
            else kind
            if isinstance(kind, str)
            else kind(name)
        )
        raw = gguf.GGMLQuantizationType[of]
        data = blocks_of(np.ascontiguousarray(value), of, seed=i)
        writer.add_tensor(name, data, raw_dtype=raw)
        kept[key] = torch.from_numpy(np.array(turn(gguf.dequantize(data, raw).reshape(value.shape))))
    for name, value in (tensors or {}).items():
        writer.add_tensor(name, value)
    edit(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return kept


def neighbours_undone(value: np.ndarray, n_head: int) -> np.ndarray:
    """The order of rows before `neighbours`."""
    return value.reshape(n_head, -1, 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)


def gguf_name(key: str, names: dict[str, str]) -> str:
    """llama.cpp's name for a tensor of transformers."""
    module, _, last = key.rpartition(".")
    parts = module.split(".")
    if len(parts) > 3 and parts[1] in ("layers", "h"):
        return f"blk.{parts[2]}.{names['.'.join(parts[3:])]}.{last}"
    return f"{names[module]}.{last}"
