"""Attention and its gradients in C: equal to the plain form, used in training, and a fault is seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.fast import attention
from minigpt.fast.attention import CausalAttention, attend
from minigpt.fast.choose import fast_form
from minigpt.fast.compared import difference, say_once
from minigpt.models.attention import Attention, causal_mask, split_heads
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train.trainer import Trainer, TrainSettings
from tests.fast.faults import plant

compiled = pytest.mark.skipif(attention.code() is None, reason="no C compiler on this machine")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    say_once.cache_clear()
    yield
    say_once.cache_clear()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions of attention.c that are called."""
    found: list[str] = []
    own = attention.call
    monkeypatch.setattr(attention, "call", lambda name, *given: found.append(name) or own(name, *given))  # type: ignore[func-returns-value]
    attention.can_run(*qkv(1, 1, 1, 2, 8))  # what is compared once is not counted
    found.clear()
    return found


def qkv(n_texts: int, n_heads: int, n_kv: int, n_tokens: int, size: int, seed: int = 0, scale: float = 1.0) -> Any:
    """Queries, keys and values as a model has them: views into the result of one product."""
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(n_texts, n_tokens, (n_heads + 2 * n_kv) * size, generator=generator)
    parts = x.split([n_heads * size, n_kv * size, n_kv * size], dim=-1)
    return [split_heads(part, size).requires_grad_() for part in parts]


def with_gradients(form: Any, given: list[Tensor], by_y: Tensor) -> list[Tensor]:
    y = form(*given)
    return [y, *torch.autograd.grad(y, given, by_y)]


def compare(given: list[Tensor], tolerance: float = 1e-5) -> None:
    by_y = torch.randn(given[0].shape, generator=torch.Generator().manual_seed(1))
    found = with_gradients(CausalAttention.apply, given, by_y)
    exact = with_gradients(Attention(), [x.detach().double().requires_grad_() for x in given], by_y.double())
    for own, right in zip(found, exact, strict=True):
        assert own.shape == right.shape
        assert difference(right, own) < tolerance


@compiled
@settings(deadline=None)
@given(
    n_texts=st.integers(1, 3),
    n_kv=st.integers(1, 3),
    group=st.integers(1, 3),
    n_tokens=st.integers(1, 150),
    size=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_all_sizes_give_the_plain_forms_numbers(
    n_texts: int, n_kv: int, group: int, n_tokens: int, size: int, seed: int
) -> None:
    compare(qkv(n_texts, n_kv * group, n_kv, n_tokens, size, seed))


@compiled
@pytest.mark.parametrize("n_tokens", [47, 48, 49, 95, 96, 97, 511, 512])
def test_the_ends_of_blocks(n_tokens: int) -> None:
    compare(qkv(1, 2, 2, n_tokens, 32))


@compiled
def test_scores_far_apart() -> None:
    """Weights of one and of nothing: e^x of scores by the hundreds, which only the largest one's subtraction bears.
    Of such a score float32 knows no more than four digits after the point."""
    compare(qkv(2, 2, 1, 60, 16, scale=12.0), 1e-4)


@compiled
def test_tensors_may_lie_in_any_way() -> None:
    generator = torch.Generator().manual_seed(3)
    q = torch.randn(2, 20, 4, 50, generator=generator).permute(0, 2, 3, 1).requires_grad_()  # a step of 50 in D
    k = torch.randn(1, 1, 50, 20, generator=generator).expand(2, 4, 50, 20).requires_grad_()
    v = torch.randn(2, 8, 50, 20, generator=generator)[:, ::2].requires_grad_()
    compare([q, k, v])
    y = CausalAttention.apply(q, k, v)
    y.sum().backward()  # whose gradient is one number, spread
    assert q.grad is not None


@compiled
def test_no_token_sees_a_later_one() -> None:
    q, k, v = qkv(1, 2, 2, 100, 16)
    before = attend(q, k, v)
    with torch.no_grad():
        k[:, :, 60:], v[:, :, 60:] = 1e4, 1e4
    after = attend(q, k, v)
    assert torch.equal(before[:, :, :60], after[:, :, :60])
    assert not (before[:, :, 60:] == after[:, :, 60:]).any()


@compiled
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_training_step_runs_in_it(kind: str, precision: str, calls: list[str]) -> None:
    attention.agrees.cache_clear()  # so that it is compared within the step
    torch.manual_seed(0)
    model = GPT2(GPT2Config(90, 40, 2, 2, 16)) if kind == "gpt2" else Llama(LlamaConfig(90, 40, 2, 4, 2, 16, 40))
    ids = torch.randint(90, (400,))
    settings = TrainSettings(steps=1, batch_size=2, block_size=40, precision=precision)
    fast_form(model.train())
    Trainer(model, settings).do_step(ids)
    assert calls[-4:] == ["attend"] * 2 + ["gradients"] * 2
    before = len(calls)
    Trainer(model, settings, plain=True).do_step(ids)
    assert len(calls) == before


@compiled
def test_bfloat16_is_float32_rounded() -> None:
    given = [x.detach().bfloat16().requires_grad_() for x in qkv(2, 4, 2, 70, 24)]
    wide = [x.detach().float().requires_grad_() for x in given]
    by_y = torch.randn(2, 4, 70, 24, generator=torch.Generator().manual_seed(1)).bfloat16()
    found = with_gradients(attend, given, by_y)
    exact = with_gradients(CausalAttention.apply, wide, by_y.float())
    assert all(torch.equal(mine, theirs.bfloat16()) for mine, theirs in zip(found, exact, strict=True))


@compiled
@pytest.mark.parametrize("what", ["float64", "mask", "longer", "float16", "no gradient"])
def test_what_it_cannot_goes_to_pytorch(what: str, calls: list[str]) -> None:
    q, k, v = (x.detach() for x in qkv(1, 2, 2, 30, 8))
    mask = torch.ones(1, 1, 30, 30, dtype=torch.bool).tril() if what == "mask" else None
    if what == "longer":
        q, mask = q[:, :, :10], torch.ones(1, 1, 10, 30, dtype=torch.bool)
    dtype = {"float64": torch.float64, "float16": torch.float16}.get(what, torch.float32)
    q, k, v = (x.to(dtype).requires_grad_(what != "no gradient") for x in (q, k, v))
    assert difference(Attention()(q, k, v, mask), attend(q, k, v, mask)) < 1e-2
    assert calls == []


@compiled
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n_slots", [130, 256])
def test_a_long_prompt_runs_in_it(n_slots: int, dtype: torch.dtype, calls: list[str]) -> None:
    """Its mask lets each token see the slots up to its own; what lies in the later ones is nobody's business."""
    q, k, v = (x.detach().to(dtype) for x in qkv(2, 4, 2, n_slots, 24))
    mask = causal_mask(torch.arange(130).expand(2, 130), n_slots)
    found = attend(q[:, :, :130], k, v, mask)
    assert calls == ["attend"]
    assert found.dtype == dtype
    assert difference(Attention()(q[:, :, :130], k, v, mask), found) < (1e-5 if dtype == torch.float32 else 1e-2)


@compiled
def test_fewer_heads_than_threads_are_left_to_pytorch(calls: list[str]) -> None:
    """Which divides a head's tokens among them, too."""
    before = torch.get_num_threads()
    q, k, v = (x.detach() for x in qkv(1, 4, 2, 130, 24))
    mask = causal_mask(torch.arange(130)[None], 130)
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert difference(Attention()(q, k, v, mask), attend(q, k, v, mask)) < 1e-5
    finally:
        torch.set_num_threads(before)
    assert calls == ["attend"]


@compiled
@pytest.mark.parametrize(("text", "token", "slot"), [(1, 129, 100), (0, 0, 1), (1, 50, 140)])
def test_a_prompt_whose_mask_differs_in_one_place_does_not(text: int, token: int, slot: int, calls: list[str]) -> None:
    q, k, v = (x.detach() for x in qkv(2, 2, 2, 150, 24))
    mask = causal_mask(torch.arange(130).expand(2, 130), 150).clone()
    mask[text, 0, token, slot] ^= True
    found = attend(q[:, :, :130], k, v, mask)
    assert calls == []
    assert difference(Attention()(q[:, :, :130], k, v, mask), found) < 1e-5


@compiled
def test_a_second_derivative_is_refused() -> None:
    q, k, v = qkv(1, 1, 1, 5, 8)
    y = CausalAttention.apply(q, k, v)
    with pytest.raises(RuntimeError, match="no second derivative: take the plain form"):
        torch.autograd.grad(y.sum(), q, create_graph=True)


@compiled
@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(threads: int) -> None:
    given, by_y = qkv(3, 4, 2, 70, 24), torch.ones(3, 4, 70, 24)
    before = torch.get_num_threads()
    once = with_gradients(CausalAttention.apply, given, by_y)
    try:
        torch.set_num_threads(threads)
        again = with_gradients(CausalAttention.apply, given, by_y)
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, once, again))


def test_without_a_compiler_pytorchs_kernel_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "code", lambda: None)
    attention.agrees.cache_clear()
    q, k, v = qkv(1, 2, 2, 30, 8)
    assert torch.equal(attend(q, k, v), F.scaled_dot_product_attention(q, k, v, is_causal=True))
    attention.agrees.cache_clear()


@compiled
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("first + row + TALL <= t", "first + row + TALL <= t + WIDE"),
        ("row < here ? first + row + 1 : 0;\n                memset(own + sees, 0, (seen - sees)",
         "row < here ? first + row + !(first + row) : 0;\n                memset(own + sees, 0, (seen - sees)"),
        ("1 / sqrtf(n.D), rows", "1 / sqrtf(up(n.D)), rows"),
        ("most + logf(sum)", "logf(sum)"),
        ("shares[row] = 1 / sum", "shares[row] = 1 / (sum + 0.01f)"),
        ("sums[(text * n.H + head) * n.T + first + row];", "sums[head * n.T + first + row];"),
        ("(error[t] - mean)", "error[t]"),
        ("found[row * P + d] * scale", "found[row * P + d]"),
        ("weighted(errors, 1, wide, seen, ROWS, rows, P, by_keys)",
         "weighted(errors, 1, wide, seen, ROWS, by_rows, P, by_keys)"),
        ("weighted(weights, 1, wide, seen, ROWS, by_rows, P, by_values)",
         "weighted(weights, 1, wide, seen / 2, ROWS, by_rows, P, by_values)"),
        ("memset(found, 0, ROWS * P * sizeof *found);\n            for (int64_t row = 0; row < ROWS; row++) {\n"
         "                float *own = weights + row * wide, *error",
         "for (int64_t row = 0; row < ROWS; row++) {\n                float *own = weights + row * wide, *error"),
    ],
)  # fmt: skip
def test_a_fault_in_c_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    plant(attention, old, new, tmp_path, monkeypatch)
    attention.agrees.cache_clear()
    q, k, v = qkv(1, 2, 2, 30, 8)
    try:
        assert torch.equal(attend(q, k, v), F.scaled_dot_product_attention(q, k, v, is_causal=True))
        torch.manual_seed(0)
        model = GPT2(GPT2Config(90, 40, 2, 2, 16))
        ids = torch.randint(90, (1, 40))
        assert difference(model(ids).detach(), fast_form(model)(ids).detach()) < 1e-5
    finally:
        attention.agrees.cache_clear()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "minigpt/fast/attention.c differs from minigpt/models/attention.py by" in said
