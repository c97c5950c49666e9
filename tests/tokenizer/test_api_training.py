"""Training on pieces of any length in time n log n, with the path's merges; arguments obeyed or refused by name."""

import io
import os
import random
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.test_training import ours, theirs
from tokenizer import training
from tokenizer.fast.pairs import find_merges

RNG = random.Random(0)
WHOLE = "(?s:.+)"  # the text is one piece
LONG = {
    "a": lambda n: "a" * n,
    "ab": lambda n: "ab" * (n // 2),
    "letters": lambda n: "".join(RNG.choices("etaoin", k=n)),
    "chinese": lambda n: "".join(chr(RNG.randint(0x4E00, 0x5200)) for _ in range(n // 3)),
}


@settings(deadline=None, max_examples=300)
@given(pieces=st.dictionaries(st.text("aab\u4e2dé", min_size=1, max_size=40), st.integers(1, 3), max_size=4))
def test_the_merges_of_the_path(pieces):
    """Until no pair is left, in pieces of few letters, where runs overlap and nearly every choice is a tie."""
    assert list(find_merges(Counter(pieces), 99)) == list(training.find_merges(Counter(pieces), 99))


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("n", [999, 3000])
def test_one_long_piece(kind, n):
    text = LONG[kind](n)
    tok = tokenizer.train(text, 300, WHOLE, ())
    assert tok.vocabulary == training.train_by_hand([text], 300, WHOLE)
    assert ours(tokenizer.train(text, 300)) == theirs([text], 300)
    assert tok.decode(tok.encode(text)) == text


@pytest.mark.parametrize("kind", LONG)
def test_time_of_one_long_piece(kind):
    """Twice the length takes not much more than twice the time; were it quadratic it would take four times as long."""
    ratios = []
    for _ in range(4):  # a busy machine may spoil one measurement
        times = []
        for n in (30_000, 60_000):
            text = LONG[kind](n)
            start = time.process_time()
            tokenizer.train(text, 600)
            times.append(time.process_time() - start)
        ratios.append(times[1] / times[0])
        if ratios[-1] < 2.7:
            return
    pytest.fail(f"twice the length took {ratios} times as long")


@pytest.mark.skipif("MINIGPT_LONG" not in os.environ, reason="takes half a minute: MINIGPT_LONG=1 runs it")
def test_a_megabyte_without_white_space():
    text = LONG["letters"](1_000_000)
    start = time.process_time()
    tok = tokenizer.train(text, 1000)
    assert time.process_time() - start < 60  # five seconds, on a quiet machine
    assert tok.n_vocab == 1000
    assert tok.decode(tok.encode(text)) == text


@pytest.mark.parametrize("size", [True, False, 300.5, "300", None])
def test_a_size_that_is_no_whole_number(size):
    with pytest.raises(ValueError, match=f"^vocab_size {size!r} is no whole number: give one"):
        tokenizer.train("text", size)


def test_sizes_of_any_kind(capsys):
    few = tokenizer.train("ab ab", 260).ranks
    assert tokenizer.train("ab ab", np.int64(260)).ranks == few
    assert tokenizer.train("ab ab", 10**400, progress=True).ranks == few
    assert "merges" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"^vocab_size -10+ is too small: 256 bytes and the special tokens need 257$"):
        tokenizer.train("ab", -(10**400))


SPECIAL = [
    *(
        "<|end|>",
        b"<|end|>",
        None,
        5,
        {"<|end|>": 300},
        {"<|end|>"},
        ["<a>", "<a>"],
        ["<a>", 5],
        [b"<a>"],
        [""],
        [None],
    ),
    ["<\ud83d>"],
]


@pytest.mark.parametrize("special", SPECIAL, ids=repr)
def test_special_tokens_that_have_no_order_or_are_none(special):
    """A dict's ids and a set's order would be lost: ids follow the order of a list."""
    with pytest.raises(ValueError, match=r"^special_tokens .*: give a list of different names"):
        tokenizer.train("text", 300, special_tokens=special)


def test_special_tokens_from_any_list():
    expected = {"<a>": 256, "<b>": 257}
    for special in (["<a>", "<b>"], ("<a>", "<b>"), iter(["<a>", "<b>"])):
        assert tokenizer.train("", 300, special_tokens=special).special_tokens == expected


@pytest.mark.parametrize(
    "text", [b"x", None, 5, {"a": 1}, ["a", None], io.BytesIO(b"a")], ids=lambda text: type(text).__name__
)
def test_a_text_that_is_none(text):
    with pytest.raises(ValueError, match=r"^text .* is no string: give one, several, or the Path of a file"):
        tokenizer.train(text, 300)


@pytest.mark.parametrize("pattern", [None, 5, b"a"])
def test_a_pattern_that_is_none(pattern):
    with pytest.raises(ValueError, match=r"^pattern .* is no string: give a regular expression"):
        tokenizer.train("text", 300, pattern)


def test_an_open_file_is_one_text(tmp_path):
    """Its lines are no texts of their own: no piece with two line ends would ever be found."""
    path = tmp_path / "text"
    path.write_text("one\n\n\ntwo\n\n\n" * 9, "utf-8")
    with path.open(encoding="utf-8") as file:
        assert tokenizer.train(file, 300).ranks == tokenizer.train(path, 300).ranks
    assert b"\n\n" in tokenizer.train(path, 300).ranks
