"""Lesson 09: nucleus sampling."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def top_p(scores: Tensor, p: float) -> Tensor:
    """Keeps the fewest best tokens that together reach probability p, the best one always: scores
    (B, V) -> (B, V), -inf where dropped.

    Whether a sum that equals p has reached it is left open.
    """
    # BEGIN SOLUTION
    ordered, order = scores.sort(dim=-1, descending=True)
    probs = ordered.softmax(dim=-1)
    before = probs.cumsum(dim=-1) - probs
    drop = before >= p
    drop[:, 0] = False  # the best stays, whatever p is
    drop = torch.zeros_like(drop).scatter(-1, order, drop)
    return scores.masked_fill(drop, -math.inf)
    # END SOLUTION


def acts(writer: Any, part: Callable[[Tensor, float], Tensor]) -> None:
    """Each token is drawn from a nucleus of 0.9."""
    writer.probs = lambda logits: part(logits[:, -1], 0.9).softmax(dim=-1)


def cases() -> list[Case]:
    """Few scores, one of them -inf; real ones after two texts; a p of 0, which leaves the best alone."""
    few = torch.tensor([[2.0, 1.0, 0.5, 3.0], [9.0, 1.25, -math.inf, 3.5]], dtype=torch.float64)
    logits, _ = material.few_logits()
    low = few - 9.5  # the same probabilities, but no score reaches p
    rows = [few, low, logits[1, -3:], logits[0, :3]]
    made = [Case((scores, p), crafted=scores.shape[-1] == 4) for scores in rows for p in (0.9, 0.5, 0.05)]
    return [*made, Case((few, 0.0), crafted=True)]


SORT, PROBS = "ordered, order = scores.sort(dim=-1, descending=True)", "ordered.softmax(dim=-1)"
DROP, BEST = "drop = before >= p", "    drop[:, 0] = False  # the best stays, whatever p is\n"
SCATTER = "drop = torch.zeros_like(drop).scatter(-1, order, drop)"
RETURN = "return scores.masked_fill(drop, -math.inf)"

EXERCISE = Exercise(
    lesson="09",
    part=top_p,
    make_cases=cases,
    acts=acts,
    hints=(
        "Sort the scores from the best down, turn them into probabilities, add up. Where does the sum reach p?",
        "The token with which the sum reaches p stays, so look at the sum before each. The first stays in any case.",
        "The mask is in sorted order; scatter it back by the order that sort gives, then masked_fill with -inf.",
    ),
    bugs=(
        bug("zero_drops_all", "drops even the best token where p is 0", BEST, ""),
        bug(
            *("drops_crossing", "also drops the token with which p is reached"),
            *(DROP, "drop = before + probs > p", BEST, ""),
        ),
        bug(
            *("guard", "drops the token with which p is reached, unless it is the first"),
            *(DROP, "drop = before + probs > p"),
        ),
        bug(
            *("id_order", "adds up in the order of the ids: sort first"),
            *(SORT, "ordered, order = scores, torch.arange(scores.shape[-1]).expand(scores.shape)", BEST, ""),
        ),
        bug(
            "one_more",
            "keeps one token too many",
            DROP,
            "drop = before - probs.roll(1, -1) >= p",
        ),
        bug("ascending", "sorts from the worst up", "descending=True", "descending=False"),
        bug("inverted", "keeps what it should drop", RETURN, RETURN.replace("drop", "~drop")),
        bug("drops_all", "drops all tokens", RETURN, "return scores.masked_fill(drop == drop, -math.inf)"),
        bug("no_softmax", "adds up the scores, not their probabilities", PROBS, "ordered"),
        bug(
            *("no_softmax_walk", "adds up the scores, not their probabilities, until they reach p"),
            *(PROBS, "ordered", DROP, "drop = before.nan_to_num(nan=-math.inf).cummax(dim=-1).values >= p"),
        ),
        bug(
            *("batch_softmax", "takes the softmax over the rows, not over the vocabulary"),
            *(SORT, f"ordered, order = scores.softmax(dim=0){SORT[23:]}", PROBS, "ordered"),
        ),
        bug("batch_softmax_sorted", "takes the softmax over the sorted rows", PROBS, "ordered.softmax(dim=0)"),
        bug(
            *("share_of_v", "keeps the share p of the vocabulary, whatever the probabilities"),
            *(
                DROP,
                "drop = (torch.arange(scores.shape[-1]) >= max(1, int(p * scores.shape[-1]))).repeat(len(scores), 1)",
            ),
        ),
        bug(
            *("min_p", "keeps what has p times the best one's probability: that is min-p"),
            *(DROP, "drop = probs < p * probs[..., :1]"),
        ),
        bug("each_alone", "looks at each token's own probability", DROP, "drop = probs < 1 - p"),
        bug(
            *("first_row", "uses the cut of the first row for all"),
            *(DROP, "drop = (before >= p)[:1].repeat(len(scores), 1)"),
        ),
        bug("not_scattered", "puts the sorted mask on the unsorted scores", SCATTER, ""),
        bug(
            "returns_sorted",
            "returns the scores in sorted order",
            SCATTER,
            "",
            RETURN,
            RETURN.replace("scores", "ordered"),
        ),
        bug("returns_probs", "returns probabilities, not scores", RETURN, f"{RETURN}.softmax(-1)"),
        bug("zero_for_inf", "sets what it drops to 0, not to -inf", RETURN, RETURN.replace("-math.inf", "0.0")),
        bug("ignores_p", "drops nothing, whatever p is: does what you add up ever reach p?", DROP, "drop = before > 1"),
    ),
)
