"""Texts that the notebooks of ../shared/seeds printed with the official GPT-2 weights, through transformers."""

from functools import cache

import pytest

import minigpt
from minigpt.language_model import LanguageModel
from weights.fetch.locate import local

pytestmark = pytest.mark.official
DANGER = "The world was a place of great danger, and the world was a place of great danger. "
SPELL = "2+2 is the number of times you can use a spell to cast a spell.\n\n"
THEME = "The party theme is a simple, simple, and fun way to get your friends to join you."
GREEDY = [  # prompt, new tokens, how the whole text begins; 000, section 3.1, and 002
    (
        "Once upon a time",
        80,
        "Once upon a time, the world was a place of great beauty and great danger. "
        + 3 * DANGER
        + "The world was a place of great danger, and",
    ),
    ("What is 2+2?", 80, "What is 2+2?\n\n" + (4 * SPELL).rstrip()),
    ("Suggest a party theme.", 80, f"Suggest a party theme.\n\n{THEME}\n\n{THEME} {THEME} The par"),
    (
        "The future of artificial intelligence will involve",
        50,
        "The future of artificial intelligence will involve a lot of work.\n\n"
        '"We\'re going to have to see how we do it," said Dr. Michael S. Hirsch, a professor of computer science at '
        "the University of California, Berkeley. \"We're going to have to see",
    ),
]


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(local(name) is None, reason=f"{name} is not on this machine: minigpt download {name}")


@cache
def load(name: str) -> LanguageModel:
    return minigpt.load(name)


@needs("gpt2")
@pytest.mark.parametrize(("prompt", "n", "text"), GREEDY, ids=[prompt for prompt, _, _ in GREEDY])
def test_greedy(prompt: str, n: int, text: str) -> None:
    found = load("gpt2").generate(prompt, max_new_tokens=n, temperature=0)
    assert (prompt + found.text).startswith(text)
    assert len(found.ids) <= n
    drafted = load("gpt2").generate(prompt, max_new_tokens=n, temperature=0, prompt_lookup_num_tokens=8)
    assert drafted.ids == found.ids


@needs("gpt2")
def test_next_tokens() -> None:
    found = load("gpt2").next_tokens("Hello my name", 5)
    assert [t.text for t in found] == [" is", ",", "'s", " was", " and"]
    assert [round(t.probability, 4) for t in found] == [0.7773, 0.0373, 0.0332, 0.0127, 0.0076]


@needs("gpt2")
def test_sampling_settings_of_the_notebooks_run() -> None:
    lm = load("gpt2")
    for settings in ({"top_k": 50, "temperature": 0.9}, {"top_p": 0.9, "temperature": 0.9}, {"temperature": 1.5}):
        one, two = lm.generate("Once upon a time", max_new_tokens=20, num_return_sequences=2, seed=0, **settings)
        assert one.ids != two.ids
        assert one.ids == lm.generate("Once upon a time", max_new_tokens=20, seed=0, **settings).ids


@needs("gpt2-xl")
def test_ten_equal_samples_as_the_temperature_vanishes() -> None:
    found = load("gpt2-xl").generate("", max_new_tokens=20, num_return_sequences=10, temperature=1e-6, top_k=40)
    text = "The first time I saw the movie, I was in the middle of a long day of work."
    assert [c.text.rstrip() for c in found] == [text] * 10
