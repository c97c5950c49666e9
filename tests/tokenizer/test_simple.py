"""The outputs printed in the source notebook."""

import pytest
import torch

from tokenizer import CharTokenizer, WordTokenizer

CORPUS = [
    "The quick brown fox jumps over the lazy dog",
    "Tokenization converts text to numbers",
    "Large language models predict the next token",
]


def test_words():
    words = WordTokenizer(CORPUS)
    assert words.n_vocab == len(words.vocab) == 21
    assert words.vocab[:6] == ["[PAD]", "[UNK]", "brown", "converts", "dog", "fox"]
    assert words.encode("The brown unicorn jumps") == [17, 2, 1, 6]
    assert words.decode([17, 2, 1, 6]) == "the brown [UNK] jumps"
    assert words.decode([0, 17, 0]) == "the"
    assert WordTokenizer("one text").vocab == ["[PAD]", "[UNK]", "one", "text"]
    assert words.encode("") == []


def test_characters():
    chars = CharTokenizer()
    assert chars.n_vocab == 54
    assert chars.encode("Hello") == [35, 6, 13, 13, 16]
    assert chars.decode([35, 6, 13, 13, 16, 0]) == "Hello"
    assert chars.encode("a!") == [2, 1]
    assert CharTokenizer("ab a").vocab == ["[PAD]", "[UNK]", "a", "b", " "]


@pytest.mark.parametrize("bad", [-1, 21, 1000, 1.5, "a", None])
def test_a_bad_id_is_named(bad):
    with pytest.raises(ValueError, match=f"id {bad!r} is not in the vocabulary: ids are 0 to 20"):
        WordTokenizer(CORPUS).decode([1, bad])
    with pytest.raises(ValueError, match=f"id {bad!r} is not in the vocabulary: ids are 0 to 2"):
        CharTokenizer("a").decode([1, bad])


def test_a_tensor_of_ids():
    assert WordTokenizer(CORPUS).decode(torch.tensor([17, 2])) == "the brown"
    assert CharTokenizer().decode(torch.tensor([35, 6])) == "He"
