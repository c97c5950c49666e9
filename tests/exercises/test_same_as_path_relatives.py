"""The solutions of lesson 13 do what BERT, BART and T5 do here, so that lessons cannot drift from them."""

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minigpt.exercises.catalog import exercise
from minigpt.exercises.parameters import build
from minigpt.exercises.tasks.relative_bias import relative_bias
from minigpt.models import bart, bert
from minigpt.models.relative import RelativeBias
from minigpt.models.seq2seq_config import T5Config
from minigpt.relatives import load_relative
from weights.fetch.locate import local


class PathCross(bart.BartAttention):
    """BART's attention as its decoder calls it for the memory."""

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, *self.keys_values(memory), mask)


def same(name: str, path: type[nn.Module]) -> None:
    """A solution and the path's module, with the same parameters by the same names, on all cases."""
    for case in exercise(name).cases:
        assert case.state is not None
        with torch.no_grad():
            found, wanted = (
                build(part, case.build, case.state, torch.float64)(*case.args) for part in (exercise(name).part, path)
            )
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_a_layer_is_berts_own() -> None:
    same("BertLayer", bert.BertLayer)


def test_cross_attention_is_barts_own() -> None:
    same("CrossAttention", PathCross)


def test_relative_positions_are_t5s_own() -> None:
    """Beyond the cases, too: every length up to the official largest distance, but for what lies at a bucket's edge."""
    for T, table, max_distance in [case.args for case in exercise("relative_bias").cases]:
        n_buckets, H = table.shape
        path = RelativeBias(T5Config(n_head=H, n_buckets=n_buckets, max_distance=max_distance), both_ways=True)
        path.weight = nn.Parameter(table)
        for n in {T, 40}:
            found = relative_bias(n, table, max_distance)
            torch.testing.assert_close(found, path(torch.arange(n)[None], n)[0], rtol=0, atol=0)


def lesson(*names: str) -> list[Any]:
    """What lesson 13 sets its constants to."""
    source = (Path(__file__).parents[2] / "tutorials" / "13_relatives.py").read_text("utf-8")
    found = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in names
    }
    return [found[name] for name in names]


@pytest.mark.official
@pytest.mark.skipif(local("all-minilm-l6-v2") is None, reason="MiniLM is not here: minigpt download all-minilm-l6-v2")
def test_what_the_lesson_recorded_is_what_minilm_finds() -> None:
    sentences, questions, recorded = lesson("SENTENCES", "QUESTIONS", "RECORDED")
    reader = load_relative("all-minilm-l6-v2", "cpu")
    for question, (first, cosine, second, less) in zip(questions, recorded, strict=True):
        found = reader.similar(question, sentences)[:2]
        assert [one.text for one in found] == [sentences[first], sentences[second]]
        assert [round(one.cosine, 2) for one in found] == [cosine, less]
