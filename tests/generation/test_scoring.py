"""The next token's probabilities, and a text's: equal to a plain forward."""

import math
from collections.abc import Callable

import pytest
import torch

from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2


def plain(lm: LanguageModel, ids: list[int]) -> torch.Tensor:
    """Log-probabilities (T, V) after each of the ids."""
    return lm.model(torch.tensor([ids]))[0].detach().log_softmax(-1)  # type: ignore[operator]


def test_next_tokens(lm: LanguageModel) -> None:
    probs = plain(lm, list(b"abc"))[-1].exp()
    found = lm.next_tokens("abc", 5)
    assert [t.id for t in found] == probs.topk(5).indices.tolist()
    assert [t.probability for t in found] == pytest.approx(probs.topk(5).values.tolist(), abs=1e-6)
    assert [t.filtered for t in found] == [t.probability for t in found]  # nothing was asked for
    assert len(lm.next_tokens("abc", 10**6)) == 257
    assert sum(t.probability for t in lm.next_tokens("abc", 257)) == pytest.approx(1)
    assert lm.next_tokens([97, 98, 99], 5) == found


def test_next_tokens_after_filters(lm: LanguageModel) -> None:
    logits = plain(lm, list(b"abc"))[-1]
    for temperature in (0.5, 1.0, 2.0):
        found = lm.next_tokens("abc", 257, temperature=temperature, top_k=7)
        best = logits.topk(7)
        expected = dict(zip(best.indices.tolist(), (best.values / temperature).softmax(0).tolist(), strict=True))
        assert {t.id: t.filtered for t in found if t.filtered} == pytest.approx(expected, abs=1e-6)
        assert sum(t.filtered for t in found) == pytest.approx(1)
    greedy = lm.next_tokens("abc", 3, temperature=0)
    assert [t.filtered for t in greedy] == [1, 0, 0]
    assert [t.filtered for t in lm.next_tokens("abc", 3, top_p=0.0)] == [1, 0, 0]
    tired = lm.next_tokens(greedy[0].text, 257, repetition_penalty=1.5)
    assert any(t.filtered < t.probability for t in tired if t.id == ord(greedy[0].text))


def test_next_tokens_at_the_edges(lm: LanguageModel) -> None:
    assert lm.next_tokens("", 3) == lm.next_tokens([256], 3)
    assert len(lm.next_tokens("x" * 64, 3)) == 3  # a full context has a next token, too
    with pytest.raises(ValueError, match="65 tokens of prompt and 0 new ones exceed"):
        lm.next_tokens("x" * 65)
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        lm.next_tokens("a", 0)


def test_score(lm: LanguageModel) -> None:
    ids = list("schön".encode())
    expected = plain(lm, [256, *ids])[torch.arange(len(ids)), torch.tensor(ids)]
    score = lm.score("schön")
    assert score.ids == ids
    assert score.logprobs == pytest.approx(expected.tolist(), abs=1e-5)
    assert score.perplexity == pytest.approx(math.exp(-expected.mean()), rel=1e-5)
    assert score.bits_per_byte == pytest.approx(-expected.sum().item() / math.log(2) / 6, rel=1e-5)


def test_score_without_a_start(random_model: Callable[..., GPT2]) -> None:
    lm = LanguageModel(random_model())
    expected = plain(lm, [5, 6, 7])[torch.arange(2), torch.tensor([6, 7])]
    assert lm.score([5, 6, 7]).logprobs == pytest.approx(expected.tolist(), abs=1e-5)
    assert lm.score([5]).logprobs == []
    assert math.isnan(lm.score([5]).perplexity)


def test_special_tokens_are_bits_but_no_bytes(lm: LanguageModel) -> None:
    score = lm.score("ab<|endoftext|>cd", allow_special="all")
    assert (len(score.logprobs), score.n_bytes) == (5, 4)
    assert lm.score("ab<|endoftext|>cd").n_bytes == 17


@pytest.mark.parametrize("n_ctx", [1, 2, 7, 8, 32])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 20])
def test_long_texts_are_read_in_windows(
    random_model: Callable[..., GPT2], lm: LanguageModel, n_ctx: int, n: int
) -> None:
    """Every token is scored once, and sees at least half a window before it (or the whole beginning)."""
    small = LanguageModel(random_model(n_ctx=n_ctx), lm.tokenizer)
    ids = [(31 * i) % 250 for i in range(n)]
    whole = [256, *ids]
    found = small.score(ids).logprobs
    assert len(found) == n
    for i, logprob in enumerate(found):
        views = [plain(small, whole[begin : i + 1])[-1, ids[i]].item() for begin in range(max(0, i + 1 - n_ctx), i + 1)]
        allowed = [view for seen, view in enumerate(reversed(views), 1) if seen >= min(i + 1, (n_ctx + 1) // 2)]
        assert min(abs(logprob - view) for view in allowed) < 1e-4


@pytest.mark.parametrize("bad", [-1, -2, 10**6])
def test_ids_that_the_model_does_not_have_are_named(lm: LanguageModel, bad: int) -> None:
    with pytest.raises(ValueError, match=f"id {bad} is not in the vocabulary"):
        lm.score([5, bad, 6])
