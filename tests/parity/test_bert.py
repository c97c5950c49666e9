"""BERT against transformers' BertForPreTraining: the same vectors after every layer, the same pooled vector and logits,
with padding, ragged batches and segments. Each way of being wrong is planted as well, and must be seen."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.models import bert, layers
from minigpt.models.attention import Attention
from minigpt.models.bert import Bert, BertConfig, BertLayer
from weights.relatives import load_relative_checkpoint

transformers = pytest.importorskip("transformers")

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
SIZES = {
    "vocab_size": 101,
    "max_position_embeddings": 40,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 52,
}
SHAPES: dict[str, dict[str, Any]] = {
    "three heads": {},
    "one layer, one head": {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 20},
    "odd vocabulary": {"vocab_size": 997, "hidden_size": 50, "num_attention_heads": 5},
    "heads of one value": {"hidden_size": 7, "num_attention_heads": 7},
    "narrow feed-forward": {"intermediate_size": 5},
    "another epsilon, three segments": {"layer_norm_eps": 1e-3, "type_vocab_size": 3},
    "deep": {"num_hidden_layers": 9, "hidden_size": 24, "num_attention_heads": 4},
}


def random_reference(kind: str = "BertForPreTraining", **sizes: Any) -> Any:
    """A transformers model with weights large enough to show bugs."""
    config = transformers.BertConfig(**SIZES | sizes, attn_implementation="eager")
    model = getattr(transformers, kind)(config)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            is_norm_weight = p.ndim == 1 and name.endswith("weight")
            p.copy_(1 + 0.2 * noise if is_norm_weight else noise * (0.1 if p.ndim == 1 else 0.2))
    return model.eval()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Bert, Any]]:
    """Our model, loaded from the folder that transformers saved, and transformers' own."""

    def make(shape: str = "three heads", dtype: torch.dtype = torch.float64) -> tuple[Bert, Any]:
        reference = random_reference(**SHAPES[shape])
        ours = load_relative_checkpoint(saved(shape), "cpu", dtype).model
        assert isinstance(ours, Bert)
        return ours, reference.to(dtype)

    @cache
    def saved(shape: str) -> Path:
        folder = tmp_path_factory.mktemp("bert")
        random_reference(**SHAPES[shape]).save_pretrained(folder)
        return folder

    return make


def batch(model: Bert, n_tokens: int = 19) -> dict[str, Tensor]:
    """Four texts: whole, padded on the right, on the left, and in the middle; two segments each."""
    g = torch.Generator().manual_seed(7)
    ids = torch.randint(model.config.vocab_size, (4, n_tokens), generator=g)
    mask = torch.ones(4, n_tokens, dtype=torch.long)
    mask[1, n_tokens // 2 :] = mask[2, : n_tokens // 3] = mask[3, 2 : n_tokens // 2] = 0
    segments = (torch.arange(n_tokens) > n_tokens // 3).long().expand(4, -1).clone()
    segments[3] = model.config.n_segments - 1
    return {"ids": ids, "mask": mask, "segments": segments}


@torch.no_grad()
def difference(model: Bert, reference: Any, data: dict[str, Tensor]) -> float:
    """The largest over the vectors, the pooled vectors and the logits; infinite where one is no number."""
    theirs = reference(
        data["ids"],
        attention_mask=data.get("mask"),
        token_type_ids=data.get("segments"),
        output_hidden_states=True,
    )
    x = model(**data)
    pairs = (
        (x, theirs.hidden_states[-1]),
        (model.pool(x), reference.bert.pooler(theirs.hidden_states[-1])),
        (model.predict(x), theirs.prediction_logits),
    )
    found = max((ours - their).abs().max().item() for ours, their in pairs)
    return found if all(ours.isfinite().all() for ours, _ in pairs) else math.inf


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_every_layer_agrees(pair: Any, shape: str, dtype: torch.dtype) -> None:
    model, reference = pair(shape, dtype)
    data = batch(model)
    seen: list[Tensor] = []
    model.layer[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    for layer in model.layer:
        layer.register_forward_hook(lambda _module, _inputs, x: seen.append(x))
    x = model(**data)
    theirs = reference(
        data["ids"], attention_mask=data["mask"], token_type_ids=data["segments"], output_hidden_states=True
    )
    assert x.dtype == dtype
    for ours, their in zip(seen, theirs.hidden_states, strict=True):  # the embeddings, then every layer
        assert (ours - their).abs().max() < TOLERANCE[dtype]
    assert x is seen[-1]
    assert theirs.prediction_logits.std() > 0.1  # weights large enough for a mistake to show
    assert difference(model, reference, data) < TOLERANCE[dtype]


@pytest.mark.parametrize("n_tokens", [1, 2, 39, 40])
def test_any_length_agrees(pair: Any, n_tokens: int) -> None:
    model, reference = pair()
    ids = batch(model, n_tokens)["ids"]
    assert difference(model, reference, {"ids": ids}) < 1e-8  # without mask and segments


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4), kind=st.booleans())
def test_every_mask_agrees(rows: list[list[bool]], kind: bool) -> None:
    model, reference = small_pair()
    mask = torch.tensor(rows)
    mask[:, 4] = True  # every text has a token
    ids = torch.arange(mask.numel()).view(mask.shape) % 101
    assert difference(model, reference, {"ids": ids, "mask": mask if kind else mask.long()}) < 1e-8


@cache
def small_pair() -> tuple[Bert, Any]:
    reference = random_reference().double()
    from weights.families.bert import BERT_FAMILY

    ours = Bert(BertConfig(101, 40, 2, 3, 3, 36, 52)).double().eval()
    state = {BERT_FAMILY.parameter(key): value for key, value in reference.state_dict().items()}
    ours.load_state_dict({name: value for name, value in state.items() if name})
    return ours, reference


@torch.no_grad()
def test_a_text_in_a_ragged_batch_is_the_text_alone(pair: Any) -> None:
    model, _ = pair()
    texts = [torch.randint(101, (n,), generator=torch.Generator().manual_seed(n)) for n in (1, 5, 17, 40)]
    ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=9)
    mask = torch.tensor([[i < len(text) for i in range(40)] for text in texts])
    together = model(ids, mask)
    for row, text in zip(together, texts, strict=True):
        assert (row[: len(text)] - model(text[None])[0]).abs().max() < 1e-10


@torch.no_grad()
def test_a_token_sees_both_sides_and_no_padding(pair: Any) -> None:
    model, _ = pair()
    data = batch(model)
    before = model(**data)
    changed = data["ids"].clone()
    changed[:, 7] = (changed[:, 7] + 1) % 101  # a token of texts 0, 1 and 2, padding in text 3
    after = model(changed, data["mask"], data["segments"])
    moved = (after - before).abs().amax(dim=-1) > 1e-6  # (B, T)
    assert moved[0].all()
    assert moved[1].all()
    assert moved[3].nonzero().flatten().tolist() == [7]  # its own vector only


def test_true_size_agrees() -> None:
    """The shape of BERT-base, but for fewer layers."""
    reference = random_reference(
        vocab_size=3000, max_position_embeddings=512, hidden_size=768, num_attention_heads=12, intermediate_size=3072,
        num_hidden_layers=2,
    )  # fmt: skip
    for parameter in reference.parameters():
        parameter.data *= 0.25  # trained weights are about as large
    from weights.families.bert import BERT_FAMILY

    ours = Bert(BertConfig(vocab_size=3000, n_layer=2)).eval()
    state = {BERT_FAMILY.parameter(key): value for key, value in reference.state_dict().items()}
    ours.load_state_dict({name: value for name, value in state.items() if name})
    assert difference(ours, reference, batch(ours, 100)) < 1e-4


# --- Every planted mistake must be seen -------------------------------------------------------------------------

RIGHT = Attention.forward


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    return RIGHT(Attention(), q, k, v, mask)


def becomes(kernel: Callable[..., Tensor]) -> Callable[[Bert, pytest.MonkeyPatch], None]:
    """Attention computes something else from q, k, v and the mask."""

    def plant(_model: Bert, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Attention, "forward", lambda _, q, k, v, mask=None: kernel(q, k, v, mask))

    return plant


def layer_is(forward: Callable[..., Tensor]) -> Callable[[Bert, pytest.MonkeyPatch], None]:
    return lambda _model, patch: patch.setattr(BertLayer, "forward", forward)


def function_is(name: str, function: Callable[..., Any]) -> Callable[[Bert, pytest.MonkeyPatch], None]:
    return lambda _model, patch: patch.setattr(bert, name, function)


def method_is(name: str, method: Callable[..., Any]) -> Callable[[Bert, pytest.MonkeyPatch], None]:
    return lambda _model, patch: patch.setattr(Bert, name, method)


def part_is(name: str, forward: Callable[[Tensor], Tensor]) -> Callable[[Bert, pytest.MonkeyPatch], None]:
    return lambda model, patch: patch.setattr(model.get_submodule(name), "forward", forward)


def zero(name: str) -> Callable[[Bert, pytest.MonkeyPatch], None]:
    def plant(model: Bert, _patch: pytest.MonkeyPatch) -> None:
        model.get_parameter(name).data.zero_()

    return plant


def pre_norm(self: BertLayer, x: Tensor, mask: Tensor) -> Tensor:
    x = x + self.attention(self.attention_norm(x), mask)
    return x + self.output(bert.gelu(self.intermediate(self.output_norm(x))))


def norm_without_residual(self: BertLayer, x: Tensor, mask: Tensor) -> Tensor:
    x = self.attention_norm(self.attention(x, mask))
    return self.output_norm(self.output(bert.gelu(self.intermediate(x))))


def residual_after_norm(self: BertLayer, x: Tensor, mask: Tensor) -> Tensor:
    x = x + self.attention_norm(self.attention(x, mask))
    return x + self.output_norm(self.output(bert.gelu(self.intermediate(x))))


def no_attention(self: BertLayer, x: Tensor, _mask: Tensor) -> Tensor:
    return self.output_norm(x + self.output(bert.gelu(self.intermediate(x))))


def norms_swapped(self: BertLayer, x: Tensor, mask: Tensor) -> Tensor:
    x = self.output_norm(x + self.attention(x, mask))
    return self.attention_norm(x + self.output(bert.gelu(self.intermediate(x))))


HIDDEN = Bert.hidden


def shifted_positions(model: Bert, _patch: pytest.MonkeyPatch) -> None:
    model.position_embeddings.weight.data = model.position_embeddings.weight.data.roll(-2, 0)  # as RoBERTa has them


def gpt2_epsilon(model: Bert, _patch: pytest.MonkeyPatch) -> None:
    for module in model.modules():
        if isinstance(module, layers.LayerNorm):
            module.eps = 1e-5


def causal(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    own = torch.eye(q.shape[2], dtype=torch.bool)  # so that every row has a slot
    return attention(q, k, v, mask & torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril() | own)


MISTAKES: dict[str, Callable[[Bert, pytest.MonkeyPatch], None]] = {
    "pre-norm": layer_is(pre_norm),
    "no residual": layer_is(norm_without_residual),
    "residual after the norm": layer_is(residual_after_norm),
    "no attention": layer_is(no_attention),
    "the two norms swapped": layer_is(norms_swapped),
    "causal mask kept": becomes(causal),
    "padding not masked": becomes(lambda q, k, v, mask: attention(q, k, v, torch.ones_like(mask))),
    "mask turned round": becomes(lambda q, k, v, mask: attention(q, k, v, ~mask)),
    "mask on queries": becomes(lambda q, k, v, mask: attention(q, k, v, mask.transpose(-2, -1))),
    "one text's mask for all": becomes(lambda q, k, v, mask: attention(q, k, v, mask[:1])),
    "no scale": becomes(lambda q, k, v, mask: attention(q * math.sqrt(q.shape[-1]), k, v, mask)),
    "q and k swapped": becomes(lambda q, k, v, mask: attention(k, q, v, mask)),
    "k for v": becomes(lambda q, k, _, mask: attention(q, k, k, mask)),
    "heads not moved back": function_is("merge_heads", lambda x: x.reshape(x.shape[0], x.shape[2], -1)),
    "heads cut the other way": function_is("split_heads", lambda x, d: x.unflatten(-1, (d, -1)).permute(0, 3, 1, 2)),
    "tanh GELU": function_is("gelu", layers.gelu),
    "ReLU": function_is("gelu", torch.relu),
    "segments dropped": method_is("hidden", lambda self, ids, mask=None, _=None: HIDDEN(self, ids, mask)),
    "segments turned round": method_is(
        "hidden", lambda self, ids, mask, segments: HIDDEN(self, ids, mask, self.config.n_segments - 1 - segments)
    ),
    "no positions": zero("position_embeddings.weight"),
    "positions from two on": shifted_positions,
    "no norm after the embeddings": part_is("embeddings_norm", lambda x: x),
    "epsilon of GPT-2": gpt2_epsilon,
    "no output projection": part_is("layer.1.attention.output", lambda x: x),
    **{
        f"no bias of {name}": zero(f"layer.1.{name}.bias")
        for name in ("attention.query", "attention.value", "attention.output", "intermediate", "output")
    },
    "pooler without tanh": method_is("pool", lambda self, x: self.pooler(x[:, 0])),
    "pooler on the last token": method_is("pool", lambda self, x: torch.tanh(self.pooler(x[:, -1]))),
    "pooler on the mean": method_is("pool", lambda self, x: torch.tanh(self.pooler(x.mean(dim=1)))),
    "head without transform": method_is(
        "predict", lambda self, x: x @ self.word_embeddings.weight.T + self.predictions_bias
    ),
    "head without norm": part_is("transform_norm", lambda x: x),
    "head without bias": zero("predictions_bias"),
    "head without GELU": method_is(
        "predict",
        lambda self, x: self.transform_norm(self.transform(x)) @ self.word_embeddings.weight.T + self.predictions_bias,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_seen(pair: Any, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    """Planted in float64, where the right model is within 1e-8: ten times that and the parity test is red."""
    model, reference = pair()
    data = batch(model)
    assert difference(model, reference, data) < 1e-8
    MISTAKES[mistake](model, monkeypatch)
    assert difference(model, reference, data) > 1e-7


# --- What is refused --------------------------------------------------------------------------------------------


def test_ids_and_masks_of_another_shape_are_refused(pair: Any) -> None:
    model, _ = pair()
    ids = torch.zeros(2, 5, dtype=torch.long)
    with pytest.raises(ValueError, match=r"41 tokens exceed the model's 40 positions"):
        model(torch.zeros(1, 41, dtype=torch.long))
    with pytest.raises(ValueError, match=r"ids have the shape \(5,\)"):
        model(ids[0])
    with pytest.raises(ValueError, match=r"ids \(2, 5\), mask \(2, 4\), segments \(2, 5\): all three"):
        model(ids, torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"segments \(5,\): all three"):
        model(ids, None, torch.zeros(5, dtype=torch.long))


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"n_head": 5}, "n_head 5"),
        ({"n_segments": 0}, "n_segments 0"),
        ({"norm_eps": 0.0}, "norm_eps must be a finite"),
    ],
)
def test_sizes_that_are_not_built(sizes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        BertConfig(**sizes)


def test_first_values_are_the_papers() -> None:
    torch.manual_seed(0)
    model = Bert(BertConfig(vocab_size=500, n_layer=1, n_embd=64, n_head=4, n_inner=256))
    weight = model.layer[0].get_submodule("intermediate").get_parameter("weight")
    assert 0.016 < weight.std() < 0.019  # 0.88 of 0.02: what is cut off at two standard deviations has
    assert weight.abs().max() <= 0.04
    assert not model.layer[0].get_submodule("output").get_parameter("bias").any()
