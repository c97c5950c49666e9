"""The real all-MiniLM-L6-v2: transformers' vectors after every layer, `tokenizers`' ids, sentences that are alike."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minigpt
from minigpt.relatives.encoder import Encoder
from weights.fetch.locate import local

NAME = "all-minilm-l6-v2"
FOUND = local(NAME)
pytestmark = [
    pytest.mark.official,
    pytest.mark.skipif(FOUND is None, reason=f"{NAME} is not on this machine: minigpt download {NAME}"),
]
TEXTS = [
    "The wolf swallowed the grandmother whole.",
    "Once upon a time there was a miller who was poor, but he had a beautiful daughter.",
    "Hi",
    "",
    "Où sont les élèves? 東京は日本の首都です。 naïve façade — привет, 😀 unaffable antidisestablishmentarianism " * 4,
]
ALIKE = [  # each pair says the same in other words
    ("A cat sleeps on the sofa.", "A kitten is napping on the couch."),
    ("The stock market fell sharply today.", "Shares dropped steeply on Wall Street."),
    ("How do I bake bread?", "What is the recipe for making a loaf?"),
    ("The king lived in a castle.", "A monarch dwelt in a fortress."),
]


@cache
def loaded(dtype: str = "float32") -> Encoder:
    return minigpt.load_relative(NAME, "cpu", dtype)


@cache
def path() -> Path:
    assert FOUND is not None
    return FOUND.path


@cache
def reference(dtype: str) -> Any:
    transformers = pytest.importorskip("transformers")
    model = transformers.BertModel.from_pretrained(path(), attn_implementation="eager")
    return model.to(getattr(torch, dtype)).eval()


@cache
def library() -> Any:
    """`tokenizers`, without the cutting and padding that the file asks for."""
    made = pytest.importorskip("tokenizers").Tokenizer.from_file(str(path() / "tokenizer.json"))
    made.no_truncation()
    made.no_padding()
    return made


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    rows = [loaded().ids(text) for text in TEXTS]
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    return ids, (ids > 0).long()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@torch.no_grad()
def test_every_layer_of_a_padded_batch(dtype: str, tolerance: float) -> None:
    model, theirs = loaded(dtype).model, reference(dtype)
    ids, mask = batch()
    seen: list[torch.Tensor] = []
    hooks = [model.layer[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))]
    hooks += [layer.register_forward_hook(lambda _module, _inputs, x: seen.append(x)) for layer in model.layer]
    x = model(ids, mask)
    for hook in hooks:
        hook.remove()
    expected = theirs(ids, attention_mask=mask, output_hidden_states=True)
    for ours, their in zip(seen, expected.hidden_states, strict=True):
        off = (ours - their).abs().amax(dim=-1)  # (B, T)
        assert off[mask.bool()].max() < tolerance
        assert off.max() < 100 * tolerance  # at the padding, whose vectors nobody reads, roundings grow
    assert (model.pool(x) - expected.pooler_output).abs().max() < tolerance


@torch.no_grad()
def test_vectors_of_texts() -> None:
    ids, mask = batch()
    x, weights = reference("float64")(ids, attention_mask=mask).last_hidden_state, mask[:, :, None]
    expected = torch.nn.functional.normalize((x * weights).sum(1) / weights.sum(1), dim=-1)
    assert (loaded("float64").embed(TEXTS) - expected).abs().max() < 1e-10
    assert (loaded().embed(TEXTS) - expected).abs().max() < 1e-5


def test_sentences_that_say_the_same_are_nearest() -> None:
    seconds = [second for _, second in ALIKE]
    for first, second in ALIKE:
        best, *others = loaded().similar(first, seconds)
        assert best.text == second
        assert best.cosine > 0.5
        assert max(pair.cosine for pair in others) < 0.3


def test_what_it_reads() -> None:
    rel = loaded()
    assert rel.sentence == ("mean", 256)
    with pytest.raises(ValueError, match="reads 256: cut it into parts"):
        rel.embed(["word " * 255])
    with pytest.raises(ValueError, match="has no masked-language head"):
        rel.fill_mask("The [MASK] barked.")
    with pytest.raises(ValueError, match=r"minigpt\.load_relative"):
        minigpt.load(NAME)
    assert rel.report is not None
    assert rel.report.n_parameters == 22_713_216
    assert rel.report.files[0].endswith("SHA-256 as expected")


SOME = "the of ing 's [MASK] [SEP] [CLS] é ß 東 – … unaffable Straße 1,000.50"
WORDS = st.sampled_from([*SOME.split(), "\t", "\u0301", "\x00"])
STRING = st.lists(st.one_of(WORDS, st.text(max_size=5), st.just(" ")), max_size=20).map("".join)


def same(text: str) -> None:
    tok, theirs = loaded().tokenizer, library()
    wanted = theirs.encode(text)
    assert tok.wrap(tok.encode(text, "all")) == (wanted.ids, wanted.type_ids)
    assert tok.decode(wanted.ids) == theirs.decode(wanted.ids, skip_special_tokens=False)


@settings(deadline=None, max_examples=int(os.environ.get("MINIGPT_TEXTS", "1000")))
@given(text=STRING)
def test_ids_are_those_of_the_library(text: str) -> None:
    same(text)


def test_ids_of_texts() -> None:
    for text in [*TEXTS, *(text for pair in ALIKE for text in pair)]:
        same(text)
