"""Mutations of minigpt.llama: each undoes one step, and parity with transformers must turn red."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt.models import layers, llama
from minigpt.models.attention import Attention
from minigpt.models.llama import Llama


def unrotated(x: Tensor, _cos: Tensor, _sin: Tensor) -> Tensor:
    """Position forgotten."""
    return x


def interleaved(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The other layout: neighbours are paired, as in the paper and in GGUF files of Llama."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)


RIGHT = Attention.forward


def tiled_groups(self: Attention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Key heads repeated as a, b, c, a, b, c instead of a, a, b, b, c, c."""
    n = q.shape[1] // k.shape[1]
    return RIGHT(self, q, k.repeat(1, n, 1, 1), v.repeat(1, n, 1, 1), mask)


def wide_norm(self: llama.RMSNorm, x: Tensor) -> Tensor:
    """The norm in the vector's own type."""
    return self.weight * (x * torch.rsqrt((x * x).mean(dim=-1, keepdim=True) + self.eps))


def drop_bias(model: Llama, name: str) -> None:
    getattr(model.layers[1].self_attn, name).bias = None


MUTATIONS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch, Llama], Any]]] = {
    "q without bias": ("qwen2 grouped, biases", lambda _, model: drop_bias(model, "q_proj")),
    "k without bias": ("qwen2 grouped, biases", lambda _, model: drop_bias(model, "k_proj")),
    "v without bias": ("qwen2 grouped, biases", lambda _, model: drop_bias(model, "v_proj")),
    "no rotation": ("llama grouped", lambda patch, _: patch.setattr(llama, "apply_rope", unrotated)),
    "rotation of neighbours": ("llama grouped", lambda patch, _: patch.setattr(llama, "apply_rope", interleaved)),
    "groups tiled": ("llama grouped", lambda patch, _: patch.setattr(Attention, "forward", tiled_groups)),
    "norm not in float32": ("llama grouped", lambda patch, _: patch.setattr(llama.RMSNorm, "forward", wide_norm)),
    "q without norm": (
        "qwen3 head_dim of its own",
        lambda patch, model: patch.setattr(model.layers[0].self_attn, "q_norm", torch.nn.Identity()),
    ),
    "silu for gelu": ("llama grouped", lambda patch, _: patch.setattr(llama, "silu", layers.gelu)),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_turns_parity_red(llama_twins: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shape, mutate = MUTATIONS[name]
    ours, reference = llama_twins(shape, torch.float64)
    ids = torch.randint(ours.config.vocab_size, (2, 17), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = reference(ids).logits
        right = (ours(ids) - expected).abs().max().item()
        mutate(monkeypatch, ours)
        wrong = (ours(ids) - expected).abs().max().item()
    assert right < 1e-8
    # In float64 the norm's own roundings are all there is to see; every other mutation is plain in float32 too.
    assert wrong > (1e-8 if name == "norm not in float32" else 1e-2)
