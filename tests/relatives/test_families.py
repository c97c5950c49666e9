"""`minigpt families`: what it prints is computed: a model whose attention is changed gets other masks and answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.cli import main
from minigpt.commands.families import facts
from minigpt.models import attention
from minigpt.models.bart import Bart, BartLayer
from minigpt.models.bert import BertSelfAttention
from minigpt.models.t5 import T5
from minigpt.relatives import families
from tokenizer.display import cells
from weights.fetch.registry import REGISTRY

CAUSAL = [[j <= i for j in range(7)] for i in range(7)]
ALL = [[True] * 7] * 7
NO_ONE = {"write_on": True, "fill_a_gap": False, "embed": False}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    return {name: facts(name) for name in families.CHECKPOINTS}


def test_parameters_are_those_of_the_official_files(found: dict[str, dict[str, Any]]) -> None:
    for name, each in found.items():
        assert each["n_parameters"] == REGISTRY[each["checkpoint"]].n_parameters, name
        assert sum(each["parts"].values()) == each["n_parameters"]
        assert sum(branch["n_parameters"] for branch in each["tree"] if branch["depth"] == 0) == each["n_parameters"]
    assert [each["parts"]["cross-attention"] for each in found.values()] == [0, 0, 6 * 4 * 590_592, 6 * 4 * 2**18]
    assert found["T5"]["parts"]["positions, segments"] == 2 * 32 * 8
    assert found["GPT-2"]["parts"]["self-attention"] == 12 * (768 * 4 * 768 + 4 * 768)
    assert found["BERT"]["parts"]["feed-forward"] == 12 * (2 * 768 * 3072 + 3072 + 768)


def test_what_is_seen_and_what_follows(found: dict[str, dict[str, Any]]) -> None:
    both = {"encoder": ALL, "decoder": CAUSAL, "cross": ALL}
    assert {name: each["looks"] for name, each in found.items()} == {
        "GPT-2": {"decoder": CAUSAL},
        "BERT": {"encoder": ALL},
        "BART": both,
        "T5": both,
    }
    everything = dict.fromkeys(NO_ONE, True)
    assert {name: each["can"] for name, each in found.items()} == {
        "GPT-2": NO_ONE,
        "BERT": everything | {"write_on": False},
        "BART": everything,
        "T5": everything,
    }


def causal_bert(patch: pytest.MonkeyPatch) -> None:
    right = BertSelfAttention.forward
    patch.setattr(BertSelfAttention, "forward", lambda self, x, m: right(self, x, m & torch.ones(7, 7).tril().bool()))


def gpt2_without_mask(patch: pytest.MonkeyPatch) -> None:
    right = attention.Attention.forward
    everywhere = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    patch.setattr(attention.Attention, "forward", lambda self, q, k, v, _=None: right(self, q, k, v, everywhere))


def bart_without_cross(patch: pytest.MonkeyPatch) -> None:
    right = BartLayer.forward
    patch.setattr(BartLayer, "forward", lambda self, x, m, kv=None, _=(): right(self, x, m, kv))


def memory_of_one_token(family: type[Any]) -> Any:
    right = family.encode
    return lambda patch: patch.setattr(family, "encode", lambda self, ids, _=None: right(self, ids[:, :4]))


def test_a_changed_model_gets_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutations of the models; were the table one of constants, it would stay."""
    for name, mistake, can in (
        ("BERT", causal_bert, NO_ONE),
        ("GPT-2", gpt2_without_mask, {"write_on": False, "fill_a_gap": True, "embed": True}),
        ("BART", bart_without_cross, {"write_on": True, "fill_a_gap": False, "embed": True}),
    ):
        with monkeypatch.context() as patch:
            mistake(patch)
            assert facts(name)["can"] == can, name
    for name, family in (("BART", Bart), ("T5", T5)):
        with monkeypatch.context() as patch:
            memory_of_one_token(family)(patch)
            seen = {a.kind: a.run for a in families.attentions(families.small(name))}
            assert families.looks(seen["cross"])[3] == [True] * 4 + [False] * 3


@pytest.mark.parametrize("width", [None, 80, 57, 40])
def test_lines_fit_and_blocks_follow_below(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    assert main(["families"]) == 0
    lines = capsys.readouterr().out.splitlines()
    if width:
        assert max(map(cells, lines)) <= width
    assert not [line for line in lines if "…" in line]
    rows = [line.split()[4:] for line in lines if line.startswith("write on")]
    assert [word for row in rows for word in row[1:]] == ["yes", "no", "yes", "yes"]
    totals = [line.split()[1:] for line in lines if line.startswith("all ")]
    assert [n for row in totals for n in row] == ["124,439,808", "110,104,890", "139,420,416", "60,506,624"]
    assert len(rows) == {None: 1, 80: 1, 57: 1, 40: 3}[width]


def test_other_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str], found: dict[str, Any]) -> None:
    assert main(["families", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["families"] == json.loads(json.dumps(found))
    assert main(["families", "--html", str(tmp_path / "a.html")]) == 0
    out, err = capsys.readouterr()
    assert (out, err.startswith("wrote ")) == ("", True)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert page.count("may not look at") == 21  # the upper half of the causal mask, and no other
    with pytest.raises(SystemExit):
        main(["families", "--json", "--html", "x"])
