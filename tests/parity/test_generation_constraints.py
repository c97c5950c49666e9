"""Penalties, bans, forced tokens and rarer filters give what transformers gives: scores, greedy texts, beams, files.

The scores are compared with the very list of processors that `generate` of transformers makes from the same settings,
so that their order counts, too.
"""

import json
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minigpt
from minigpt.fast import sampling as fast_sampling
from minigpt.generation import sampling
from minigpt.generation.constraints import process
from minigpt.generation.settings import Settings

transformers = pytest.importorskip("transformers")
ITS_VERSION = tuple(int(number) for number in transformers.__version__.split(".")[:2])
V = 12  # tokens: few, so that texts repeat


@pytest.fixture(scope="module")
def reference(random_reference: Callable[..., Any]) -> Any:
    torch.set_num_threads(1)
    model = random_reference("gpt2", vocab_size=V, n_layer=1, n_embd=16, n_head=2)
    with torch.no_grad():
        model.transformer.ln_f.weight *= 0.3
        model.transformer.ln_f.bias *= 0.3
    model.generation_config.eos_token_id = None
    return model


@pytest.fixture(scope="module")
def folder(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("constrained")
    reference.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return minigpt.load(str(folder), device="cpu").model


ids = st.integers(0, V - 1)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "repetition_penalty": st.sampled_from([0.8, 1.3]),
    "no_repeat_ngram_size": st.integers(1, 4),
    "bad_words_ids": st.lists(st.lists(ids, min_size=1, max_size=3), min_size=1, max_size=4),
    "sequence_bias": st.lists(
        st.tuples(st.lists(ids, min_size=1, max_size=3), st.sampled_from([-5.25, 1.5, 8.0])).map(list),
        min_size=1,
        max_size=4,
        unique_by=lambda pair: tuple(pair[0]),
    ),
    "min_length": st.integers(0, 14),
    "min_new_tokens": st.integers(0, 8),
    "suppress_tokens": st.lists(ids, min_size=1, max_size=4),
    "begin_suppress_tokens": st.lists(ids, min_size=1, max_size=4),
    "forced_bos_token_id": ids,
    "forced_eos_token_id": ids,
    "exponential_decay_length_penalty": st.tuples(st.integers(0, 4), st.sampled_from([0.9, 1.2, 3.0])),
    "remove_invalid_values": st.just(True),
}
DRAWN: dict[str, st.SearchStrategy[Any]] = {
    "top_h": st.sampled_from([0.23, 0.47, 0.81]),
    "top_k": st.sampled_from([2, 5]),
    "top_p": st.sampled_from([0.37, 0.81]),
    "min_p": st.sampled_from([0.013, 0.21]),
    "typical_p": st.sampled_from([0.33, 0.71, 0.97]),
    "epsilon_cutoff": st.sampled_from([0.0031, 0.11]),
    "eta_cutoff": st.sampled_from([0.0029, 0.13]),
}


def some_of(options: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(sorted(options)), unique=True, max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({name: options[name] for name in names})
    )


def theirs(reference: Any, text: list[int], n_prompt: int, scores: torch.Tensor, chosen: dict[str, Any]) -> Any:
    """What transformers' own processors make of the scores, in the order in which it puts them."""
    config = transformers.GenerationConfig(**chosen)
    config._eos_token_tensor = torch.tensor(chosen["eos_token_id"])
    config.max_length = n_prompt + chosen["max_new_tokens"]
    if chosen.get("min_new_tokens") is not None:
        config.min_length = None  # as `generate` sets it to the same
    made = reference._get_logits_processor(generation_config=config, input_ids_seq_length=n_prompt, device="cpu")
    return made(torch.tensor([text]), scores.clone())


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 5), some_of(OPTIONS), some_of(DRAWN), st.booleans())
def test_the_same_probabilities(
    reference: Any, seed: int, n_prompt: int, n_new: int, options: dict[str, Any], drawn: dict[str, Any], draw: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(4, (n_prompt + n_new,), generator=generator).tolist()
    scores = torch.randn(1, V, generator=generator) * 3
    forced = {options.get("forced_bos_token_id"), options.get("forced_eos_token_id")} - {None}
    banned = {*options.get("suppress_tokens", ()), *options.get("begin_suppress_tokens", ())}
    assume(not forced & banned)  # which transformers refuses, too, as soon as the settings are read
    chosen = {"eos_token_id": [2, 7], "max_new_tokens": 6, **options, **(drawn if draw else {})}
    try:
        usual = {"do_sample": draw, "temperature": 0.7, "top_k": 0}
        right = theirs(reference, text, n_prompt, scores, usual | chosen)[0]
    except ValueError as error:
        assume("logits" not in str(error) or "nan" not in str(error))  # as below, but a later filter refused them
        raise
    assume(not right.softmax(0).isnan().all() or (right == -torch.inf).all())  # where its own numbers overflow
    mine = Settings(**{"temperature": 0.7 if draw else 0.0} | chosen)
    if not (right > -torch.inf).any():
        with pytest.raises(ValueError, match="the settings forbid every token"):
            process(scores, [text], mine, torch.tensor([n_new]))
        return
    found = process(scores, [text], mine, torch.tensor([n_new]))
    if draw:
        best, tokens = fast_sampling.candidates(found, mine)
        found = sampling.filter_candidates(found, mine)
        assert torch.equal(torch.full((1, V), -torch.inf).scatter(1, tokens, best), found)
    assert (found[0].softmax(0) - right.softmax(0)).abs().max() < 1e-6


FIRM = {"top_h": 0.47, "top_k": 4, "top_p": 0.81, "min_p": 0.05, "typical_p": 0.71, "epsilon_cutoff": 0.06}
FIRM |= {"eta_cutoff": 0.13}


@pytest.mark.parametrize("pair", [f"{one} {other}" for one, other in combinations(FIRM, 2)])
def test_two_filters_in_their_order(reference: Any, pair: str) -> None:
    chosen = {name: FIRM[name] for name in pair.split()} | {"eos_token_id": [2], "max_new_tokens": 6}
    for seed in range(30):
        scores = torch.randn(1, V, generator=torch.Generator().manual_seed(seed)) * 1.5
        right = theirs(reference, [1, 2], 2, scores, {"do_sample": True, "top_k": 0} | chosen)
        found = sampling.filter_candidates(scores, Settings(**{"temperature": 1.0} | chosen))
        assert torch.equal(found > -torch.inf, right > -torch.inf), seed


CASES: list[dict[str, Any]] = [
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 1},
    {"min_new_tokens": 5},
    {"min_length": 9},
    {"min_length": 9, "min_new_tokens": 1},
    {"suppress_tokens": [1, 4, 8]},
    {"begin_suppress_tokens": [0, 1, 2, 3, 4, 5]},
    {"bad_words_ids": [[1], [3, 4], [5, 5], [7]]},
    {"sequence_bias": [[[5], 1.5], [[5, 6], 4.0], [[2], -2.0]]},
    {"forced_bos_token_id": 6},
    {"forced_eos_token_id": 9},
    {"forced_eos_token_id": [9, 4]},
    {"exponential_decay_length_penalty": (2, 1.4)},
    {"remove_invalid_values": True},
    {"renormalize_logits": True, "repetition_penalty": 1.4},
    {"no_repeat_ngram_size": 3, "repetition_penalty": 1.2, "min_new_tokens": 3, "suppress_tokens": [2]},
]


def its_text(reference: Any, prompt: list[int], **chosen: Any) -> list[list[int]]:
    """New ids by transformers, cut after the first end token."""
    chosen = {"do_sample": False, "pad_token_id": 0} | chosen
    with torch.inference_mode():
        found = reference.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), **chosen
        )[:, len(prompt) :].tolist()
    ends = chosen.get("eos_token_id", [7, 9])
    return [row[: next((i + 1 for i, id in enumerate(row) if id in ends), len(row))] for row in found]


def prompts(seed: int, n: int) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(1, V) for _ in range(draw.randint(1, 6))] for _ in range(n)] + [[3]]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_greedy(reference: Any, model: Any, case: dict[str, Any]) -> None:
    chosen = {"max_new_tokens": 9, "eos_token_id": [7, 9], **case}
    batch = prompts(1, 6)
    right = [its_text(reference, prompt, **chosen)[0] for prompt in batch]
    assert minigpt.generate(model, batch, **chosen) == right
    assert [minigpt.generate(model, prompt, **chosen) for prompt in batch] == right
    assert minigpt.generate(model, batch, prompt_lookup_num_tokens=3, **chosen) == right
    assert minigpt.generate(model, batch, plain=True, **chosen) == right


@pytest.mark.skipif(ITS_VERSION < (5, 23), reason="before 5.23 transformers ended some beams otherwise")
@pytest.mark.parametrize("case", [case for case in CASES if case != {"forced_eos_token_id": [9, 4]}], ids=str)
def test_beams(reference: Any, model: Any, case: dict[str, Any]) -> None:
    """All but two forced ends: texts that score the same may come in any order."""
    for seed, early in enumerate((False, True)):
        chosen = {"max_new_tokens": 7, "eos_token_id": [7, 9], "num_beams": 3, "num_return_sequences": 2, **case}
        chosen |= {"early_stopping": early}
        for prompt in prompts(10 + seed, 3):
            assert minigpt.generate(model, [prompt], **chosen) == its_text(reference, prompt, **chosen), prompt


@pytest.mark.parametrize(
    "case", [*CASES, {"max_length": 8}, {"num_beams": 3}, {"eos_token_id": 4, "min_new_tokens": 4}], ids=str
)
def test_the_file_says_the_same(folder: Path, case: dict[str, Any]) -> None:
    """The settings from generation_config.json, as both read it; and the caller's in their place."""
    file = folder / "generation_config.json"
    before = file.read_text("utf-8")
    asked = {} if "max_length" in case else {"max_new_tokens": 6}
    file.write_text(json.dumps({"eos_token_id": [7, 9]} | case), "utf-8")
    try:
        read = transformers.GPT2LMHeadModel.from_pretrained(folder)
        ends = case.get("eos_token_id", [7, 9])
        lm = minigpt.load(folder)
        for prompt in prompts(2, 3):
            right = its_text(read, prompt, eos_token_id=ends if isinstance(ends, list) else [ends], **asked)[0]
            assert lm.generate(prompt, **asked).ids == right
            assert minigpt.generate(lm.model, prompt, **{"eos_token_id": [7, 9]} | case, **asked) == right
        if not {"forced_eos_token_id", "eos_token_id"} & case.keys():
            in_config_json(folder, {"eos_token_id": [7, 9]} | case, asked)
    finally:
        file.write_text(before, "utf-8")


def in_config_json(folder: Path, case: dict[str, Any], asked: dict[str, Any]) -> None:
    """The same settings where an older checkpoint has them: in config.json, with no file of their own."""
    (folder / "generation_config.json").unlink()
    file = folder / "config.json"
    before = file.read_text("utf-8")
    file.write_text(json.dumps(json.loads(before) | case), "utf-8")
    try:
        read = transformers.GPT2LMHeadModel.from_pretrained(folder)
        for prompt in prompts(3, 2):
            assert minigpt.load(folder).generate(prompt, **asked).ids == its_text(read, prompt, **asked)[0]
    finally:
        file.write_text(before, "utf-8")
