"""Every field of generation_config.json is done, without effect, or refused by name; the caller's names likewise."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from minigpt.cli import main
from minigpt.generation.fields import DONE, REFUSED, WITHOUT_EFFECT
from minigpt.generation.settings import NAMES, Settings, resolve
from minigpt.language_model import LanguageModel
from weights.generation_fields import OF_GENERATION

ON = {  # a value that would change the text, for each field that is refused
    "guidance_scale": 1.5,
    "watermarking_config": {"greenlist_ratio": 0.25},
    "token_healing": True,
    "max_time": 2.5,
    "encoder_repetition_penalty": 1.2,
    "encoder_no_repeat_ngram_size": 3,
    "num_beam_groups": 2,
    "diversity_penalty": 0.5,
    "constraints": [1],
    "force_words_ids": [[5]],
    "penalty_alpha": 0.6,
    "dola_layers": "low",
    "is_assistant": True,
    "assistant_ensemble_weight": 0.5,
    "cache_implementation": "quantized",
}


def test_every_field_of_transformers_is_in_one_list() -> None:
    config = pytest.importorskip("transformers").GenerationConfig()
    lists = (set(DONE), set(WITHOUT_EFFECT), set(REFUSED))
    assert sum(map(len, lists)) == len(set.union(*lists))  # and none in two
    assert set(config.to_dict()) <= set.union(*lists)
    defaults = {**config.to_dict(), **config._get_default_generation_params()}
    assert resolve({}, defaults | {"max_length": None}) == Settings()  # what it writes by default changes nothing


def test_the_docs_name_every_field_in_its_row() -> None:
    page = (Path(__file__).parents[2] / "docs" / "obeyed.md").read_text("utf-8")
    rows = {row.split(" | ")[0]: row for row in page.splitlines() if row.startswith("| ")}
    for fields, head in ((DONE, "| done"), (WITHOUT_EFFECT, "| without effect"), (REFUSED, "| refused with")):
        row = next(text for name, text in rows.items() if name.startswith(head))
        assert re.findall(r"`(\w+)`", row) == list(fields)


def test_the_reader_of_config_json_knows_all_that_change_a_text() -> None:
    assert {*OF_GENERATION, "bos_token_id", "eos_token_id"} == set(DONE) | set(REFUSED)


def test_what_is_done_is_a_setting() -> None:
    assert set(DONE) - set(NAMES) == {"do_sample", "stop_strings"}
    assert set(ON) == set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(lm: LanguageModel, name: str) -> None:
    asked = LanguageModel(lm.model, lm.tokenizer, {name: ON[name]})
    for call in (asked.generate, asked.stream, asked.next_tokens):
        said = rf"^generation_config.json says {name}=.* is not supported here"
        with pytest.raises(ValueError, match=said) as caught:
            call("a")
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=f"^{name}=.* is not supported here"):
        lm.generate("a", **{name: ON[name]})
    for off in (*REFUSED[name].off, None):  # as it stands in many a file
        assert resolve({}, {name: off}) == Settings()
        assert resolve({name: off}) == Settings()
    for off in REFUSED[name].off:
        assert resolve({name: off}, {name: ON[name]}) == Settings()  # the caller goes first


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_what_has_no_effect(lm: LanguageModel, name: str) -> None:
    assert resolve({}, {name: 3}) == Settings()
    with pytest.raises(TypeError, match=f"^{name} has no effect here"):
        lm.generate("a", **{name: 3})


def test_what_transformers_does_not_know_is_ignored() -> None:
    assert resolve({}, {"chat_format": "chatml", "max_window_size": 24000}) == Settings()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "hot"),
        ("top_k", -3),
        ("do_sample", "yes"),
        ("do_sample", 1),
        ("max_new_tokens", "many"),
        ("max_length", 2.5),
        ("min_length", [3]),
        ("no_repeat_ngram_size", 1.5),
        ("bad_words_ids", [1, 2]),
        ("bad_words_ids", [[]]),
        ("bad_words_ids", "no"),
        ("sequence_bias", [[[5], "much"]]),
        ("sequence_bias", [5]),
        ("suppress_tokens", ["a"]),
        ("suppress_tokens", [True]),
        ("forced_eos_token_id", [-1]),
        ("forced_bos_token_id", 1.5),
        ("exponential_decay_length_penalty", [1]),
        ("exponential_decay_length_penalty", 2),
        ("eos_token_id", [2, None]),
        ("remove_invalid_values", "yes"),
        ("num_return_sequences", 0),
        ("typical_p", 0),
        ("eta_cutoff", 3.0),
        ("prompt_lookup_num_tokens", -1),
    ],
)
def test_a_wrong_value_names_the_file(field: str, value: Any) -> None:
    config = {"do_sample": True, field: value}
    with pytest.raises(ValueError, match=rf"^generation_config.json: {field} must be .*, not ") as caught:
        resolve({}, config)
    assert "\n" not in str(caught.value)


def test_the_caller_goes_before_a_wrong_value() -> None:
    assert resolve({"top_k": 3}, {"do_sample": True, "top_k": -3}).top_k == 3


@pytest.mark.parametrize(
    ("given", "file", "n_prompt", "n_new"),
    [
        ({}, {}, 3, 100),
        ({}, {"max_length": 8}, 3, 5),
        ({}, {"max_length": 800}, 3, 797),
        ({}, {"max_length": 8, "max_new_tokens": 9}, 3, 9),  # max_new_tokens goes first, as in transformers
        ({"max_new_tokens": 2}, {"max_length": 8}, 3, 2),
        ({"max_new_tokens": 20}, {"max_length": 8}, 3, 20),
        ({"max_length": 12}, {"max_length": 8}, 3, 9),
        ({"max_length": 12}, {"max_new_tokens": 2}, 3, 9),  # but the caller before the file
        ({"max_length": 12, "max_new_tokens": 20}, {}, 3, 20),
        ({"max_length": 300}, {}, 3, 297),
        ({"usual_new_tokens": 512}, {"max_length": 800}, 300, 500),  # a chat, by both
        ({"usual_new_tokens": 512}, {"max_length": 4096}, 300, 512),
    ],
)
def test_lengths(given: dict[str, Any], file: dict[str, Any], n_prompt: int, n_new: int) -> None:
    assert resolve(given, file).new_tokens(n_prompt) == n_new


def test_a_prompt_longer_than_max_length(lm: LanguageModel) -> None:
    short = LanguageModel(lm.model, lm.tokenizer, {"max_length": 5})
    assert len(short.generate("abc").ids) == 2
    assert len(short.generate("abcdefgh", max_new_tokens=3).ids) == 3
    with pytest.raises(ValueError, match="max_length 5 counts the prompt, which has 8 tokens: give max_new_tokens"):
        short.generate("abcdefgh")
    with pytest.raises(ValueError, match="3 tokens of prompt and 97 new ones exceed the context of 64"):
        lm.generate("abc", max_length=100)
    assert LanguageModel(lm.model, lm.tokenizer, {"max_length": 100}).generate("abc").finish_reason == "context"


def test_the_last_token_is_forced_where_the_context_ends(lm: LanguageModel) -> None:
    forced = LanguageModel(lm.model, lm.tokenizer, {"forced_eos_token_id": 65})
    for number in (1, 3):
        found = forced.generate(["a" * 60, "a" * 10], max_new_tokens=6, context="stop", num_beams=number)
        assert [(len(c.ids), c.ids[-1], c.ids.count(65)) for c in found] == [(4, 65, 1), (6, 65, 1)]


def test_lengths_least_and_longest() -> None:
    assert resolve({}, {"min_new_tokens": 5, "min_length": 9}).min_new_tokens == 5
    assert resolve({"min_length": 3}, {"min_new_tokens": 5}).min_new_tokens is None


def test_sampled_beams_are_refused() -> None:
    file = {"do_sample": True, "num_beams": 3}
    with pytest.raises(ValueError, match=r"^generation_config.json says do_sample and num_beams=3, and beams are not"):
        resolve({}, file)
    assert resolve({"num_beams": 1}, file).samples
    assert resolve({"do_sample": False}, file).num_beams == 3
    assert resolve({"num_beams": 2}, file).num_beams == 2  # who asks for beams gets them


def test_several_sequences_by_the_file(lm: LanguageModel) -> None:
    several = LanguageModel(lm.model, lm.tokenizer, {"num_return_sequences": 2, "do_sample": True})
    assert len(several.generate("a", max_new_tokens=2)) == 2  # type: ignore[arg-type]
    assert several.generate("a", max_new_tokens=2, num_return_sequences=1).n_prompt == 1


def test_drafts_by_the_file_change_no_text(lm: LanguageModel) -> None:
    drafted = LanguageModel(lm.model, lm.tokenizer, {"prompt_lookup_num_tokens": 4})
    assert drafted.settings({}).prompt_lookup_num_tokens == 4
    assert drafted.generate("abab").ids == lm.generate("abab").ids
    assert drafted.generate("abab", num_beams=2).ids == lm.generate("abab", num_beams=2).ids
    assert drafted.generate("abab", context="slide", max_new_tokens=70).finish_reason == "length"


def test_the_command_line_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], lm: LanguageModel) -> None:
    from weights.export import save_checkpoint

    save_checkpoint(lm.model, tmp_path / "model", lm.tokenizer)
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps({"guidance_scale": 2.0}), "utf-8")
    assert main(["generate", "a", "-m", str(tmp_path / "model"), "-n", "3"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        "minigpt: generation_config.json says guidance_scale=2.0, which is not supported here "
        "(classifier-free guidance): remove it there\n",
    )
