"""At the edge of the context: each policy, at the last token that fits and at the first that does not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import minigpt
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2


@pytest.fixture(scope="module")
def long(random_model: Callable[..., GPT2]) -> GPT2:
    """GPT-2's own 1024 positions in a tiny model."""
    return random_model(vocab_size=50, n_ctx=1024, n_layer=1, n_embd=8)


def ids_of(n: int) -> list[int]:
    return [(7 * i) % 50 for i in range(n)]


def one_by_one(model: GPT2, ids: list[int], n: int) -> list[int]:
    """The plain loop without a cache: every token from the last n_ctx tokens, all of them computed anew."""
    ids = list(ids)
    for _ in range(n):
        window = torch.tensor([ids[-model.config.n_ctx :]])
        ids.append(int(model(window)[0, -1].argmax()))
    return ids[-n:]


@pytest.mark.parametrize(
    ("n_prompt", "n_new"), [(1000, 24), (1000, 25), (1023, 1), (1023, 2), (1024, 1), (1025, 1), (1100, 5)]
)
def test_the_edge(long: GPT2, n_prompt: int, n_new: int) -> None:
    lm, prompt, fits = LanguageModel(long), ids_of(n_prompt), n_prompt + n_new <= 1024
    expected = one_by_one(long, prompt, n_new)
    if fits:
        for context in ("error", "stop", "slide"):
            found = lm.generate(prompt, max_new_tokens=n_new, context=context)
            assert (found.ids, found.finish_reason) == (expected, "length")
        return
    with pytest.raises(ValueError, match=r"exceed the context of 1024: .*, or context='slide'") as error:
        lm.generate(prompt, max_new_tokens=n_new)
    assert str(n_prompt) in str(error.value)
    stopped = lm.generate(prompt, max_new_tokens=n_new, context="stop")
    assert (stopped.ids, stopped.finish_reason) == (expected[: max(0, 1024 - n_prompt)], "context")
    slid = lm.generate(prompt, max_new_tokens=n_new, context="slide")
    assert (slid.ids, slid.finish_reason) == (expected, "length")


def test_a_batch_slides_row_by_row(random_model: Callable[..., GPT2]) -> None:
    model = random_model(n_ctx=16)
    prompts = [[1, 2, 3], ids_of(14), ids_of(20), [5]]
    found = minigpt.generate(model, prompts, max_new_tokens=24, context="slide")
    assert found == [one_by_one(model, prompt, 24) for prompt in prompts]


def test_a_batch_stops_row_by_row(random_model: Callable[..., GPT2]) -> None:
    model = random_model(n_ctx=16)
    prompts = [[1, 2, 3], ids_of(14), ids_of(20), [5]]
    found = LanguageModel(model).generate(prompts, max_new_tokens=14, context="stop")
    assert [(len(c.ids), c.finish_reason) for c in found] == [
        (13, "context"),
        (2, "context"),
        (0, "context"),
        (14, "length"),
    ]
    for prompt, completion in zip(prompts, found, strict=True):
        assert completion.ids == one_by_one(model, prompt, 24)[: len(completion.ids)]


@pytest.mark.parametrize(
    "settings", [{"num_beams": 3}, {"prompt_lookup_num_tokens": 4}, {"temperature": 1.0, "seed": 1}]
)
def test_other_strategies_keep_to_the_edge(random_model: Callable[..., GPT2], settings: dict[str, Any]) -> None:
    lm = LanguageModel(random_model(n_ctx=16))
    exact = lm.generate(ids_of(10), max_new_tokens=6, **settings)
    assert (len(exact.ids), exact.finish_reason) == (6, "length")
    stopped = lm.generate(ids_of(10), max_new_tokens=7, context="stop", **settings)
    assert (stopped.ids, stopped.finish_reason) == (exact.ids, "context")
    with pytest.raises(ValueError, match="10 tokens of prompt and 7 new ones exceed the context of 16"):
        lm.generate(ids_of(10), max_new_tokens=7, **settings)


def test_without_a_number_the_text_ends_at_the_edge(random_model: Callable[..., GPT2]) -> None:
    lm = LanguageModel(random_model(n_ctx=32))
    found = lm.generate(ids_of(30))
    assert (len(found.ids), found.finish_reason) == (2, "context")
    roomy = LanguageModel(random_model(n_ctx=200), generation_config={"max_new_tokens": 7})
    assert (len(roomy.generate([1]).ids), roomy.generate([1]).finish_reason) == (7, "length")
    with pytest.raises(ValueError, match="32 tokens of prompt and 100 new ones exceed"):
        lm.generate(ids_of(32))


def test_errors_come_before_the_work(parrot: Callable[..., LanguageModel]) -> None:
    lm = parrot("abc", n_ctx=16)
    for call in (lm.generate, lm.stream):
        with pytest.raises(ValueError, match="exceed"):
            call("x" * 10, max_new_tokens=7)
        with pytest.raises(ValueError, match="temperature"):
            call("x", temperature=-1)
    with pytest.raises(ValueError, match="exceed"):
        lm.generate(["x", "y", "x" * 12], max_new_tokens=7)
    assert lm.model.forwards == []  # type: ignore[attr-defined]


def test_no_forward_is_wasted(parrot: Callable[..., LanguageModel]) -> None:
    lm = parrot("abcdefgh")
    assert lm.generate("x", max_new_tokens=5).text == "abcde"
    assert lm.model.forwards == [(1, 1)] * 5  # type: ignore[attr-defined]
    lm = parrot("abcdefgh", "hello")
    assert lm.generate("hello", max_new_tokens=0).finish_reason == "length"
    assert lm.model.forwards == []  # type: ignore[attr-defined]
    assert lm.generate("hello", max_new_tokens=1).text == "a"
    assert lm.model.forwards == [(1, 5)]  # type: ignore[attr-defined]


def test_several_sequences_share_one_prefill(parrot: Callable[..., LanguageModel]) -> None:
    lm = parrot("abcdefgh", "hello")
    found = lm.generate("hello", max_new_tokens=3, num_return_sequences=4)
    assert [c.text for c in found] == ["abc"] * 4
    assert lm.model.forwards == [(1, 5), (4, 1), (4, 1)]  # type: ignore[attr-defined]


def test_a_batch_ends_with_its_last_row(parrot: Callable[..., LanguageModel]) -> None:
    lm = parrot("abcd" + "\x00" * 60)
    found = lm.generate(["x", "y"], max_new_tokens=20, stop=["cd"])
    assert [c.text for c in found] == ["ab", "ab"]
    assert len(lm.model.forwards) == 4  # type: ignore[attr-defined]


def test_training_mode_with_dropout_is_refused(random_model: Callable[..., GPT2]) -> None:
    model = random_model(dropout=0.1).train()
    with pytest.raises(ValueError, match=r"call model.eval\(\) first"):
        minigpt.generate(model, [1])
