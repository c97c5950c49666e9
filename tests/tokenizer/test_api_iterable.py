"""encode_iterable gives the ids of the whole text, wherever its chunks were cut, in the memory of a block."""

import os
import random
import sys
import time
import tracemalloc
import unicodedata
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import CharTokenizer, Tokenizer, WordTokenizer, streaming
from tokenizer.fast import cuts
from tokenizer.fast.cuts import begins_anew, cutter, neighbours
from tokenizer.splitting import split

KNOWN = [tokenizer.GPT2_PATTERN, tokenizer.CL100K_PATTERN, tokenizer.QWEN2_PATTERN, tokenizer.SMOLLM2_PATTERN]
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ]
)
OTHERS = [
    O200K,
    *(r"[a-z]+|\s+(?=\S)|.", r"(?<=a)b+|\s|a", r"(?<!\n)\s+|[^ab]", r"a(?=b*1)|b+?|\s", "a*", "(?:ab?)*|b"),
    *(r"\s+$|\s|a", r"^a|b|\s", r"(?i)A+|b\s", r"(?i:'S|aB)+|.", r"(?s:.)|a", "(?s:.+)", r"\w+|\W", r"\ba+\b|."),
    *(r"(?>a+)b|\s+", "a++b|a", r"a{2,3}|\s{2}|b{0,1}'", r"(?=a(?=b))a|\S", r"(?=(?<=a)b)b+|a", r"\A.|a\Z|\s"),
    *(r"(a|b\s)+|1", r"\p{Lu}+|\p{Ll}+|[^\p{L}]+", r"\p{L}+", r"(?P<word>[ab]+)|\s", r"(a)\1|b", r"(?!(?<=b)a)a+|b"),
    *(r"[^\S\n]+|a\n*", r"\n(?=a)|\n+|ab"),
]
NAMES = ("<|end|>", "<|end|><|end|>", "a b", "é!")
LETTERS = st.sampled_from(
    [*"aaabbAB   \n\n\r\t'sSl1٣.!éÉ中e가ᅡ\u1100\u0301\u0338\u00a0🌟\ud83d\ude00", *NAMES, "'ll", "  ", "<|e"]
)
TEXT = st.lists(LETTERS, max_size=40).map("".join)
BYTES = {bytes([i]): i for i in range(256)}
TOK = tokenizer.train(TEXTS["mixed"] * 2 + "ab aab  \n\n abab", 700, special_tokens=NAMES)
SAMPLE = TEXTS["english"] * 3 + TEXTS["cjk"] + TEXTS["code"] + TEXTS["spaces"]


def made(pattern: str, normalizer: str | None = None) -> Tokenizer:
    return Tokenizer(TOK.ranks, pattern, TOK.special_tokens, normalizer, plain=pattern not in KNOWN)


def chunked(text: str, places: list[int]) -> list[str]:
    ends = sorted(place % (len(text) + 1) for place in places)
    return [text[i:j] for i, j in pairwise([0, *ends, len(text)])]


@pytest.fixture
def small_blocks(monkeypatch):
    """So that a short text has many blocks, each cut at the last place that is proven."""
    monkeypatch.setattr(streaming, "BLOCK", 3)
    monkeypatch.setattr(cuts, "FIRST", 2)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("pattern", [*KNOWN, *OTHERS])
def test_the_ids_of_the_whole_text(pattern):
    plain, nfc = made(pattern), made(pattern, "NFC")

    @settings(deadline=None, max_examples=40)
    @given(text=TEXT, places=st.lists(st.integers(0, 99), max_size=12), names=st.sets(st.sampled_from(NAMES)))
    def check(text, places, names):
        for tok in (plain, nfc):
            for chunks in (chunked(text, places), text):
                assert list(tok.encode_iterable(chunks, names)) == tok.encode(text, names)

    check()


@pytest.mark.parametrize("pattern", [*KNOWN, *OTHERS])
def test_a_cut_holds_whatever_follows(pattern):
    """The pieces of what was cut off and of the rest are those of the whole, for every continuation."""
    cut = cutter(pattern)

    @settings(deadline=None, max_examples=40)
    @given(text=TEXT, more=TEXT)
    def check(text, more):
        end = cut(text)
        assert split(text[:end], pattern) + split(text[end:] + more, pattern) == split(text + more, pattern)

    check()


@pytest.mark.parametrize("pattern", [*KNOWN, *OTHERS])
def test_a_cut_holds_in_every_short_text(pattern):
    cut = cutter(pattern)
    more = ["".join(chars) for n in (1, 2) for chars in product("ab ", repeat=n)]
    for text in map("".join, product("ab ", repeat=5)):
        if end := cut(text):
            for rest in more:
                assert split(text[:end], pattern) + split(text[end:] + rest, pattern) == split(text + rest, pattern)


@pytest.mark.usefixtures("small_blocks")
def test_what_it_does_not_know_makes_the_text_whole():
    """A field of a vocabulary that is not among those known may change what is cut: no cut is made then."""
    tok, seen = made(KNOWN[0]), []
    vars(tok.vocabulary).update(strange=True)
    tok.encode = lambda text, _names: seen.append(text) or [1]
    assert list(tok.encode_iterable(["one two ", "three four ", "five"])) == [1]
    assert seen == ["one two three four five"]


def test_most_patterns_are_cut():
    """Were nothing ever proven, the tests above would be empty: these buffer a whole text, and no others."""
    text = "one two. Three 4  five\n\nsix seven' eight a b ab aab a ba\tb a "
    whole = [pattern for pattern in [*KNOWN, *OTHERS] if not cutter(pattern)(text)]
    assert set(whole) == {"(?s:.+)", r"\ba+\b|.", r"(a)\1|b", r"\s+$|\s|a", r"^a|b|\s", r"\A.|a\Z|\s"} & {*whole}
    assert len(whole) <= 6


def test_what_a_pattern_reads_in_turn():
    assert neighbours("a(?:b|c)+d?") == {("a", "b"), ("a", "c"), *((x, y) for x in "bc" for y in "bcd")}
    for pattern in (
        r"\bfoo",
        "(?R)",
        "[a&&b]",
        "[[a]]",
        "a{e}",
        r"(a)\1",
        "(?x)a",
        "(?m:^a)",
        "(*FAIL)",
        r"\X",
        "(?(1)a|b)",
    ):
        with pytest.raises(cuts.Unknown):
            neighbours(pattern)


def test_nfc_never_joins_what_begins_anew():
    """Over all of Unicode: no canonical composition has such a character as its second, and NFC keeps it."""
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0][0] != "<":
            assert not begins_anew(chr(int(parts[1], 16)))
        if begins_anew(chr(code)):
            assert unicodedata.normalize("NFC", chr(code)) == chr(code)
            assert not unicodedata.combining(chr(code))
    assert not any(begins_anew(chr(code)) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))
    assert all(map(begins_anew, "aé中가🌟 \n"))


@pytest.mark.parametrize("name", ["gpt2", "cl100k"])
def test_lines_of_a_file_are_no_texts_of_their_own(name, request, tmp_path):
    tok = request.getfixturevalue(name)
    path = tmp_path / "text"
    path.write_text("one\n\n\ntwo", "utf-8", newline="")
    with path.open(encoding="utf-8", newline="") as file:
        ids = list(tok.encode_iterable(file))
    assert ids == tok.encode("one\n\n\ntwo")
    assert ids != [i for line in ("one\n", "\n", "\n", "two") for i in tok.encode(line)]
    if name == "gpt2":
        assert ids[1:-1] == [628, 198]


@pytest.mark.parametrize("size", [1, 1000, 1 << 17])
@pytest.mark.parametrize("pattern", [*KNOWN, O200K])
def test_long_texts(size, pattern):
    tok, text = made(pattern), SAMPLE * (40 if pattern in KNOWN else 3)
    chunks = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(tok.encode_iterable(chunks)) == tok.encode(text)


def peak(tok: Tokenizer, chunks) -> int:
    """The most bytes that encoding the chunks takes at a time."""
    tracemalloc.start()
    for _ in tok.encode_iterable(chunks, "all"):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


KINDS = {
    "prose": TEXTS["english"] * 40,
    "lines": "line\n" * 2000,
    "chinese": TEXTS["cjk"] * 100,
    "documents": "a story. It ends.<|end|>" * 500,
    "words": " ".join(f"{random.Random(i).getrandbits(60):x}" for i in range(800)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_that_of_a_block(kind, monkeypatch):
    """With blocks of 4,096 characters 300 KB, in small chunks and in one large, take a fraction of themselves."""
    monkeypatch.setattr(streaming, "BLOCK", 1 << 12)
    tok, text = made(tokenizer.CL100K_PATTERN, None if kind == "lines" else "NFC"), KINDS[kind]
    n = 300_000 // len(text.encode())
    list(tok.encode_iterable(text * 2, "all"))  # the patterns are compiled and the tables filled
    assert peak(tok, (text[i : i + 999] for _ in range(n) for i in range(0, len(text), 999))) < 200_000
    assert peak(tok, [text * n]) < 200_000


@pytest.mark.skipif("MINIGPT_LONG" not in os.environ, reason="takes a minute: MINIGPT_LONG=1 runs it")
def test_memory_of_fifty_megabytes():
    text = KINDS["prose"]
    assert peak(made(tokenizer.GPT2_PATTERN), (text for _ in range(50_000_000 // len(text)))) < 4_000_000


def test_it_is_as_fast_as_encode():
    tok, text = made(tokenizer.GPT2_PATTERN), TEXTS["english"] * 2000
    chunks = text.splitlines(keepends=True)
    ratios = []
    for _ in range(5):
        start = time.process_time()
        expected = tok.encode(text)
        middle = time.process_time()
        found = list(tok.encode_iterable(chunks))
        ratios.append((time.process_time() - middle) / (middle - start))
        assert found == expected
        if ratios[-1] < 2.5:
            return
    pytest.fail(f"encode_iterable took {ratios} times as long as encode")


def test_disallowed_tokens_are_found_across_chunks():
    text = "a" * 10 + "<|end|>"
    for size in (1, 3, 50):
        chunks = [text[i : i + size] for i in range(0, len(text), size)]
        with pytest.raises(ValueError, match=r"'<\|end\|>' at character 10 "):
            list(TOK.encode_iterable(chunks, disallow_special="all"))
    assert list(TOK.encode_iterable(text, "all", "all")) == TOK.encode(text, "all")


@pytest.mark.parametrize("bad", [None, 5, b"abc", {"a": 1}, ["a", None], [b"a"], [["a"]]])
def test_bad_chunks_are_named(bad):
    for tok in (TOK, WordTokenizer("a"), CharTokenizer()):
        with pytest.raises(ValueError, match=r"^chunks? .*: give"):
            list(tok.encode_iterable(bad))


def test_bad_names_are_refused_before_the_first_chunk():
    with pytest.raises(ValueError, match="no special token '<none>'"):
        TOK.encode_iterable([], ["<none>"])


@settings(deadline=None, max_examples=200)
@given(
    text=st.text(st.sampled_from("abΑΣσ \n\x1c\u3000"), max_size=20), places=st.lists(st.integers(0, 30), max_size=5)
)
def test_words_and_characters(text, places):
    for tok in (WordTokenizer("ab ας ασ σα bba a b"), CharTokenizer("abΣ ")):
        assert list(tok.encode_iterable(chunked(text, places))) == tok.encode(text)
