"""Lessons 08 to 14 as learners write them: right in other styles passes, every bug gets its name, none a wrong one."""

from collections.abc import Callable
from typing import Any

import pytest

from minigpt import check
from minigpt.exercises.catalog import exercise
from tests.exercises import learners_cache as caches
from tests.exercises import learners_chat as chats
from tests.exercises import learners_filters as filters
from tests.exercises import learners_logits as logits
from tests.exercises import learners_relatives as relatives
from tests.exercises import learners_search as search
from tests.exercises import learners_training as training

Part = Callable[..., Any]

RIGHT: dict[str, list[Part]] = {
    "next_probs": logits.NEXT_PROBS_RIGHT,
    "perplexity": logits.PERPLEXITY_RIGHT,
    "logit_lens": logits.LOGIT_LENS_RIGHT,
    "temperature": filters.TEMPERATURE_RIGHT,
    "top_k": filters.TOP_K_RIGHT,
    "top_p": filters.TOP_P_RIGHT,
    "min_p": filters.MIN_P_RIGHT,
    "sample": filters.SAMPLE_RIGHT,
    "greedy": search.GREEDY_RIGHT,
    "beam": search.BEAM_RIGHT,
    "cached_attention": caches.CACHED_RIGHT,
    "generate_cached": caches.GENERATE_RIGHT,
    "chat_prompt": chats.CHAT_RIGHT,
    "stop": chats.STOP_RIGHT,
    "loss": training.LOSS_RIGHT,
    "train_step": training.STEP_RIGHT,
    "batch": training.BATCH_RIGHT,
    "BertLayer": relatives.BERT_RIGHT,
    "CrossAttention": relatives.CROSS_RIGHT,
    "relative_bias": relatives.BIAS_RIGHT,
}
NAMED: dict[str, dict[str, list[Part]]] = {
    "next_probs": logits.NEXT_PROBS,
    "perplexity": logits.PERPLEXITY,
    "logit_lens": logits.LOGIT_LENS,
    "temperature": filters.TEMPERATURE,
    "top_k": filters.TOP_K,
    "top_p": filters.TOP_P,
    "min_p": filters.MIN_P,
    "sample": filters.SAMPLE,
    "greedy": search.GREEDY,
    "beam": search.BEAM,
    "cached_attention": caches.CACHED,
    "generate_cached": caches.GENERATE,
    "chat_prompt": chats.CHAT,
    "stop": chats.STOP,
    "loss": training.LOSS,
    "train_step": training.STEP,
    "batch": training.BATCH,
    "BertLayer": relatives.BERT,
    "CrossAttention": relatives.CROSS,
    "relative_bias": relatives.BIAS,
}
OTHER: dict[str, list[tuple[Part, set[str]]]] = {
    "next_probs": logits.NEXT_PROBS_OTHER,
    "perplexity": logits.PERPLEXITY_OTHER,
    "logit_lens": logits.LOGIT_LENS_OTHER,
    "temperature": filters.TEMPERATURE_PAIRS + filters.TEMPERATURE_OTHER,
    "top_k": filters.TOP_K_OTHER,
    "top_p": filters.TOP_P_OTHER,
    "min_p": filters.MIN_P_OTHER,
    "sample": filters.SAMPLE_OTHER,
    "greedy": search.GREEDY_OTHER,
    "beam": search.BEAM_OTHER,
    "cached_attention": caches.CACHED_OTHER,
    "generate_cached": caches.GENERATE_OTHER,
    "chat_prompt": chats.CHAT_OTHER,
    "stop": chats.STOP_OTHER,
    "loss": training.LOSS_OTHER,
    "train_step": training.STEP_OTHER,
    "batch": training.BATCH_OTHER,
    "BertLayer": relatives.BERT_OTHER,
    "CrossAttention": relatives.CROSS_OTHER,
    "relative_bias": relatives.BIAS_OTHER,
}


@pytest.mark.parametrize("name", RIGHT)
def test_other_styles_are_right(name: str) -> None:
    assert len(RIGHT[name]) >= 3
    for part in RIGHT[name]:
        report = check(part, name)
        assert report.ok, report
        assert report.bug is None


@pytest.mark.parametrize("name", NAMED)
def test_every_bug_is_written_in_two_styles(name: str) -> None:
    assert set(NAMED[name]) == {bug.name for bug in exercise(name).bugs}
    assert [bug for bug, parts in NAMED[name].items() if len(parts) < 2] == []


@pytest.mark.parametrize(("name", "bug"), [(name, bug) for name in NAMED for bug in NAMED[name]])
def test_a_bug_is_named_in_every_style(name: str, bug: str) -> None:
    for part in NAMED[name][bug]:
        report = check(part, name)
        assert report.bug == bug, report


@pytest.mark.parametrize(("name", "n"), [(name, n) for name in OTHER for n in range(len(OTHER[name]))])
def test_another_bug_gets_no_wrong_name(name: str, n: int) -> None:
    """None, or one that is true; either way something is said."""
    part, truthful = OTHER[name][n]
    report = check(part, name)
    assert not report.ok, report
    assert report.bug is None or report.bug in truthful, report
    assert report.says
