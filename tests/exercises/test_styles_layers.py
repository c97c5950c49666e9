"""Lessons 04 to 07 in other styles: right is right, a named bug is named as itself, no other gets a wrong name."""

from typing import Any

import pytest

from minigpt import check
from minigpt.exercises.catalog import exercise
from tests.exercises import learners_attention as attention
from tests.exercises import learners_gpt2 as gpt2
from tests.exercises import learners_layers as layers

STYLES: dict[str, list[Any]] = {  # exercise: functions from a bug's name to a part
    "attention": attention.ATTENTION_STYLES,
    "CausalSelfAttention": attention.MODULE_STYLES,
    "Linear": [attention.of(layers.LinearEinsum), attention.of(layers.LinearRows)],
    "embed": [layers.embed_functional, layers.embed_loops],
    "gelu": [lambda bug: layers.GELU[bug][0], lambda bug: layers.GELU[bug][1]],
    "LayerNorm": [attention.of(layers.NormMoments), attention.of(layers.NormFunctional)],
    "MLP": [attention.of(layers.MLPModules), attention.of(layers.MLPWritten)],
    "Block": [attention.of(layers.BlockOwn), attention.of(layers.BlockLoop)],
    "count_parameters": [gpt2.count_shapes, gpt2.count_model],
    "load": [gpt2.load_regex, gpt2.load_blocks],
    "GPT2": [attention.of(gpt2.GPT2Torch), attention.of(gpt2.GPT2Fold)],
}
RIGHT: dict[str, list[Any]] = {
    "attention": attention.ATTENTION_RIGHT,
    "CausalSelfAttention": attention.MODULE_RIGHT,
    "Linear": layers.LINEAR_RIGHT,
    "embed": layers.EMBED_RIGHT,
    "gelu": layers.GELU_RIGHT,
    "LayerNorm": layers.NORM_RIGHT,
    "MLP": layers.MLP_RIGHT,
    "Block": layers.BLOCK_RIGHT,
    "count_parameters": gpt2.COUNT_RIGHT,
    "load": gpt2.LOAD_RIGHT,
    "GPT2": gpt2.GPT2_RIGHT,
}
MORE: dict[str, list[Any]] = {  # further ones, or two bugs at once: name and part
    "attention": attention.ATTENTION_FUSED,
    "CausalSelfAttention": attention.MODULE_FUSED,
    "Linear": layers.LINEAR_MORE,
    "LayerNorm": layers.NORM_MORE,
    "load": gpt2.LOAD_MORE,
}
OUTSIDE: dict[str, list[Any]] = {
    "attention": attention.ATTENTION_OUTSIDE,
    "CausalSelfAttention": attention.MODULE_OUTSIDE,
    "Linear": layers.LINEAR_OUTSIDE,
    "embed": layers.EMBED_OUTSIDE,
    "gelu": layers.GELU_OUTSIDE,
    "LayerNorm": layers.NORM_OUTSIDE,
    "MLP": layers.MLP_OUTSIDE,
    "Block": layers.BLOCK_OUTSIDE,
    "count_parameters": gpt2.COUNT_OUTSIDE,
    "load": gpt2.LOAD_OUTSIDE,
    "GPT2": gpt2.GPT2_OUTSIDE,
}


def flat(table: dict[str, Any]) -> list[Any]:
    """Name and part, for every part of every exercise."""
    return [(name, part) for name, parts in table.items() for part in parts]


@pytest.mark.parametrize(("name", "part"), flat(RIGHT))
def test_a_right_answer_in_another_style_passes(name: str, part: Any) -> None:
    report = check(part, name)
    assert report.ok, report
    assert "float32" not in report.says


@pytest.mark.parametrize(("name", "bug"), [(name, bug.name) for name in STYLES for bug in exercise(name).bugs])
def test_a_named_bug_is_named_in_other_styles(name: str, bug: str) -> None:
    assert len(STYLES[name]) >= 2
    for style in STYLES[name]:
        report = check(style(bug), name)
        assert report.bug == bug, report


@pytest.mark.parametrize(
    ("name", "bug", "part"), [(name, *more) for name, all_more in MORE.items() for more in all_more]
)
def test_further_styles_are_named(name: str, bug: str, part: Any) -> None:
    report = check(part, name)
    assert report.bug == bug, report


@pytest.mark.parametrize(("name", "part"), flat(OUTSIDE))
def test_a_bug_outside_the_bank_gets_no_name(name: str, part: Any) -> None:
    report = check(part, name)
    assert not report
    assert report.bug is None, report
    assert report.lines, "it says where"


def test_what_cannot_be_built_is_named_and_shown_in_short() -> None:
    shared = check(STYLES["GPT2"][0]("block_shared"), "GPT2")
    assert "h.1.ln_1.weight: yours none, the checkpoint's (3,): the same parameter as h.0.ln_1.weight" in shared.lines
    assert shared.lines[-1] == "… and 6 more"
    other = check(gpt2.Names, "GPT2")
    assert other.bug is None
    assert other.says == "its parameters are not the checkpoint's"


def test_a_dict_shows_its_first_wrong_key() -> None:
    report = check(STYLES["load"][0]("attn_c_proj_not_turned"), "load")
    assert "at 'h.0.attn.c_proj.weight' you have [[" in report.lines[1]
    assert len(str(report).split("\n")) == 4


@pytest.mark.parametrize("part", [layers.BLOCK_OUTSIDE[0], layers.BLOCK_OUTSIDE[1]])
def test_another_eps_is_not_right_to_float32(part: Any) -> None:
    assert not check(part, "Block")
