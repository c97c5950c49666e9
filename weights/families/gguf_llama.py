"""Llama, Qwen2 and Qwen3 in GGUF: llama.cpp's names for the tensors, and its order of the rows of Llama's q and k."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from weights.formats.stored import StoredTensor

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}


def rename(key: str) -> str:
    """Llama's name for one of llama.cpp's tensors, or the same name if there is none.

    >>> rename("blk.3.attn_q.weight"), rename("token_embd.weight"), rename("rope_freqs.weight")
    ('layers.3.self_attn.q_proj.weight', 'embed_tokens.weight', 'rope_freqs.weight')
    """
    parts = key.split(".")
    if parts[0] == "blk" and len(parts) == 4 and parts[2] in LAYER_NAMES:
        return f"layers.{parts[1]}.{LAYER_NAMES[parts[2]]}.{parts[3]}"
    return ".".join([NAMES.get(parts[0], parts[0]), *parts[1:]])


def reorder(name: str, tensor: StoredTensor, n_head: int, n_kv_head: int, head_dim: int) -> StoredTensor | None:
    """A projection to q or k, weight or bias, with its rows in Llama's order; None for any other tensor."""
    for part, n in ((".self_attn.q_proj.", n_head), (".self_attn.k_proj.", n_kv_head)):
        if part in name and tensor.shape and tensor.shape[0] == n * head_dim:
            return replace(tensor, read=halves(tensor.read, n))
    return None


def halves(read: Callable[[], Tensor], n_head: int) -> Callable[[], Tensor]:
    """The rows of each head in Llama's order: the first of every rotary pair, then the second.

    Rotary positions pair rows: neighbours in llama.cpp, (0, 1), (2, 3), …; in Llama (0, D/2), (1, D/2 + 1), ….

    >>> import torch
    >>> halves(lambda: torch.arange(8.0), n_head=2)().tolist()
    [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
    """

    def reordered() -> Tensor:
        value = read()
        return value.unflatten(0, (n_head, -1, 2)).transpose(1, 2).reshape(value.shape)

    return reordered
