"""The probabilities after every filter and every combination of filters equal those of transformers' processors.

A token within 1e-5 of a filter's boundary may fall on either side of it by rounding, and equal logits in any order, so
such cases are drawn anew; what is left must agree within 1e-6.
"""

import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minigpt.fast import sampling as fast_sampling
from minigpt.generation import sampling
from minigpt.generation.sampling import repetition_penalty, softmax
from minigpt.generation.settings import Settings

process = pytest.importorskip("transformers.generation.logits_process")


def theirs(logits: torch.Tensor, ids: list[int], chosen: Settings) -> torch.Tensor:
    """Probabilities (V,) by transformers' processors, in the order in which `generate` puts them."""
    used = []
    if chosen.repetition_penalty != 1:
        used.append(process.RepetitionPenaltyLogitsProcessor(chosen.repetition_penalty))
    if chosen.temperature != 1:
        used.append(process.TemperatureLogitsWarper(chosen.temperature))
    if chosen.top_k:
        used.append(process.TopKLogitsWarper(chosen.top_k))
    if chosen.top_p < 1:
        used.append(process.TopPLogitsWarper(chosen.top_p))
    if chosen.min_p:
        used.append(process.MinPLogitsWarper(chosen.min_p))
    scores = logits[None].clone()
    for processor in used:
        scores = processor(torch.tensor([ids]), scores)
    return scores[0].softmax(-1)


def scores_of(logits: torch.Tensor, ids: list[int], chosen: Settings) -> torch.Tensor:
    """Our scores (V,) before temperature, top-k, top-p and min-p."""
    return repetition_penalty(logits[None], [ids], chosen.repetition_penalty)[0]


def ours(logits: torch.Tensor, ids: list[int], chosen: Settings, fast: bool = False) -> torch.Tensor:
    """Probabilities (V,) over everything that the filters leave, of the plain form or the fast one."""
    scores = scores_of(logits, ids, chosen)[None]
    if not fast:
        return softmax(sampling.filter_candidates(scores, chosen))[0]
    best, tokens = fast_sampling.candidates(scores, chosen)
    return torch.zeros_like(logits).scatter(0, tokens[0], softmax(best)[0])


def is_clear(logits: torch.Tensor, ids: list[int], chosen: Settings) -> bool:
    """Whether no token stands within rounding of a filter's boundary."""
    scores = scores_of(logits, ids, chosen).double() / chosen.temperature
    kept = torch.sort(scores, descending=True).values
    if chosen.top_k and chosen.top_k < len(kept):
        if kept[chosen.top_k - 1] - kept[chosen.top_k] < 1e-4:
            return False
        kept = kept[: chosen.top_k]
    if (kept[:-1] - kept[1:] < 1e-5).any():
        return False
    probs = kept.softmax(0)
    if chosen.top_p < 1:
        before = probs.cumsum(0) - probs
        if (before - chosen.top_p).abs().min() < 1e-5 and chosen.top_p:
            return False
        probs = probs[(before < chosen.top_p) | (torch.arange(len(probs)) == 0)]
    return not chosen.min_p or bool((probs / probs[0] / chosen.min_p - 1).abs().min() > 1e-4)


def random_logits(seed: int, n_vocab: int, spread: float) -> torch.Tensor:
    return torch.randn(n_vocab, generator=torch.Generator().manual_seed(seed)) * spread


options = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([1.0, 0.3, 0.7, 0.9, 1.5, 3.0]),
        "top_k": st.sampled_from([0, 1, 2, 5, 40, 200, 300, 10**6]),
        "top_p": st.sampled_from([1.0, 0.0, 0.1, 0.5, 0.9, 0.95, 0.999]),
        "min_p": st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.99]),
        "repetition_penalty": st.sampled_from([1.0, 0.7, 1.3]),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 50, 257, 1000]), st.sampled_from([0.3, 2.0, 8.0]), options)
def test_every_combination(seed: int, n_vocab: int, spread: float, given_options: dict[str, Any]) -> None:
    logits, ids = random_logits(seed, n_vocab, spread), [0, 1, 1, 2]
    chosen = Settings(**given_options)
    assume(is_clear(logits, ids, chosen))
    for fast in (False, True):
        assert (ours(logits, ids, chosen, fast) - theirs(logits, ids, chosen)).abs().max() < 1e-6


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.3, 2.0]), options)
def test_the_best_give_what_all_give(seed: int, spread: float, given_options: dict[str, Any]) -> None:
    logits = random_logits(seed, 5000, spread)
    chosen = Settings(**given_options)
    assume(is_clear(logits, [], chosen))
    assert (ours(logits, [], chosen, fast=True) - ours(logits, [], chosen)).abs().max() < 1e-6


def test_many_ties_reach_beyond_the_best() -> None:
    """In half precision many logits are equal: what ties with the k-th stays, however much that is."""
    logits = torch.zeros(1000)
    logits[:3] = torch.tensor([3.0, 2.0, 1.0])
    for chosen in (Settings(temperature=1, top_k=10), Settings(temperature=1, top_k=10, min_p=0.01)):
        for fast in (False, True):
            assert torch.allclose(ours(logits, [], chosen, fast), theirs(logits, [], chosen), atol=1e-7)
            assert (ours(logits, [], chosen, fast) > 0).all()


def test_ties_at_the_kth_stay_as_in_transformers() -> None:
    logits, chosen = torch.tensor([1.0, 2.0, 2.0, 2.0, 0.0]), Settings(temperature=1, top_k=2)
    assert ours(logits, [], chosen).tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert torch.equal(ours(logits, [], chosen), theirs(logits, [], chosen))


def differences(fast: bool) -> int:
    """In how many of 200 cases the filters, plain or fast, disagree with transformers."""
    wrong = 0
    for seed in range(200):
        logits = random_logits(seed, 300, 3.0)  # more than the filters look at first
        chosen = Settings(
            temperature=[0.6, 1.4][seed % 2], top_k=[0, 20][seed // 2 % 2], top_p=0.8, min_p=[0.0, 0.05][seed // 4 % 2]
        )
        if is_clear(logits, [], chosen):
            wrong += bool((ours(logits, [], chosen, fast) - theirs(logits, [], chosen)).abs().max() > 1e-6)
    return wrong


def test_mutations_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is not blind: each of these slips of the pen makes it disagree."""
    assert differences(fast=False) == differences(fast=True) == 0

    def unshifted(ordered: torch.Tensor, p: float) -> torch.Tensor:
        keep = ordered.cumsum(-1) <= p  # drops the token that reaches p, too
        keep[..., 0] = True
        return keep

    def other_order(scores: torch.Tensor, chosen: Settings) -> torch.Tensor:
        scores = sampling.top_p(scores / chosen.temperature, chosen.top_p)
        return sampling.top_k(scores, chosen.top_k) if chosen.top_k else scores

    def stale_total(best: torch.Tensor, scores: torch.Tensor, chosen: Settings) -> torch.Tensor:
        total = (scores / chosen.temperature).logsumexp(-1, keepdim=True)  # as if top-k had dropped nothing
        best = best / chosen.temperature
        best = sampling.top_k(best, chosen.top_k) if chosen.top_k else best
        return best.masked_fill(~sampling.nucleus((best - total).exp(), chosen.top_p), -math.inf)

    original = sampling.min_p
    for name, slip in {
        "nucleus": unshifted,
        "filter_candidates": other_order,
        "min_p": lambda scores, share: original(scores, 2 * share),
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(sampling, name, slip)
            assert differences(fast=False) > 20, name
            assert name == "filter_candidates" or differences(fast=True) > 20, name
    with monkeypatch.context() as patch:
        patch.setattr(fast_sampling, "filter_best", stale_total)
        assert differences(fast=True) > 20
