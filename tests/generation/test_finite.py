"""Logits that are not finite are refused wherever a token is picked; single -inf are only tokens that cannot come."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

import minigpt
from minigpt import language_model
from minigpt.cli import main
from minigpt.fast.compared import say_once
from minigpt.generation import simple
from minigpt.generation.decoding import append_next
from minigpt.generation.finite import refuse_not_finite
from minigpt.generation.sampling import sample
from minigpt.generation.sequences import TokenSequence
from minigpt.generation.settings import Settings
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2

REFUSAL = "instead of numbers: its weights are damaged .* or half precision overflows"
STRATEGIES: list[dict[str, Any]] = [
    {},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 40, "top_p": 0.9},
    {"typical_p": 0.5},
    {"num_beams": 3},
    {"prompt_lookup_num_tokens": 4},
    {"num_return_sequences": 3, "temperature": 1.0},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"context": "slide"},
]


@pytest.fixture
def damaged(random_model: Callable[..., GPT2], lm: LanguageModel) -> LanguageModel:
    """One weight of the last norm is nan, and so is every logit."""
    model = random_model()
    with torch.no_grad():
        model.ln_f.weight[3] = math.nan
    return LanguageModel(model, lm.tokenizer)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_damaged_weights(
    damaged: LanguageModel, capsys: pytest.CaptureFixture[str], strategy: dict[str, Any], plain: bool
) -> None:
    say_once.cache_clear()
    calls: list[Callable[[], object]] = [
        lambda: damaged.generate("abc", max_new_tokens=4, plain=plain, **strategy),
        lambda: damaged.generate(["abc", "b"], max_new_tokens=4, plain=plain, **strategy),
        lambda: minigpt.generate(damaged.model, [1, 2], max_new_tokens=4, plain=plain, **strategy),
    ]
    if not {"num_beams", "num_return_sequences"} & strategy.keys():
        calls.append(lambda: list(damaged.stream("abc", max_new_tokens=4, plain=plain, **strategy)))
    for call in calls:
        with pytest.raises(ValueError, match=f"gives nan {REFUSAL}"):
            call()
    assert capsys.readouterr().err == ""  # no word of minigpt/fast: the refusal says it all


def test_the_simple_loop_and_next(damaged: LanguageModel) -> None:
    assert damaged.tokenizer is not None
    with pytest.raises(ValueError, match=REFUSAL):
        simple.generate(damaged.model, damaged.tokenizer, "abc", 3, damaged.settings({}))
    with pytest.raises(ValueError, match=REFUSAL):
        damaged.next_tokens("abc")


def test_overflow_on_the_way(random_model: Callable[..., GPT2], lm: LanguageModel) -> None:
    """Float16 ends at 65504: what is right in float32 is infinite there."""
    model = random_model()
    with torch.no_grad():
        model.h[0].mlp.c_proj.weight *= 1e6
    assert LanguageModel(model, lm.tokenizer).generate("abc", max_new_tokens=3).ids
    with pytest.raises(ValueError, match=rf"{REFUSAL} \(load it with dtype='float32'\)"):
        LanguageModel(model.half(), lm.tokenizer).generate("abc", max_new_tokens=3)


@pytest.mark.parametrize("command", ["generate", "generate --json", "generate --num-beams 2", "next", "next --json"])
def test_the_command_line_says_one_line(
    damaged: LanguageModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr(language_model, "load", lambda *_, **__: damaged)
    name, *flags = command.split()
    assert main([name, "abc", *flags]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "the model gives nan instead of numbers" in err
    assert "--dtype float32" in err


def test_which_numbers_are_refused() -> None:
    row = torch.tensor([[0.5, -math.inf, 2.0], [1.0, 0.0, -1.0]])
    refuse_not_finite(row)
    for wrong in (math.nan, math.inf):
        for place in range(3):
            spoilt = row.clone()
            spoilt[1, place] = wrong
            for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
                with pytest.raises(ValueError, match=f"gives {wrong} {REFUSAL}"):
                    refuse_not_finite(spoilt.to(dtype))
    with pytest.raises(ValueError, match=f"gives -inf {REFUSAL}"):
        refuse_not_finite(torch.full((1, 3), -math.inf))


class Masked:
    """A model whose tokens other than 5 and 6 can never come."""

    def __init__(self, inner: GPT2) -> None:
        self.inner, self.config, self.hidden, self.parameters = inner, inner.config, inner.hidden, inner.parameters

    def unembed(self, x: torch.Tensor) -> torch.Tensor:
        logits = torch.full_like(self.inner.unembed(x), -math.inf)
        logits[..., 5:7] = self.inner.unembed(x)[..., 5:7]
        return logits


@pytest.mark.parametrize("strategy", STRATEGIES[:7], ids=str)
def test_tokens_that_cannot_come_are_no_damage(random_model: Callable[..., GPT2], strategy: dict[str, Any]) -> None:
    model: Any = Masked(random_model())
    found = minigpt.generate(model, [[1, 2]], max_new_tokens=8, **strategy)
    assert {id for row in found for id in row} <= {5, 6}


def test_all_at_zero_are_ruled_by_the_settings(lm: LanguageModel) -> None:
    """remove_invalid_values goes on as transformers does: nan is 0, so that the first token comes."""
    torch_nan = LanguageModel(Spoilt(lm.model), lm.tokenizer)  # type: ignore[arg-type]
    found = torch_nan.generate("abc", max_new_tokens=3, remove_invalid_values=True)
    assert found.ids == [0, 0, 0]
    json.loads(json.dumps(found.logprobs), parse_constant=pytest.fail)  # and no nan is given out


class Spoilt:
    """A model that gives nan for every token."""

    def __init__(self, inner: Any) -> None:
        self.config, self.hidden, self.parameters = inner.config, inner.hidden, inner.parameters
        self.size = inner.config.vocab_size

    def unembed(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((*x.shape[:-1], self.size), math.nan)


def test_a_sequence_that_has_ended_is_left_alone() -> None:
    """It has used up every token, which must not stop its neighbour."""
    going, ended = TokenSequence([0, 1], 1, 5), TokenSequence([0, 1, 2], 1, 2, finish_reason="length")
    keys, settings = torch.tensor([1, 2]), Settings(no_repeat_ngram_size=1)
    append_next(torch.zeros(2, 3), [going, ended], keys, settings, sample)
    assert (going.ids, ended.ids) == ([0, 1, 2], [0, 1, 2])


def test_when_nothing_is_left(lm: LanguageModel) -> None:
    for strategy in ({}, {"temperature": 1.0}, {"num_beams": 2}, {"prompt_lookup_num_tokens": 2}):
        with pytest.raises(ValueError, match="the settings forbid every token of the vocabulary"):
            lm.generate("a", max_new_tokens=3, suppress_tokens=range(257), **strategy)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the settings allow only 1 texts: num_return_sequences 2 is too many"):
        lm.generate("a", max_new_tokens=2, suppress_tokens=range(1, 257), num_beams=2, num_return_sequences=2)  # type: ignore[arg-type]
