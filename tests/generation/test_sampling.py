"""Draws: their frequencies, their seeds, and their indifference to what else is in the batch."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch

import minigpt
from minigpt.gpt2 import GPT2
from minigpt.language_model import LanguageModel
from minigpt.sampling import gumbel, pick, row_keys
from minigpt.settings import Settings

CHI_SQUARE_999 = {5: 20.5, 9: 27.9, 19: 43.8}  # a sound generator exceeds these once in a thousand runs


def chi_square(counts: list[int], probs: list[float]) -> float:
    n = sum(counts)
    return sum((count - n * p) ** 2 / (n * p) for count, p in zip(counts, probs, strict=True))


def draws(logits: torch.Tensor, n: int, chosen: Settings) -> list[int]:
    """n picks from the same logits (V,), as n sequences of one prompt at their first step would make them."""
    keys = row_keys([chosen.seed or 0] * n, list(range(n)))
    return pick(logits.expand(n, -1), chosen, keys, torch.zeros(n, dtype=torch.int64)).tolist()


@pytest.mark.parametrize("n_vocab", [6, 10, 20])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_frequencies(n_vocab: int, seed: int) -> None:
    logits = torch.randn(n_vocab, generator=torch.Generator().manual_seed(seed))
    counts = Counter(draws(logits, 40_000, Settings(temperature=1, seed=seed)))
    probs = logits.softmax(0).tolist()
    assert chi_square([counts[i] for i in range(n_vocab)], probs) < CHI_SQUARE_999[n_vocab - 1]


def test_frequencies_after_filters() -> None:
    logits = torch.randn(500, generator=torch.Generator().manual_seed(3))
    counts = Counter(draws(logits, 40_000, Settings(temperature=0.7, top_k=6, seed=5)))
    best = logits.topk(6)
    assert set(counts) == set(best.indices.tolist())
    probs = (best.values / 0.7).softmax(0).tolist()
    assert chi_square([counts[i] for i in best.indices.tolist()], probs) < CHI_SQUARE_999[5]


def test_frequencies_along_steps() -> None:
    """One row with one key, step after step; and pairs of neighbouring steps, which must not know of each other."""
    n, logits = 40_000, torch.randn(5, generator=torch.Generator().manual_seed(4))
    key = row_keys([9], [0]).expand(n)
    picked = pick(logits.expand(n, -1), Settings(temperature=1), key, torch.arange(n)).tolist()
    pairs = Counter(zip(picked[::2], picked[1::2], strict=True))
    probs = logits.softmax(0).tolist()
    table = [(pairs[i, j], probs[i] * probs[j]) for i in range(5) for j in range(5)]
    assert chi_square(*map(list, zip(*table, strict=True))) < 51.2  # 24 degrees of freedom, one in a thousand


def test_noise_is_uniform_and_differs_everywhere() -> None:
    keys = row_keys([0, 0, 1], [0, 1, 0])
    noise = gumbel(keys, torch.tensor([0, 0, 0]), torch.arange(50_000).expand(3, -1))
    uniform = (-(-noise).exp()).exp()
    for row in uniform:
        counts = torch.histc(row.float(), bins=20, min=0, max=1).tolist()
        assert chi_square([int(c) for c in counts], [0.05] * 20) < CHI_SQUARE_999[19]
    assert torch.corrcoef(uniform).fill_diagonal_(0).abs().max() < 0.02
    assert torch.isfinite(noise).all()


def test_a_rows_text_is_its_own(lm: LanguageModel) -> None:
    """Alone, in a batch, and as the first of several: the same tokens for the same seed."""
    prompts = ["a", "the quick brown fox", "", "zz top"]
    for settings in ({"temperature": 1.0}, {"temperature": 0.8, "top_p": 0.9}, {"top_k": 20}):
        chosen = {"max_new_tokens": 20, "seed": 11, **settings}
        alone = [lm.generate(prompt, **chosen).ids for prompt in prompts]
        assert [c.ids for c in lm.generate(prompts, **chosen)] == alone
        assert [c[0].ids for c in lm.generate(prompts, num_return_sequences=3, **chosen)] == alone
        three, five = (lm.generate("a", num_return_sequences=n, **chosen) for n in (3, 5))
        assert [c.ids for c in three] == [c.ids for c in five[:3]]
        assert len({tuple(c.ids) for c in five}) == 5


def test_seeds(lm: LanguageModel) -> None:
    def ids(**settings: object) -> list[int]:
        return lm.generate("a", max_new_tokens=12, temperature=1.0, **settings).ids

    assert ids(seed=1) == ids(seed=1) != ids(seed=2)
    assert ids(seed=-1) == ids(seed=-1)
    assert ids(seed=2**80) == ids(seed=2**80)
    assert ids() != ids()
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    ids(seed=1)
    assert torch.equal(before, torch.random.get_rng_state())  # nobody else's randomness is used up
    rows = lm.generate(["a", "a"], max_new_tokens=12, temperature=1.0)
    assert rows[0].ids != rows[1].ids  # without a seed every row has luck of its own


@pytest.mark.parametrize("temperature", [0, 0.0, 1e-40, 1e-300, 1e-6])
def test_tiny_temperatures_are_greedy(lm: LanguageModel, temperature: float) -> None:
    greedy = lm.generate("abc", max_new_tokens=15).ids
    found = lm.generate("abc", max_new_tokens=15, temperature=temperature, num_return_sequences=10)
    assert [c.ids for c in found] == [greedy] * 10


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 0.0}, {"top_p": 1e-9}, {"min_p": 1.0}])
def test_filters_that_leave_one_token(lm: LanguageModel, settings: dict[str, float]) -> None:
    assert lm.generate("abc", max_new_tokens=15, **settings).ids == lm.generate("abc", max_new_tokens=15).ids


@pytest.mark.parametrize("settings", [{"top_k": 0}, {"top_k": 10**6}, {"top_p": 1.0}, {"min_p": 0.0}])
def test_filters_that_leave_everything(lm: LanguageModel, settings: dict[str, float]) -> None:
    plain = lm.generate("abc", max_new_tokens=15, temperature=1, seed=0).ids
    assert lm.generate("abc", max_new_tokens=15, temperature=1, seed=0, **settings).ids == plain


def test_high_temperatures_flatten() -> None:
    logits = torch.tensor([5.0, 0.0, 0.0, 0.0])
    assert Counter(draws(logits, 4000, Settings(temperature=1e9)))[0] == pytest.approx(1000, abs=150)


def test_half_precision_models_draw_from_float32_scores(random_model: Callable[..., GPT2]) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        model = random_model().to(dtype)
        assert len(minigpt.generate(model, [1, 2], max_new_tokens=5, temperature=1, top_p=0.9, seed=0)) == 5
