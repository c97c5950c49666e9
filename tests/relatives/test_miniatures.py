"""The embedded miniature BERT: what it fills in, the same as in transformers, verified, listed, small."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import minigpt
from minigpt import widgets
from minigpt.commands import models
from minigpt.commands.parser import Parser
from minigpt.playground.shelf import Shelf
from minigpt.relatives.encoder import Encoder
from weights import MINIATURES
from weights.fetch import locate
from weights.fetch.registry import ENTRIES

transformers = pytest.importorskip("transformers")
TEXTS = [
    "Once upon a [MASK] there was a king.",
    "The old WOMAN said: 'Où est [MASK] son?'",
    "He did not know what [MASK] do.",
]


@pytest.fixture(scope="module")
def bert() -> Encoder:
    model = minigpt.load_relative("mini-bert", "cpu")
    assert isinstance(model, Encoder)
    return model


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Once upon a [MASK] there was a king.", "time"),
        ("Once upon a time there [MASK] a king.", "was"),
        ("He did not know what [MASK] do.", "to"),
        ("He [MASK] to the king.", "went"),
    ],
)
def test_it_fills_in_words(bert: Encoder, text: str, word: str) -> None:
    assert word in [filling.token for filling in bert.fill_mask(text, 5)]


@pytest.mark.parametrize("text", TEXTS)
def test_transformers_loads_it_and_gives_the_same(bert: Encoder, text: str) -> None:
    theirs = transformers.BertForMaskedLM.from_pretrained(MINIATURES / "mini-bert", dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINIATURES / "mini-bert")
    ids = bert.ids(text, ["[MASK]"])
    assert tokenizer(text)["input_ids"] == ids
    with torch.no_grad():
        wanted = theirs(torch.tensor([ids])).logits
        assert (bert.model.predict(bert.model(torch.tensor([ids]))) - wanted).abs().max() < 1e-4


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    assert "SHA-256 as expected" in minigpt.load_relative("mini-bert", "cpu").report.files[0]  # type: ignore[union-attr]
    folder = shutil.copytree(MINIATURES / "mini-bert", tmp_path / "bert")
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match="expected SHA-256"):
        minigpt.load_relative(folder, "cpu")


def test_it_is_listed_where_it_can_be_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    models.run(Parser("models").read([]))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mini-bert")]
    assert "0.3 M" in line
    assert line.endswith("embedded")
    with pytest.raises(ValueError, match=r"an encoder, which writes no text: load it with minigpt\.load_relative"):
        minigpt.load("mini-bert", device="cpu")
    offered = Shelf(minigpt.load("storyteller", device="cpu")).names()
    assert "storyteller" in offered
    assert not {"mini-bert", "all-minilm-l6-v2", "t5-small", "bart-base"} & {*offered, *widgets.named([])}


def test_the_miniatures_are_registered_and_small() -> None:
    folders = [folder.name for folder in MINIATURES.iterdir() if folder.is_dir()]
    assert folders == [entry.name for entry in ENTRIES if not entry.repo and entry.name != "storyteller"]
    assert sum(file.stat().st_size for file in MINIATURES.rglob("*") if file.is_file()) < 1_500_000
    for name in folders:
        assert locate.obtain(name) == locate.local(name)
        assert {file.suffix for file in (MINIATURES / name).iterdir()} <= {".json", ".txt", ".safetensors"}
        assert json.loads((MINIATURES / name / "config.json").read_text())["dtype"] == "float16"


def test_without_the_files_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(locate, "MINIATURES", tmp_path)
    with pytest.raises(OSError, match=r"mini-bert is not in this installation; install it again"):
        minigpt.load_relative("mini-bert")
