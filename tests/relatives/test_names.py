"""The registered names from a Hub on this machine: random checkpoints that transformers saved under them, fetched and
put to use; no network is asked."""

from pathlib import Path
from typing import Any

import pytest

import minigpt
from minigpt.relatives.encoder import Encoder
from minigpt.relatives.seq2seq import Seq2Seq
from tests.parity.seq2seq import reference
from tests.relatives.test_seq2seq import bart_tokenizer, t5_tokenizer
from tests.weights import conftest as served
from weights.fetch import download

transformers = pytest.importorskip("transformers")
caches, hub = served.caches, served.hub  # the fixtures


def save(family: str, folder: Path) -> None:
    """A random model of the family with its tokenizer, as transformers writes them."""
    if family == "bert":
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "king", "had", "a", "daughter"]
        (folder / "vocab.txt").write_text("\n".join(words))
        transformers.BertTokenizer.from_pretrained(str(folder)).save_pretrained(folder)
        sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20, "hidden_size": 16}
        transformers.BertForPreTraining(transformers.BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
        return
    tokenizer = bart_tokenizer() if family == "bart" else t5_tokenizer()
    reference(family, vocab_size=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("bert-base-uncased", "bert"),
        ("google-bert/bert-base-uncased", "bert"),
        ("facebook/bart-base", "bart"),
        ("t5-small", "t5"),
    ],
)
@pytest.mark.usefixtures("caches")
def test_a_registered_name_is_fetched_and_put_to_use(
    hub: Any, tmp_path: Path, name: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(family, tmp_path)
    flat = tuple(file for file in download.OF_KIND["bert"] if "/" not in file)  # this Hub knows no folders
    monkeypatch.setitem(download.OF_KIND, "bert", flat)
    hub.serve_folder(tmp_path)
    relative = minigpt.load_relative(name, "cpu")
    assert "model.safetensors" in hub.asked("GET")
    if family == "bert":
        assert isinstance(relative, Encoder)
        assert relative.embed(["the king", "a daughter"]).shape == (2, 16)
        assert len(relative.fill_mask("the [MASK] had a daughter")) == 5
    else:
        assert isinstance(relative, Seq2Seq)
        one, other = relative.generate(["The lesson", "a"], max_new_tokens=4)
        assert one.text == relative.generate("The lesson", max_new_tokens=4).text
        assert other.n_prompt < one.n_prompt
    n = len(hub.asked("GET"))
    minigpt.load_relative(name, "cpu")
    assert len(hub.asked("GET")) == n  # from the cache
    with pytest.raises(ValueError, match=rf"'{family}', an encoder.*: load it with minigpt\.load_relative$"):
        minigpt.load(name)
