"""`minigpt parity` compares what both models computed: each planted mistake is named at the place where it is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from minigpt.analysis.parity import assert_parity, compare_layers
from minigpt.models import attention, gpt2
from minigpt.models.attention import Attention
from weights import load_checkpoint

pytest.importorskip("transformers")
RIGHT = Attention.forward
IDS = list(range(12))


def first_difference(path: Path) -> str:
    model = load_checkpoint(path, "cpu", "float64", force=True).model
    return next((layer.name for layer in compare_layers(model, path, IDS) if not layer.equal), "")


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
def test_equal(random_checkpoint: Callable[..., Path], family: str) -> None:
    path = random_checkpoint(family)
    assert first_difference(path) == ""
    assert_parity(load_checkpoint(path, "cpu").model, path, IDS)


def block_without_residual(self: gpt2.Block, x: torch.Tensor, kv: Any = None) -> torch.Tensor:
    x = x + self.drop(self.attn(self.ln_1(x), kv))
    return self.drop(self.mlp(self.ln_2(x)))


@pytest.mark.parametrize(
    ("where", "name", "mistake", "place"),
    [
        (Attention, "forward", lambda s, q, k, v, m=None: RIGHT(s, q * 2, k, v, m), "block 0 attention weights"),
        (attention, "softmax", lambda scores: scores.softmax(-2).nan_to_num(), "block 0 attention weights"),
        (Attention, "forward", lambda s, q, k, v, m=None: RIGHT(s, q, k, v, m) * 1.01, "block 0 attention"),
        (gpt2, "gelu", nn.functional.gelu, "block 0 MLP"),
        (gpt2.Block, "forward", block_without_residual, "block 0 residual stream"),
    ],
    ids=["scale", "softmax", "attention", "gelu", "residual"],
)
def test_a_mistake_is_named_where_it_is_made(
    random_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
    where: Any, name: str, mistake: Any, place: str,
) -> None:  # fmt: skip
    path = random_checkpoint("gpt2")
    monkeypatch.setattr(where, name, mistake)
    assert first_difference(path) == place
    with pytest.raises(AssertionError, match=f"^{place} differs by "):
        assert_parity(load_checkpoint(path, "cpu", "float64", force=True).model, path, IDS)
