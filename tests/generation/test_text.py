"""Prompts, stop strings, end tokens, whole characters, streams."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minigpt
from minigpt.generation.stopping import StopStrings
from minigpt.language_model import Completion, LanguageModel
from minigpt.models.gpt2 import GPT2

Parrot = Callable[..., LanguageModel]
TALE = "Es war einmal — ein König 👑 und 龍。"


def pieces_and_completion(lm: LanguageModel, prompt: str, **settings: Any) -> tuple[list[str], Completion]:
    stream = lm.stream(prompt, **settings)
    pieces = list(stream)
    return pieces, stream.completion


def test_a_completion_is_the_new_text(parrot: Parrot) -> None:
    found = parrot("bcd").generate("a", max_new_tokens=5)
    assert (found.text, found.ids, found.finish_reason) == ("bcdbc", list(b"bcdbc"), "length")
    assert len(found.logprobs) == 5
    assert found.logprobs == pytest.approx([0] * 5, abs=1e-5)


def test_shapes_of_the_answer(lm: LanguageModel) -> None:
    def shape(found: Any) -> Any:
        return "completion" if isinstance(found, Completion) else [shape(f) for f in found]

    one = "completion"
    assert shape(lm.generate("a", max_new_tokens=2)) == one
    assert shape(lm.generate(["a"], max_new_tokens=2)) == [one]
    assert shape(lm.generate(["a", "b"], max_new_tokens=2, num_return_sequences=2)) == [[one, one], [one, one]]
    assert shape(lm.generate("a", max_new_tokens=2, num_return_sequences=2)) == [one, one]
    assert shape(lm.generate("a", max_new_tokens=2, num_beams=3, num_return_sequences=2)) == [one, one]
    assert lm.generate([], max_new_tokens=2) == []
    assert lm.generate([97], max_new_tokens=3).ids == lm.generate("a", max_new_tokens=3).ids
    assert minigpt.generate(lm.model, [97], max_new_tokens=3) == lm.generate("a", max_new_tokens=3).ids
    assert minigpt.generate(lm.model, [[97], [98, 99]], max_new_tokens=3)[0] == lm.generate("a", max_new_tokens=3).ids
    assert len(minigpt.generate(lm.model, [97], max_new_tokens=3, num_return_sequences=4)) == 4


def test_prompts_of_other_kinds(lm: LanguageModel) -> None:
    expected = lm.generate("ab", max_new_tokens=3).ids
    assert minigpt.generate(lm.model, torch.tensor([97, 98]), max_new_tokens=3) == expected
    assert lm.generate(("ab",), max_new_tokens=3)[0].ids == expected
    assert lm.generate([[97, 98], "ab"], max_new_tokens=3)[0].ids == expected
    for nothing in (None, 5, {"a"}):
        with pytest.raises(TypeError, match="a prompt is a text or a list of ids"):
            lm.generate(nothing)


def test_a_stream_leaves_gradients_on_meanwhile(lm: LanguageModel) -> None:
    stream = lm.stream("ab", max_new_tokens=5, temperature=1, seed=0)
    next(stream)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    stream.close()


def test_empty_prompts_start_from_the_end_token(lm: LanguageModel) -> None:
    start = minigpt.generate(lm.model, [256], max_new_tokens=9, eos_token_id=256)
    assert lm.generate("", max_new_tokens=9).ids == start
    batch = lm.generate(["abc", "", "defgh"], max_new_tokens=9)
    assert [c.ids for c in batch] == [lm.generate(p, max_new_tokens=9).ids for p in ("abc", "", "defgh")]
    assert minigpt.generate(lm.model, [], max_new_tokens=9, bos_token_id=256) == minigpt.generate(
        lm.model, [256], max_new_tokens=9
    )
    with pytest.raises(ValueError, match="an empty prompt needs a token to start from"):
        minigpt.generate(lm.model, [])


def test_the_end_token_in_a_prompt_is_plain_text(lm: LanguageModel) -> None:
    assert lm.encode("<|endoftext|>") == list(b"<|endoftext|>")


@pytest.mark.parametrize("id", [-1, 257, 10**9])
def test_ids_outside_the_vocabulary_are_refused(lm: LanguageModel, id: int) -> None:
    with pytest.raises(ValueError, match=f"id {id} is not in the vocabulary: ids are 0 to 256"):
        minigpt.generate(lm.model, [1, id])


def test_without_a_vocabulary_ids_still_work(random_model: Callable[..., GPT2]) -> None:
    lm = LanguageModel(random_model())
    assert len(lm.generate([1, 2], max_new_tokens=4).ids) == 4
    with pytest.raises(ValueError, match="this checkpoint has no vocabulary"):
        lm.generate("a")
    with pytest.raises(ValueError, match=r"stop=\('a',\) is text, and there is no tokenizer"):
        lm.generate([1], stop="a")


def test_the_end_token_ends_the_text(parrot: Parrot) -> None:
    lm = parrot("hi\x00more")
    lm.generation_config["eos_token_id"] = [0, 9]
    found = lm.generate("x", max_new_tokens=20)
    assert (found.text, found.ids, found.finish_reason) == ("hi", [*b"hi", 0], "eos")
    assert lm.generate("x", max_new_tokens=5, eos_token_id=()).text == "hi\x00mo"
    assert lm.generate("x", max_new_tokens=5, eos_token_id=ord("i")).text == "h"


@pytest.mark.parametrize(
    ("stop", "text", "n_ids"),
    [
        ("war", "Es ", 6),
        (["einmal", "war"], "Es ", 6),
        ("—", "Es war einmal ", 17),  # its three bytes are three tokens
        ("Königin", None, 40),  # begins like the text, never comes
        ("E", "", 1),
        ("Es war einmal — ein", "", 21),
        ("👑 u", "Es war einmal — ein König ", 35),
    ],
)
def test_stop_strings_are_found_in_the_text(parrot: Parrot, stop: Any, text: str | None, n_ids: int) -> None:
    found = parrot(TALE).generate("x", max_new_tokens=40, stop=stop)
    whole = TALE.encode()[:40].decode(errors="replace")
    assert found.text == (whole if text is None else text)
    assert len(found.ids) == len(found.logprobs) == n_ids
    assert found.finish_reason == ("length" if text is None else "stop")
    pieces, completion = pieces_and_completion(parrot(TALE), "x", max_new_tokens=40, stop=stop)
    assert "".join(pieces) == found.text
    assert completion == found


def test_a_stop_string_ends_each_row_by_itself(lm: LanguageModel) -> None:
    prompts, settings = ["a", "xyz", "hello there"], {"max_new_tokens": 30, "temperature": 1.0, "seed": 3}
    plain = lm.generate(prompts, **settings)
    stop = [c.text[3:5] for c in plain[:2]]
    found = lm.generate(prompts, stop=stop, **settings)
    assert [c.ids for c in found] == [lm.generate(p, stop=stop, **settings).ids for p in prompts]
    for before, after in zip(plain, found, strict=True):
        assert before.ids[: len(after.ids)] == after.ids
        assert not any(s in after.text for s in stop)


def test_streams_never_split_a_character(parrot: Parrot) -> None:
    pieces, completion = pieces_and_completion(parrot(TALE), "x", max_new_tokens=len(TALE.encode()))
    assert pieces == list(TALE)
    assert completion.text == TALE


def test_a_character_cut_short_is_a_replacement_character(parrot: Parrot) -> None:
    lm = parrot("ab👑")
    for n, text in [(2, "ab"), (3, "ab�"), (5, "ab�"), (6, "ab👑")]:
        assert lm.generate("x", max_new_tokens=n).text == text
        assert "".join(lm.stream("x", max_new_tokens=n)) == text


@pytest.mark.parametrize("extra", [{}, {"stop": ["a", "the"]}, {"top_k": 5}, {"prompt_lookup_num_tokens": 3}])
def test_streams_give_what_generate_gives(lm: LanguageModel, extra: dict[str, Any]) -> None:
    for seed in range(5):
        settings = {"max_new_tokens": 25, "temperature": 1.0, "seed": seed, **extra}
        pieces, completion = pieces_and_completion(lm, "a", **settings)
        expected = lm.generate("a", **settings)
        assert "".join(pieces) == expected.text
        assert completion == expected


def test_closing_a_stream_stops_the_work(parrot: Parrot) -> None:
    lm = parrot("abcdefgh")
    stream = lm.stream("x", max_new_tokens=50)
    assert lm.model.forwards == []  # type: ignore[attr-defined]
    assert [next(stream), next(stream)] == ["a", "b"]
    stream.close()
    assert list(stream) == []
    assert len(lm.model.forwards) == 2  # type: ignore[attr-defined]
    assert (stream.completion.text, stream.completion.ids) == ("ab", list(b"ab"))


def test_a_stream_is_one_text(lm: LanguageModel) -> None:
    for several in ({"num_beams": 2}, {"num_return_sequences": 2}):
        with pytest.raises(ValueError, match="a stream is one text"):
            lm.stream("a", **several)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("ab", max_size=4), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_the_gate_lets_through_what_comes_before_the_first_stop(pieces: list[str], stop: list[str]) -> None:
    gate, given_out, text = StopStrings(stop), "", ""
    for piece in pieces:
        text += piece
        given_out += gate.push(piece)
        assert text.startswith(given_out)
        assert not any(s in given_out for s in stop)
        held = text[len(given_out) :]
        assert gate.found or not held or any(s.startswith(held) for s in stop)  # nothing waits without a reason
        assert gate.found == any(s in text for s in stop)
        if gate.found:
            break
    else:
        assert given_out + gate.flush() == text
