"""T5 against transformers' T5ForConditionalGeneration, versions 1.0 and 1.1: the same vectors after every layer of both
sides and the same logits, with padding and ragged batches. Each way of being wrong is planted, and must be seen."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.models import relative, t5
from minigpt.models.relative import RelativeBias, relative_bucket
from minigpt.models.t5 import T5, T5Attention, T5Block, T5Config, T5Norm
from minigpt.models.variants.activations import exact_gelu
from tests.parity.seq2seq import TOLERANCE, assert_agree, batch, cached, differences, pair

GATED = {"feed_forward_proj": "gated-gelu"}
V11 = GATED | {"tie_word_embeddings": False}
SHAPES: dict[str, dict[str, Any]] = {
    "1.0": {},
    "1.1": V11,
    "1.0 gated, tied": GATED,
    "1.0 with a head of its own": {"tie_word_embeddings": False},
    "one layer, one head": {"num_layers": 1, "num_decoder_layers": 1, "num_heads": 1, "d_model": 20},
    "heads wider than the stream": {"d_model": 10, "d_kv": 17, "num_heads": 5, **V11},
    "heads of one value, odd vocabulary": {"vocab_size": 997, "d_kv": 1, "num_heads": 7},
    "few buckets": {"relative_attention_num_buckets": 6, "relative_attention_max_distance": 9},
    "an odd number of buckets": {"relative_attention_num_buckets": 11, "relative_attention_max_distance": 20, **V11},
    "all distances apart": {"relative_attention_num_buckets": 128, "relative_attention_max_distance": 300},
    "more layers that read, another epsilon": {"num_layers": 5, "num_decoder_layers": 1, "layer_norm_epsilon": 1e-3},
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
def test_every_layer_and_the_logits_agree(tmp_path: Any, sizes: dict[str, Any], dtype: torch.dtype) -> None:
    assert_agree(*pair(tmp_path, "t5", dtype, **sizes), TOLERANCE[dtype])


def test_true_size_agrees(tmp_path: Any) -> None:
    """The shape of T5-small, but for fewer layers and tokens, and a text longer than max_distance; its weights are
    about as large as trained ones."""
    sizes = {"vocab_size": 999, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8}
    ours, theirs = pair(tmp_path, "t5", torch.float32, **sizes, num_layers=1, num_decoder_layers=1)
    for parameter in (*ours.parameters(), *theirs.parameters()):
        parameter.data *= 0.25 if parameter.shape[0] > 32 and parameter.ndim == 2 else 1
    assert max(differences(ours, theirs, batch(ours, 200, 140))) < 1e-4


@settings(max_examples=300, deadline=None)
@given(
    distances=st.lists(st.integers(-5000, 5000), min_size=1, max_size=40),
    n_buckets=st.integers(4, 200),
    farther=st.integers(1, 500),
    both_ways=st.booleans(),
)
def test_buckets_are_those_of_transformers(distances: list[int], n_buckets: int, farther: int, both_ways: bool) -> None:
    theirs = pytest.importorskip("transformers.models.t5.modeling_t5").T5Attention._relative_position_bucket
    given, far = torch.tensor(distances), n_buckets // 2 + farther
    expected = theirs(given, bidirectional=both_ways, num_buckets=n_buckets, max_distance=far)
    assert relative_bucket(given, n_buckets, far, both_ways).tolist() == expected.tolist()


# --- Every planted mistake must be seen -------------------------------------------------------------------------

BLOCK, ATTENTION, BIAS, CROSS, BUCKET = (
    T5Block.forward,
    T5Attention.forward,
    RelativeBias.forward,
    T5.cross,
    relative_bucket,
)
EVERYWHERE = torch.ones(1, 1, 1, 1, dtype=torch.bool)
Plant = Callable[[T5, pytest.MonkeyPatch], Any]


def block(forward: Callable[..., Tensor]) -> Plant:
    """A block computes something else from itself, x, mask, bias and cross."""
    return lambda _model, patch: patch.setattr(
        T5Block,
        "forward",
        lambda self, x, mask, bias, kv=None, cross=(): forward(self, x, mask, bias, cross),  # noqa: ARG005
    )


def attention(forward: Callable[..., Tensor]) -> Plant:
    """Attention computes something else from itself, x, k, v, mask and bias."""
    return lambda _model, patch: patch.setattr(
        T5Attention, "forward", lambda self, x, k, v, mask, bias=0.0: forward(self, x, k, v, mask, bias)
    )


def buckets(forward: Callable[..., Tensor]) -> Plant:
    return lambda _model, patch: patch.setattr(relative, "relative_bucket", forward)


def post_norm(self: T5Block, x: Tensor, mask: Tensor, bias: Tensor, cross: Any) -> Tensor:
    x = self.ln_1(x + self.attn(x, *self.attn.keys_values(x), mask, bias))
    x = self.ln_cross(x + self.cross_attn(x, *cross)) if cross else x
    return self.ln_2(x + self.mlp(x))


def cross_from_the_decoder(self: T5Block, x: Tensor, mask: Tensor, bias: Tensor, cross: Any) -> Tensor:
    wrong = (*self.cross_attn.keys_values(x), EVERYWHERE) if cross else ()
    return BLOCK(self, x, mask, bias, None, wrong)


def cross_with_bias(self: T5Block, x: Tensor, mask: Tensor, bias: Tensor, cross: Any) -> Tensor:
    more = torch.nn.functional.pad(bias, (0, cross[0].shape[2] - bias.shape[-1])) if cross else None
    return BLOCK(self, x, mask, bias, None, (*cross, more) if cross else ())


def causal_encoder(self: T5Block, x: Tensor, mask: Tensor, bias: Tensor, cross: Any) -> Tensor:
    below = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    return BLOCK(self, x, mask if cross else mask & below, bias, None, cross)


def bias_of_the_first_layer_only(model: T5, patch: pytest.MonkeyPatch) -> None:
    first = (model.encoder[0], model.decoder[0])
    block(lambda self, x, m, bias, c: BLOCK(self, x, m, bias * float(self in first), None, c))(model, patch)


def after_softmax(self: T5Attention, x: Tensor, k: Tensor, v: Tensor, mask: Tensor, bias: Any) -> Tensor:
    q = t5.split_heads(self.q(x), self.head_dim)
    weights = self.softmax((q @ k.transpose(-2, -1)).masked_fill(~mask, -math.inf)) + bias
    return self.o(t5.merge_heads(weights @ v))


def centred(self: T5Norm, x: Tensor) -> Tensor:
    x = x - x.mean(dim=-1, keepdim=True)
    return self.weight * (x * torch.rsqrt(x.float().square().mean(dim=-1, keepdim=True) + self.eps))


def plain_norm(self: T5Norm, x: Tensor) -> Tensor:
    return self.weight * (x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps))


def unscaled(self: T5, x: Tensor) -> Tensor:
    return x @ self.shared.weight.T


def without(*names: str) -> Plant:
    """These parts pass on what they are given."""

    def plant(model: T5, patch: pytest.MonkeyPatch) -> None:
        for name in names:
            patch.setattr(model.get_submodule(name), "forward", lambda x, *_: x)

    return plant


def silu_gate(_model: T5, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(t5, "gelu", torch.nn.functional.silu)


def gates_swapped(model: T5, _patch: pytest.MonkeyPatch) -> None:
    mlp = model.encoder[0].mlp
    mlp.wi_0, mlp.wi_1 = mlp.wi_1, mlp.wi_0


def scaled_too(self: T5, x: Tensor) -> Tensor:
    return self.lm_head(x * x.shape[-1] ** -0.5)


def tables_swapped(model: T5, _patch: pytest.MonkeyPatch) -> None:
    model.encoder_bias.weight, model.decoder_bias.weight = model.decoder_bias.weight, model.encoder_bias.weight


def one_direction_in_the_encoder(model: T5, _patch: pytest.MonkeyPatch) -> None:
    model.encoder_bias.both_ways = False


def both_directions_in_the_decoder(model: T5, _patch: pytest.MonkeyPatch) -> None:
    model.decoder_bias.both_ways = True


def first_layers_memory(self: T5, memory: Tensor) -> Any:
    right = CROSS(self, memory)
    return type(right).of(right.k[:1].expand_as(right.k), right.v)


def linear_buckets(distance: Tensor, n: int, far: int, both_ways: bool) -> Tensor:  # noqa: ARG001
    after, n = ((distance > 0) * (n // 2), n // 2) if both_ways else (0, n)
    return after + (distance.abs() if both_ways else -distance.clamp(max=0)).clamp(max=n - 1)


MISTAKES: dict[str, tuple[dict[str, Any], Plant]] = {
    "bucket sign": ({}, buckets(lambda distance, *sizes: BUCKET(-distance, *sizes))),
    "buckets without logarithm": ({}, buckets(linear_buckets)),
    "max_distance 64": ({}, buckets(lambda distance, n, _, both: BUCKET(distance, n, 64, both))),
    "one direction's buckets in the encoder": ({}, one_direction_in_the_encoder),
    "both directions' buckets in the decoder": ({}, both_directions_in_the_decoder),
    "tables of the sides swapped": ({}, tables_swapped),
    "bias of the first layer only": ({}, bias_of_the_first_layer_only),
    "bias after softmax": ({}, attention(after_softmax)),
    "no bias": ({}, attention(lambda self, x, k, v, mask, _: ATTENTION(self, x, k, v, mask))),
    "bias in cross-attention": ({}, block(cross_with_bias)),
    "bias transposed": ({}, lambda _, patch: patch.setattr(
        RelativeBias, "forward", lambda self, pos, n: BIAS(self, pos, n).transpose(-2, -1))),
    "scale put in": ({}, attention(lambda self, x, k, *more: ATTENTION(self, x, k / math.sqrt(k.shape[-1]), *more))),
    "causal mask kept in the encoder": ({}, block(causal_encoder)),
    "padding seen": ({}, block(lambda self, x, m, b, c: BLOCK(self, x, m if c else EVERYWHERE, b, None, c))),
    "decoder sees what comes": ({}, block(lambda self, x, m, b, c: BLOCK(self, x, EVERYWHERE if c else m, b, None, c))),
    "cross-attention sees padding": (
        {}, block(lambda self, x, m, b, c: BLOCK(self, x, m, b, None, (*c[:2], EVERYWHERE) if c else ()))),
    "no cross-attention": ({}, block(lambda self, x, m, b, _: BLOCK(self, x, m, b))),
    "cross-attention from the decoder's side": ({}, block(cross_from_the_decoder)),
    "memory of the first layer for all": ({}, lambda _, patch: patch.setattr(T5, "cross", first_layers_memory)),
    "memory not normalized": ({}, without("encoder_norm")),
    "no norm at the end": ({}, without("decoder_norm")),
    "post-norm": ({}, block(post_norm)),
    "mean taken off in the norm": ({}, lambda _, patch: patch.setattr(T5Norm, "forward", centred)),
    "norm not in float32": ({}, lambda _, patch: patch.setattr(T5Norm, "forward", plain_norm)),
    "tied head not scaled": ({}, lambda _, patch: patch.setattr(T5, "unembed", unscaled)),
    "head of its own scaled": (V11, lambda _, patch: patch.setattr(T5, "unembed", scaled_too)),
    "embedding for the head of its own": (V11, lambda _, patch: patch.setattr(T5, "unembed", unscaled)),
    "exact GELU": (V11, lambda _, patch: patch.setattr(t5, "gelu", exact_gelu)),
    "SiLU for GELU": (V11, silu_gate),
    "gate and gated swapped": (V11, gates_swapped),
    "no output projection": ({"d_kv": 12}, without("decoder.1.cross_attn.o")),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Planted in float64, where the right model is within 1e-8: ten times that and the parity test is red (but the
    norm's own roundings are all there is to see of where it is computed)."""
    sizes, plant = MISTAKES[name]
    ours, theirs = pair(tmp_path, "t5", torch.float64, **sizes)
    data = batch(ours, 90, 80)
    assert max(differences(ours, theirs, data)) < 1e-8
    plant(ours, monkeypatch)
    assert differences(ours, theirs, data)[-1] > (1e-8 if name == "norm not in float32" else 1e-7)


# --- The caches -------------------------------------------------------------------------------------------------


def small(**more: Any) -> T5:
    torch.manual_seed(1)
    sizes = {
        "vocab_size": 31,
        "n_layer": 1,
        "n_decoder_layer": 2,
        "n_head": 3,
        "head_dim": 5,
        "n_embd": 24,
        "n_inner": 30,
    }
    return T5(T5Config(**sizes | {"n_buckets": 8, "max_distance": 20} | more)).double().eval()


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=9), spare=st.integers(0, 4), gated=st.booleans())
def test_cached_equals_uncached_for_every_cut(cuts: list[int], spare: int, gated: bool) -> None:
    model = small(gated=gated, tied=not gated)
    data = batch(model, 17, sum(cuts))
    assert (cached(model, data, cuts, spare) - model(**data)).abs().max() < 1e-10


def test_bias_of_the_first_positions_with_a_cache_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the new tokens stood at the beginning."""
    model = small()
    data = batch(model, 17, 24)
    right = model(**data)
    wrong = lambda self, pos, n: BIAS(self, pos - pos[:, :1], n)  # noqa: E731
    monkeypatch.setattr(RelativeBias, "forward", wrong)
    assert (cached(model, data, [12, 12]) - right).abs().max() > 1e-4


@torch.no_grad()
def test_one_memory_serves_many_rows() -> None:
    """As beams use it: the memory of one text, several continuations."""
    model = small()
    ids, new = torch.randint(31, (1, 12)), torch.randint(31, (3, 7))
    alone = torch.cat([model(ids, row[None]) for row in new])
    memory = model.encode(ids)
    assert (model.unembed(model.decode(new, model.cross(memory))) - alone).abs().max() < 1e-12
    assert (model.unembed(model.decode(new, memory)) - alone).abs().max() < 1e-12


def test_what_cannot_be_is_refused_with_its_numbers() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, T\)"):
        small().encode(torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"the mask has the shape \(1, 1\); expected .* \(1, 2\)"):
        small()(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1))
    with pytest.raises(ValueError, match="n_decoder_layer 0"):
        T5Config(n_decoder_layer=0)
    with pytest.raises(ValueError, match=r"n_buckets 32.*max_distance \(16\)"):
        T5Config(max_distance=16)
    with pytest.raises(ValueError, match="norm_eps"):
        T5Config(norm_eps=0.0)
