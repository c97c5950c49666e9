"""Lesson 08: from logits to the probabilities of the next token."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def next_probs(logits: Tensor) -> Tensor:
    """The probability of every token to come next, after the last of each text: logits (B, T, V) ->
    (B, V)."""
    # BEGIN SOLUTION
    last = logits[:, -1]  # (B, V)
    return last.softmax(dim=-1)
    # END SOLUTION


def acts(writer: Any, part: Callable[[Tensor], Tensor]) -> None:
    """Each token is drawn from these probabilities."""
    writer.probs = part


def cases() -> list[Case]:
    """Two short texts, a shorter one alone, real logits, and some so large that exp overflows."""
    few, real = 2 * material.numbers(2, 3, 5), material.few_logits()[0]
    return [Case((few,)), Case((few[:1, :2],)), Case((real,)), Case((few + 1000,), crafted=True)]


LAST = "logits[:, -1]"
RETURN = "return last.softmax(dim=-1)"

EXERCISE = Exercise(
    lesson="08",
    part=next_probs,
    make_cases=cases,
    acts=acts,
    hints=(
        "There are logits after each of the T tokens. Which of them say what comes after the text?",
        "Logits are any numbers. What makes positive numbers of them that sum to 1, and over which dimension?",
        "logits[:, -1] is (B, V), the logits after the last token; softmax(dim=-1) over the vocabulary.",
    ),
    bugs=(
        bug("first_position", "reads the logits after the first token, not after the last", LAST, "logits[:, 0]"),
        bug(
            "second_to_last",
            "reads the logits before the last token: they foretell what is there",
            LAST,
            "logits[:, -2]",
        ),
        bug("last_text", "takes the last text of the batch, not the last token of each", LAST, "logits[-1]"),
        bug("one_text", "answers for the first text alone: the batch is lost", LAST, "logits[0, -1]"),
        bug("all_positions", "answers after every token, not after the last alone", LAST, "logits"),
        bug(
            *("softmax_over_time", "takes the softmax over the tokens of the text, not over the vocabulary"),
            *(RETURN, "return logits.softmax(dim=1)[:, -1]"),
        ),
        bug("softmax_over_batch", "takes the softmax over the texts", RETURN, "return last.softmax(dim=0)"),
        bug(
            *("softmax_over_all", "takes one softmax over all texts, so that they sum to 1 together"),
            *(RETURN, "return last.flatten().softmax(dim=0).view_as(last)"),
        ),
        bug("no_softmax", "returns the logits as they are", RETURN, "return last"),
        bug("softmax_twice", "takes the softmax twice", RETURN, "return last.softmax(dim=-1).softmax(dim=-1)"),
        bug("mean_over_time", "takes the mean of the logits over the text", LAST, "logits.mean(dim=1)"),
        bug(
            *("mean_of_probs", "takes the mean of the probabilities over the text"),
            *(RETURN, "return logits.softmax(dim=-1).mean(dim=1)"),
        ),
        bug("log", "returns log-probabilities", RETURN, "return last.log_softmax(dim=-1)"),
        bug(
            "sigmoid",
            "judges each token by itself, by a sigmoid: these do not sum to 1",
            RETURN,
            "return last.sigmoid()",
        ),
        bug("no_exp", "divides by the sum without exp", RETURN, "return last / last.sum(dim=-1, keepdim=True)"),
        bug("not_normalized", "takes exp, and does not divide by the sum", RETURN, "return last.exp()"),
        bug(
            *("overflow", "overflows where a logit is large: subtract the largest before exp"),
            *(RETURN, "return last.exp() / last.exp().sum(dim=-1, keepdim=True)"),
        ),
        bug("best_id", "returns the likeliest token's id", RETURN, "return last.argmax(dim=-1)"),
        bug(
            *("one_hot", "gives the likeliest token probability 1"),
            *(RETURN, "return (last == last.amax(dim=-1, keepdim=True)).to(last.dtype)"),
        ),
    ),
)
