"""What the suite of transformers says of its logits processors (tests/generation/test_logits_process.py), as facts.

One fact for each check of that suite about a filter done here, 42 tests on its own small distributions and texts. What
it tests of an option that is absent here (min_tokens_to_keep, another filter value, normalize) is left out.
"""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from minigpt.generation.constraints import decay_length, process, remove_invalid
from minigpt.generation.cutoffs import epsilon_cutoff, eta_cutoff, typical_p
from minigpt.generation.cutoffs import top_h as keep_top_h
from minigpt.generation.sampling import filter_candidates, min_p, repetition_penalty, top_k, top_p
from minigpt.generation.settings import Settings

RAMP = torch.arange(10.0)
FLAT = torch.full((4, 20), 1 / 20)
OFF = -math.inf
TEXT = list(range(1, 20))


def log(*rows: Sequence[float]) -> Tensor:
    return torch.tensor(rows).log()


def after(n_prompt: int, n_new: int, scores: Tensor, **settings: object) -> Tensor:
    """Scores for texts of n_prompt + n_new tokens, by the settings alone."""
    texts = [TEXT[: n_prompt + n_new]] * len(scores)
    return process(scores, texts, Settings(**settings), torch.full((len(scores),), n_new))  # type: ignore[arg-type]


def banned(scores: Tensor) -> list[list[int]]:
    return [[i for i, x in enumerate(row) if x == OFF] for row in scores.tolist()]


KEPT: list[tuple[str, Callable[[Tensor], Tensor], Tensor, list[list[int]]]] = [
    ("the three best of a ramp", lambda x: top_k(x, 3), RAMP[None], [[7, 8, 9]]),
    ("of a shifted ramp", lambda x: top_k(x, 3), (RAMP + 10 * (RAMP < 5))[None], [[2, 3, 4]]),
    ("ties at the k-th", lambda x: top_k(x, 1), torch.full((1, 5), 0.2), [[0, 1, 2, 3, 4]]),
    ("0.5 and 0.3 reach 0.8", lambda x: top_p(x, 0.8), log([0.3, 0.1, 0.1, 0.5]), [[0, 3]]),
    ("0.3, 0.3 and 0.25 reach 0.8", lambda x: top_p(x, 0.8), log([0.15, 0.3, 0.3, 0.25]), [[1, 2, 3]]),
    ("negative logits", lambda x: top_p(x, 0.9), (RAMP - 5)[None], [[7, 8, 9]]),
    ("extreme logits", lambda x: top_p(x, 0.9), (RAMP - 5)[None] * 100, [[9]]),
    ("a peak, h = 0.3", lambda x: keep_top_h(x, 0.3), log([0.97, 0.01, 0.01, 0.01]), [[0]]),
    ("a slope, h = 0.7", lambda x: keep_top_h(x, 0.7), log([0.4, 0.3, 0.2, 0.1]), [[0, 1]]),
    ("flat, h = 1", lambda x: keep_top_h(x, 1.0), log([0.25] * 4), [[0, 1, 2, 3]]),
    ("zeros, h = 0.4", lambda x: keep_top_h(x, 0.4), log([0.75, 0.25, 0, 0]), [[0]]),
    ("0.047 is above 0.05 times 0.9", lambda x: min_p(x, 0.05), log([0.9, 0.0274, 0.047, 0.0274]), [[0, 2]]),
    ("no token stands out", lambda x: min_p(x, 0.05), log([0.15, 0.3, 0.3, 0.25]), [[0, 1, 2, 3]]),
    ("one token stands out", lambda x: min_p(x, 0.05), log([0.97, 0.01, 0.01, 0.01]), [[0]]),
    ("extreme logits, min-p", lambda x: min_p(x, 0.9), (RAMP - 5)[None] * 100, [[9]]),
    ("the peak is typical", lambda x: typical_p(x, 0.5), log([0.97, 0.01, 0.01, 0.01]), [[0]]),
    ("the peak is not typical", lambda x: typical_p(x, 0.5), log([0.4, 0.2, 0.2, 0.2]), [[1, 2, 3]]),
    ("all are typical", lambda x: typical_p(x, 0.5), torch.full((1, 5), 0.2), [[0, 1, 2, 3, 4]]),
    ("extreme logits, typical", lambda x: typical_p(x, 0.7), (RAMP - 5)[None] * 100, [[9]]),
    ("one has 0.1", lambda x: epsilon_cutoff(x, 0.1), log([0.87, 0.099, 0.001, 0.03]), [[0]]),
    ("all have 0.1", lambda x: epsilon_cutoff(x, 0.1), log([0.4, 0.299, 0.101, 0.2]), [[0, 1, 2, 3]]),
    ("three have 0.05", lambda x: epsilon_cutoff(x, 0.05), (RAMP - 5)[None], [[7, 8, 9]]),
    ("extreme logits, epsilon", lambda x: epsilon_cutoff(x, 0.05), (RAMP - 5)[None] * 100, [[9]]),
    ("eta: epsilon decides", lambda x: eta_cutoff(x, 0.0625), log([0.0, 0.1, 0.8, 0.1]), [[1, 2, 3]]),
    ("eta: one stays", lambda x: eta_cutoff(x, 0.0625), log([0.01, 0.04, 0.9, 0.05]), [[2]]),
    ("eta: two stay", lambda x: eta_cutoff(x, 0.1), (RAMP - 5)[None], [[8, 9]]),
    ("extreme logits, eta", lambda x: eta_cutoff(x, 0.1), (RAMP - 5)[None] * 100, [[9]]),
]


@pytest.mark.parametrize(("fact", "keep", "scores", "expected"), KEPT, ids=[fact for fact, *_ in KEPT])
def test_what_a_filter_keeps(
    fact: str, keep: Callable[[Tensor], Tensor], scores: Tensor, expected: list[list[int]]
) -> None:
    before = scores.clone()
    found = keep(scores)
    assert [[i for i, x in enumerate(row) if x > OFF] for row in found.tolist()] == expected, fact
    assert torch.equal(found[found > OFF], scores[found > OFF])  # what stays is as it was
    assert torch.equal(scores, before)  # and what was given, too


@pytest.mark.parametrize("ends", [(0,), (0, 18)])
def test_no_end_before_the_least_length(ends: tuple[int, ...]) -> None:
    assert banned(after(5, 0, FLAT, min_length=10, eos_token_id=ends)) == [list(ends)] * 4
    assert banned(after(15, 0, FLAT, min_length=10, eos_token_id=ends)) == [[]] * 4
    for n_new in (0, 1, 2):
        assert banned(after(5, n_new, FLAT, min_new_tokens=3, eos_token_id=ends)) == [list(ends)] * 4
    for n_new in (3, 10):
        assert banned(after(5, n_new, FLAT, min_new_tokens=3, eos_token_id=ends)) == [[]] * 4


def test_temperature_sharpens_and_flattens() -> None:
    flat, bent = torch.full((1, 20), 0.05), torch.full((1, 20), 0.05)
    bent[0, 5], bent[0, 10] = 0.15, -0.35
    for temperature in (0.5, 1.3):
        assert torch.allclose(filter_candidates(flat, Settings(temperature=temperature)).softmax(-1), flat.softmax(-1))
    was = bent.softmax(-1)
    sharp = filter_candidates(bent, Settings(temperature=0.5)).softmax(-1)
    smooth = filter_candidates(bent, Settings(temperature=1.3)).softmax(-1)
    assert sharp.max() > was.max() > smooth.max()
    assert sharp.min() < was.min() < smooth.min()


def test_repetition_penalty_divides_or_multiplies() -> None:
    scores = torch.full((2, 10), 0.1)
    scores[0, 0], scores[1, 5] = -0.1, 0.4
    found = repetition_penalty(scores, [[0, 1], [5, 0]], 2.0)
    assert found[0, :3].tolist() == pytest.approx([-0.2, 0.05, 0.1])
    assert found[1, [0, 5, 1]].tolist() == pytest.approx([0.05, 0.2, 0.1])


@pytest.mark.parametrize(
    ("n", "texts", "expected"),
    [
        (2, [[1, 1, 2, 1], [0, 1, 0, 1]], [[1, 2], [0]]),
        (3, [[1, 1, 2, 1], [0, 1, 0, 1]], [[], [0]]),
        (3, [[1, 2, 5, 7, 8, 5, 1, 2]], [[5]]),  # the later 5 follows other tokens, and lifts no ban
        (3, [[1, 2], [0, 1]], [[], []]),  # too short to repeat anything
        (1, [[1, 2], [0, 1]], [[1, 2], [0, 1]]),
    ],
)
def test_no_ngram_twice(n: int, texts: list[list[int]], expected: list[list[int]]) -> None:
    settings = Settings(no_repeat_ngram_size=n)
    found = process(torch.zeros(len(texts), 10), texts, settings, torch.zeros(len(texts), dtype=torch.int64))
    assert banned(found) == expected


def test_bad_words() -> None:
    words = [[1], [4], [1, 0], [0, 1, 2], [1, 3, 1, 3]]
    settings = Settings(bad_words_ids=words, eos_token_id=4)  # type: ignore[arg-type]
    found = process(torch.full((2, 5), 0.2), [[0, 1, 3, 1], [0, 1, 0, 1]], settings, torch.tensor([0, 0]))
    assert banned(found) == [[0, 1, 3], [0, 1, 2]]  # 4 ends a text, and cannot be forbidden
    only_end = Settings(bad_words_ids=[[4]], eos_token_id=4)  # type: ignore[arg-type]
    assert torch.equal(process(torch.full((1, 5), 0.2), [[0]], only_end, torch.tensor([0])), torch.full((1, 5), 0.2))


def test_biases_of_sequences() -> None:
    bias = {(1,): 100.0, (4,): 100.0, (1, 0): -100.0, (0, 1, 2): -100.0, (1, 3, 1, 3): -100.0, (1, 3, 1, 3, 1, 3): -9.0}
    settings = Settings(sequence_bias=bias)  # type: ignore[arg-type]
    found = process(torch.zeros(2, 5), [[0, 1, 3, 1], [0, 1, 0, 1]], settings, torch.tensor([0, 0]))
    assert found.tolist() == [[-100, 100, 0, -100, 100], [-100, 100, -100, 0, 100]]
    pairs = Settings(sequence_bias=[[list(word), b] for word, b in bias.items()])  # type: ignore[arg-type]
    assert pairs == settings  # as JSON writes it


def test_forced_tokens() -> None:
    first = after(1, 0, FLAT, forced_bos_token_id=3)
    assert (first[:, 3].tolist(), banned(first)[0]) == ([0.0] * 4, [i for i in range(20) if i != 3])
    assert torch.equal(after(4, 0, FLAT, forced_bos_token_id=3), FLAT)
    last = after(2, 2, FLAT, forced_eos_token_id=0, max_new_tokens=3)
    assert (last[:, 0].tolist(), banned(last)[0]) == ([0.0] * 4, list(range(1, 20)))
    assert torch.equal(after(2, 1, FLAT, forced_eos_token_id=0, max_new_tokens=3), FLAT)
    assert banned(after(4, 0, FLAT, forced_eos_token_id=[0, 7], max_length=5))[0] == [*range(1, 7), *range(8, 20)]


def test_invalid_numbers_become_numbers() -> None:
    found = remove_invalid(torch.tensor([[0.0, 0.7, math.nan], [math.inf, 0.3, OFF]]))
    largest = torch.finfo(torch.float32).max
    assert torch.equal(found, torch.tensor([[0.0, 0.7, 0.0], [largest, 0.3, -largest]]))


def test_end_tokens_gain_with_length() -> None:
    for scores in (FLAT, -FLAT):
        assert torch.equal(decay_length(scores, [0], 1.1, [-3] * 4), scores)
        raised = decay_length(scores, [0], 1.1, [13] * 4)
        assert (raised[:, 0] > scores[:, 0]).all()
        assert torch.equal(raised[:, 1:], scores[:, 1:])
        assert raised[0, 0].item() == pytest.approx(scores[0, 0].item() + 0.05 * (1.1**13 - 1))
    assert decay_length(FLAT, [0], 10.0, [10**6] * 4).isfinite().all()  # and never beyond what a float holds


def test_suppressed_tokens() -> None:
    assert banned(after(3, 4, FLAT, suppress_tokens=[2, 5, 99]))[0] == [2, 5]  # 99 is none that could come
    assert banned(after(3, 0, FLAT, begin_suppress_tokens=[2, 5]))[0] == [2, 5]
    assert banned(after(3, 1, FLAT, begin_suppress_tokens=[2, 5]))[0] == []
    late = {"begin_suppress_tokens": [2], "forced_bos_token_id": 3}
    assert banned(after(1, 1, FLAT, **late))[0] == [2]  # type: ignore[arg-type]  # the forced token stands before
