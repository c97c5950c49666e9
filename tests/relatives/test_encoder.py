"""The encoder's vectors, cosines and words against transformers on a random BERT, and what it refuses."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import minigpt
from minigpt.relatives.encoder import Encoder
from tokenizer.wordpiece import WordPiece, split_words
from tokenizer.wordpiece_training import train_wordpiece

transformers = pytest.importorskip("transformers")

STORY = "The king had a daughter who was so proud that no suitor was good enough for her. He sent them all away!"
TEXTS = ["The king", "", "a daughter who was proud, so proud", STORY, "[SEP]", "no suitor 東"] * 7  # two batches


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with a pooler and a head, and its vocabulary."""
    folder = tmp_path_factory.mktemp("encoder")
    tok = WordPiece(train_wordpiece(split_words(STORY), 90))
    tok.save(folder)
    config = transformers.BertConfig(
        vocab_size=tok.n_vocab + 3, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(2)
    model = transformers.BertForPreTraining(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rel(folder: Path) -> Encoder:
    return minigpt.load_relative(folder, "cpu", "float64")


@torch.no_grad()
def theirs(folder: Path, texts: list[str], pooling: str = "mean") -> Tensor:
    """transformers' vectors, one padded batch, pooled as sentence-transformers does."""
    tok = transformers.BertTokenizer.from_pretrained(str(folder))
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    tokens = tok(texts, padding=True, return_tensors="pt")
    x, mask = model(**tokens).last_hidden_state, tokens["attention_mask"][:, :, None]
    pooled = x[:, 0] if pooling == "cls" else (x * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(pooled, dim=-1)


def test_vectors_are_those_of_transformers(rel: Encoder, folder: Path) -> None:
    plain = [text for text in TEXTS if "[" not in text]  # there transformers sees a special token
    found = rel.embed(plain)
    assert found.shape == (35, 24)
    assert found.dtype == torch.float64
    assert (found - theirs(folder, plain)).abs().max() < 1e-10
    assert (found.norm(dim=-1) - 1).abs().max() < 1e-12


def test_cls_pooling(rel: Encoder, folder: Path) -> None:
    other = Encoder(rel.model, rel.tokenizer, rel.sentence._replace(pooling="cls"))
    assert (other.embed(["The king", STORY]) - theirs(folder, ["The king", STORY], "cls")).abs().max() < 1e-10


def test_a_text_has_one_vector_whatever_stands_beside_it(rel: Encoder) -> None:
    together = rel.embed(TEXTS)
    alone = torch.cat([rel.embed([text]) for text in TEXTS])
    assert (together - alone).abs().max() < 1e-10
    assert rel.embed([]).shape == (0, 24)
    assert not torch.equal(together[4], rel.embed(["[MASK]"])[0])  # what is typed is plain text


def test_padding_in_the_mean_is_seen(rel: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutations: padding seen by attention, or counted in the mean."""
    alone, n = rel.embed(["The king"])[0], len(rel.ids(STORY))
    forward = type(rel.model).forward
    monkeypatch.setattr(type(rel.model), "forward", lambda self, ids, mask: forward(self, ids, torch.ones_like(mask)))
    assert (rel.embed(["The king", STORY])[0] - alone).abs().max() > 1e-3
    monkeypatch.undo()
    rows = [rel.ids("The king"), rel.ids(STORY)]
    padded = torch.tensor([rows[0] + [0] * (n - len(rows[0]))])
    wrong = rel.model(padded, padded > 0).mean(dim=1)[0]
    assert (wrong / wrong.norm() - alone).abs().max() > 1e-3


def test_similar_sorts_by_cosine(rel: Encoder) -> None:
    texts = ["The king", "the KING!", STORY, "her"]
    found = rel.similar("the king", texts)
    vectors = rel.embed(["the king", *texts])
    expected = {text: float(vectors[0] @ vector) for text, vector in zip(texts, vectors[1:], strict=True)}
    assert {text: round(cosine, 9) for text, cosine in found} == {t: round(c, 9) for t, c in expected.items()}
    assert [pair.cosine for pair in found] == sorted((pair.cosine for pair in found), reverse=True)
    assert found[0].text == "The king"
    assert abs(found[0].cosine - 1) < 1e-9
    assert rel.similar("the king", []) == []


@torch.no_grad()
def test_fill_mask_is_transformers(rel: Encoder, folder: Path) -> None:
    tok = transformers.BertTokenizer.from_pretrained(str(folder))
    model = transformers.BertForMaskedLM.from_pretrained(folder, attn_implementation="eager").double().eval()
    text = "the king had a [MASK] who was proud"
    tokens = tok(text, return_tensors="pt")
    at = tokens["input_ids"][0].tolist().index(tok.mask_token_id)
    wanted = model(**tokens).logits[0, at].softmax(-1)
    found = rel.fill_mask(text, n=rel.tokenizer.n_vocab)
    for filling in found:
        assert abs(filling.probability - wanted[rel.tokenizer.vocab[filling.token]]) < 1e-6
    assert [f.probability for f in found] == sorted((f.probability for f in found), reverse=True)
    assert len(rel.fill_mask(text)) == 5
    whole = next(filling for filling in found if filling.token == "daughter")
    assert whole.text == "the king had a daughter who was proud"
    part = next(filling for filling in found if filling.token.startswith("##"))
    assert part.text == f"the king had a {part.token[2:]} who was proud"


def test_what_is_typed_beside_the_mask_is_plain_text(rel: Encoder) -> None:
    ids = rel.ids("[SEP] [MASK]", ["[MASK]"])
    assert ids.count(rel.tokenizer.special_tokens["[SEP]"]) == 1  # at the end only
    with torch.inference_mode():
        best = rel.model.predict(rel.model(torch.tensor([ids])))[0, -2].softmax(-1).max()
    assert abs(rel.fill_mask("[SEP] [MASK]")[0].probability - best) < 1e-6


def test_what_is_refused(rel: Encoder) -> None:
    for call, says in (
        (lambda: rel.embed("The king"), "texts 'The king': give several in a list"),  # type: ignore[arg-type]
        (lambda: rel.similar("a", "b"), "texts 'b': give several in a list"),  # type: ignore[arg-type]
        (lambda: rel.embed([b"a"]), "is no string"),  # type: ignore[list-item]
        (lambda: rel.embed(["a ", "b " * 90]), r"'b b .*'… has 92 tokens, .* reads 64: cut it into parts"),
        (lambda: rel.fill_mask("no mask"), r"has 0 times \[MASK\]"),
        (lambda: rel.fill_mask("[MASK] and [MASK]"), r"has 2 times \[MASK\]"),
        (lambda: rel.fill_mask("a [MASK]", 0), "n=0: give a number from 1 to"),
        (lambda: Encoder(rel.model, WordPiece({"[UNK]": 0})), r"lacks \[CLS\], \[SEP\], \[PAD\], \[MASK\]"),
        (lambda: Encoder(rel.model, WordPiece({"[UNK]": 99})), "the vocabulary has 100 ids, the model only"),
    ):
        with pytest.raises(ValueError, match=says):
            call()
    short = Encoder(rel.model, rel.tokenizer, rel.sentence._replace(max_tokens=5), "short")
    assert short.embed(["the king had"]).shape == (1, 24)
    with pytest.raises(ValueError, match="has 6 tokens, short reads 5"):
        short.embed(["the king had a"])
    assert "Encoder(" in repr(rel)


def test_a_checkpoint_without_head(folder: Path, tmp_path: Path) -> None:
    for name in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    transformers.BertModel.from_pretrained(folder).save_pretrained(tmp_path)
    plain = Encoder.load(tmp_path, "cpu")
    with pytest.raises(ValueError, match=r"has no masked-language head .* such as bert-base-uncased"):
        plain.fill_mask("a [MASK]")
    assert plain.embed(["a"]).dtype == torch.float32


def test_load_relative_is_public_and_lazy() -> None:
    import subprocess
    import sys

    code = "import sys, minigpt; assert 'load_relative' in dir(minigpt); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
