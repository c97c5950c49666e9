"""Lesson 09: top-k."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def top_k(scores: Tensor, k: int) -> Tensor:
    """Keeps the k best tokens of each row, all where there are no more: scores (B, V) -> (B, V),
    -inf where dropped.

    Whether what equals the k-th stays too is left open.
    """
    # BEGIN SOLUTION
    k = min(k, scores.shape[-1])
    kth = scores.topk(k, dim=-1).values[:, -1:]  # (B, 1): the least that stays
    return scores.masked_fill(scores < kth, -math.inf)
    # END SOLUTION


def acts(writer: Any, part: Callable[[Tensor, int], Tensor]) -> None:
    """Each token is drawn from the 40 best."""
    writer.probs = lambda logits: part(logits[:, -1], 40).softmax(dim=-1)


def cases() -> list[Case]:
    """Few scores, one of them -inf, up to a k above V; the same with the lowest row last; then real ones."""
    few = torch.tensor([[2.0, 1.0, 0.5, 3.0, -1.5], [4.5, 1.25, -math.inf, 3.5, 0.25]], dtype=torch.float64)
    real = material.few_logits()[0][:, -1].contiguous()
    small = [Case((few, k), crafted=True) for k in (2, 1, 3, 5, 9)]
    return [*small, Case((few.flip(0), 2), crafted=True), *(Case((real, k)) for k in (7, 50))]


LEAST, KTH = "k = min(k, scores.shape[-1])", "scores.topk(k, dim=-1).values[:, -1:]"
DROP, RETURN = "scores < kth", "return scores.masked_fill(scores < kth, -math.inf)"

EXERCISE = Exercise(
    lesson="09",
    part=top_k,
    make_cases=cases,
    acts=acts,
    hints=(
        "Which score is the k-th best of its row? Whatever is less goes.",
        "torch.topk gives the k best in order, the k-th last. It refuses a k larger than V: take the smaller one.",
        "kth = scores.topk(min(k, V)).values[:, -1:], which is (B, 1); masked_fill(scores < kth, -inf).",
    ),
    bugs=(
        bug("keeps_k_plus_1", "keeps one token too many", LEAST, "k = min(k + 1, scores.shape[-1])"),
        bug("drops_kth", "drops the k-th, too", DROP, "scores <= kth"),
        bug(
            *("keeps_k_minus_1", "keeps one token too few"),
            *(LEAST, "k = k - 1", KTH, "scores.argsort(dim=-1, descending=True).argsort(dim=-1)", DROP, "kth >= k"),
        ),
        bug("zero_for_inf", "sets what it drops to 0, which is no low score, not to -inf", "-math.inf", "0.0"),
        bug("minus_1e9", "sets what it drops to -1e9, not to -inf", "-math.inf", "-1e9"),
        bug("k_above_v", "fails where k is larger than the vocabulary", LEAST, ""),
        bug(
            *("per_batch", "keeps the k best of all rows together"),
            *(KTH, "scores.flatten().topk(k).values[-1]"),
        ),
        bug(
            *("over_rows", "looks for the best of each column, not of each row"),
            *(KTH, "scores.topk(min(k, scores.shape[0]), dim=0).values[-1:]"),
        ),
        bug("first_row", "cuts all rows where the first is cut", KTH, "scores.topk(k, dim=-1).values[:1, -1:]"),
        bug(
            "lowest_row", "cuts all rows at the lowest k-th of any", KTH, "scores.topk(k, dim=-1).values[:, -1:].min()"
        ),
        bug(
            "sorted_out",
            "returns the k best alone, in order, so that no place says which token it is",
            RETURN,
            "return scores.topk(k, dim=-1).values",
        ),
        bug(
            *("returns_sorted", "returns the scores in sorted order"),
            *(RETURN, f"scores = scores.sort(dim=-1, descending=True).values\n    {RETURN}"),
        ),
        bug("ids_out", "returns the ids of the k best, not scores", RETURN, "return scores.topk(k, dim=-1).indices"),
        bug(
            "keeps_worst",
            "keeps the k worst",
            "topk(k, dim=-1)",
            "topk(k, dim=-1, largest=False)",
            DROP,
            "scores > kth",
        ),
        bug(
            "smallest",
            "cuts at the k-th from below, not at the k-th best",
            "topk(k, dim=-1)",
            "topk(k, dim=-1, largest=False)",
        ),
        bug("inverted", "drops the k best and keeps the rest", DROP, "scores >= kth"),
        bug(
            *("not_scattered", "keeps the first k ids: a mask in sorted order on unsorted scores"),
            *(DROP, "(torch.arange(scores.shape[-1]) >= k).expand(scores.shape)"),
        ),
        bug("best_only", "keeps the best token alone, whatever k is", KTH, "scores.amax(dim=-1, keepdim=True)"),
        bug("ignores_k", "drops nothing", RETURN, "return scores"),
        bug("threshold", "takes k for a score, and drops what is less than that", DROP, "scores < k"),
        bug("returns_probs", "returns probabilities, not scores", RETURN, f"{RETURN}.softmax(dim=-1)"),
        bug(
            "in_probs",
            "sets the probabilities of what it drops to 0, and returns these",
            RETURN,
            "return scores.softmax(dim=-1).masked_fill(scores < kth, 0.0)",
        ),
    ),
)
