"""The next token's probabilities, and a text's: equal to a plain forward."""

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch

import minigpt
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2
from tokenizer import Tokenizer
from tokenizer.vocabulary import Vocabulary


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


@pytest.mark.parametrize(("n_ctx", "before"), [(1, ()), (2, (256,)), (7, ()), (8, (256, 255)), (32, (256,))])
@pytest.mark.parametrize("n", [1, 7, 9, 40])
def test_each_window_begins_with_the_bos(
    random_model: Callable[..., GPT2], n_ctx: int, before: tuple[int, ...], n: int
) -> None:
    """Every token is scored once, after the BOS and at least half of what a window holds beside it; a text that fits
    has the score of the uncut text."""
    vocabulary = Vocabulary({bytes([i]): i for i in range(256)}, special_tokens={"<s>": 256}, before=before)
    start = [*before] or [256]
    small = LanguageModel(random_model(n_ctx=n_ctx), Tokenizer.of(vocabulary), {"bos_token_id": 256})
    ids = [(31 * i) % 250 for i in range(n)]
    found = small.score(ids).logprobs
    assert len(found) == n
    room = n_ctx - len(start) if len(start) < n_ctx else n_ctx
    head = start if len(start) < n_ctx else []
    for i, logprob in enumerate(found):
        if len(start) + i <= n_ctx:
            views = [[*start, *ids[:i]]]
        else:
            most = min(i, room)
            views = [[*head, *ids[i - seen : i]] for seen in range((room + 1) // 2, most + 1)]
        views = [plain(small, view)[-1, ids[i]].item() for view in views if view]
        assert min(abs(logprob - view) for view in views) < 1e-4
    if n + len(start) <= n_ctx:
        whole = plain(small, [*start, *ids])[len(start) - 1 : -1]
        assert found == pytest.approx(whole[torch.arange(n), torch.tensor(ids)].tolist(), abs=1e-4)


def test_a_long_text_in_windows_is_nearly_as_likely_as_uncut() -> None:
    """The embedded model's own story in windows of half its length, against the whole; the BOS costs nothing."""
    lm = minigpt.load("storyteller", device="cpu")
    story = lm.generate("Once upon a time", max_new_tokens=300, seed=1, eos_token_id=()).text
    uncut = lm.score(story)
    lm.model.config = dataclasses.replace(lm.model.config, n_ctx=128)  # type: ignore[type-var]
    cut = lm.score(story)
    assert len(cut.logprobs) == len(uncut.logprobs) > 250
    assert cut.bits_per_byte == pytest.approx(uncut.bits_per_byte, rel=0.05)
    first = 128
    assert cut.logprobs[: first - 1] == pytest.approx(uncut.logprobs[: first - 1], abs=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_refused(random_model: Callable[..., GPT2], bad: float) -> None:
    lm = LanguageModel(random_model())
    lm.model.ln_f.bias.data[0] = bad  # type: ignore[union-attr, operator]
    for call in (lm.score, lm.next_tokens):
        with pytest.raises(ValueError, match="weights are damaged"):
            call([1, 2, 3])


def test_a_start_beyond_the_vocabulary_is_named(random_model: Callable[..., GPT2]) -> None:
    lm = LanguageModel(random_model(), None, {"bos_token_id": 50256})
    with pytest.raises(ValueError, match="id 50256 is not in the vocabulary"):
        lm.score([1, 2])


@pytest.mark.parametrize("bad", [-1, -2, 10**6])
def test_ids_that_the_model_does_not_have_are_named(lm: LanguageModel, bad: int) -> None:
    with pytest.raises(ValueError, match=f"id {bad} is not in the vocabulary"):
        lm.score([5, bad, 6])
