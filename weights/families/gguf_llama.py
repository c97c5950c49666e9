"""A Llama in GGUF: llama.cpp's names for the sizes and the tensors, and its order of the rows of q and k."""

from collections.abc import Callable, Mapping
from math import isclose
from pathlib import Path
from typing import Any

from torch import Tensor

from minigpt.models.llama_config import LlamaConfig
from weights.families.family import field
from weights.formats import gguf
from weights.formats.stored import StoredTensor

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}


def read(path: Path) -> tuple[dict[str, Any], LlamaConfig, dict[str, StoredTensor], list[str]]:
    """The named values, the sizes, the tensors under Llama's names, and which of them were put in another order.

    A ValueError names a value that this Llama does not implement.
    """
    values, stored = gguf.read(path)
    try:
        config = read_config(values, stored)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    tensors: dict[str, StoredTensor] = {}
    reordered = []
    for key, tensor in stored.items():
        name = rename(key)
        for part, n_head in (("q_proj.weight", config.n_head), ("k_proj.weight", config.n_kv_head)):
            if name.endswith(part) and tensor.shape and tensor.shape[0] == n_head * config.head_dim:
                tensor = StoredTensor(tensor.shape, tensor.dtype, tensor.kind, halves(tensor.read, n_head))
                reordered.append(name)
        tensors[name] = tensor
    return values, config, tensors, reordered


def rename(key: str) -> str:
    """Llama's name for a tensor of llama.cpp's, or the same where there is none.

    >>> rename("blk.3.attn_q.weight"), rename("token_embd.weight"), rename("rope_freqs.weight")
    ('layers.3.self_attn.q_proj.weight', 'embed_tokens.weight', 'rope_freqs.weight')
    """
    parts = key.split(".")
    if parts[0] == "blk" and len(parts) == 4 and parts[2] in LAYER_NAMES:
        return f"layers.{parts[1]}.{LAYER_NAMES[parts[2]]}.{parts[3]}"
    return ".".join([NAMES.get(parts[0], parts[0]), *parts[1:]])


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


def read_config(values: Mapping[str, Any], stored: Mapping[str, StoredTensor]) -> LlamaConfig:
    """The sizes in a GGUF file's values and tensors."""
    if values.get("general.architecture") != "llama":
        raise ValueError(f"general.architecture is {values.get('general.architecture')!r}; only 'llama' is read here")
    scaling = values.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise ValueError(f"llama.rope.scaling.type is {scaling!r}; only 'none' is implemented here")
    if values.get("llama.expert_count"):
        raise ValueError(
            f"llama.expert_count is {values['llama.expert_count']}; mixtures of experts are not implemented here"
        )
    if len(getattr(stored.get("token_embd.weight"), "shape", ())) != 2:
        raise ValueError("token_embd.weight, the embedding, is missing or no matrix")
    n_head, n_embd = field(values, "llama.attention.head_count"), field(values, "llama.embedding_length")
    head_dim = field(values, "llama.attention.key_length", default=n_embd // max(1, n_head))
    rotary = field(values, "llama.rope.dimension_count", default=head_dim)
    if rotary != head_dim:
        raise ValueError(f"llama.rope.dimension_count is {rotary}; expected all {head_dim} of a head's values")
    n_ctx = field(values, "llama.context_length")
    window = field(values, "llama.attention.sliding_window", default=0)
    if 0 < window < n_ctx:
        raise ValueError(f"llama.attention.sliding_window {window} is narrower than the {n_ctx} positions")
    for name, neutral in (
        ("llama.attention.value_length", head_dim),
        ("llama.attention.scale", max(1, head_dim) ** -0.5),
        ("llama.logit_scale", 1.0),
    ):
        value = field(values, name, kind=float, default=0.0)  # 0 stands for none
        if value and not isclose(value, neutral, rel_tol=1e-6):
            raise ValueError(f"{name} is {value:g}; only {neutral:g} is implemented here")
    return LlamaConfig(
        vocab_size=stored["token_embd.weight"].shape[0],
        n_ctx=n_ctx,
        n_layer=field(values, "llama.block_count"),
        n_head=n_head,
        n_kv_head=field(values, "llama.attention.head_count_kv", default=n_head),
        n_embd=n_embd,
        n_inner=field(values, "llama.feed_forward_length"),
        head_dim=head_dim,
        norm_eps=field(values, "llama.attention.layer_norm_rms_epsilon", kind=float),
        rope_theta=field(values, "llama.rope.freq_base", kind=float, default=10000.0),
        tied="output.weight" not in stored,
    )


def read_generation_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """The special ids, under the names of generation_config.json."""
    names = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    ids = {name: values.get(f"tokenizer.ggml.{short}_token_id") for name, short in names.items()}
    return {name: id for name, id in ids.items() if id is not None}
