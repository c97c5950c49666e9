"""Plain and fast ways cut as the patterns do, and a file's blocks join to the file."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import CL100K_PATTERN, GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN
from tokenizer.fast.splitting import splitter
from tokenizer.fast.units import _WHITE, UNITS, blocks, file_blocks, units
from tokenizer.splitting import compile_pattern, split
from tokenizer.unicode import join_surrogates

PATTERNS = [GPT2_PATTERN, CL100K_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN]
NAMES = ["gpt2", "cl100k", "qwen2", "smollm2"]
TEXT = st.text(st.sampled_from(" \n\r\t\x0b\x1c\x85\xa0\u3000'sS.!-aZé中1٣½🌟𝒳\u0301"), max_size=60)


@pytest.mark.parametrize("pattern", PATTERNS, ids=NAMES)
@settings(deadline=None, max_examples=200)
@given(text=TEXT)
def test_units_cut_as_the_pattern(pattern, text):
    split = splitter(pattern)
    found = [before + unit for before, many in units(text, pattern) for unit in many]
    assert "".join(found) == text
    assert [piece for unit in found for piece in split(unit)] == split(text)


@pytest.mark.parametrize("pattern", PATTERNS, ids=NAMES)
@settings(deadline=None, max_examples=200)
@given(text=TEXT)
def test_re_cuts_as_regex(pattern, text):
    assert splitter(pattern)(text) == split(text, pattern) == regex.findall(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS, ids=NAMES)
@settings(deadline=None, max_examples=200)
@given(text=st.text(st.sampled_from(" \n\r\t\x0b\x1c'sS.!-aZ1"), max_size=40))
def test_the_ascii_form_cuts_as_the_full_one(pattern, text):
    narrow, wide = compile_pattern(pattern, ascii_only=True), compile_pattern(pattern, ascii_only=False)
    assert narrow.findall(text) == wide.findall(text)


def test_the_units_are_those_of_the_patterns():
    assert list(UNITS) == [PATTERNS[0], PATTERNS[3], PATTERNS[1], PATTERNS[2]]


def test_white_space_between_units():
    everything = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    assert sorted(_WHITE) == regex.findall(r"\s", everything)


def test_what_a_pattern_leaves_out_is_kept():
    for cut in (split, lambda text, pattern: splitter(pattern)(text)):
        assert cut("ab, cd!", r"\p{L}+") == ["ab", ", ", "cd", "!"]
        assert cut("xabx", r"(a)(b)") == ["x", "ab", "x"]
        assert cut("ab1", r"\p{L}*") == ["ab", "1"]


def test_a_dollar_is_the_end_of_the_text():
    assert split("  \n", r"\s+$|\s") == ["  \n"]
    assert split("a\n", r"a$|a\n") == ["a\n"]


@pytest.mark.parametrize("pattern", [r"\p{Lu}+", r"[\S]+", r"\w+|\W", r"\bfoo", r"(?m)a$", r"(?P<x>a)"])
def test_other_patterns_run_in_regex(pattern):
    assert isinstance(compile_pattern(pattern), regex.Pattern)
    text = "foo Bar\nbaz a"
    assert splitter(pattern)(text) == split(text, pattern)
    assert "".join(split(text, pattern)) == text


@pytest.mark.parametrize("pattern", ["(", "[a", r"\p{Nonsense}", "*"])
def test_a_bad_pattern_is_named(pattern):
    with pytest.raises(ValueError, match="not a pattern"):
        compile_pattern(pattern)


@settings(deadline=None)
@given(text=TEXT, size=st.integers(1, 9))
def test_blocks_join_and_end_with_words(text, size):
    parts = list(blocks(text, size))
    assert "".join(parts) == text
    assert all(part[-1].isalnum() and part[-1].isascii() for part in parts[:-1])


@settings(deadline=None)
@given(text=TEXT, size=st.integers(1, 9), pattern=st.sampled_from([*PATTERNS, r"\S+"]))
def test_file_blocks_join(tmp_path_factory, text, size, pattern):
    path = tmp_path_factory.mktemp("blocks") / "text"
    path.write_bytes(text.encode())
    parts = list(file_blocks(path, pattern, (), size))
    assert "".join(parts) == text
    split = splitter(pattern)
    assert [piece for part in parts for piece in split(part)] == split(text)


def test_a_special_token_with_a_space_is_not_cut(tmp_path):
    path = tmp_path / "text"
    path.write_text("one <the end> two")
    assert "one <the end> two" in list(file_blocks(path, GPT2_PATTERN, ["<the end>"], size=4))


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("café au lait".encode("cp1252"))
    with pytest.raises(ValueError, match=r"latin.txt is not UTF-8 .*save it as UTF-8"):
        list(file_blocks(path, GPT2_PATTERN))


def test_surrogates():
    assert join_surrogates("\ud83d\ude00\ud83d!") == "😀\ufffd!"
    assert join_surrogates("plain") == "plain"
