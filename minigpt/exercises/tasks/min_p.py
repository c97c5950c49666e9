"""Lesson 09: min-p."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def min_p(scores: Tensor, share: float) -> Tensor:
    """Keeps the tokens with at least this share of the best one's probability: scores (B, V) ->
    (B, V), else -inf."""
    # BEGIN SOLUTION
    probs = scores.softmax(dim=-1)
    least = share * probs.amax(dim=-1, keepdim=True)  # (B, 1)
    return scores.masked_fill(probs < least, -math.inf)
    # END SOLUTION


def acts(writer: Any, part: Callable[[Tensor, float], Tensor]) -> None:
    """Each token is drawn from those with a twentieth of the best one's probability."""
    writer.probs = lambda logits: part(logits[:, -1], 0.05).softmax(dim=-1)


def cases() -> list[Case]:
    """Few scores, one of them -inf; then real ones; a share of 1 leaves the best alone."""
    few = torch.tensor([[2.0, 1.0, 0.5, 3.0, -1.5], [4.5, 1.25, -math.inf, 3.25, 0.25]], dtype=torch.float64)
    real = material.few_logits()[0][:, -1].contiguous()
    small = [Case((few, share), crafted=True) for share in (0.25, 0.1, 0.05, 1.0)]
    return [*small, *(Case((real, share)) for share in (0.65, 0.1, 0.02))]


PROBS, LEAST = "probs = scores.softmax(dim=-1)", "least = share * probs.amax(dim=-1, keepdim=True)"
DROP, RETURN = "probs < least", "return scores.masked_fill(probs < least, -math.inf)"

EXERCISE = Exercise(
    lesson="09",
    part=min_p,
    make_cases=cases,
    acts=acts,
    hints=(
        "How sure is the model of its best token? The bar for all others is a share of that.",
        "Probabilities by softmax, the largest of each row by amax(dim=-1, keepdim=True), times the share.",
        "probs = scores.softmax(-1); masked_fill(probs < share * probs.amax(-1, keepdim=True), -inf) on the scores.",
    ),
    bugs=(
        bug(
            "absolute", "takes the share for a probability: how sure the best is does not count", LEAST, "least = share"
        ),
        bug("no_softmax", "compares the scores, not their probabilities", PROBS, "probs = scores"),
        bug(
            *(
                "bar_above_best",
                "sets the bar above the best where the share is below 1, as a share of log-probabilities does",
            ),
            *(PROBS, "probs = scores.log_softmax(dim=-1)"),
        ),
        bug("drops_all", "drops every token, even the best", DROP, "probs < 2"),
        bug("batch_softmax", "takes the softmax over the rows", PROBS, "probs = scores.softmax(dim=0)"),
        bug("per_batch", "measures all rows by the best of all", LEAST, "least = share * probs.amax()"),
        bug("first_row", "measures all rows by the best of the first", LEAST, "least = share * probs[:1].amax()"),
        bug("one_minus", "takes 1 - share for the share", LEAST, LEAST.replace("share *", "(1 - share) *")),
        bug("of_mean", "measures by the mean, not by the best", LEAST, LEAST.replace("amax", "mean")),
        bug(
            "minus_share",
            "takes the share off the best probability",
            LEAST,
            LEAST.replace("share * probs", "-share + probs"),
        ),
        bug(
            *("minus_score", "takes the share off the best score"),
            *(PROBS, "probs = scores", LEAST, "least = scores.amax(dim=-1, keepdim=True) - share"),
        ),
        bug(
            *("top_p", "adds up the probabilities from the best down: that is top-p"),
            *(PROBS, f"{PROBS}\n    ordered, order = probs.sort(dim=-1, descending=True)"),
            *(
                DROP,
                "torch.zeros_like(order).scatter(-1, order, (ordered.cumsum(-1) - ordered >= share).long()).bool()",
            ),
        ),
        bug(
            *("share_of_v", "keeps the share of the vocabulary, whatever the probabilities"),
            *(
                LEAST,
                "least = probs.sort(dim=-1, descending=True).values[:, [max(1, int(share * probs.shape[-1])) - 1]]",
            ),
        ),
        bug("strict", "drops what has exactly the share: with 1 even the best", DROP, "probs <= least"),
        bug("inverted", "drops what it should keep", DROP, "probs >= least"),
        bug("ignores_share", "drops nothing", RETURN, "return scores"),
        bug("zero_for_inf", "sets what it drops to 0, which is no low score, not to -inf", "-math.inf", "0.0"),
        bug("returns_probs", "returns probabilities, not scores", RETURN, f"{RETURN}.softmax(dim=-1)"),
        bug(
            "in_probs",
            "sets the probabilities of what it drops to 0, and returns these",
            RETURN,
            "return scores.softmax(dim=-1).masked_fill(probs < least, 0.0)",
        ),
    ),
)
