"""Lesson 14: the loss of a language model."""

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def loss(logits: Tensor, ids: Tensor) -> Tensor:
    """How badly a model predicts each next token: logits (B, T, V) after the ids (B, T) -> the mean
    of -log p, in nats.

    The logits at t are about the id at t + 1, so the last ones have nothing to predict.
    """
    # BEGIN SOLUTION
    logprobs = logits[:, :-1].log_softmax(dim=-1)  # (B, T - 1, V)
    targets = ids[:, 1:]  # (B, T - 1)
    picked = logprobs.gather(-1, targets[..., None])  # (B, T - 1, 1)
    return -picked.mean()
    # END SOLUTION


def cases() -> list[Case]:
    """One prediction, a few with random logits, then the storyteller's own for two texts."""
    few = torch.tensor([[2, 0, 3, 1], [4, 4, 0, 2], [1, 3, 2, 0]])
    seen = material.activations()["logits"]
    return [
        Case((material.numbers(1, 2, 3) * 2, torch.tensor([[0, 2]])), grad=True),
        Case((material.numbers(3, 4, 5) * 2, few), grad=True),
        Case((seen, material.ids()), grad=True),
    ]


LOGPROBS, TARGETS, RETURN = "logits[:, :-1].log_softmax(dim=-1)", "ids[:, 1:]", "-picked.mean()"

EXERCISE = Exercise(
    lesson="14",
    part=loss,
    make_cases=cases,
    hints=(
        "Which logits are about which id? The first id is given, and after the last one nothing is known.",
        "logits[:, :-1] are about ids[:, 1:]. Of each row of log-probabilities the target's alone counts.",
        "logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]); its mean, negative.",
    ),
    bugs=(
        bug(
            *("not_shifted", "asks each token to predict itself, the last one, too: nothing is shifted"),
            *(LOGPROBS, LOGPROBS.replace("[:, :-1]", ""), TARGETS, "ids"),
        ),
        bug("targets_are_inputs", "takes ids[:, :-1], the inputs, for the targets", TARGETS, "ids[:, :-1]"),
        bug(
            *("shifted_wrong_way", "asks each token to predict the one before it"),
            *(LOGPROBS, LOGPROBS.replace("[:, :-1]", "[:, 1:]"), TARGETS, "ids[:, :-1]"),
        ),
        bug(
            *("logits_from_1", "drops the first logits, not the last, so that each token predicts itself"),
            *(LOGPROBS, LOGPROBS.replace("[:, :-1]", "[:, 1:]")),
        ),
        bug(
            "wraps_round",
            "asks the last token to predict the first",
            LOGPROBS,
            LOGPROBS.replace("[:, :-1]", ""),
            TARGETS,
            "ids.roll(-1, 1)",
        ),
        bug(
            *("softmax_twice", "takes the softmax of probabilities: cross_entropy does it already"),
            *(LOGPROBS, "logits[:, :-1].softmax(dim=-1).log_softmax(dim=-1)"),
        ),
        bug("no_softmax", "takes the logits for log-probabilities", LOGPROBS, "logits[:, :-1]"),
        bug(
            *("log_of_mean", "takes the logarithm of the mean probability, not the mean of the logarithms"),
            *(".log_softmax", ".softmax", RETURN, "-picked.mean().log()"),
        ),
        bug(
            *("all_targets", "pairs each place with the targets of all places: gather takes each place's own"),
            *("logprobs.gather(-1, targets[..., None])", "logprobs[:, :, targets]"),
        ),
        bug("no_log", "takes the mean of the probabilities, not of their logarithms", ".log_softmax", ".softmax"),
        bug(
            "softmax_axis",
            "takes the softmax over the tokens, not over the vocabulary",
            "softmax(dim=-1)",
            "softmax(dim=1)",
        ),
        bug("sum", "takes the sum over all tokens, not the mean", RETURN, "-picked.sum()"),
        bug(
            "sum_of_each",
            "adds up each text's tokens, and takes the mean of the texts",
            RETURN,
            "-picked.sum(dim=1).mean()",
        ),
        bug(
            "mean_over_vocabulary",
            "divides by the size of the vocabulary, too",
            RETURN,
            "-picked.mean() / logits.shape[-1]",
        ),
        bug("divided_by_t", "divides by T, though there are T - 1 predictions", RETURN, "-picked.sum() / ids.numel()"),
        bug(
            *("flatten_wrong", "views (B, T, V) as (B, V, T), which mixes tokens with the vocabulary: transpose them"),
            *(LOGPROBS, "logits[:, :-1].reshape(len(ids), logits.shape[2], -1).transpose(1, 2).log_softmax(dim=-1)"),
        ),
        bug(
            *("flatten_crossed", "flattens logits and targets in different orders"),
            *(TARGETS, "ids[:, 1:].T.reshape(len(ids), -1)"),
        ),
        bug("last_only", "looks at the last prediction alone", RETURN, "-picked[:, -1].mean()"),
        bug("first_text", "looks at the first text alone", RETURN, "-picked[0].mean()"),
        bug(
            "base_2",
            "counts in bits, not in nats",
            RETURN,
            "-picked.mean() / torch.tensor(2.0, dtype=logits.dtype).log()",
        ),
        bug("sign", "has the wrong sign: training would make it worse", RETURN, "picked.mean()"),
        bug("perplexity", "gives the perplexity, e to the power of the loss", RETURN, "picked.mean().neg().exp()"),
        bug("detach", "cuts the gradient off: detach, .item(), .data or no_grad", RETURN, "-picked.detach().mean()"),
    ),
)
