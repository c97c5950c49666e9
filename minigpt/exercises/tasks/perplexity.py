"""Lesson 08: how well a model foretells a text."""

import math
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def perplexity(logits: Tensor, ids: Tensor) -> Tensor:
    """Between how many tokens a model wavers, on average: logits (T, V) of a text and its ids (T,)
    -> one number.

    exp of the mean of -log p, over the T - 1 tokens that come after another.
    """
    # BEGIN SOLUTION
    logprobs = logits[:-1].log_softmax(dim=-1)  # (T - 1, V): row t foretells token t + 1
    found = logprobs.gather(-1, ids[1:, None])  # (T - 1, 1)
    return (-found.mean()).exp()
    # END SOLUTION


def number(part: Any, logits: Tensor, ids: Tensor) -> Any:
    """A float is as good as a tensor of one number; what overflows in Python, in torch is infinite."""
    try:
        found = part(logits, ids)
    except OverflowError:
        found = math.inf
    return torch.tensor(found, dtype=torch.float64) if isinstance(found, float) else found


def cases() -> list[Case]:
    """Three tokens, a few, a real text, and one whose last token is so unlikely that its probability rounds to 0."""
    logits, few = 2 * material.numbers(6, 5, seed=3), torch.tensor([2, 0, 3, 3, 1, 4])
    real, ids = material.few_logits()
    steep, more = 2 * material.numbers(10, 5, seed=4), torch.tensor([1, 4, 0, 2, 2, 3, 0, 1, 4, 3])
    steep[-2, more[-1]] = -1000
    return [
        Case((logits[:3], few[:3])),
        Case((logits, few)),
        Case((real[0], ids[0])),
        Case((steep, more), crafted=True),
    ]


ROWS, DIM = "logits[:-1]", "logits[:-1].log_softmax(dim=-1)"
IDS = "ids[1:, None]"
FOUND = "logprobs.gather(-1, ids[1:, None])"
RETURN = "(-found.mean()).exp()"

EXERCISE = Exercise(
    lesson="08",
    part=perplexity,
    make_cases=cases,
    use=number,
    hints=(
        "Row t of the logits foretells token t + 1. So which row is the last that counts, and which token the first?",
        "Log-probabilities by log_softmax; pick that of the token that came; the mean; minus; exp.",
        "logits[:-1].log_softmax(-1).gather(-1, ids[1:, None]), then (-found.mean()).exp().",
    ),
    bugs=(
        bug(
            *("not_shifted", "compares row t with token t, which the model has just read"),
            *(ROWS, "logits", IDS, "ids[:, None]"),
        ),
        bug("cut_alike", "cuts both at the end, and so compares row t with token t", IDS, "ids[:-1, None]"),
        bug(
            *("shifted_wrong_way", "compares row t with token t - 1: shift the other way"),
            *(ROWS, "logits[1:]", IDS, "ids[:-1, None]"),
        ),
        bug("two_ahead", "compares row t with token t + 2", ROWS, "logits[:-2]", IDS, "ids[2:, None]"),
        bug(
            *("wraps_around", "lets the last row foretell the first token"),
            *(ROWS, "logits", IDS, "ids.roll(-1)[:, None]"),
        ),
        bug("sum_not_mean", "takes the sum, not the mean: it grows with the text", RETURN, "(-found.sum()).exp()"),
        bug("base_2", "raises 2, not e, to the mean of natural logarithms", RETURN, "2 ** -found.mean()"),
        bug(
            "exp_of_bits",
            "raises e to a mean of logarithms to base 2",
            RETURN,
            "(-(found / 0.6931471805599453).mean()).exp()",
        ),
        bug(
            *("includes_first", "divides by T: nothing foretells the first token, T - 1 are foretold"),
            *(RETURN, "(-found.sum() / len(ids)).exp()"),
        ),
        bug("no_softmax", "takes the logits for log-probabilities", DIM, ROWS),
        bug("no_log", "takes the mean of probabilities, not of their logarithms", DIM, f"{ROWS}.softmax(dim=-1)"),
        bug(
            *("by_probs", "goes by way of probabilities: a tiny one rounds to 0, and the perplexity is infinite"),
            *(".log_softmax(dim=-1)", ".softmax(dim=-1).log()"),
        ),
        bug("softmax_twice", "takes the softmax twice", DIM, f"{ROWS}.softmax(dim=-1).log_softmax(dim=-1)"),
        bug(
            "softmax_over_time",
            "takes the softmax over the text, not over the vocabulary",
            DIM,
            f"{ROWS}.log_softmax(dim=0)",
        ),
        bug("no_exp", "leaves out exp: that is the loss", RETURN, "-found.mean()"),
        bug("bits", "returns the mean number of bits", RETURN, "-found.mean() / 0.6931471805599453"),
        bug("sign", "leaves out the minus: less than 1 is no number of tokens", RETURN, "found.mean().exp()"),
        bug("mean_of_inverse", "takes the mean of 1/p, which one bad guess decides", RETURN, "(-found).exp().mean()"),
        bug("mean_of_probs", "takes 1 / the mean of the probabilities", RETURN, "1 / found.exp().mean()"),
        bug("last_token", "counts the last token alone", RETURN, "(-found[-1, 0]).exp()"),
        bug("all_tokens", "takes the mean over the whole vocabulary, not over the tokens that came", FOUND, "logprobs"),
        bug("best_token", "looks at the likeliest token, not at the one that came", FOUND, "logprobs.amax(dim=-1)"),
    ),
)
