"""What is given, what the checkpoint says, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import minigpt
from minigpt.generation.settings import Settings, resolve
from minigpt.language_model import LanguageModel


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", "0.7"),
        ("top_k", -1),
        ("top_k", 2.5),
        ("top_k", True),
        ("top_p", -0.1),
        ("top_p", 1.1),
        ("top_p", math.nan),
        ("min_p", 2),
        ("repetition_penalty", 0),
        ("repetition_penalty", -1.2),
        ("num_beams", 0),
        ("length_penalty", math.inf),
        ("early_stopping", "sometimes"),
        ("early_stopping", 1),
        ("eos_token_id", "end"),
        ("bos_token_id", 1.5),
        ("num_return_sequences", 0),
        ("seed", 1.5),
        ("max_new_tokens", -1),
        ("max_new_tokens", 3.0),
        ("context", "forget"),
        ("top_logprobs", -1),
        ("prompt_lookup_num_tokens", -1),
        ("stop", ("",)),
        ("stop", (3,)),
    ],
)
def test_bad_values_are_named_in_one_line(lm: LanguageModel, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        lm.generate("a", **{name: value})
    assert "\n" not in str(caught.value)
    shown = value[0] if name == "stop" else value
    assert repr(shown) in str(caught.value)


def test_a_slip_in_a_name_is_named(lm: LanguageModel) -> None:
    for call in (lm.generate, lm.stream, lm.next_tokens):
        with pytest.raises(TypeError, match="'temprature': did you mean 'temperature'"):
            call("a", temprature=1)


def test_numpy_numbers_are_numbers() -> None:
    settings = Settings(temperature=np.float32(0.5), top_k=np.int64(3))
    assert (settings.temperature, settings.top_k) == (0.5, 3)


@pytest.mark.parametrize(
    ("given", "checkpoint", "expected"),
    [
        ({}, {}, {"temperature": 0}),
        ({}, {"temperature": 0.7, "top_k": 5}, {"temperature": 0, "top_k": 0}),  # it does not say do_sample
        ({}, {"do_sample": True}, {"temperature": 1, "top_k": 0}),
        ({}, {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8}, {"temperature": 0.7, "top_k": 20}),
        ({"temperature": 0}, {"do_sample": True, "temperature": 0.7}, {"temperature": 0}),
        (
            {"temperature": 0.5},
            {"do_sample": True, "temperature": 0.7, "top_p": 0.8},
            {"temperature": 0.5, "top_p": 0.8},
        ),
        ({"temperature": 0.5}, {}, {"temperature": 0.5, "top_k": 0}),
        ({"top_k": 5}, {}, {"temperature": 1, "top_k": 5}),
        ({"top_p": 0.5}, {"temperature": 0.7}, {"temperature": 0.7, "top_p": 0.5}),
        ({"min_p": 0.1}, {}, {"temperature": 1, "min_p": 0.1}),
        ({"top_k": 0, "top_p": 1.0}, {}, {"temperature": 0}),  # filters that are off ask for nothing
        ({"do_sample": True}, {}, {"temperature": 1}),
        ({"do_sample": False, "top_k": 5}, {}, {"temperature": 0}),
        ({"do_sample": False, "temperature": 1.0, "top_k": 40}, {}, {"temperature": 0}),  # filters draw nothing
        ({"do_sample": False, "temperature": 1.0}, {"do_sample": True, "temperature": 0.7}, {"temperature": 0}),
        ({"do_sample": False, "temperature": 0}, {}, {"temperature": 0}),
        ({"do_sample": True, "temperature": 1e-6, "top_k": 40}, {}, {"temperature": 1e-6, "top_k": 40}),
        ({"do_sample": True, "temperature": 1e-40}, {}, {"temperature": 1e-40}),
        ({"do_sample": False}, {"do_sample": True, "temperature": 0.7}, {"temperature": 0}),
        ({"num_beams": 3}, {"do_sample": True, "temperature": 0.7, "top_k": 5}, {"temperature": 0, "num_beams": 3}),
        ({}, {"eos_token_id": 5}, {"eos_token_id": (5,)}),
        ({}, {"eos_token_id": [5, 6]}, {"eos_token_id": (5, 6)}),
        ({"eos_token_id": ()}, {"eos_token_id": [5, 6]}, {"eos_token_id": ()}),
        ({"eos_token_id": 3}, {"eos_token_id": [5, 6]}, {"eos_token_id": (3,)}),
        ({}, {"max_new_tokens": 7}, {"max_new_tokens": None, "usual_new_tokens": 7}),
        ({}, {"repetition_penalty": 1.1, "num_beams": None}, {"repetition_penalty": 1.1, "num_beams": 1}),
        ({"temperature": None, "top_k": None, "seed": None}, {}, {"temperature": 0}),  # None is: not given
        ({"stop": "x"}, {}, {"stop": ("x",)}),
        ({}, {"stop_strings": ["a", "b"]}, {"stop": ("a", "b")}),
        ({}, {"transformers_version": "4.0", "pad_token_id": 1, "max_length": 20}, {"temperature": 0}),
    ],
)
def test_where_settings_come_from(given: dict[str, Any], checkpoint: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = resolve(given, checkpoint)
    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences 3 exceeds num_beams 2"),
        ({"num_beams": 2, "temperature": 1.0}, "num_beams 2 does not sample"),
        ({"num_beams": 2, "top_k": 5}, "num_beams 2 does not sample"),
        ({"num_beams": 2, "context": "slide"}, "num_beams 2 goes neither"),
        ({"num_beams": 2, "prompt_lookup_num_tokens": 3}, "num_beams 2 goes neither"),
        ({"do_sample": False, "temperature": 0.7}, "do_sample=False and temperature=0.7 contradict each other"),
        ({"do_sample": True, "temperature": 0}, "do_sample=True and temperature=0.0 contradict each other"),
        ({"num_beams": 2, "do_sample": True}, "num_beams 2 does not sample"),
        ({"num_beams": 2, "do_sample": True, "temperature": 1e-6}, "num_beams 2 does not sample"),
        ({"num_beams": 2, "typical_p": 0.5}, "num_beams 2 does not sample"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve(given)


@pytest.mark.parametrize(("name", "value"), [("stop", 5), ("eos_token_id", 1.5), ("eos_token_id", [[1]])])
def test_values_of_the_wrong_kind_are_named(name: str, value: object) -> None:
    config = {"stop_strings" if name == "stop" else name: value}
    with pytest.raises(ValueError, match=f"{name} must "):
        resolve({}, config)


def test_the_calls_of_a_first_lesson(lm: LanguageModel) -> None:
    """Three ways to say greedy, as they stand in notebooks."""
    greedy = lm.generate("once", max_new_tokens=15).ids
    sharp = {"do_sample": True, "temperature": 1e-6, "top_k": 40}
    assert lm.generate("once", max_new_tokens=15, **sharp).ids == greedy
    assert minigpt.generate(lm.model, lm.encode("once"), max_new_tokens=15, **sharp) == greedy
    assert lm.generate("once", max_new_tokens=15, do_sample=False, temperature=1.0, top_k=40).ids == greedy
    several = lm.generate(["once", "upon"], max_new_tokens=15, num_return_sequences=2, **sharp)
    assert [c.ids for c in several[0]] == [greedy] * 2


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(TypeError, match="unknown setting 'xyzzy': there are max_new_tokens, "):
        resolve({"xyzzy": 1})
