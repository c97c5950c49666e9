"""What leaves float64 on its way: judged to the precision that it has, for all that a check looks at."""

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt import check
from minigpt.exercises.report import Report


def zero(scores: Tensor) -> Tensor:
    """The best token, in float32."""
    return F.one_hot(scores.argmax(-1), scores.shape[-1]).float()


def report_on(warm: str, cold: str = "zero(scores)") -> Report:
    space = {"F": F, "torch": torch, "zero": zero}
    exec(f"def temperature(scores, t):\n    if t == 0:\n        return {cold}\n    {warm}", space)
    return check(space["temperature"])


def test_rounding_is_right() -> None:
    report = report_on("return (scores.float() / t).softmax(-1)")
    assert report.ok
    assert report.says == "right to float32, on 4 inputs: line 4 leaves float64"


def test_a_part_that_rounds_and_changes_its_argument_is_told_so() -> None:
    for convert in ("", "scores = scores.float(); "):
        report = report_on(f"scores /= t; {convert}return scores.softmax(-1)")
        assert not report.ok
        assert report.bug == "in_place", report
        assert "work on a copy" in report.says


def test_a_bug_is_shown_on_an_input() -> None:
    report = report_on("return (scores.float() * t).softmax(-1)")
    assert report.bug == "multiplied"
    assert "right is" in report.lines[1]
    report = report_on("return (scores.float() / t).softmax(-1)", "(scores == scores.max()).float()")
    assert report.bug == "zero_one_row"
    assert report.lines[1].startswith("on temperature(a tensor (2, 282), 0.0) 1 of 564 numbers are wrong")


def test_what_only_rounds_is_not_counted_as_wrong() -> None:
    def top_k(scores: Tensor, k: int) -> Tensor:
        scores = scores.float()
        kth = scores.topk(min(k + 1, scores.shape[-1])).values[:, -1:]
        return scores.masked_fill(scores < kth, -torch.inf)

    report = check(top_k)
    assert report.bug == "keeps_k_plus_1"
    assert report.lines[1].startswith("on top_k(scores (2, 282), 7) 2 of 564 numbers are wrong"), report
