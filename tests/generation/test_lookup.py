"""Look-up decoding: the same text as one token at a time, in fewer steps where the text repeats."""

from collections.abc import Callable
from typing import Any

import pytest

from minigpt.generation import prompt_lookup as lookup
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2


@pytest.mark.parametrize("n_draft", [1, 4, 20])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.3, "seed": 2},
        {"temperature": 0.5, "top_p": 0.9, "seed": 2},
        {"repetition_penalty": 1.2},
        {"eos_token_id": (5, 9, 33)},
        {"temperature": 0.5, "seed": 1, "num_return_sequences": 2},
        {"max_new_tokens": 1},
        {"max_new_tokens": 0},
        {"top_logprobs": 2},
    ],
)
def test_the_text_is_the_same(random_model: Callable[..., GPT2], settings: dict[str, Any], n_draft: int) -> None:
    for seed in range(2):
        lm = LanguageModel(random_model(seed, vocab_size=40, n_ctx=128))
        prompts = [[1, 2, 3, 4, 1, 2, 3], [7], [5, 6] * 8]
        chosen = {"max_new_tokens": 40, **settings}
        plain = lm.generate(prompts, **chosen)
        drafted = lm.generate(prompts, prompt_lookup_num_tokens=n_draft, **chosen)
        if "num_return_sequences" in settings:
            plain, drafted = ([c for several in found for c in several] for found in (plain, drafted))
        assert [(c.ids, c.finish_reason) for c in plain] == [(c.ids, c.finish_reason) for c in drafted]
        for a, b in zip(plain, drafted, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


def test_stop_strings_and_text(lm: LanguageModel) -> None:
    plain = lm.generate("abcabcabc", max_new_tokens=50)
    stop = plain.text[20:22]
    assert stop
    expected = lm.generate("abcabcabc", max_new_tokens=50, stop=stop)
    found = lm.generate("abcabcabc", max_new_tokens=50, stop=stop, prompt_lookup_num_tokens=8)
    assert (found.text, found.ids, found.finish_reason) == (expected.text, expected.ids, "stop")


def test_a_text_that_repeats_takes_fewer_steps(parrot: Callable[..., LanguageModel]) -> None:
    lm = parrot("the cat sat. ")
    found = lm.generate("x", max_new_tokens=60, prompt_lookup_num_tokens=8)
    assert found.text == ("the cat sat. " * 5)[:60]
    steps = lm.model.forwards  # type: ignore[attr-defined]
    assert len(steps) < 30
    assert max(shape[1] for shape in steps) == 9  # the newest token and eight drafted


def test_bad_drafts_do_no_harm(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lm.generate("abcabcabc", max_new_tokens=40).ids
    for guess in ([0] * 4, [256] * 4, plain[1:5]):
        monkeypatch.setattr(lookup, "draft", lambda _, n, guess=guess: guess[:n])
        assert lm.generate("abcabcabc", max_new_tokens=40, prompt_lookup_num_tokens=4).ids == plain


def test_sliding_is_refused(lm: LanguageModel) -> None:
    with pytest.raises(ValueError, match="slide"):
        lm.generate("a", prompt_lookup_num_tokens=3, context="slide")
