"""Zero differences from tiktoken: all of Unicode, and as many strings as hypothesis invents."""

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tokenizer.conftest import TEXTS
from tokenizer import unicode
from tokenizer.unicode import members

EVERY = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TRICKY = st.sampled_from(
    [
        *" \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u2003\u2028\u3000\ufeff'’sStTdDmMlLvVeErRſK",
        *"aZéßж中あ안0٣²Ⅻ!。…🌟𝒳𠜎\u0301\u200d\U0010ffff",
        *("'s", "'LL", "'ve", "'Re", "  ", "\r\n", "\n\n", "<|endoftext|>", "ab", "the", " the", "12", "中文"),
    ]
)
STRINGS = st.lists(st.one_of(TRICKY, st.characters(exclude_categories=["Cs"])), max_size=40).map("".join)
FORMS = ["{0}", " {0}", "a{0}1", "1{0}a", "'{0}", "{0}{0}", " {0}\n", "\n{0} ", ".{0}\r\n", "{0}'s", "\t{0}{0}!"]
LONG = ["a" * 3000, "ab" * 2000, "lol" * 999, " " * 5000, "中" * 1500, "🌟" * 700, "\n" * 999 + "x"]
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def agreed() -> list[str]:
    """All characters that the installed tiktoken puts into our classes; other releases may know another Unicode."""
    import tiktoken

    ids = {bytes([i]): i for i in range(256)}
    everything = "".join(EVERY)
    left_out: set[str] = set()
    for name, prop in (("L", r"\p{L}"), ("N", r"\p{N}"), ("s", r"\s")):
        theirs = tiktoken.Encoding("class", pat_str=prop, mergeable_ranks=ids, special_tokens={})
        found = set(theirs.decode(theirs.encode_ordinary(everything)))
        left_out |= found ^ set(re.findall(f"[{members(name)}]", everything))
    if tiktoken.__version__ == "0.14.0":
        assert not left_out, f"not Unicode 16.0: {sorted(left_out)[:5]}"
    return [char for char in EVERY if char not in left_out]


def test_the_edges_of_every_class_in_several_surroundings(both, agreed):
    ours, theirs = both
    ends = {
        int(end, 16) for end in re.split(r"[-\s]+", f"{unicode.LETTERS} {unicode.NUMBERS} {unicode.WHITE_SPACE}") if end
    }
    edges = sorted({chr(end + step) for end in ends for step in (-1, 0, 1)} & set(agreed))
    for form in (
        "{0}",
        " {0}",
        "a{0}1",
        "1{0}a",
        "'{0}",
        "{0}{0}",
        " {0}\n",
        "\n{0} ",
        ".{0}\r\n",
        "{0}'s",
        "\t{0}{0}!",
    ):
        text = "|x".join(map(form.format, edges))  # "|x" ends whatever came before, in both patterns
        if ours.encode(text) != theirs.encode_ordinary(text):
            wrong = [c for c in edges if ours.encode(form.format(c)) != theirs.encode_ordinary(form.format(c))]
            pytest.fail(f"{form!r} differs for {[hex(ord(c)) for c in wrong[:10]]}")


def test_all_characters_shuffled(both, agreed):
    ours, theirs = both
    chars = agreed[:]
    random.Random(0).shuffle(chars)
    for start in range(0, len(chars), 1 << 16):
        text = "".join(chars[start : start + (1 << 16)])
        ids = ours.encode(text)
        assert ids == theirs.encode_ordinary(text)
        assert ours.decode(ids) == text


@pytest.mark.parametrize("name", TEXTS)
def test_texts(both, name):
    ours, theirs = both
    text = TEXTS[name]
    for cut in range(len(text)):
        assert ours.encode(text[cut:]) == theirs.encode_ordinary(text[cut:])
        assert ours.encode(text[:cut]) == theirs.encode_ordinary(text[:cut])


@settings(SLOW, max_examples=1000)
@given(text=STRINGS)
def test_fuzzed_gpt2(gpt2, tiktoken_gpt2, text):
    ids = gpt2.encode(text)
    assert ids == tiktoken_gpt2.encode_ordinary(text)
    assert gpt2.decode(ids) == text
    assert gpt2.encode(text, allow_special="all") == tiktoken_gpt2.encode(text, allowed_special="all")


@settings(SLOW, max_examples=1000)
@given(text=STRINGS)
def test_fuzzed_cl100k(cl100k, tiktoken_cl100k, text):
    ids = cl100k.encode(text)
    assert ids == tiktoken_cl100k.encode_ordinary(text)
    assert cl100k.decode(ids) == text
    assert cl100k.encode(text, allow_special="all") == tiktoken_cl100k.encode(text, allowed_special="all")


def test_many_cheap_strings(both):
    """Strings of a few characters in a row, where cuts are decided: 20,000 for each vocabulary."""
    ours, theirs = both
    rng = random.Random(1)
    alphabet = " \t\n\r\xa0'sS.!aé中1٣🌟\u0301"
    texts = ["".join(rng.choices(alphabet, k=rng.randint(1, 12))) for _ in range(20000)]
    for text, expected in zip(texts, theirs.encode_ordinary_batch(texts, num_threads=1), strict=True):
        assert ours.encode(text) == expected, repr(text)


@settings(SLOW, max_examples=300)
@given(text=st.text(st.one_of(st.characters(categories=["Cs"]), st.sampled_from("a 🌟'")), max_size=12))
def test_surrogates(gpt2, tiktoken_gpt2, text):
    assert gpt2.encode(text) == tiktoken_gpt2.encode(text, disallowed_special=())
    assert gpt2.encode(text, allow_special="all") == tiktoken_gpt2.encode(text, allowed_special="all")


@settings(SLOW, max_examples=300)
@given(ids=st.lists(st.integers(0, 50256), max_size=20))
def test_any_ids_decode_to_the_same_bytes(gpt2, tiktoken_gpt2, ids):
    assert gpt2.decode_bytes(ids) == tiktoken_gpt2.decode_bytes(ids)
    assert gpt2.decode(ids) == tiktoken_gpt2.decode(ids)


@pytest.mark.parametrize("text", LONG, ids=[text[:3].encode().hex() for text in LONG])
def test_long_words(both, text):
    ours, theirs = both
    assert ours.encode(text) == theirs.encode_ordinary(text)


def test_the_tables_are_unicode_16():
    assert len(re.findall(f"[{members('L')}]", "".join(EVERY))) == 141028
    assert len(re.findall(f"[{members('N')}]", "".join(EVERY))) == 1911
    assert len(unicode.WHITE_SPACE.split()) == 10
