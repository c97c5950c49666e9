"""Tokens made visible."""

import io
import re

import pytest

from tokenizer import Tokenizer, display

SENTENCE = "The 🌟 star-player scored 40 points!"
BYTES = Tokenizer({bytes([i]): i for i in range(256)})


def test_the_sentence_of_the_notebook(gpt2, cl100k):
    assert gpt2.encode(SENTENCE) == [464, 12520, 234, 253, 3491, 12, 7829, 7781, 2319, 2173, 0]
    assert cl100k.encode(SENTENCE) == [791, 11410, 234, 253, 6917, 43467, 16957, 220, 1272, 3585, 0]
    assert display.compare(SENTENCE, {"gpt2": gpt2, "cl100k_base": cl100k}, width=120).split("\n") == [
        "gpt2: vocabulary of 50,257, 11 tokens, 35 characters, 38 bytes",
        "The <20 f0 9f> <8c> <9f> ·star -  player ·scored ·40  ·points !",
        "464 12520      234  253  3491  12 7829   7781    2319 2173    0",
        "",
        "cl100k_base: vocabulary of 100,277, 11 tokens, 35 characters, 38 bytes",
        "The <20 f0 9f> <8c> <9f> ·star -player ·scored ·   40   ·points !",
        "791 11410      234  253  6917  43467   16957   220 1272 3585    0",
    ]


def test_unbelievable(gpt2):
    text = "Unbelievable tokenization powers! 🚀"
    assert gpt2.encode(text) == [3118, 6667, 11203, 540, 11241, 1634, 5635, 0, 12520, 248, 222]
    assert gpt2.encode("When using LLMs,") == [2215, 1262, 27140, 10128, 11]


def test_lines_keep_to_the_width(gpt2):
    for width in (20, 40, 80):
        shown = display.show(gpt2, gpt2.encode("a long sentence 中文字 with wide characters " * 5), width=width)
        assert max(map(display.cells, shown.split("\n"))) <= width
        ids = [int(number) for line in shown.split("\n")[1::3] for number in line.split()]
        assert ids == gpt2.encode("a long sentence 中文字 with wide characters " * 5)


def test_color_changes_nothing_but_color():
    ids = BYTES.encode("né 中")
    assert re.sub(r"\x1b\[[0-9;]*m", "", display.show(BYTES, ids, color=True)) == display.show(BYTES, ids)
    assert display.show(BYTES, []) == "\n"


def test_when_to_color(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert display.use_color("auto", Terminal())
    assert not display.use_color("auto", io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not display.use_color("auto", Terminal())
    assert display.use_color("always", Terminal())
    with pytest.raises(ValueError, match="'sometimes'"):
        display.use_color("sometimes")


def test_no_control_character_reaches_the_terminal():
    for c in [*map(chr, range(0x300)), "\u202e", "\u200b", "\ufeff", "\u2028", "\U000e0001"]:
        assert display.label(c.encode()).isprintable()


def test_trace(gpt2):
    shown = display.show_trace(gpt2, "Hello!").split("\n")
    assert shown[0] == "Hello"
    assert shown[1].split() == list("Hello")
    assert shown[-1].split() == ["!"]
    assert [int(line.split()[0]) for line in shown[2:-2]] == sorted(int(line.split()[0]) for line in shown[2:-2])
    assert shown[-3].split() == [str(gpt2.ranks[b"Hello"]), "Hello"]
