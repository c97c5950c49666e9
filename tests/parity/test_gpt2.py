"""GPT-2 against transformers' GPT2LMHeadModel: the same logits and the same stream after every block.

Each way of being wrong is planted as well, and must be seen.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.fast.choose import fast_form
from minigpt.models import gpt2
from minigpt.models.attention import Attention
from minigpt.models.cache import KVCache
from minigpt.models.gpt2 import GPT2, Block
from weights import load_checkpoint

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
SHAPES = {
    "three heads": {},
    "one layer, one head": {"n_layer": 1, "n_head": 1, "n_embd": 20},
    "odd vocabulary": {"vocab_size": 997, "n_layer": 2, "n_embd": 50, "n_head": 5},
    "seven heads of eleven": {"n_embd": 77, "n_head": 7, "n_positions": 33},
    "narrow MLP": {"n_inner": 17},
    "another epsilon": {"layer_norm_epsilon": 1e-3},
    "deep": {"n_layer": 9, "n_embd": 24, "n_head": 4},
}


def pair(make: Callable[..., Any], reference: Callable[..., Any], dtype: torch.dtype, **sizes: Any) -> tuple[GPT2, Any]:
    """Our model, loaded from the folder that transformers saved, and transformers' own."""
    return load_checkpoint(make("gpt2", **sizes), "cpu", dtype).model, reference("gpt2", **sizes).to(dtype)


def some_ids(model: GPT2, n_rows: int = 2, n_tokens: int | None = None) -> Tensor:
    shape = (n_rows, n_tokens or model.config.n_ctx)
    return torch.randint(model.config.vocab_size, shape, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def difference(model: GPT2, reference: Any, ids: Tensor) -> float:
    return (model(ids) - reference(ids).logits).abs().max().item()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
@torch.no_grad()
def test_logits_and_every_block_agree(
    random_checkpoint: Any, random_reference: Any, sizes: dict[str, Any], dtype: torch.dtype
) -> None:
    model, reference = pair(random_checkpoint, random_reference, dtype, **sizes)
    ids = some_ids(model)
    stream: list[Tensor] = []
    for block in model.h:
        block.register_forward_hook(lambda _module, _inputs, x: stream.append(x))
    logits = model(ids)
    theirs = reference(ids, output_hidden_states=True)
    assert logits.dtype == dtype
    assert logits.std() > 0.1  # weights large enough for a mistake to show
    assert (logits - theirs.logits).abs().max() < TOLERANCE[dtype]
    embedded, *after_blocks, normalized = theirs.hidden_states  # the last block's output they give normalized only
    assert (model.wte(ids) + model.wpe.weight[: ids.shape[1]] - embedded).abs().max() < TOLERANCE[dtype]
    for ours, their in zip(stream, after_blocks, strict=False):
        assert (ours - their).abs().max() < TOLERANCE[dtype]
    assert len(stream) == len(after_blocks) + 1
    assert (model.ln_f(stream[-1]) - normalized).abs().max() < TOLERANCE[dtype]


@pytest.mark.parametrize("n_tokens", [1, 2, 47, 48])
def test_any_length_agrees(random_checkpoint: Any, random_reference: Any, n_tokens: int) -> None:
    model, reference = pair(random_checkpoint, random_reference, torch.float64)
    assert difference(model, reference, some_ids(model, 3, n_tokens)) < 1e-8


def test_true_size_agrees(random_checkpoint: Any, random_reference: Any) -> None:
    """The shape of the smallest official model, but for fewer layers."""
    sizes = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 2, "n_head": 12}
    model, reference = pair(random_checkpoint, random_reference, torch.float32, **sizes)
    for parameter in (*model.parameters(), *reference.parameters()):
        parameter.data *= 0.25  # trained weights are about as large; larger ones blow rounding up
    assert difference(model, reference, some_ids(model, 1, 200)) < 1e-4


# --- Every planted mistake must be seen -------------------------------------------------------------------------


def transpose_first(name: str) -> Callable[[GPT2, pytest.MonkeyPatch], None]:
    """One weight of the first block in the file's layout; those that are not square keep their shape by a reshape."""

    def plant(model: GPT2, _patch: pytest.MonkeyPatch) -> None:
        weight = model.get_parameter(f"h.0.{name}.weight")
        weight.data = weight.data.T.contiguous().reshape(weight.shape)

    return plant


RIGHT = Attention.forward


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    return RIGHT(Attention(), q, k, v, mask)


def becomes(patch: pytest.MonkeyPatch, kernel: Callable[..., Tensor]) -> None:
    """Attention computes something else from q, k, v and the mask."""
    patch.setattr(Attention, "forward", lambda _, q, k, v, mask=None: kernel(q, k, v, mask))


def no_mask(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    becomes(patch, lambda q, k, v, _: attention(q, k, v, torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)))


def mask_off_by_one(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    becomes(patch, lambda q, k, v, _: attention(q, k, v, torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(1)))


def no_scale(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    becomes(patch, lambda q, k, v, mask: attention(q * math.sqrt(q.shape[-1]), k, v, mask))


def scale_by_width(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    becomes(patch, lambda q, k, v, mask: attention(q / math.sqrt(q.shape[1]), k, v, mask))


def q_and_k_swapped(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    becomes(patch, lambda q, k, v, mask: attention(k, q, v, mask))


def heads_not_moved_back(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpt2, "merge_heads", lambda x: x.reshape(x.shape[0], x.shape[2], -1))


def exact_gelu(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gpt2, "gelu", torch.nn.functional.gelu)


def no_attention_residual(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    def forward(self: Block, x: Tensor, kv: Any = None) -> Tensor:
        x = self.attn(self.ln_1(x), kv)
        return x + self.mlp(self.ln_2(x))

    patch.setattr(Block, "forward", forward)


def no_mlp_residual(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    def forward(self: Block, x: Tensor, kv: Any = None) -> Tensor:
        x = x + self.attn(self.ln_1(x), kv)
        return self.mlp(self.ln_2(x))

    patch.setattr(Block, "forward", forward)


def norm_after(_model: GPT2, patch: pytest.MonkeyPatch) -> None:
    def forward(self: Block, x: Tensor, kv: Any = None) -> Tensor:
        x = self.ln_1(x + self.attn(x, kv))
        return self.ln_2(x + self.mlp(x))

    patch.setattr(Block, "forward", forward)


def no_output_projection(model: GPT2, patch: pytest.MonkeyPatch) -> None:
    for block in model.h:
        patch.setattr(block.attn.c_proj, "forward", lambda x: x)


def wrong_epsilon(model: GPT2, _patch: pytest.MonkeyPatch) -> None:
    for block in model.h:
        block.ln_1.eps = 1e-6


def no_positions(model: GPT2, _patch: pytest.MonkeyPatch) -> None:
    model.wpe.weight.data = torch.zeros_like(model.wpe.weight)


def no_final_norm(model: GPT2, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(model.ln_f, "forward", lambda x: x)


CONV1D = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
MISTAKES: dict[str, Callable[[GPT2, pytest.MonkeyPatch], None]] = {
    **{f"{name} not transposed": transpose_first(name) for name in CONV1D},
    **{
        mistake.__name__: mistake
        for mistake in (
            no_mask, mask_off_by_one, no_scale, scale_by_width, q_and_k_swapped, heads_not_moved_back, exact_gelu,
            no_attention_residual, no_mlp_residual, norm_after, no_output_projection, wrong_epsilon, no_positions,
            no_final_norm,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_seen(
    random_checkpoint: Any,
    random_reference: Any,
    monkeypatch: pytest.MonkeyPatch,
    mistake: Callable[[GPT2, pytest.MonkeyPatch], None],
) -> None:
    """Planted in float64, where the right model is within 1e-8: ten times that and the parity test is red."""
    model, reference = pair(random_checkpoint, random_reference, torch.float64)
    ids = some_ids(model)
    assert difference(model, reference, ids) < 1e-8
    mistake(model, monkeypatch)
    assert difference(model, reference, ids) > 1e-7


# --- The cache --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, 12), min_size=1, max_size=12), spare=st.integers(0, 5), by_hand=st.booleans())
@torch.no_grad()
def test_cached_equals_uncached_for_every_cut(cuts: list[int], spare: int, by_hand: bool) -> None:
    from minigpt.models.config import GPT2Config

    torch.manual_seed(1)
    model = GPT2(GPT2Config(vocab_size=31, n_ctx=160, n_layer=2, n_head=3, n_embd=24)).double().eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    ids = some_ids(model, 2, sum(cuts))
    whole = model(ids)
    cache = KVCache(model.config, 2, sum(cuts) + spare, dtype=torch.float64)
    parts, start = [], 0
    form = fast_form(model, plain=by_hand)
    for n in cuts:
        pos = torch.arange(start, start + n).expand(2, n)
        view = cache if spare % 2 else cache.first(start + n)  # all slots, or no more than needed
        parts.append(form(ids[:, start : start + n], pos, view))
        start += n
    assert (torch.cat(parts, dim=1) - whole).abs().max() < 1e-10


@torch.no_grad()
def test_going_back_is_a_smaller_pos(random_checkpoint: Any) -> None:
    model = load_checkpoint(random_checkpoint("gpt2"), "cpu", "float64").model
    ids = some_ids(model, 1, 12)
    cache = KVCache(model.config, 1, 48, dtype=torch.float64)
    model(ids, cache=cache)
    other = (ids[:, 6:] + 1) % model.config.vocab_size
    again = model(other, torch.arange(6, 12)[None], cache)
    whole = model(torch.cat([ids[:, :6], other], dim=1))
    assert (again - whole[:, 6:]).abs().max() < 1e-10


@torch.no_grad()
def test_rows_of_one_batch_stand_at_different_positions(random_checkpoint: Any) -> None:
    model = load_checkpoint(random_checkpoint("gpt2"), "cpu", "float64").model
    ids = some_ids(model, 2, 12)
    lengths = torch.tensor([3, 12])
    cache = KVCache(model.config, 2, 13, dtype=torch.float64)
    model(ids, cache=cache)  # the first row's last nine are padding
    new = torch.tensor([[5], [6]])
    step = model(new, lengths[:, None], cache)
    for row, length in enumerate(lengths.tolist()):
        alone = model(torch.cat([ids[row : row + 1, :length], new[row : row + 1]], dim=1))
        assert (step[row, -1] - alone[0, -1]).abs().max() < 1e-10


def test_top_left_mask_with_a_cache_is_seen(random_checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`is_causal=True` lines the mask up with the first slot: wrong for new tokens that come after a past."""
    model = load_checkpoint(random_checkpoint("gpt2"), "cpu", "float64").model
    ids = some_ids(model, 1, 12)
    cache = KVCache(model.config, 1, 12, dtype=torch.float64)
    with torch.no_grad():
        whole = model(ids)
        model(ids[:, :6], cache=cache.first(6))
        becomes(
            monkeypatch,
            lambda q, k, v, _: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        )
        wrong = model(ids[:, 6:], torch.arange(6, 12)[None], cache)
    assert (wrong - whole[:, 6:]).abs().max() > 0.1


def test_too_many_tokens_are_refused_with_both_numbers(random_checkpoint: Any) -> None:
    model = load_checkpoint(random_checkpoint("gpt2"), "cpu").model
    with pytest.raises(ValueError, match=r"49 tokens exceed the model's 48 positions"):
        model(torch.zeros(1, 49, dtype=torch.long))
