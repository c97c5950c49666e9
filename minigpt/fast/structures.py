"""The structures that native.c reads: where a model's tensors are in memory, and their sizes. Names as in native.c."""

from ctypes import POINTER, Structure, c_float, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from minigpt.fast.int8 import Int8
from minigpt.models import llama

TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2, torch.int8: 3}  # as in native.c
GELU, SILU = range(2)


class CNorm(Structure):
    _fields_ = [("weight", c_void_p), ("bias", c_void_p), ("type", c_int64), ("n", c_int64), ("eps", c_float)]


class CLinear(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("weight", "bias", "scale")),
        *((name, c_int64) for name in ("type", "bias_type", "n_in", "n_out", "by_input")),
    ]


class CBlock(Structure):
    _fields_ = [
        *((name, CNorm) for name in ("ln_1", "ln_2", "q_norm", "k_norm")),
        ("qkv", CLinear * 3),
        *((name, CLinear) for name in ("proj", "fc", "gate", "down")),
        ("window", c_int64),
        ("score_scale", c_float),
    ]


SIZES = ("n_layer", "n_embd", "n_head", "n_kv_head", "head_dim", "n_inner")


class CModel(Structure):
    _fields_ = [*((name, c_int64) for name in (*SIZES, "activation")), ("ln_f", CNorm), ("blocks", POINTER(CBlock))]


class CCache(Structure):
    _fields_ = [("k", c_void_p), ("v", c_void_p), *((n, c_int64) for n in ("type", "layer", "row", "head", "slot"))]


def c_norm(part: Any) -> CNorm:
    bias = getattr(part, "bias", None)
    return CNorm(part.weight.data_ptr(), address(bias), TYPES[part.weight.dtype], part.weight.numel(), part.eps)


def c_linear(part: Any) -> CLinear:
    """A matrix (out, in) as it is stored in memory; a ValueError if that is in neither of the two usual ways."""
    weight, bias = part.values if isinstance(part, Int8) else part.weight, getattr(part, "bias", None)
    n_out, n_in = weight.shape
    if not (weight.is_contiguous() or weight.T.is_contiguous()):
        raise ValueError(f"a matrix of {n_out} x {n_in} with the strides {weight.stride()}")
    by_input = not weight.is_contiguous()
    types = TYPES[weight.dtype], TYPES[weight.dtype if bias is None else bias.dtype]
    scale = address(part.scale) if isinstance(part, Int8) else None
    return CLinear(weight.data_ptr(), address(bias), scale, *types, n_in, n_out, by_input)


def address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def gpt2_block(block: Any) -> CBlock:
    attn, mlp = block.attn, block.mlp
    found = CBlock(c_norm(block.ln_1), c_norm(block.ln_2), proj=c_linear(attn.c_proj), fc=c_linear(mlp.c_fc))
    found.qkv[0], found.down = c_linear(attn.c_attn), c_linear(mlp.c_proj)
    found.score_scale = getattr(attn.attention, "scale", 1.0) / attn.head_dim**0.5
    return found


def llama_block(block: Any) -> CBlock:
    attn, mlp = block.self_attn, block.mlp
    found = CBlock(c_norm(block.input_layernorm), c_norm(block.post_attention_layernorm), proj=c_linear(attn.o_proj))
    for i, part in enumerate((attn.q_proj, attn.k_proj, attn.v_proj)):
        found.qkv[i] = c_linear(part)
    if isinstance(attn.q_norm, llama.RMSNorm):
        found.q_norm, found.k_norm = c_norm(attn.q_norm), c_norm(attn.k_norm)
    found.fc, found.gate, found.down = c_linear(mlp.up_proj), c_linear(mlp.gate_proj), c_linear(mlp.down_proj)
    found.window, found.score_scale = attn.window, attn.head_dim**-0.5
    return found


def described(model: Any) -> CModel:
    """The structures of a GPT-2 or Llama, with the present addresses of its tensors."""
    config, is_llama = model.config, isinstance(model, llama.Llama)
    blocks = [llama_block(block) for block in model.layers] if is_llama else [gpt2_block(block) for block in model.h]
    sizes = [getattr(config, name) for name in SIZES]
    last = c_norm(model.norm if is_llama else model.ln_f)
    return CModel(*sizes, SILU if is_llama else GELU, last, (CBlock * len(blocks))(*blocks))
