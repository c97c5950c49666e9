"""BART against transformers' BartForConditionalGeneration: the same vectors after every layer of both sides and the
same logits, with padding and ragged batches. Each way of being wrong is planted as well, and must be seen."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.models import bart
from minigpt.models.attention import Attention
from minigpt.models.bart import Bart, BartConfig, BartLayer
from minigpt.models.layers import gelu as tanh_gelu
from tests.parity.seq2seq import TOLERANCE, assert_agree, batch, cached, differences, pair

HEADS, WIDTHS = ("encoder_attention_heads", "decoder_attention_heads"), ("encoder_ffn_dim", "decoder_ffn_dim")
SHAPES: dict[str, dict[str, Any]] = {
    "three heads": {},
    "one layer, one head": {"encoder_layers": 1, "decoder_layers": 1, "d_model": 20, **dict.fromkeys(HEADS, 1)},
    "odd vocabulary, scaled embeddings": {
        "vocab_size": 997,
        "d_model": 35,
        **dict.fromkeys(HEADS, 5),
        "scale_embedding": True,
    },
    "heads of one value": {"d_model": 7, **dict.fromkeys(HEADS, 7)},
    "narrow feed-forward": dict.fromkeys(WIDTHS, 5),
    "more layers that read": {"encoder_layers": 5, "decoder_layers": 1, "d_model": 24, **dict.fromkeys(HEADS, 4)},
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
def test_every_layer_and_the_logits_agree(tmp_path: Any, sizes: dict[str, Any], dtype: torch.dtype) -> None:
    assert_agree(*pair(tmp_path, "bart", dtype, **sizes), TOLERANCE[dtype])


def test_true_size_agrees(tmp_path: Any) -> None:
    """The shape of BART-base, but for fewer layers and tokens; its weights are about as large as trained ones."""
    sizes = {"vocab_size": 999, "max_position_embeddings": 1024, "d_model": 768, **dict.fromkeys(HEADS, 12)}
    sizes |= {"encoder_layers": 1, "decoder_layers": 1, **dict.fromkeys(WIDTHS, 3072)}
    ours, theirs = pair(tmp_path, "bart", torch.float32, **sizes)
    for parameter in (*ours.parameters(), *theirs.parameters()):
        if len(parameter) > 1 and parameter.ndim == 2:  # without the logits' bias, which is no parameter of theirs
            parameter.data *= 0.25
    assert max(differences(ours, theirs, batch(ours, 60, 20))) < 1e-4


# --- Every planted mistake must be seen -------------------------------------------------------------------------

RIGHT, LAYER = Attention.forward, BartLayer.forward
Plant = Callable[[Bart, pytest.MonkeyPatch], Any]


def attention_of(kernel: Callable[..., Tensor]) -> Plant:
    """Attention computes something else from q, k, v and the mask."""
    return lambda _model, patch: patch.setattr(
        Attention, "forward", lambda self, q, k, v, mask=None: kernel(self, q, k, v, mask)
    )


def pre_norm(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:  # noqa: ARG001
    h = self.self_attn_layer_norm(x)
    x = x + self.self_attn(h, *self.self_attn.keys_values(h), mask)
    if cross:
        x = x + self.encoder_attn(self.encoder_attn_layer_norm(x), *cross)
    return x + self.fc2(bart.gelu(self.fc1(self.final_layer_norm(x))))


def no_cross(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:  # noqa: ARG001
    return LAYER(self, x, mask, kv)


def cross_from_the_decoder(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:
    wrong = (*self.encoder_attn.keys_values(x), torch.ones(1, 1, 1, 1, dtype=torch.bool)) if cross else ()
    return LAYER(self, x, mask, kv, wrong)


def cross_sees_padding(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:
    return LAYER(self, x, mask, kv, (*cross[:2], torch.ones_like(cross[2])) if cross else ())


def causal_encoder(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:
    return LAYER(self, x, mask if cross else mask & torch.ones(x.shape[1], x.shape[1]).tril().bool(), kv, cross)


def decoder_sees_what_comes(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:
    return LAYER(self, x, torch.ones(1, 1, 1, 1, dtype=torch.bool) if cross else mask, kv, cross)


def padding_seen(self: BartLayer, x: Tensor, mask: Any, kv: Any = None, cross: Any = ()) -> Tensor:
    return LAYER(self, x, mask if cross else torch.ones_like(mask), kv, cross)


def without(*names: str) -> Plant:
    """These parts pass on what they are given."""

    def plant(model: Bart, patch: pytest.MonkeyPatch) -> None:
        for name in names:
            patch.setattr(model.get_submodule(name), "forward", lambda x, *_: x)

    return plant


def same_table(model: Bart, _patch: pytest.MonkeyPatch) -> None:
    model.decoder.embed_positions = model.encoder.embed_positions


def unmoved(x: Tensor) -> Tensor:
    return x.reshape(len(x), x.shape[2], -1)


def layer_forward(forward: Callable[..., Tensor]) -> Plant:
    return lambda _model, patch: patch.setattr(BartLayer, "forward", forward)


def scale(by: float) -> Plant:
    return lambda model, _patch: setattr(model, "scale", model.scale * by)


MISTAKES: dict[str, Plant] = {
    "offset of zero": lambda _, patch: patch.setattr(bart, "OFFSET", 0),
    "offset of one": lambda _, patch: patch.setattr(bart, "OFFSET", 1),
    "embeddings scaled": scale(6.0),
    "no norm of the embeddings": without("encoder.layernorm_embedding"),
    "no norm of the decoder's embeddings": without("decoder.layernorm_embedding"),
    "one table of positions": same_table,
    "pre-norm": layer_forward(pre_norm),
    "tanh GELU": lambda _, patch: patch.setattr(bart, "gelu", tanh_gelu),
    "no logits bias": lambda model, _: model.final_logits_bias.data.zero_(),
    "no cross-attention": layer_forward(no_cross),
    "cross-attention from the decoder's side": layer_forward(cross_from_the_decoder),
    "cross-attention sees padding": layer_forward(cross_sees_padding),
    "causal mask kept in the encoder": layer_forward(causal_encoder),
    "decoder sees what comes": layer_forward(decoder_sees_what_comes),
    "padding seen": layer_forward(padding_seen),
    "no scale": attention_of(lambda self, q, k, v, m: RIGHT(self, q * math.sqrt(q.shape[-1]), k, v, m)),
    "scale by all channels": attention_of(lambda self, q, k, v, m: RIGHT(self, q / math.sqrt(q.shape[1]), k, v, m)),
    "keys for values": attention_of(lambda self, q, k, _, m: RIGHT(self, q, k, k, m)),
    "heads not moved back": lambda _, patch: patch.setattr(bart, "merge_heads", unmoved),
    "no output projection": without("decoder.layers.1.encoder_attn.out_proj"),
    "no norm after cross-attention": without("decoder.layers.0.encoder_attn_layer_norm"),
    "another epsilon": lambda model, _: setattr(model.encoder.layers[0].final_layer_norm, "eps", 1e-6),
    "memory of the first layer for all": lambda _, patch: patch.setattr(
        Bart, "cross", lambda self, m: type(right := RIGHT_CROSS(self, m)).of(right.k[:1].expand_as(right.k), right.v)
    ),
}  # fmt: skip
RIGHT_CROSS = Bart.cross


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_seen(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, mistake: Plant) -> None:
    """Planted in float64, where the right model is within 1e-8: ten times that and the parity test is red."""
    ours, theirs = pair(tmp_path, "bart", torch.float64)
    data = batch(ours)
    assert max(differences(ours, theirs, data)) < 1e-8
    mistake(ours, monkeypatch)
    assert differences(ours, theirs, data)[-1] > 1e-7


# --- The caches -------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=9), spare=st.integers(0, 4))
def test_cached_equals_uncached_for_every_cut(cuts: list[int], spare: int) -> None:
    torch.manual_seed(1)
    model = Bart(BartConfig(vocab_size=31, n_ctx=90, n_layer=1, n_decoder_layer=2, n_head=3, n_embd=24, n_inner=30))
    model = model.double().eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    data = batch(model, 17, sum(cuts))
    assert (cached(model, data, cuts, spare) - model(**data)).abs().max() < 1e-10


@torch.no_grad()
def test_one_memory_serves_many_rows() -> None:
    """As beams use it: the memory of one text, several continuations."""
    torch.manual_seed(2)
    model = Bart(BartConfig(vocab_size=31, n_ctx=40, n_layer=1, n_decoder_layer=2, n_head=3, n_embd=24, n_inner=30))
    model = model.double().eval()
    ids, new = torch.randint(31, (1, 12)), torch.randint(31, (3, 7))
    alone = torch.cat([model(ids, row[None]) for row in new])
    memory = model.encode(ids)
    assert (model.unembed(model.decode(new, model.cross(memory))) - alone).abs().max() < 1e-12
    assert (model.unembed(model.decode(new, memory)) - alone).abs().max() < 1e-12


def test_what_does_not_fit_is_refused_with_its_numbers() -> None:
    model = Bart(BartConfig(vocab_size=9, n_ctx=4, n_layer=1, n_decoder_layer=1, n_head=1, n_embd=4, n_inner=4))
    with pytest.raises(ValueError, match="5 tokens exceed the model's 4 positions"):
        model(torch.zeros(1, 5, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long))
    with pytest.raises(ValueError, match="5 tokens exceed the model's 4 positions"):
        model(torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 5, dtype=torch.long))
    with pytest.raises(ValueError, match=r"expected \(B, T\)"):
        model.encode(torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"the mask has the shape \(2,\); expected .* \(1, 2\)"):
        model.encode(torch.zeros(1, 2, dtype=torch.long), torch.ones(2))
    with pytest.raises(ValueError, match=r"the mask has the shape \(1, 3\); expected .* \(1, 2\)"):
        model.decode(torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 2, 4), torch.ones(1, 3))
    with pytest.raises(ValueError, match="n_embd 10, n_head 4"):
        BartConfig(n_embd=10, n_head=4)
    with pytest.raises(ValueError, match="n_decoder_layer 0"):
        BartConfig(n_decoder_layer=0)
