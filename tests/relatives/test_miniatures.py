"""The embedded miniatures of BERT, BART and T5: what they fill in, as in transformers, verified, listed, small."""

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
from minigpt.relatives.seq2seq import Seq2Seq
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


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("mini-t5", "He <extra_id_0> to the king.", "went"),
        ("mini-t5", "He <extra_id_0> a king.", "was"),
        ("mini-t5", "He went <extra_id_0> the wood and came home.", "to"),
        ("mini-bart", "Once upon a <mask> there was a king.", "Once upon a time there was a king."),
        ("mini-bart", "He did not know what <mask> do.", "He did not know what to do."),
    ],
)
def test_a_decoder_writes_what_is_missing(name: str, text: str, word: str) -> None:
    model = minigpt.load_relative(name, "cpu")
    assert isinstance(model, Seq2Seq)
    assert model.generate(text, max_new_tokens=20).text == word


@pytest.mark.parametrize("name", ["mini-t5", "mini-bart"])
@pytest.mark.parametrize("settings", [{}, {"num_beams": 4}])
def test_transformers_writes_the_same(name: str, settings: dict[str, int]) -> None:
    ours = minigpt.load_relative(name, "cpu")
    assert isinstance(ours, Seq2Seq)
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(MINIATURES / name, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINIATURES / name)
    gap = "<mask>" if name == "mini-bart" else "<extra_id_0>"
    for text in (
        f"Once upon a {gap} there was a king.",
        f"The old woman {gap} into the forest, and was never seen again.",
    ):
        found = ours.generate(text, max_new_tokens=30, **settings)
        wanted = theirs.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=30, do_sample=False, **settings)
        assert tokenizer.decode(wanted[0], skip_special_tokens=True).strip() == found.text.strip()
        ended = [id for id in found.ids if id != tokenizer.eos_token_id]
        assert [
            id for id in wanted[0].tolist()[1:] if id not in (tokenizer.eos_token_id, tokenizer.pad_token_id)
        ] == ended


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
    assert not {"mini-bert", "mini-bart", "mini-t5", "all-minilm-l6-v2", "t5-small", "bart-base"} & {
        *offered,
        *widgets.named([]),
    }


def test_the_miniatures_are_registered_and_small() -> None:
    folders = sorted(folder.name for folder in MINIATURES.iterdir() if folder.is_dir())
    assert folders == sorted(
        entry.name for entry in ENTRIES if not entry.repo and not entry.name.startswith("storyteller")
    )
    assert folders == ["mini-bart", "mini-bert", "mini-t5"]
    assert sum(file.stat().st_size for file in MINIATURES.rglob("*") if file.is_file()) < 1_500_000
    for name in folders:
        assert locate.obtain(name) == locate.local(name)
        assert {file.suffix for file in (MINIATURES / name).iterdir()} <= {".json", ".txt", ".safetensors"}
        assert json.loads((MINIATURES / name / "config.json").read_text())["dtype"] == "float16"


def test_without_the_files_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(locate, "MINIATURES", tmp_path)
    with pytest.raises(OSError, match=r"mini-bert is not in this installation; install it again"):
        minigpt.load_relative("mini-bert")
