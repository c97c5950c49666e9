"""What the tokenizer tests of Stanford's CS336, assignment 1, ask for, asked of ours: with texts of our own.

Its reference merges break ties by the greater bytes, ours by the smaller ids as Hugging Face's trainer does: on a text
without ties they are the same.
"""

import time
import tracemalloc

import pytest

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import Tokenizer
from tokenizer.formats.merges import recover_merges

END = "<|endoftext|>"
STORY = 'Once upon a time there was a little dog named Tom.\nHe said: "Let\'s play!" and Lily was happy.\n\n'
CASES = {
    "empty": "",
    "one character": "s",
    "one of Unicode": "🙃",
    "ascii": "Hello, how are you?",
    "unicode": "Héllò hôw are ü? 🙃",
    "special tokens": f"Héllò hôw {END}{END} are ü? 🙃{END}",
    "trailing newlines": f"hello world{END}\n\n",
    "newlines before a word": f"hello{END}\n\nworld",
    "address": "Four score and seven years ago our fathers brought forth, on this continent, a new nation.\n" * 5,
    "german": "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung.\n" * 5,
    "stories": f"{STORY * 3}{END}\n{STORY}{END}" * 20,
}


@pytest.mark.parametrize("case", CASES)
def test_round_trip_and_tiktokens_ids(case, gpt2, tiktoken_gpt2):
    text = CASES[case]
    ids = gpt2.encode(text, "all")
    assert ids == tiktoken_gpt2.encode(text, allowed_special="all")
    assert gpt2.decode(ids) == text
    assert list(gpt2.encode_iterable(text.splitlines(keepends=True), "all")) == ids
    if case == "special tokens":
        assert [gpt2.decode([i]) for i in ids].count(END) == 3


def test_overlapping_special_tokens(gpt2):
    """Of two special tokens of which one is the other twice, the longer is taken."""
    tok = Tokenizer(gpt2.ranks, special_tokens={END: 50256, END + END: 50257})
    text = f"Hello, how {END}{END} are you?{END}"
    tokens = [tok.decode([i]) for i in tok.encode(text, "all")]
    assert (tokens.count(END), tokens.count(END + END)) == (1, 1)
    assert list(tok.encode_iterable(text, "all")) == tok.encode(text, "all")


def test_memory_of_encode_iterable(gpt2, tmp_path):
    """A megabyte above what is held, for a file of two; `encode` itself needs more."""
    path = tmp_path / "stories.txt"
    path.write_text(CASES["stories"] * (2_000_000 // len(CASES["stories"])), "utf-8")
    gpt2.encode(CASES["stories"])
    with path.open(encoding="utf-8") as file:
        tracemalloc.start()
        for _ in gpt2.encode_iterable(file):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000
    text = path.read_text("utf-8")
    tracemalloc.start()
    gpt2.encode(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak > 1_000_000


def test_training_is_quick():
    """A text of 130 KB to 500 tokens within 1.5 seconds, of which one merge at a time would take three."""
    text = (TEXTS["english"] + TEXTS["code"] + STORY) * 150
    start = time.process_time()
    tokenizer.train(text[:130_000], 500)
    assert time.process_time() - start < 1.5


def test_special_tokens_are_in_the_vocabulary_and_in_no_merge(tmp_path):
    path = tmp_path / "stories.txt"
    path.write_text(CASES["stories"] * 5, "utf-8")
    tok = tokenizer.train(path, 1000, special_tokens=[END])
    assert tok.tokens[tok.special_tokens[END]] == END.encode()
    assert not any(b"<|" in token for token in tok.ranks)


def test_merges_without_ties():
    """Counts 9, 8, … make one order, whatever breaks ties."""
    text = " ".join("ab" * 1 + " " for _ in range(9)) + "cd " * 8 + "ef " * 7 + "gh " * 3
    tok = tokenizer.train(text, 256 + 3, pattern=r"\S+|\s", special_tokens=())
    assert recover_merges(tok.ranks) == [(b"a", b"b"), (b"c", b"d"), (b"e", b"f")]
