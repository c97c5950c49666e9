"""Lesson 09: beam search."""

import math  # noqa: F401 (for the bugs' code)
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def beam(model: Callable[[Sequence[int]], Tensor], ids: list[int], n: int, width: int, eos: int) -> list[int]:
    """The best text that a search with some beams finds: its new ids, at most n (1 or more), with
    or without eos at the end.

    model(ids) gives the logits (V,) of the next token; no text here is too long for it. Each round
    grows every running text by every token and keeps the `width` with the highest sum of
    log-probabilities; one that gets eos has finished. The best of all, finished or not, has the
    highest mean: the sum divided by the number of new tokens, eos counted. Whether finished texts
    keep their place among the `width`, and whether the search ends when that many have finished,
    is left open.
    """
    # BEGIN SOLUTION
    running: list[tuple[list[int], float]] = [([], 0.0)]  # new ids, and the sum of their log-probabilities
    finished: list[tuple[list[int], float]] = []
    for _ in range(n):
        grown = [
            ([*new, id], total + logprob)
            for new, total in running
            for id, logprob in enumerate(model(ids + new).log_softmax(dim=-1).tolist())
        ]
        grown.sort(key=lambda text: text[1], reverse=True)
        finished += [text for text in grown[:width] if text[0][-1] == eos]
        running = [text for text in grown if text[0][-1] != eos][:width]
    best = max(finished + running, key=lambda text: text[1] / len(text[0]))
    return best[0]
    # END SOLUTION


def new_ids(part: Any, model: Any, ids: list[int], n: int, width: int, eos: int) -> Any:
    """What stands before eos; a tensor or a tuple of ids is as good as a list."""
    found = material.as_list(part(model, ids, n, width, eos))
    return found[: found.index(eos)] if isinstance(found, list) and eos in found else found


FOUND = {  # n, width: seeds
    (1, 2): (2,),
    (2, 2): (1, 6),
    (3, 2): (4, 74, 162, 325, 631, 1207, 1375),
    (3, 3): (9, 44, 72, 162, 839, 943, 1043),
    (4, 2): (439, 1181, 1398),
    (4, 3): (54, 69, 733, 1533),
}


def acts(writer: Any, part: Callable[..., list[int]]) -> None:
    """The text is what three beams find."""
    writer.write = lambda ids, n: part(writer.scores, ids, n, 3, writer.eos)


def cases() -> list[Case]:
    """Models of six tokens, of which 0 ends a text: found by a search, so that any two bugs part on three of them, and
    that every way of counting finished texts gives the same, with a bug or without."""
    return [
        Case((material.table_model(6, n_ctx=9, seed=seed), [1 + seed % 5, 2], n, width, 0))
        for (n, width), seeds in FOUND.items()
        for seed in seeds
    ]


LOGPROBS = "model(ids + new).log_softmax(dim=-1)"
EACH = "enumerate(model(ids + new).log_softmax(dim=-1).tolist())"
FINISH, RUN = (
    "finished += [text for text in grown[:width] if text[0][-1] == eos]",
    "running = [text for text in grown if text[0][-1] != eos][:width]",
)
MEAN, AMONG = "text[1] / len(text[0])", "finished + running"

EXERCISE = Exercise(
    lesson="09",
    part=beam,
    make_cases=cases,
    acts=acts,
    use=new_ids,
    hints=(
        "Keep a list of texts, each with its score. A round: grow all of them by every token, sort, keep the best few.",
        "The score is a sum of log-probabilities. A text that gets eos is put aside; at the end compare means.",
        "grown = every ([*new, id], total + logprob); sort; eos among the best: finished; the other best: running.",
    ),
    bugs=(
        bug(
            "probs_for_logprobs",
            "adds up probabilities: log-probabilities are what adds up",
            LOGPROBS,
            "model(ids + new).softmax(dim=-1)",
        ),
        bug(
            "logits_for_logprobs", "adds up logits, which no softmax has made comparable", LOGPROBS, "model(ids + new)"
        ),
        bug("finished_dropped", "forgets the texts that have finished", AMONG, "running"),
        bug(
            "running_dropped",
            "forgets the texts that reach n tokens without eos, if any has finished",
            AMONG,
            "finished or running",
        ),
        bug("finished_extended", "grows texts on after eos", FINISH, "", RUN, "running = grown[:width]"),
        bug(
            "finished_extended_and_kept",
            "keeps texts that have finished, and grows them on, too",
            RUN,
            "running = grown[:width]",
        ),
        bug(
            "first_finished",
            "returns the first text that finishes, though others may be better",
            RUN,
            f"if finished:\n            return finished[0][0]\n        {RUN}",
        ),
        bug("no_length_penalty", "compares sums at the end, which favours short texts, not means", MEAN, "text[1]"),
        bug("multiplied_by_length", "multiplies the sum by the length", MEAN, "text[1] * len(text[0])"),
        bug(
            *("product_by_length", "divides the product by the length: the mean is that of the logarithms"),
            *(MEAN, "math.exp(text[1]) / len(text[0])"),
        ),
        bug("prompt_counted", "counts the prompt's tokens in the mean", MEAN, "text[1] / len(ids + text[0])"),
        bug(
            "eos_not_counted",
            "does not count eos in the mean",
            MEAN,
            "text[1] / max(1, len(text[0]) - (text[0][-1] == eos))",
        ),
        bug(
            *("per_beam_topk_1", "gives each text its best token alone, or keeps only one: that is greedy"),
            *(EACH, f"[max({EACH}, key=lambda pair: pair[1])]"),
        ),
        bug(
            *(
                "per_beam_topk_1_after_the_first",
                "branches in the first round alone, then gives each text its best token",
            ),
            *(EACH, f"(sorted({EACH}, key=lambda pair: -pair[1])[: 1 if new else None])"),
        ),
        bug(
            "no_pruning",
            "keeps all texts, not the best few: they become five times as many each round",
            RUN,
            RUN.replace("[:width]", ""),
            FINISH,
            FINISH.replace("[:width]", ""),
        ),
        bug(
            "width_plus_1",
            "keeps one text too many",
            RUN,
            RUN.replace("width", "width + 1"),
            FINISH,
            FINISH.replace("width", "width + 1"),
        ),
        bug("ascending", "keeps the worst texts", "reverse=True", "reverse=False"),
        bug("last_only", "ranks by the newest token alone, not by the sum", "total + logprob", "logprob"),
        bug(
            "only_newest",
            "shows the model the newest id alone",
            LOGPROBS,
            "model((ids + new)[-1:]).log_softmax(dim=-1)",
        ),
        bug("same_context", "shows the model the prompt alone", LOGPROBS, "model(ids).log_softmax(dim=-1)"),
        bug(
            "prompt_repeated",
            "returns the prompt, too, not the new ids alone",
            "return best[0]",
            "return ids + best[0]",
        ),
        bug("one_too_many", "makes one token too many", "range(n)", "range(n + 1)"),
        bug("one_too_few", "makes one token too few", "range(n)", "range(n - 1)"),
        bug("worst", "returns the worst of the texts that it found", "best = max(", "best = min("),
    ),
)
