"""Odd numbers and things in place of numbers: obeyed where they are meant as numbers, else one line before any work."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import minigpt
from minigpt.generation.rules import shown
from minigpt.generation.settings import Settings, resolve
from minigpt.language_model import LanguageModel

HUGE = 10**400
OBEYED: list[tuple[str, Any, Any]] = [
    ("temperature", Decimal("0.5"), 0.5),
    ("temperature", Fraction(1, 2), 0.5),
    ("temperature", np.float16(0.5), 0.5),
    ("temperature", np.float64(0.5), 0.5),
    ("temperature", np.array(0.5), 0.5),
    ("temperature", torch.tensor(0.5), 0.5),
    ("temperature", 2, 2.0),
    ("temperature", np.int64(2), 2.0),
    ("top_k", np.int8(3), 3),
    ("top_k", torch.tensor(3), 3),
    ("top_k", HUGE, HUGE),  # more than there are tokens: all of them
    ("top_p", Decimal("0.9"), 0.9),
    ("top_p", Fraction(9, 10), 0.9),
    ("top_p", 1, 1.0),
    ("min_p", np.float32(0.5), 0.5),
    ("repetition_penalty", Fraction(3, 2), 1.5),
    ("typical_p", Decimal("0.5"), 0.5),
    ("max_new_tokens", np.uint64(3), 3),
    ("num_beams", np.int32(3), 3),
    ("length_penalty", Decimal("-0.5"), -0.5),
    ("seed", -1, -1),
    ("seed", 2**64, 2**64),
    ("seed", HUGE, HUGE),
    ("eos_token_id", np.array([1, 2]), (1, 2)),
    ("eos_token_id", torch.tensor([1, 2]), (1, 2)),
    ("eos_token_id", {1, 2}, (1, 2)),
    ("eos_token_id", range(3), (0, 1, 2)),
    ("eos_token_id", -1, (-1,)),  # as files say where nothing ends a text
    ("suppress_tokens", np.array([4]), (4,)),
    ("suppress_tokens", [HUGE], (HUGE,)),
    ("bad_words_ids", np.array([[1, 2], [3, 4]]), ((1, 2), (3, 4))),
    ("sequence_bias", {(1, 2): 3}, (((1, 2), 3.0),)),
    ("sequence_bias", [[[1], -math.inf]], (((1,), -math.inf),)),
    ("exponential_decay_length_penalty", [5, 1.1], (5, 1.1)),
    ("stop", "x", ("x",)),
    ("stop", iter(["x", "y"]), ("x", "y")),
    ("stop", [], ()),
    ("early_stopping", "never", "never"),
    ("remove_invalid_values", np.bool_(True), True),
]
REFUSED: list[tuple[str, Any]] = [
    *[
        ("temperature", value)
        for value in (-1, HUGE, -HUGE, 1e39, math.inf, -math.inf, math.nan, True, "0.7", b"1", 1j)
    ],
    *[("temperature", value) for value in (Decimal("nan"), Decimal("snan"), Decimal("inf"), Decimal("1e400"))],
    *[("temperature", value) for value in (Fraction(HUGE, 3), [0.7], {}, torch.tensor([0.7]), np.array([1, 2]), print)],
    *[("top_k", value) for value in (-1, 1.5, 2.0, True, "5", math.nan, Decimal(5), -HUGE, [5], np.float64(5))],
    *[("top_p", value) for value in (-0.1, 1.1, True, "0.9", math.nan, HUGE, Decimal("1.01"), (0.9,))],
    *[("min_p", value) for value in (-1e-9, 1.0001, math.inf, "0", False)],
    *[("typical_p", value) for value in (0, -1, 1.5, math.nan, "a")],
    *[("epsilon_cutoff", value) for value in (-1, 1, 3.5, math.nan)],
    *[("eta_cutoff", value) for value in (-1, 1, "b")],
    *[("top_h", value) for value in (-0.5, 1.5)],
    *[("repetition_penalty", value) for value in (0, -1.2, HUGE, math.inf, True, "1")],
    *[("no_repeat_ngram_size", value) for value in (-1, 1.5, True, "3", [3])],
    *[("min_new_tokens", value) for value in (-1, 0.5, True)],
    *[("min_length", value) for value in (-1, 0.5, "1")],
    *[("max_length", value) for value in (0, -1, 0.5, "1", True)],
    *[("max_new_tokens", value) for value in (-1, 3.0, True, "9", math.inf, [9])],
    *[("num_beams", value) for value in (0, -3, 1.5, True, "2", None.__class__)],
    *[("num_return_sequences", value) for value in (0, -1, 1.5, True, "2")],
    *[("length_penalty", value) for value in (math.inf, math.nan, HUGE, True, "1")],
    *[("early_stopping", value) for value in (0, 1, "always", 0.5)],
    *[("seed", value) for value in (0.5, "1", True, math.nan, [1])],
    *[("eos_token_id", value) for value in (1.5, "end", True, [1, None], [[1]], [True], b"a")],
    *[("bos_token_id", value) for value in (1.5, "start", True, [1])],
    *[("suppress_tokens", value) for value in ("ab", [0.5], [[1]], True)],
    *[("bad_words_ids", value) for value in ([1], [[]], [[-1]], ["a"], [[True]], 5, [[0.5]])],
    *[("sequence_bias", value) for value in ([1], [[[1], math.inf]], [[[1], "x"]], {(): 1.0}, {5: 1.0}, [[[1]]], 3)],
    *[("forced_bos_token_id", value) for value in (-1, 0.5, [1])],
    *[("forced_eos_token_id", value) for value in (-1, [-1], "x")],
    *[("exponential_decay_length_penalty", value) for value in (5, [5], [5, "x"], [0.5, 2], [1, math.nan], [1, 2, 3])],
    *[("stop", value) for value in ("", [""], ["a", ""], 5, [5], b"x", [None], True)],
    *[("context", value) for value in ("forget", 5, None.__class__, ["stop"])],
    *[("top_logprobs", value) for value in (-1, 1.5, True)],
    *[("prompt_lookup_num_tokens", value) for value in (-1, 1.5, "x")],
    *[("plain", value) for value in (1, "yes")],
    *[("do_sample", value) for value in (1, "yes", [True])],
    *[("remove_invalid_values", value) for value in (1, "no")],
]


@pytest.mark.parametrize(("name", "value", "kept"), OBEYED, ids=[f"{name} {str(v)[:20]}" for name, v, _ in OBEYED])
def test_obeyed(name: str, value: Any, kept: Any) -> None:
    found = getattr(Settings(**{name: value}), name)
    assert found == pytest.approx(kept) if isinstance(kept, float) else found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize("value", [np.int64(2), np.uint8(3), torch.tensor(2)])
def test_beams_of_other_libraries_are_beams(lm: LanguageModel, value: Any) -> None:
    """The choice between beams and sampling looks at the number, too, before Settings has it."""
    assert lm.generate("a", num_beams=value, max_new_tokens=3) == lm.generate(
        "a", num_beams=int(value), max_new_tokens=3
    )
    with pytest.raises(ValueError, match=r"^num_beams must be "):
        lm.generate("a", num_beams=torch.tensor([1, 2]))


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=[f"{name} {str(v)[:20]}" for name, v in REFUSED])
def test_refused_in_one_line(lm: LanguageModel, name: str, value: Any) -> None:
    for call in (lambda: lm.generate("a", **{name: value}), lambda: resolve({name: value})):
        with pytest.raises(ValueError, match=f"^{name} must be ") as caught:
            call()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250


def test_the_table_is_long() -> None:
    assert len(REFUSED) >= 100


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, True], "True"),
        ([True, 1], "True"),
        ([1, 2.0], "2.0"),
        ([1.5, 2], "1.5"),
        ([1, "a"], "'a'"),
        ([1, None], "None"),
        ([1, [2]], r"\[2\]"),
        ([[[1]]], "list"),
        ([1, -1], "id -1 is not in the vocabulary: ids are 0 to 256"),
        ([1, 257], "id 257 is not in the vocabulary: ids are 0 to 256"),
        ([1, HUGE], "id 10000.* is not in the vocabulary"),
        ([1, -(10**5000)], "id a number of thousands of digits is not in the vocabulary"),
        ([[1], [2, 300]], "id 300 is not in the vocabulary"),
        (torch.tensor([1.0, 2.0]), "1.0"),
        (torch.tensor([True]), "True"),
        (torch.tensor([[[1]]]), "list"),
        (torch.tensor([[1, 999]]), "id 999 is not in the vocabulary"),
        ([[1], 2], "int"),
        ([[1], None], "None"),
        ([None], "None"),
        ("text", "text"),
        (["text"], "text"),
        (torch.tensor(5), "int|Tensor"),
        (7, "int"),
        (None, "None"),
    ],
    ids=lambda value: shown(value)[:25],
)
def test_ids_that_are_none(random_model: Callable[..., Any], ids: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        minigpt.generate(random_model(), ids, max_new_tokens=2)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3", HUGE * -1, None])
def test_how_many_next_tokens(lm: LanguageModel, k: Any) -> None:
    assert len(lm.next_tokens("a", k=np.int64(3))) == 3
    assert len(lm.next_tokens("a", k=HUGE)) == 257
    with pytest.raises(ValueError, match=r"^k must be (a whole number|at least 1), not "):
        lm.next_tokens("a", k=k)


def test_ids_that_are_some(random_model: Callable[..., Any]) -> None:
    model = random_model()
    right = minigpt.generate(model, [1, 2], max_new_tokens=4)
    for ids in (np.array([1, 2]).tolist(), [np.int64(1), np.uint8(2)], (1, 2), torch.tensor([1, 2]), range(1, 3)):
        assert minigpt.generate(model, ids, max_new_tokens=4) == right
    assert minigpt.generate(model, torch.tensor([[1, 2]], dtype=torch.int32), max_new_tokens=4) == [right]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_beams": 100_000}, "num_beams 100000 exceeds the vocabulary of 257 tokens: give fewer"),
        ({"num_beams": 258}, "num_beams 258 exceeds the vocabulary of 257 tokens: give fewer"),
        ({"num_beams": HUGE}, "num_beams 1000.* exceeds the vocabulary"),
        ({"num_return_sequences": 10**9}, r"num_return_sequences 1000000000 would take about \d+ GB, and there are"),
        ({"num_return_sequences": HUGE}, r"num_return_sequences 1000.* would take about .* GB"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences 3 exceeds num_beams 2"),
        ({"max_new_tokens": 10**12}, "exceed the context of 64"),
        ({"max_length": 10**12}, "exceed the context of 64"),
        ({"max_new_tokens": HUGE}, "exceed the context of 64"),
        ({"bad_words_ids": [[1, 257]]}, "bad_words_ids: id 257 is not in the vocabulary: ids are 0 to 256"),
        ({"sequence_bias": [[[999], 1.0]]}, "sequence_bias: id 999 is not in the vocabulary"),
        ({"forced_bos_token_id": 257}, "forced_bos_token_id: id 257 is not in the vocabulary"),
        ({"forced_eos_token_id": [1, HUGE]}, "forced_eos_token_id: id 1000.* is not in the vocabulary"),
    ],
    ids=lambda value: shown(value)[:40],
)
def test_more_than_there_is(parrot: Callable[..., LanguageModel], settings: dict[str, Any], message: str) -> None:
    lm = parrot("abc")
    with pytest.raises(ValueError, match=message) as caught:
        lm.generate("x", **settings)
    assert len(str(caught.value)) < 250
    assert lm.model.forwards == []  # type: ignore[attr-defined]  # nothing has been computed


def test_all_beams_there_are(lm: LanguageModel) -> None:
    assert len(lm.generate("a", max_new_tokens=2, num_beams=257).ids) == 2


def test_no_end_to_new_tokens_where_the_context_allows_it(lm: LanguageModel) -> None:
    assert lm.generate("a", max_new_tokens=10**12, context="stop").finish_reason == "context"
    stream = lm.stream("a", max_new_tokens=HUGE, context="slide")
    assert next(stream)
    stream.close()


def test_long_and_many_stop_strings(parrot: Callable[..., LanguageModel]) -> None:
    """In the time of a few tokens, whatever their length and number; the repeated letter is the worst case."""
    lm = parrot("a" * 64)
    assert lm.generate("x", max_new_tokens=40, stop="a" * 100_000).text == "a" * 40
    assert lm.generate("x", max_new_tokens=40, stop="a" * 30 + "b").text == "a" * 40
    many = [f"b{i}" for i in range(100_000)]
    assert lm.generate("x", max_new_tokens=10, stop=[*many, "aaaa"]).text == ""
    assert parrot("ab123456").generate("x", max_new_tokens=8, stop=many).text == "a"
