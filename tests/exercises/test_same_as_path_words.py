"""The solutions of lessons 01 to 03 do what the path does: no lesson can drift from the source that it explains."""

import random
from collections import Counter

import pytest

from minigpt.exercises import material
from minigpt.exercises.tasks import (
    char_tokenizer,
    count_pairs,
    encode,
    encode_special,
    merge,
    split,
    train,
    word_tokenizer,
)
from tokenizer import Tokenizer, simple, splitting, training
from tokenizer.merging import merge as merged
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN

PATTERNS = {"gpt2": GPT2_PATTERN, "cl100k_base": CL100K_PATTERN}
ALPHABET = ["a", "b", "é", "B", " ", "  ", "\n", "'s", "'LL", "1", "234567", "!", "_", "日", "\t"]
ENDS = ["<|endoftext|>", " "]


def texts(alphabet: list[str], n: int, longest: int = 12) -> list[str]:
    rng = random.Random(3)
    return ["".join(rng.choices(alphabet, k=rng.randrange(longest))) for _ in range(n)]


@pytest.mark.parametrize("text", ["The brown unicorn jumps", "", " a\tB  the\n", "numbers"])
def test_word_tokenizer(text: str) -> None:
    own, path = (module(word_tokenizer.CORPUS) for module in (word_tokenizer.WordTokenizer, simple.WordTokenizer))
    assert own.vocab == path.vocab
    assert len(own.vocab) == 21  # as in the source notebook
    assert own.encode(text) == path.encode(text)
    assert own.decode([0, *own.encode(text)]) == path.decode([0, *path.encode(text)])


def test_char_tokenizer() -> None:
    own, path = char_tokenizer.CharTokenizer(), simple.CharTokenizer()
    assert own.vocab == path.vocab
    assert len(own.vocab) == 54
    for text in ("Hello", "", "a b", *material.TEXTS):
        assert own.encode(text) == path.encode(text)
        assert own.decode([0, *own.encode(text)]) == path.decode([0, *path.encode(text)])


def test_merge() -> None:
    rng = random.Random(0)
    for _ in range(200):
        ids, pair = rng.choices((1, 2, 3), k=rng.randrange(9)), (rng.randint(1, 2), 1)
        assert merge.merge(ids, pair, 9) == training.replace_pair(ids, pair, 9)


@pytest.fixture
def plain_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path's trainer with the bytes in their own order, not GPT-2's: in the lessons a byte is its own id."""
    monkeypatch.setattr(training, "BYTES", bytes(range(256)))


@pytest.mark.usefixtures("plain_bytes")
def test_count_pairs() -> None:
    """The first merge of the path's trainer is the most frequent pair, of equals the smaller."""
    for text in texts(["low", "lot", "é", "aa", " "], 40):
        words = Counter(text.split())
        counts = count_pairs.count_pairs(words)
        found = next(training.find_merges(words, 1), None)
        assert found == min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@pytest.mark.usefixtures("plain_bytes")
def test_train() -> None:
    for text in [*texts(["ab", "b", "c", "é", *ENDS], 40), material.TEXTS[0]]:
        own = train.train(" ".join(text.split()), 264)
        path = training.train_by_hand([" ".join(text.split())], 265, special_tokens=ENDS[:1])
        assert own == path.ranks


def test_encode() -> None:
    tok = Tokenizer.load("storyteller")
    for text in (*material.TEXTS, " banana müde", "日本"):
        for piece in splitting.split(text, GPT2_PATTERN):
            own = encode.encode(piece.encode(), encode.real())
            assert own == [tok.ranks[token] for token in merged(piece.encode(), tok.ranks)]
            assert own == tok.encode(piece)


def test_the_ranks_of_the_cases_are_those_of_some_training() -> None:
    """Every token comes of merges, so that who looks whole pieces up first is right, too."""
    for case in encode.cases():
        _, ranks = case.args
        assert all(encode.encode(token, ranks) == [rank] for token, rank in ranks.items())


def test_split() -> None:
    for text in [*texts(ALPHABET, 300), *material.TEXTS, *(case.args[0] for case in split.cases())]:
        for name, pattern in PATTERNS.items():
            pieces = split.split(text, name)
            assert pieces == splitting.split(text, pattern)
            assert "".join(pieces) == text


def test_encode_special() -> None:
    special = {"<|end|>": 256, "<|user|>": 257, "<|end|><|user|>": 258, "<|bot|>": 259}
    tok = Tokenizer({bytes([i]): i for i in range(256)}, special_tokens=special)
    rng = random.Random(5)
    for text in texts([*special, "a", " ", "é", "<|en"], 200):
        allowed = rng.sample(list(special), rng.randrange(5))
        assert encode_special.encode_special(text, allowed) == tok.encode(text, allow_special=allowed)
