"""Lesson 09: the temperature."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def temperature(scores: Tensor, t: float) -> Tensor:
    """The probabilities at temperature t: scores (B, V) -> (B, V); at t = 0 the best token of each
    row has all."""
    # BEGIN SOLUTION
    if t == 0:
        best = scores.argmax(dim=-1, keepdim=True)  # (B, 1)
        return torch.zeros_like(scores).scatter(-1, best, 1.0)
    return (scores / t).softmax(dim=-1)
    # END SOLUTION


def as_numbers(part: Any, scores: Tensor, t: float) -> Any:
    """Zeros and ones are probabilities, too, in whole numbers as one_hot makes them."""
    found = part(scores, t)
    return found.to(scores.dtype) if isinstance(found, Tensor) and not found.is_floating_point() else found


def acts(writer: Any, part: Callable[[Tensor, float], Tensor]) -> None:
    """Each token is drawn at temperature 0.7."""
    writer.probs = lambda logits: part(logits[:, -1], 0.7)


def cases() -> list[Case]:
    """Few scores, one of them -inf; then real ones; cold, warm, at 0 and so hot that nearly all are equal."""
    few = torch.tensor([[2.0, 1.0, 0.5, 3.0, -1.5], [4.5, 1.25, -math.inf, 3.5, 0.25]], dtype=torch.float64)
    real = material.few_logits()[0][:, -1].contiguous()
    ts = (2.0, 0.5, 0.0, 500.0)
    return [Case((scores, t), crafted=scores is few) for scores in (few, real) for t in ts]


ZERO, PLACE = "if t == 0:", "torch.zeros_like(scores).scatter(-1, best, 1.0)"
RETURN = "return (scores / t).softmax(dim=-1)"

EXERCISE = Exercise(
    lesson="09",
    part=temperature,
    make_cases=cases,
    acts=acts,
    use=as_numbers,
    hints=(
        "A low temperature makes differences between scores larger, a high one smaller, before the softmax.",
        "Divide the scores by t, then softmax. What is left when t goes to 0, and can you divide by it?",
        "if t == 0: 1 at the argmax of each row, 0 elsewhere; else (scores / t).softmax(dim=-1).",
    ),
    bugs=(
        bug("multiplied", "multiplies by t: higher is colder then", RETURN, "return (scores * t).softmax(dim=-1)"),
        bug(
            *("after_softmax", "divides the probabilities, after the softmax: they do not sum to 1"),
            *(RETURN, "return scores.softmax(dim=-1) / t"),
        ),
        bug(
            *("zero_divides", "treats temperature 0 like any other, though nothing can be divided by 0"),
            *(ZERO, "if t < 0:"),
        ),
        bug(
            *("zero_raises", "divides by 0 at temperature 0, which Python refuses"),
            *(ZERO, "if t < 0:", RETURN, "return (scores * (1 / t)).softmax(dim=-1)"),
        ),
        bug("zero_is_one", "takes temperature 0 for none: it is the coldest", PLACE, "scores.softmax(dim=-1)"),
        bug("zero_id", "returns the best token's id at temperature 0, not probabilities", PLACE, "best"),
        bug("zero_scores", "returns the scores as they are at temperature 0", PLACE, "scores"),
        bug(
            *("zero_masks", "returns scores at temperature 0, all but the best -inf, and no probabilities"),
            *(PLACE, "torch.full_like(scores, -math.inf).scatter(-1, best, scores.gather(-1, best))"),
        ),
        bug(
            *("zero_one_row", "finds one best token for all rows at temperature 0"),
            *(PLACE, "(scores == scores.max()).to(scores.dtype)"),
        ),
        bug(
            *("zero_every_best", "gives 1 to the best of every row in all rows at temperature 0"),
            *(PLACE, "torch.zeros_like(scores).index_fill(-1, best.flatten(), 1.0)"),
        ),
        bug("zero_worst", "takes the worst token at temperature 0", "scores.argmax(", "scores.argmin("),
        bug(
            "on_probs",
            "divides probabilities, and takes the softmax again",
            RETURN,
            "return (scores.softmax(dim=-1) / t).softmax(dim=-1)",
        ),
        bug("squared", "divides by t²", RETURN, "return (scores / t**2).softmax(dim=-1)"),
        bug("root", "divides by √t", RETURN, "return (scores / t**0.5).softmax(dim=-1)"),
        bug("t_plus_1", "divides by 1 + t", RETURN, "return (scores / (1 + t)).softmax(dim=-1)"),
        bug("no_softmax", "returns scores, not probabilities", RETURN, "return scores / t"),
        bug("log", "returns log-probabilities", RETURN, "return (scores / t).log_softmax(dim=-1)"),
        bug("ignores_t", "gives the same at every temperature but 0", RETURN, "return scores.softmax(dim=-1)"),
        bug(
            *("not_normalized", "raises the probabilities to 1 / t, and does not make them sum to 1 again"),
            *(RETURN, "return scores.softmax(dim=-1) ** (1 / t)"),
        ),
        bug(
            *("power_t", "raises the probabilities to t, not to 1 / t, and does not make them sum to 1 again"),
            *(RETURN, "return scores.softmax(dim=-1) ** t"),
        ),
        bug("batch_softmax", "takes the softmax over the rows", RETURN, "return (scores / t).softmax(dim=0)"),
        bug("capped", "takes no temperature above 1", RETURN, "return (scores / min(t, 1.0)).softmax(dim=-1)"),
        bug("at_least_1", "takes no temperature below 1", RETURN, "return (scores / max(t, 1.0)).softmax(dim=-1)"),
    ),
)
