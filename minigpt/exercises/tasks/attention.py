"""Lesson 05: attention of queries, keys and values."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention: q, k and v (B, H, T, D) -> (B, H, T, D), for each token a mean of the
    values up to its own."""
    # BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    T = q.shape[-2]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    scores = scores.masked_fill(future, -math.inf)
    weights = scores.softmax(dim=-1)
    return weights @ v
    # END SOLUTION


def cases() -> list[Case]:
    """Two tokens of random numbers, one token, then real ones."""
    few = tuple(material.numbers(2, 3, 4, 5, seed=n) for n in range(3))
    seen = material.activations()
    real = tuple(seen[f"h.1.attn.{name}"] for name in "qkv")
    return [Case(few, grad=True), Case(tuple(t[:, :, :1] for t in few)), Case(real, grad=True)]


def acts(writer: Any, part: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Every head of a model attends by the learner's function."""
    for block in writer.model.h:
        block.attn.attention.forward = lambda q, k, v, _mask=None: part(q, k, v)


SCALE = " / math.sqrt(q.shape[-1])"
MASKED = "scores = scores.masked_fill(future, -math.inf)"
SOFTMAX = "scores.softmax(dim=-1)"

EXERCISE = Exercise(
    lesson="05",
    part=attention,
    make_cases=cases,
    acts=acts,
    hints=(
        "Four steps: scores of all pairs, scaled; no look ahead; softmax; the weighted mean of the values.",
        "q @ k.transpose(-2, -1) is (B, H, T, T): row i has the scores of token i. What may row i not see?",
        "Scale by 1/√D, masked_fill(torch.ones(T, T, dtype=bool).triu(1), -inf), softmax(dim=-1), @ v.",
    ),
    bugs=(
        bug("no_scale", "does not divide the scores by √D", SCALE, ""),
        bug(
            "scale_n_embd",
            "divides by √C, the width of all heads, not by √D, that of one",
            SCALE,
            " / math.sqrt(q.shape[1] * q.shape[-1])",
        ),
        bug("scale_d", "divides by D, not by √D", SCALE, " / q.shape[-1]"),
        bug("scale_up", "multiplies by √D instead of dividing", SCALE, " * math.sqrt(q.shape[-1])"),
        bug("scale_t", "divides by √T, the number of tokens", SCALE, " / math.sqrt(q.shape[-2])"),
        bug("no_mask", "has no causal mask: each token sees those after it", MASKED, ""),
        bug(
            "mask_after_softmax",
            "masks after the softmax, so that the weights no longer sum to 1",
            MASKED,
            "",
            SOFTMAX,
            "scores.softmax(dim=-1).masked_fill(future, 0.0)",
        ),
        bug(
            "mask_zero",
            "sets what may not be seen to 0, not to -inf",
            MASKED,
            "scores = scores.masked_fill(future, 0.0)",
        ),
        bug("mask_self", "hides the token from itself, too", ".triu(1)", ".triu(0)"),
        bug(
            *("mask_self_finite", "hides the token from itself, too, so that the first one sees all alike"),
            *(MASKED, "scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(0), -1e9)"),
        ),
        bug("mask_off_by_one", "lets each token see one that comes after it", ".triu(1)", ".triu(2)"),
        bug("mask_past", "hides the past, not the future", ".triu(1)", ".tril(-1)"),
        bug("mask_inverted", "hides what may be seen, and shows what may not", ".triu(1)", ".tril(0)"),
        bug("softmax_axis", "takes the softmax over the queries, not over the keys", SOFTMAX, "scores.softmax(dim=-2)"),
        bug("softmax_heads", "takes the softmax over the heads", SOFTMAX, "scores.softmax(dim=1)"),
        bug("no_softmax", "leaves out the softmax", SOFTMAX, "scores.masked_fill(future, 0.0)"),
        bug("no_softmax_inf", "leaves out the softmax, so that -inf goes into the mean", SOFTMAX, "scores"),
        bug(
            "running_mean",
            "takes the mean of all values so far, whatever the scores",
            SOFTMAX,
            "(~future).to(q.dtype) / (~future).sum(-1, keepdim=True)",
        ),
        bug("qk_swapped", "has query and key swapped", "q @ k.transpose(-2, -1)", "k @ q.transpose(-2, -1)"),
        bug("returns_weights", "returns the weights, not the mean of the values", "weights @ v", "weights"),
        bug("v_missing", "takes the mean of the keys, not of the values", "weights @ v", "weights @ k"),
        bug("detach", "cuts the gradient off at the weights", "weights @ v", "weights.detach() @ v"),
    ),
)
