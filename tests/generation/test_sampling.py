"""Draws: their frequencies, their seeds, and their indifference to what else is in the batch."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minigpt
from minigpt.fast import race
from minigpt.fast import sampling as fast_sampling
from minigpt.fast.compared import say_once
from minigpt.generation import sampling as sampling_module
from minigpt.generation.noise import sequence_key, uniform
from minigpt.generation.sampling import Sample, sample
from minigpt.generation.settings import Settings
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2
from tests.fast.faults import plant


def p_value(*tables: tuple[list[int], list[float]]) -> float:
    """How often chance alone would put counts at least this far from what the probabilities say (Pearson's test)."""
    square = sum((n - sum(ns) * p) ** 2 / (sum(ns) * p) for ns, ps in tables for n, p in zip(ns, ps, strict=True))
    freedom = sum(len(ns) - 1 for ns, _ in tables)
    return torch.special.gammaincc(*torch.tensor([freedom / 2, square / 2], dtype=torch.float64)).item()


def draws(logits: torch.Tensor, n: int, chosen: Settings, sample: Sample = sample) -> list[int]:
    """n draws from the same logits (V,): the first hundred steps of n / 100 sequences of one prompt."""
    keys = torch.stack([sequence_key(chosen.seed or 0, i, [1, 2]) for i in range(n // 100)]).repeat_interleave(100)
    return sample(logits.expand(n, -1), [[]] * n, chosen, keys, torch.arange(n) % 100).tolist()


def logits_of(n_vocab: int, seed: int) -> torch.Tensor:
    return torch.randn(n_vocab, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_vocab", [2, 6, 20])
def test_frequencies(n_vocab: int) -> None:
    tables = []
    for seed in range(10):
        logits = logits_of(n_vocab, seed)
        counts = Counter(draws(logits, 8000, Settings(temperature=1, seed=seed)))
        tables.append(([counts[i] for i in range(n_vocab)], logits.softmax(0).tolist()))
    assert p_value(*tables) > 1e-3
    assert p_value(*[(counts, logits_of(n_vocab, 99).softmax(0).tolist()) for counts, _ in tables]) < 1e-9


def test_frequencies_after_filters() -> None:
    logits = logits_of(500, 3)
    counts = Counter(draws(logits, 20_000, Settings(temperature=0.7, top_k=6, seed=5)))
    best = logits.topk(6)
    assert set(counts) == set(best.indices.tolist())
    probs = (best.values / 0.7).softmax(0).tolist()
    assert p_value(([counts[i] for i in best.indices.tolist()], probs)) > 1e-3


def test_frequencies_along_steps() -> None:
    """One row with one key, step after step; and pairs of neighbouring steps, which must not know of each other."""
    n, logits = 40_000, logits_of(5, 4)
    key = sequence_key(9, 0, [1]).expand(n)
    picked = sample(logits.expand(n, -1), [[]] * n, Settings(temperature=1), key, torch.arange(n)).tolist()
    pairs = Counter(zip(picked[::2], picked[1::2], strict=True))
    probs = logits.softmax(0).tolist()
    both = [(i, j) for i in range(5) for j in range(5)]
    assert p_value(([pairs[i, j] for i, j in both], [probs[i] * probs[j] for i, j in both])) > 1e-3


def test_noise_is_uniform_and_differs_everywhere() -> None:
    keys = torch.stack([sequence_key(*who) for who in ((0, 0, [1, 2]), (0, 1, [1, 2]), (1, 0, [1, 2]), (0, 0, [2, 1]))])
    noise = uniform(keys, torch.zeros(4, dtype=torch.int64), torch.arange(50_000).expand(4, -1))
    for row in noise:
        counts = torch.histc(row.float(), bins=20, min=0, max=1).tolist()
        assert p_value(([int(c) for c in counts], [0.05] * 20)) > 1e-3
    assert torch.corrcoef(noise).fill_diagonal_(0).abs().max() < 0.02
    assert noise.min() > 0
    assert noise.max() < 1


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([3, 50, 257, 1000, 5000]),
    st.sampled_from([0.01, 0.3, 2.0, 8.0]),
    st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([0.0, 0.3, 0.9, 1.0, 3.0]),
            "top_k": st.sampled_from([0, 1, 5, 300, 10**6]),
            "top_p": st.sampled_from([1.0, 0.0, 0.5, 0.9, 0.999]),
            "min_p": st.sampled_from([0.0, 0.01, 0.5]),
            "typical_p": st.sampled_from([1.0, 1.0, 0.4]),
            "eta_cutoff": st.sampled_from([0.0, 0.0, 0.01]),
            "no_repeat_ngram_size": st.sampled_from([0, 0, 2]),
            "repetition_penalty": st.sampled_from([1.0, 0.7, 1.3]),
        }
    ),
)
def test_the_fast_sampler_draws_what_the_plain_one_draws(seed: int, n: int, spread: float, options: Any) -> None:
    logits, keys = logits_of(8 * n, seed).view(8, n) * spread, torch.arange(8)
    given = (logits, [[0, 1, 1, 2]] * 8, Settings(**options), keys, keys)
    assert torch.equal(sample(*given), fast_sampling.sample(*given))


@pytest.mark.parametrize(
    ("name", "slip"),
    [
        ("top_k", lambda scores, _: sampling_module.min_p(scores, 1.0)),
        ("nucleus", lambda ordered, p: ordered.cumsum(-1) < p),
        ("min_p", lambda scores, _: scores),
        ("draw", lambda probs, _: probs.argmin(-1)),
        ("filter_candidates", lambda scores, settings: scores * settings.temperature),
        ("sample", lambda logits, *_: logits.argmin(-1)),
    ],
)
def test_a_changed_plain_sampler_is_what_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, slip: Any
) -> None:
    """Either the fast form calls the changed function too, or the two differ and the plain one serves."""
    logits, keys = 2 * logits_of(64 * 900, 1).view(64, 900), torch.arange(64)
    chosen = Settings(temperature=0.9, top_k=40, top_p=0.6, min_p=0.2)
    right = fast_sampling.fast_sample()(logits, [[]] * 64, chosen, keys, keys)
    monkeypatch.setattr(sampling_module, name, slip)
    say_once.cache_clear()
    found = fast_sampling.fast_sample()(logits, [[]] * 64, chosen, keys, keys)
    assert torch.equal(found, sampling_module.sample(logits, [[]] * 64, chosen, keys, keys))
    assert not torch.equal(found, right)
    assert capsys.readouterr().err.count("\n") <= 1


def test_a_fault_in_the_fast_sampler_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fast_sampling, "filter_best", lambda best, *_: best.masked_fill(best < best[:, 1:2], -math.inf))
    fast_sampling.agrees.cache_clear()
    say_once.cache_clear()
    assert fast_sampling.fast_sample() is sample
    assert fast_sampling.fast_sample() is sample
    fast_sampling.agrees.cache_clear()
    assert "minigpt/fast/sampling.py differs" in capsys.readouterr().err


def test_a_rows_text_is_its_own(lm: LanguageModel) -> None:
    """Alone, in a batch, and as the first of several: the same tokens for the same seed."""
    prompts = ["a", "the quick brown fox", "", "zz top"]
    for strategy in ({"temperature": 1.0}, {"temperature": 0.8, "top_p": 0.9}, {"top_k": 20}):
        chosen = {"max_new_tokens": 20, "seed": 11, **strategy}
        alone = [lm.generate(prompt, **chosen).ids for prompt in prompts]
        assert [c.ids for c in lm.generate(prompts, **chosen)] == alone
        assert [c[0].ids for c in lm.generate(prompts, num_return_sequences=3, **chosen)] == alone
        three, five = (lm.generate("a", num_return_sequences=n, **chosen) for n in (3, 5))
        assert [c.ids for c in three] == [c.ids for c in five[:3]]
        assert len({tuple(c.ids) for c in five}) == 5


def test_seeds(lm: LanguageModel) -> None:
    def ids(**more: object) -> list[int]:
        return lm.generate("a", max_new_tokens=12, temperature=1.0, **more).ids

    assert ids(seed=1) == ids(seed=1) != ids(seed=2)
    assert ids(seed=-1) == ids(seed=-1)
    assert ids(seed=2**80) == ids(seed=2**80)
    assert ids() != ids()
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    ids(seed=1)
    assert torch.equal(before, torch.random.get_rng_state())  # nobody else's randomness is used up
    rows = lm.generate(["a", "b"], max_new_tokens=12, temperature=1.0, seed=1)
    assert rows[0].ids != rows[1].ids  # another prompt has other luck
    rows = lm.generate(["a", "a"], max_new_tokens=12, temperature=1.0)
    assert rows[0].ids != rows[1].ids  # without a seed every row has luck of its own


@pytest.mark.parametrize("temperature", [0, 0.0, 1e-40, 1e-300, 1e-6])
def test_tiny_temperatures_are_greedy(lm: LanguageModel, temperature: float) -> None:
    greedy = lm.generate("abc", max_new_tokens=15).ids
    found = lm.generate("abc", max_new_tokens=15, temperature=temperature, num_return_sequences=10)
    assert [c.ids for c in found] == [greedy] * 10


@pytest.mark.parametrize("filters", [{"top_k": 1}, {"top_p": 0.0}, {"top_p": 1e-9}, {"min_p": 1.0}])
def test_filters_that_leave_one_token(lm: LanguageModel, filters: dict[str, float]) -> None:
    assert lm.generate("abc", max_new_tokens=15, **filters).ids == lm.generate("abc", max_new_tokens=15).ids


@pytest.mark.parametrize("filters", [{"top_k": 0}, {"top_k": 10**6}, {"top_p": 1.0}, {"min_p": 0.0}])
def test_filters_that_leave_everything(lm: LanguageModel, filters: dict[str, float]) -> None:
    plain = lm.generate("abc", max_new_tokens=15, temperature=1, seed=0).ids
    assert lm.generate("abc", max_new_tokens=15, temperature=1, seed=0, **filters).ids == plain


def partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """The ways to write a number as a sum of positive ones, largest first."""
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        for rest in partitions(total - first, first):
            yield (first, *rest)


@pytest.mark.parametrize("grid", [10, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_top_p_keeps_the_fewest_that_reach_p(grid: int, dtype: torch.dtype) -> None:
    """Every distribution of tenths and twentieths, at every p of the same grid, plain and fast; order as it comes."""
    every = list(partitions(grid, grid - 1))
    generator = torch.Generator().manual_seed(grid)
    for n in range(2, grid + 1):
        counts = [parts for parts in every if len(parts) == n]
        scores = (torch.tensor(counts, dtype=torch.float64) / grid).log()[:, torch.randperm(n, generator=generator)]
        scores = scores.to(dtype)
        wide = torch.cat((scores, torch.full((len(counts), 600), -1e4, dtype=dtype)), dim=1)
        sums = torch.tensor(counts).cumsum(1)
        for k in range(1, grid):
            fewest = (sums < k).sum(1) + 1  # in whole numbers, without rounding
            kept = sampling_module.top_p(scores, k / grid)
            assert torch.equal((kept > -math.inf).sum(1), fewest)
            best, _ = fast_sampling.candidates(wide, Settings(temperature=1, top_p=k / grid))
            assert torch.equal((best > -math.inf).sum(1), fewest)


def test_high_temperatures_flatten() -> None:
    logits = torch.tensor([5.0, 0.0, 0.0, 0.0])
    assert Counter(draws(logits, 4000, Settings(temperature=1e9)))[0] == pytest.approx(1000, abs=150)


def test_half_precision_models_draw_from_float32_scores(random_model: Callable[..., GPT2]) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        model = random_model().to(dtype)
        assert len(minigpt.generate(model, [1, 2], max_new_tokens=5, temperature=1, top_p=0.9, seed=0)) == 5


def test_ids_that_only_pad_the_vocabulary_have_no_text(random_model: Callable[..., GPT2], lm: LanguageModel) -> None:
    padded = LanguageModel(random_model(vocab_size=400), lm.tokenizer)
    found = padded.generate("a", max_new_tokens=30, temperature=2.0, seed=0)
    assert max(found.ids) > 256
    assert len(found.ids) == 30


compiled = pytest.mark.skipif(race.code() is None, reason="no C compiler on this machine")


@pytest.mark.parametrize("form", [pytest.param("C", marks=compiled), "NumPy"])
@pytest.mark.parametrize("n_vocab", [3, 600, 50257])
@pytest.mark.parametrize("spread", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.4])
def test_the_race_of_few_is_won_by_the_winner_of_all(
    monkeypatch: pytest.MonkeyPatch, form: str, n_vocab: int, spread: float, top_p: float
) -> None:
    """Where it names a winner it is the plain sampler's; and it names one unless the few it looks at all drop out."""
    if form == "NumPy":
        monkeypatch.setattr(race, "code", lambda: None)
    scores, keys = logits_of(4 * n_vocab, 7).view(4, n_vocab) * spread, torch.arange(4) - 2
    scores[:, 1] = -torch.inf
    chosen, undecided = Settings(temperature=0.8, top_p=top_p), 0
    for step in range(3 if n_vocab > 600 else 20):
        steps = torch.full((4,), step)
        found = race.winners(scores, chosen, keys, steps)
        undecided += found is None
        assert found is None or torch.equal(found, sample(scores, [[]] * 4, chosen, keys, steps))
    tied = top_p < 1 and spread == 0
    assert undecided <= (20 if tied else 2 if top_p < 1 else 0)


def test_keys_and_steps_may_be_views() -> None:
    scores, chosen = logits_of(3 * 50, 2).view(3, 50), Settings(temperature=1.0)
    keys, steps = sequence_key(9, 0, [1]).expand(3), torch.arange(6)[::2]
    assert torch.equal(race.winners(scores, chosen, keys, steps), sample(scores, [[]] * 3, chosen, keys, steps))  # type: ignore[arg-type]


@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0])
def test_few_tokens_race(monkeypatch: pytest.MonkeyPatch, spread: float) -> None:
    """Of 50257 tokens, whether alike or not, a few hundred lucky or likely ones have their logarithm taken."""
    taken: list[int] = []
    log = np.log
    monkeypatch.setattr(race, "code", lambda: None)
    monkeypatch.setattr(np, "log", lambda numbers: taken.append(len(numbers)) or log(numbers))  # type: ignore[func-returns-value]
    scores, keys = spread * logits_of(50257, 3)[None], torch.tensor([9])
    assert race.winners(scores, Settings(temperature=1.0), keys, keys) is not None
    assert len(taken) == 2
    assert max(taken) < 3000


@compiled
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x ^ x >> 27", "x ^ x >> 28"),
        ("(token + 1) * GOLDEN", "token * GOLDEN"),
        ("steps[row] * GOLDEN", "steps[0] * GOLDEN"),
        ("exp(score - top)", "exp(top - score)"),
        ("* 0x1p-53", "* 0x1p-54"),
        ("/ (float)temperature", "* (float)temperature"),
        ("nth * LUCKY_WAIT", "nth"),
        ("if (scores[i] >= least)", "if (0)"),
        ("< (p - CLOSE) * total", "<= total"),
    ],
)
def test_a_fault_in_the_race_in_c_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    plant(race, old, new, tmp_path, monkeypatch)
    fast_sampling.agrees.cache_clear()
    say_once.cache_clear()
    assert fast_sampling.fast_sample() is sample
    fast_sampling.agrees.cache_clear()
    assert "minigpt/fast/sampling.py differs" in capsys.readouterr().err
