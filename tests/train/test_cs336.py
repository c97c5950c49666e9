"""The cases of CS336's first assignment on training, against PyTorch and by arithmetic."""

import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.train import cs336


def randoms(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("shift", [0.0, 100.0, -1e4])
def test_softmax(dim: int, shift: float) -> None:
    x = randoms(3, 5)
    torch.testing.assert_close(cs336.run_softmax(x + shift, dim), F.softmax(x + shift, dim), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_cross_entropy(scale: float) -> None:
    logits, targets = (scale * randoms(8, 5)).requires_grad_(), torch.tensor([1, 0, 2, 2, 4, 1, 4, 0])
    ours, theirs = cs336.run_cross_entropy(logits, targets), F.cross_entropy(logits, targets)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-6)
    one, other = (torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs))
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("max_norm", [1e-2, 1e3])
def test_gradient_clipping(max_norm: float) -> None:
    """One parameter takes no part, and has no gradient."""
    ours, theirs = ([nn.Parameter(randoms(5, 5) + i) for i in range(6)] for _ in range(2))
    for parameters in (ours, theirs):
        parameters[-1].requires_grad_(False)
        (torch.cat(parameters) ** 2).sum().backward()
    cs336.run_gradient_clipping(ours, max_norm)
    nn.utils.clip_grad_norm_(theirs, max_norm)
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-6)
    assert ours[-1].grad is None


def optimized(optimizer: type[torch.optim.Optimizer], steps: int = 300) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A small model that learns, with decay, to write sin."""
    torch.manual_seed(42)
    model = nn.Linear(3, 2)
    opt = optimizer(model.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8)  # type: ignore[call-arg]
    for _ in range(steps):
        opt.zero_grad()
        x = torch.rand(3)
        ((model(x) - torch.stack((x[0] + x[1], -x[2]))) ** 2).sum().backward()
        opt.step()
    return model, opt


def test_adamw() -> None:
    (ours, _), (theirs, _) = optimized(cs336.get_adamw_cls()), optimized(torch.optim.AdamW)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_cosine_schedule() -> None:
    """Straight up for 7 steps, down to step 21, and there it stays."""
    rates = [cs336.run_get_lr_cosine_schedule(it, 1.0, 0.1, 7, 21) for it in range(26)]
    assert rates[:8] == pytest.approx([i / 7 for i in range(8)])
    assert rates[14] == pytest.approx(0.55)
    assert rates[10] + rates[18] == pytest.approx(1.1)  # as far from the middle on both sides
    assert all(a > b for a, b in pairwise(rates[7:22]))
    assert rates[21:] == [0.1] * 5


def test_get_batch() -> None:
    dataset, counted = np.arange(100), Counter[int]()
    for _ in range(300):
        x, y = cs336.run_get_batch(dataset, 32, 7, "cpu")
        assert x.shape == y.shape == (32, 7)
        assert torch.equal(y, x + 1)
        counted.update(x[:, 0].tolist())
    expected = 300 * 32 / 93
    assert set(counted) == set(range(93))
    assert all(abs(n - expected) < 5 * expected**0.5 for n in counted.values())
    with pytest.raises((RuntimeError, AssertionError), match=r"CUDA|cuda"):
        cs336.run_get_batch(dataset, 1, 7, "cuda:99")


@pytest.mark.parametrize("place", ["path", "name", "open file"])
def test_checkpointing(place: str, tmp_path: Path) -> None:
    model, opt = optimized(cs336.get_adamw_cls(), 10)
    file = {"path": tmp_path / "a.pt", "name": str(tmp_path / "a.pt"), "open file": io.BytesIO()}[place]
    cs336.run_save_checkpoint(model, opt, 10, file)
    if isinstance(file, io.BytesIO):
        file.seek(0)
    other, empty = optimized(cs336.get_adamw_cls(), 0)
    assert cs336.run_load_checkpoint(file, other, empty) == 10
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    ours, theirs = opt.state_dict(), empty.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    for one, two in zip(ours["state"].values(), theirs["state"].values(), strict=True):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
