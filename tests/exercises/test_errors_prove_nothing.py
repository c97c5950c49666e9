"""A part that fails on every case gets no name from bugs that fail, too."""

from typing import Any

from torch import Tensor

from minigpt import check


def broken(_logits: Tensor) -> Any:
    raise RuntimeError("never mind what")


def test_a_part_that_always_fails_gets_no_name() -> None:
    """A softmax of the likeliest token's id fails: so do softmax_twice and best_id together, on every case."""
    report = check(broken, "next_probs")
    assert not report.ok
    assert report.bug is None, report
    assert "it fails on" in report.says
    assert any("never mind what" in line for line in report.lines)
