"""Lesson 09: a draw."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def sample(probs: Tensor, u: Tensor) -> Tensor:
    """Draws a token per row: probabilities (B, V) and random numbers u (B,), 0 <= u < 1 -> ids (B,).

    The tokens divide the stretch from 0 to 1 among them, in the order of the ids, each with a part
    as long as its probability; the token on whose part u falls is drawn, and never one of
    probability 0. Rounding may leave the sum a little below 1: a u beyond it draws the last token.
    """
    # BEGIN SOLUTION
    ends = probs.cumsum(dim=-1)  # (B, V)
    ends = ends / ends[:, -1:]  # rounding: the last one is exactly 1
    return (ends <= u[:, None]).sum(dim=-1)
    # END SOLUTION


def ids(part: Any, probs: Tensor, u: Tensor) -> Any:
    """A list of ids is as good as a tensor."""
    found = part(probs, u)
    return torch.tensor([int(i) for i in found]) if isinstance(found, (list, tuple)) else found


def acts(writer: Any, part: Callable[[Tensor, Tensor], Any]) -> None:
    """Each token is drawn by the learner's draw."""
    writer.draw = lambda probs: ids(part, probs, torch.rand(1, generator=writer.numbers))


def cases() -> list[Case]:
    """Few probabilities and every stretch once, one text, real probabilities, u = 0 where the first token has none;
    a sum that falls short of 1, by more than it would in float64, so that a report shows it."""
    few = material.numbers(6, 5, seed=7).softmax(dim=-1)
    u = torch.tensor([0.02, 0.35, 0.51, 0.74, 0.93, 0.57], dtype=torch.float64)
    real = material.few_logits()[0][0].softmax(dim=-1)
    spread = (torch.arange(len(real), dtype=torch.float64) * 0.618 + 0.1).frac()
    none = torch.tensor([[0.0, 0.25, 0.5, 0.25], [0.5, 0.0, 0.25, 0.25]], dtype=torch.float64)
    edge = torch.tensor([0.0, 0.625], dtype=torch.float64)
    short = torch.tensor([[0.125, 0.4, 0.25, 0.224]], dtype=torch.float64)
    beyond = torch.tensor([0.9995], dtype=torch.float64)
    made = [Case((few[:1], u[3:4])), Case((few, u)), Case((real, spread))]
    return [*made, *(Case(args, crafted=True) for args in ((none, edge), (short, beyond)))]


ENDS, RETURN = "ends = probs.cumsum(dim=-1)", "return (ends <= u[:, None]).sum(dim=-1)"
WHOLE = "    ends = ends / ends[:, -1:]  # rounding: the last one is exactly 1\n"

EXERCISE = Exercise(
    lesson="09",
    part=sample,
    make_cases=cases,
    acts=acts,
    use=ids,
    hints=(
        "Lay the probabilities end to end: they reach from 0 to 1. On which token's stretch does u fall?",
        "cumsum says where each stretch ends. How many of them end at u or before?",
        "ends = probs.cumsum(-1), divided by ends[:, -1:]; then count the ends <= u: (ends <= u[:, None]).sum(-1).",
    ),
    bugs=(
        bug("argmax", "always takes the likeliest token", RETURN, "return probs.argmax(dim=-1)"),
        bug(
            "zero_drawn",
            "draws a token of probability 0 where u is 0: its stretch ends at u",
            RETURN,
            RETURN.replace("<=", "<"),
        ),
        bug(
            "not_cumulated",
            "takes the first token whose own probability is above u",
            RETURN,
            "return (probs > u[:, None]).int().argmax(dim=-1)",
        ),
        bug(
            "counts_alone",
            "counts the probabilities up to u, not the ends of the stretches: first add them up",
            *(ENDS, "ends = probs", WHOLE, ""),
        ),
        bug("past_the_end", "draws an id that does not exist where u is beyond a sum just below 1", WHOLE, ""),
        bug(
            *("back_to_the_first", "draws the first token where u is beyond a sum just below 1"),
            *(WHOLE, "", RETURN, "return (ends > u[:, None]).int().argmax(dim=-1)"),
        ),
        bug("one_more", "takes the token after the one that is drawn", RETURN, f"{RETURN} + 1"),
        bug("one_less", "takes the token before the one that is drawn", RETURN, f"{RETURN} - 1"),
        bug("one_u", "draws all rows with the first random number", RETURN, RETURN.replace("u[:, None]", "u[0]")),
        bug("one_row", "draws from the first row's probabilities alone", ENDS, "ends = probs[:1].cumsum(dim=-1)"),
        bug("over_rows", "adds up over the rows", ENDS, "ends = probs.cumsum(dim=0)", WHOLE, ""),
        bug(
            "from_the_end",
            "begins with the last token",
            ENDS,
            "ends = probs.flip(-1).cumsum(dim=-1)",
            RETURN,
            f"return probs.shape[-1] - 1 - {RETURN[7:]}",
        ),
        bug(
            "one_minus_u",
            "draws with 1 - u: it begins from the other end",
            RETURN,
            RETURN.replace("u[:, None]", "1 - u[:, None]"),
        ),
        bug(
            "rank",
            "sorts the probabilities, and returns a place in that order, not the id",
            ENDS,
            "ends = probs.sort(dim=-1, descending=True).values.cumsum(dim=-1)",
        ),
        bug(
            *("sorted_first", "gives the likeliest token the first stretch: here they lie in the order of the ids"),
            *(ENDS, "ordered, order = probs.sort(dim=-1, descending=True)\n    ends = ordered.cumsum(dim=-1)"),
            *(RETURN, f"return order.gather(-1, {RETURN[7:]}[:, None])[:, 0]"),
        ),
        bug(
            "uniform",
            "draws every token equally often, whatever the probabilities",
            RETURN,
            "return (u * probs.shape[-1]).long()",
        ),
        bug(
            "softmax_again", "takes a softmax of the probabilities", ENDS, "ends = probs.softmax(dim=-1).cumsum(dim=-1)"
        ),
        bug(
            "returns_prob",
            "returns the probability of the token, not its id",
            RETURN,
            f"return probs.gather(-1, {RETURN[7:]}[:, None])[:, 0]",
        ),
    ),
)
