"""Patterns: a tokenizer.json's mean what they mean in Oniguruma; every pattern is applied to the whole text, once."""

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

import tokenizer
from tokenizer import Tokenizer
from tokenizer.formats.oniguruma import translate
from tokenizer.formats.oniguruma_sets import POSIX, PROPERTIES
from tokenizer.steps.cutting import Cut
from tokenizer.steps.unicode16 import DIGITS, lower, normal_form

ATOMS = r"\p{L} \p{N} \P{L} \p{^L} \s \S \d \w \W \b \h a b 1 . $ ^ \n \. [abc] [^\s\p{L}] [a[bc]] [\p{L}&&[^a]]"
ATOMS += r" [[:alpha:]] [^a[b]] \A \z \Z 你 \x41 \x{4f60} [\]\-a] [-a] ] }"
ATOMS += r" (?i:'s) (?i:[sdm]|ll) \R \K \e [a&&b] [a&b] - #"
ATOMS += r" \# [\h\w] [\n-\r]"
TIMES = st.sampled_from(
    ["", "", "", "+", "*", "?", "+?", "++", "?+", "{2}", "{1,3}", "{,2}", "{1,3}?", "{1,3}+", "{2}?", "{"]
)
OPEN = st.sampled_from(["(?:", "(", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?<n>", "(?~"])
ITEM = st.sampled_from([*ATOMS.split(), " "])
ONE = st.tuples(st.one_of(ITEM, ITEM, st.builds("{}{}{})".format, OPEN, ITEM, ITEM)), TIMES).map("".join)
BRANCH = st.lists(ONE, min_size=1, max_size=3).map("".join)
REGEX = st.lists(BRANCH, min_size=1, max_size=3).map("|".join)
TEXT = st.text(st.sampled_from("abcABC sSſ1٣'l\n\r.,-/]}²_你\u0301éß\t\x85#&"), max_size=14)
SOME = "".join(chr(i) for i in [*range(0x3400), *range(0xF900, 0x11600, 3), *range(0x1CC00, 0x1FC00, 5)])
ALL = "".join(chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000)


def theirs(pattern: str, text: str) -> list[str]:
    return [piece for piece, _ in pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)]


@settings(deadline=None, max_examples=500)
@given(pattern=REGEX, text=TEXT)
def test_any_pattern_cuts_as_in_oniguruma_or_is_refused(pattern, text):
    try:
        found = translate(pattern)
    except ValueError as refusal:
        line = str(refusal)
        assert "\n" not in line or "\n" in pattern
        return
    try:
        wanted = theirs(pattern, text)
    except Exception:  # it does not take the pattern itself
        return
    assert Cut(found)(text) == wanted
    assert translate(found) == found


@pytest.mark.parametrize(
    ("pattern", "text", "pieces"),
    [
        (r"\p{N}{1,3}+|\P{N}+", "1234567", ["1234567"]),
        (r"[\p{L}&&[^\p{Han}]]+|.", "ab你", ["ab", "你"]),
        (r"[[:alpha:]]+|.", "Hello", ["Hello"]),
        (r"[a[bc]]+|.", "abc", ["abc"]),
        (r"\s+$", "a  \nb ", ["a", "  ", "\nb", " "]),
        (r"^.", "ab\nc", ["a", "b\n", "c"]),
    ],
)
def test_where_the_dialects_differ(pattern, text, pieces):
    assert Cut(translate(pattern))(text) == pieces == theirs(pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            r"(?R)",
            r"(a)\1",
            r"\K",
            r"\R",
            r"\X",
            r"(?~a)",
            r"(?m)a",
            r"(?x) a",
            r"a{2}?",
            r"a*+*",
            r"(a*)*",
            r"\p{Nope}",
            "[",
        ),
        *(
            r"(?i:ss)",
            r"(?i:\p{L})",
            r"(?i:é)",
            r"(?<=a+)b",
            r"x{99999999999}",
            "(" * 5000,
            "a*",
            r"[z-a]",
            r"[a-\d]",
            r"\G",
        ),
        *(
            r"(?(1)a|b)",
            r"(?{x})",
            r"[]a]",
            r"\xff",
            r"\u{41}",
            "(?:a{1000}){1000}",
            "a" * 30_000,
            r"\p{In_Basic_Latin}",
        ),
    ],
)
def test_what_is_refused_is_named(pattern):
    with pytest.raises(ValueError, match="not a pattern that runs here") as error:
        translate(pattern)
    assert len(str(error.value)) < 300


SETS = [r"\w", r"[\w]", r"[^\w\s]", r"\d", *(rf"\p{{{name}}}" for name in sorted(PROPERTIES))]
SETS += [f"[[:{name}:]]" for name in POSIX]


@pytest.mark.parametrize("chars", [SOME, pytest.param(ALL, marks=pytest.mark.slow)], ids=["some", "all"])
class TestUnicode:
    """Of the versions that the library knows; in all code points where there is time."""

    @pytest.mark.parametrize("name", SETS)
    def test_sets_have_the_same_members(self, name, chars):
        """By the characters that are left, each of which occurs once: pieces, with their places, take much longer."""
        left = normalizers.Replace(Regex(f"{name}+"), "").normalize_str(chars)
        assert "".join(Cut(translate(f"{name}+"), "Removed")(chars)) == left

    def test_digits_and_cases(self, chars):
        for one, behavior in ((True, "Isolated"), (False, "Contiguous")):
            found = pre_tokenizers.Digits(individual_digits=one).pre_tokenize_str(chars)
            assert Cut(DIGITS, behavior)(chars) == [piece for piece, _ in found]
        assert lower(chars) == normalizers.Lowercase().normalize_str(chars)

    @pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
    def test_normal_forms(self, form, chars):
        """Also of what is younger than the library's Unicode: which mark comes first, what composes."""
        reference = getattr(normalizers, form)()
        text = "".join(f"a{char}\u0334b\u0345{char}\u0307" for char in chars)
        assert normal_form(form, text) == reference.normalize_str(text)
        assert normal_form(form, chars) == reference.normalize_str(chars)


OWN = [r"[a-z]+|\s+(?=\S)", r"a(?=b)|\w+|\s", r"(?<=a)b+|[^b]", r"\s+(?!\S)|\S+|\s", r"\p{Lu}?\p{Ll}+", r"(?:ab)+"]
OWN = [pattern + r"|[\s\S]" for pattern in OWN]  # what fits nothing tiktoken drops; here it is a piece


@settings(deadline=None, max_examples=150)
@given(pattern=st.sampled_from(OWN), text=st.text(st.sampled_from("ab  \nAé."), max_size=20))
def test_any_pattern_is_applied_once(pattern, text):
    """A second cut, of each piece alone, would see no neighbours."""
    ranks = {bytes([i]): i for i in range(256)} | {b"  ": 256, b"ab": 257, b"bb": 258, b" \n": 259}
    reference = tiktoken.Encoding("own", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    tok = Tokenizer(ranks, pattern)
    assert tok.encode(text) == Tokenizer(ranks, pattern, plain=True).encode(text) == reference.encode(text)
    assert "".join(piece for piece, _ in tok.trace(text)) == text


@pytest.mark.parametrize("pattern", OWN)
def test_any_pattern_trains_as_the_library(pattern):
    text = "a  b   c ab abb Abb\n" * 50
    reference = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    reference.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet, show_progress=False)
    reference.train_from_iterator([text], trainer)
    tok = tokenizer.train(text, 270, pattern, special_tokens=())
    assert tok.encode(text) == reference.encode(text).ids
    assert len(tok.ranks) == reference.get_vocab_size()
