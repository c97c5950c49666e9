"""The hand-written parts against PyTorch's own."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minigpt.fast.fused import FusedAttention
from minigpt.models.attention import Attention, causal_mask, merge_heads, split_heads
from minigpt.models.config import GPT2Config
from minigpt.models.layers import Dropout, Embedding, LayerNorm, Linear, gelu, softmax
from minigpt.models.llama import RMSNorm, silu
from minigpt.models.llama_config import LlamaConfig

SHAPES = [(3, 5, 12), (12,), (1, 1, 1, 12)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Linear(12, 7), nn.Linear(12, 7)),
        (Linear(12, 7, bias=False), nn.Linear(12, 7, bias=False)),
        (LayerNorm(12), nn.LayerNorm(12)),
        (LayerNorm(12, eps=0.1), nn.LayerNorm(12, eps=0.1)),
    ],
    ids=["Linear", "Linear without bias", "LayerNorm", "LayerNorm eps"],
)
def test_layer_equals_torchs(ours: nn.Module, theirs: nn.Module, shape: tuple[int, ...]) -> None:
    ours, theirs = ours.double(), theirs.double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_()
    ours.load_state_dict(theirs.state_dict())  # the same names and shapes
    x = 3 * torch.randn(shape, dtype=torch.float64) + 1
    assert torch.allclose(ours(x), theirs(x), rtol=0, atol=1e-12)


def test_rms_norm_equals_torchs_in_float32() -> None:
    ours, theirs = RMSNorm(12, eps=1e-3), nn.RMSNorm(12, eps=1e-3)
    nn.init.normal_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    x = 3 * torch.randn(3, 5, 12) + 1
    assert torch.allclose(ours(x), theirs(x), rtol=0, atol=1e-6)
    big = torch.full((12,), 300.0, dtype=torch.float16)  # its squares overflow float16, not float32
    assert torch.allclose(RMSNorm(12).half()(big), torch.ones(12, dtype=torch.float16))


def test_embedding_equals_torchs() -> None:
    ours, theirs = Embedding(11, 5), nn.Embedding(11, 5)
    ours.load_state_dict(theirs.state_dict())
    ids = torch.tensor([[0, 10, 3]])
    assert torch.equal(ours(ids), theirs(ids))
    with pytest.raises(IndexError):
        ours(torch.tensor([11]))


def test_activations_equal_torchs() -> None:
    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    assert torch.allclose(gelu(x), F.gelu(x, approximate="tanh"), rtol=0, atol=1e-14)
    assert torch.allclose(silu(x), F.silu(x), rtol=0, atol=1e-14)
    assert (gelu(x) - F.gelu(x)).abs().max() > 1e-4  # the exact form is another function


def test_softmax_equals_torchs_also_for_large_and_forbidden_scores() -> None:
    x = 300 * torch.randn(4, 7, dtype=torch.float64)
    x[1, 3:] = -math.inf
    assert torch.allclose(softmax(x), x.softmax(-1), rtol=1e-12, atol=0)
    assert torch.allclose(softmax(x).sum(-1), torch.ones(4, dtype=torch.float64))


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer, x = Dropout(0.3), torch.ones(200_000)
    y = layer(x)
    assert abs((y == 0).float().mean().item() - 0.3) < 0.01
    assert abs(y.mean().item() - 1) < 0.01
    assert torch.equal(layer.eval()(x), x)


@settings(max_examples=80, deadline=None)
@given(
    n_rows=st.integers(1, 3),
    n_new=st.integers(1, 6),
    n_past=st.integers(0, 5),
    n_kv=st.integers(1, 3),
    group=st.integers(1, 3),
    head_dim=st.integers(1, 9),
    with_mask=st.booleans(),
    seed=st.integers(0, 999),
)
def test_fused_attention_equals_the_one_by_hand(
    n_rows: int, n_new: int, n_past: int, n_kv: int, group: int, head_dim: int, with_mask: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    n_slots = n_past + n_new if with_mask else n_new

    def draw(heads: int, length: int) -> torch.Tensor:
        return torch.randn(n_rows, heads, length, head_dim, generator=generator, dtype=torch.float64)

    q, k, v = draw(n_kv * group, n_new), draw(n_kv, n_slots), draw(n_kv, n_slots)
    mask = None
    if with_mask:
        start = torch.randint(n_past + 1, (n_rows, 1), generator=generator)
        mask = causal_mask(start + torch.arange(n_new), n_slots)
    by_hand = Attention()(q, k, v, mask)
    assert by_hand.shape == (n_rows, n_kv * group, n_new, head_dim)
    assert (FusedAttention()(q, k, v, mask) - by_hand).abs().max() < 1e-12


def test_attention_by_hand_in_a_loop_over_every_number() -> None:
    """The definition itself, number by number: the third opinion that both forms are held to."""
    q, k, v = (torch.randn(1, 2, 4, 3, dtype=torch.float64) for _ in range(3))
    y = Attention()(q, k, v)
    for head in range(2):
        for t in range(4):
            scores = [math.exp(float(q[0, head, t] @ k[0, head, s]) / math.sqrt(3)) for s in range(t + 1)]
            expected = sum(w * v[0, head, s] for s, w in enumerate(scores)) / sum(scores)
            assert torch.allclose(y[0, head, t], torch.as_tensor(expected), rtol=0, atol=1e-12)


def test_heads_are_slices_of_the_channels() -> None:
    x = torch.arange(24.0).view(1, 2, 12)
    heads = split_heads(x, 4)
    assert torch.equal(heads[0, 1, 0], x[0, 0, 4:8])
    assert torch.equal(merge_heads(heads), x)


@pytest.mark.parametrize(
    ("config", "sizes", "message"),
    [
        (GPT2Config, {"n_embd": 10, "n_head": 3}, "n_embd 10 does not divide into n_head 3 heads"),
        (GPT2Config, {"n_layer": 0}, "n_layer must be at least 1, not 0"),
        (GPT2Config, {"n_ctx": -5}, "n_ctx must be at least 1, not -5"),
        (GPT2Config, {"dropout": 1.0}, "dropout must be from 0 to below 1, not 1.0"),
        (LlamaConfig, {"n_head": 4, "n_kv_head": 3}, "n_head 4 does not divide into n_kv_head 3 groups"),
        (LlamaConfig, {"head_dim": 5}, "head_dim 5 is odd"),
    ],
)
def test_impossible_sizes_are_refused_with_the_numbers(config: Any, sizes: dict[str, Any], message: str) -> None:
    if config is LlamaConfig:
        usual = {"vocab_size": 9, "n_ctx": 8, "n_layer": 1, "n_head": 2, "n_kv_head": 2, "n_embd": 8, "n_inner": 8}
        sizes = usual | sizes
    with pytest.raises(ValueError, match=message):
        config(**sizes)
