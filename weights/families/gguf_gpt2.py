"""GPT-2 in GGUF: llama.cpp's names for the tensors; its matrices are stored as torch.nn.Linear does, (out, in)."""

LAYER_NAMES = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
NAMES = {"token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f", "output": "lm_head"}


def rename(key: str) -> str:
    """GPT-2's name for one of llama.cpp's tensors, or the same name if there is none.

    >>> rename("blk.3.attn_qkv.bias"), rename("position_embd.weight")
    ('h.3.attn.c_attn.bias', 'wpe.weight')
    """
    parts = key.split(".")
    if parts[0] == "blk" and len(parts) == 4 and parts[2] in LAYER_NAMES:
        return f"h.{parts[1]}.{LAYER_NAMES[parts[2]]}.{parts[3]}"
    return ".".join([NAMES.get(parts[0], parts[0]), *parts[1:]])
