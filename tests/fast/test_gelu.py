"""GELU and its slope in C: equal to the plain form, and a fault is seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minigpt.fast import gelu
from minigpt.fast.compared import difference, say_once
from minigpt.models import layers
from tests.fast.faults import plant

compiled = pytest.mark.skipif(gelu.code() is None, reason="no C compiler on this machine")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    say_once.cache_clear()
    gelu.agrees.cache_clear()
    yield
    say_once.cache_clear()
    gelu.agrees.cache_clear()


@compiled
@settings(deadline=None)
@example([5.0], 1)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=99), st.integers(1, 3))
def test_any_numbers_in_any_shape(numbers: list[float], columns: int) -> None:
    x = torch.tensor([numbers] * columns).T.requires_grad_()  # which does not lie in one row
    exact = x.detach().double().requires_grad_()
    by_y = torch.linspace(-1, 1, x.numel()).view(x.shape)
    y, right = gelu.Gelu.apply(x), layers.gelu(exact)
    assert difference(right, y) < 1e-6
    slopes = (torch.autograd.grad(one, of, by)[0] for one, of, by in ((right, exact, by_y.double()), (y, x, by_y)))
    assert difference(*slopes) < 1e-6


@compiled
def test_far_out_nothing_is_lost() -> None:
    x = torch.tensor([-1e30, -90.0, -0.0, 0.0, 90.0, 1e30, float("inf"), float("nan")])
    y = gelu.gelu(x.requires_grad_()).detach()
    assert y[:4].abs().max() < 1e-6
    assert torch.equal(y[4:7], x.detach()[4:7])
    assert y[7].isnan()


@compiled
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=99))
@settings(deadline=None)
def test_bfloat16_is_float32_rounded(numbers: list[float]) -> None:
    x = torch.tensor(numbers).bfloat16().requires_grad_()
    wide, by_y = x.detach().float().requires_grad_(), torch.linspace(-1, 1, len(numbers)).bfloat16()
    y, exact = gelu.gelu(x), gelu.gelu(wide)
    assert torch.equal(y, exact.bfloat16())
    (by_x,), (by_wide,) = torch.autograd.grad(y, x, by_y), torch.autograd.grad(exact, wide, by_y.float())
    assert torch.equal(by_x, by_wide.bfloat16())


@compiled
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_dtypes_go_to_pytorch(dtype: torch.dtype) -> None:
    x = torch.linspace(-3, 3, 50, dtype=dtype).requires_grad_()
    assert torch.equal(gelu.gelu(x), F.gelu(x, approximate="tanh"))


@compiled
def test_where_nobody_learns_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gelu, "code", None)  # whatever asks for it fails
    x = torch.linspace(-3, 3, 50)
    assert torch.equal(gelu.gelu(x), F.gelu(x, approximate="tanh"))
    with torch.no_grad():
        assert not gelu.gelu(x.requires_grad_()).requires_grad


@compiled
def test_a_long_prompt_runs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gelu, "LONG", 50)
    calls: list[str] = []
    own = gelu.function
    monkeypatch.setattr(gelu, "function", lambda name, x: calls.append(name) or own(name, x))  # type: ignore[func-returns-value]
    gelu.agrees(layers.gelu)
    calls.clear()  # of what was compared
    for n in (49, 50):
        x = torch.linspace(-3, 3, n)
        assert difference(layers.gelu(x.double()), gelu.gelu(x)) < 1e-6
    assert calls == ["gelu"]


@compiled
def test_a_second_derivative_is_refused() -> None:
    x = torch.ones(3).requires_grad_()
    with pytest.raises(RuntimeError, match="no second derivative: take the plain form"):
        torch.autograd.grad(gelu.gelu(x).sum(), x, create_graph=True)


def test_without_a_compiler_pytorchs_kernel_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gelu, "code", lambda: None)
    x = torch.linspace(-3, 3, 50).requires_grad_()
    assert torch.equal(gelu.gelu(x), F.gelu(x, approximate="tanh"))


@compiled
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.5957691216f", "1.5957f"),
        ("0.0713548163f", "0.07f"),
        ("(SLOPE + 3 * CUBE", "(SLOPE + CUBE"),
        ("share * rest", "share"),
        ("by_y[i] *", ""),
        ("widened(by_y[i]) *", ""),
        ("narrowed(value(widened(x[i])))", "x[i]"),
        ("bits + 0x7fff", "bits"),
    ],
)
def test_a_fault_in_c_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    plant(gelu, old, new, tmp_path, monkeypatch)
    x = torch.linspace(-3, 3, 50).requires_grad_()
    assert torch.equal(gelu.gelu(x), F.gelu(x, approximate="tanh"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "minigpt/fast/gelu.c differs from minigpt/models/layers.py by" in said
