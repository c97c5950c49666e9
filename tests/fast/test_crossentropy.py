"""Cross-entropy and its gradient in C: equal to the plain form, and a fault is seen."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.fast import crossentropy
from minigpt.fast.compared import difference, say_once
from minigpt.train.loss import cross_entropy
from tests.fast.faults import plant

compiled = pytest.mark.skipif(crossentropy.code() is None, reason="no C compiler on this machine")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    say_once.cache_clear()
    crossentropy.agrees.cache_clear()
    yield
    say_once.cache_clear()
    crossentropy.agrees.cache_clear()


def in_full(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """By the plain form in float64, with autograd."""
    logits = logits.double().requires_grad_()
    nats = torch.stack([cross_entropy(row, target) for row, target in zip(logits, targets, strict=True)])
    return nats.detach(), torch.autograd.grad(nats.sum(), logits)[0]


def by_pytorch(logits: Tensor, targets: Tensor) -> Tensor:
    """The gradient by what serves where the C form does not."""
    p = F.log_softmax(logits.float(), dim=-1).exp_()
    p[torch.arange(len(targets)), targets] -= 1
    return p.to(logits.dtype)


@compiled
@settings(deadline=None)
@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=99),
    st.integers(1, 5),
    st.integers(0, 98),
    st.booleans(),
)
def test_any_logits(numbers: list[float], n_rows: int, target: int, spread: bool) -> None:
    logits = torch.tensor(numbers) * torch.linspace(0.1, 1, n_rows)[:, None]
    targets = (torch.arange(n_rows) + target) % len(numbers)
    nats, error = in_full(logits, targets)
    given = logits.T.contiguous().T if spread else logits.clone()  # whose rows do not lie side by side
    found, by_logits = crossentropy.errors(given, targets)
    assert difference(nats, found) < 1e-6
    assert difference(error, by_logits) < 1e-5


@compiled
def test_bfloat16_is_float32_rounded() -> None:
    logits = torch.randn(40, 1000, generator=torch.Generator().manual_seed(0)).mul(4).bfloat16()
    targets = torch.arange(40) * 25
    nats, error = crossentropy.errors(logits.float(), targets)
    found, rounded = crossentropy.errors(logits.clone(), targets)
    assert difference(nats, found) < 1e-6
    assert rounded.dtype == torch.bfloat16
    assert ((rounded - error).abs() <= error.abs() / 255).all()  # its sums may be added up in another order


@compiled
def test_logits_far_apart_and_none_at_all() -> None:
    logits = torch.tensor([[3e38, 0.0, -3e38], [0.0, -math.inf, 0.0], [-5.0, math.nan, 5.0], [1.0, math.inf, 0.0]])
    nats, error = crossentropy.errors(logits, torch.tensor([0, 2, 0, 0]))
    assert nats[0] == 0
    assert error[0].abs().max() < 1e-30
    assert nats[1].item() == pytest.approx(math.log(2))
    assert error[1].tolist() == pytest.approx([0.5, 0, -0.5])
    assert nats[2:].isfinite().logical_not().all()  # so that the trainer refuses the step


@pytest.mark.parametrize("target", [-1, -100, 10, 2**40])
def test_a_target_outside_the_vocabulary_is_refused(target: int) -> None:
    logits = torch.zeros(3, 10)
    with pytest.raises(IndexError, match=f"^there is no token {target} to predict in a vocabulary of 10$"):
        crossentropy.errors(logits, torch.tensor([0, target, 9]))
    assert not logits.any()  # nothing was written


def test_targets_of_another_type_are_the_same_ids() -> None:
    logits, targets = torch.linspace(-3, 3, 50).view(5, 10), torch.arange(5)
    for dtype in (torch.int32, torch.uint8):
        found = crossentropy.errors(logits.clone(), targets.to(dtype))
        assert all(map(torch.equal, found, crossentropy.errors(logits.clone(), targets)))


@compiled
def test_other_dtypes_go_to_pytorch() -> None:
    logits, targets = torch.linspace(-3, 3, 50).view(5, 10), torch.arange(5)
    for dtype in (torch.float64, torch.float16):
        assert crossentropy.errors(logits.to(dtype), targets)[1].dtype == dtype
    exact = in_full(logits, targets)
    assert all(map(torch.allclose, crossentropy.errors(logits.double(), targets), exact))


def test_without_a_compiler_pytorchs_kernels_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossentropy, "code", lambda: None)
    logits, targets = torch.linspace(-3, 3, 50).view(5, 10), torch.arange(5)
    nats, error = crossentropy.errors(logits.clone(), targets)
    assert torch.equal(error, by_pytorch(logits, targets))
    assert torch.allclose(nats, F.cross_entropy(logits, targets, reduction="none"))


@compiled
@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(threads: int) -> None:
    logits, targets = torch.linspace(-3, 3, 700).view(7, 100), torch.arange(7)
    before = torch.get_num_threads()
    once = crossentropy.errors(logits.clone(), targets)
    try:
        torch.set_num_threads(threads)
        again = crossentropy.errors(logits.clone(), targets)
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, once, again))


@compiled
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("targets[row], V, 0", "targets[0], V, 0"),
        ("targets[row], V, 1", "targets[0], V, 1"),
        ("logf(sum) - below", "logf(sum) + below"),
        ("get(row, target, half) - largest", "get(row, target, half)"),
        ("sum - 1)", "sum)"),
        ("exponential(below) / sum", "exponential(below)"),
        ("- largest) / sum", "- largest)"),
        ("bits + 0x7fff", "bits"),
        ("[v] = narrowed(x)", "[v] = x"),
    ],
)
def test_a_fault_in_c_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    plant(crossentropy, old, new, tmp_path, monkeypatch)
    logits, targets = torch.linspace(-3, 3, 50).view(5, 10), torch.arange(5)
    assert torch.equal(crossentropy.errors(logits.clone(), targets)[1], by_pytorch(logits, targets))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "minigpt/fast/crossentropy.c differs from minigpt/train/loss.py by" in said
