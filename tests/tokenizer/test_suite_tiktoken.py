"""What tiktoken's own tests say of an encoding, said of ours through an adapter: facts and figures, in our words.

Its tests of encoding, offsets, pickling and the educational trainer, for the two vocabularies that can be had here.
What is about names of models, its cache and its command line has no counterpart.
"""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import Tokenizer

UTF8 = st.text(st.characters(exclude_categories=["Cs"]))


class Encoding:
    """Our tokenizer under tiktoken's names, with its default: a special token in a text is an error."""

    def __init__(self, tok: Tokenizer) -> None:
        self.tok, self.n_vocab = tok, tok.n_vocab
        self.decode, self.decode_bytes, self.decode_batch = tok.decode, tok.decode_bytes, tok.decode_batch
        self.decode_with_offsets, self._encode_bytes = tok.decode_with_offsets, tok.encode_bytes

    def encode(self, text, allowed_special=(), disallowed_special="all"):
        return self.tok.encode(text, allowed_special, disallowed_special)

    def encode_ordinary(self, text):
        return self.tok.encode(text)

    def encode_batch(self, texts, allowed_special=(), disallowed_special="all"):
        return self.tok.encode_batch(texts, allow_special=allowed_special, disallow_special=disallowed_special)

    def encode_single_token(self, token):
        data = token.encode() if isinstance(token, str) else token
        return self.tok.ranks[data] if data in self.tok.ranks else self.tok.special_tokens[data.decode()]


@pytest.fixture(scope="module")
def r50k(gpt2):
    return Encoding(gpt2)


@pytest.fixture(scope="module")
def cl(cl100k):
    return Encoding(cl100k)


@pytest.fixture(scope="module", params=["r50k", "cl"])
def enc(request):
    return request.getfixturevalue(request.param)


def test_simple(r50k, cl):
    for enc, ids, end in ((r50k, [31373, 995], [31373, 220, 50256]), (cl, [15339, 1917], [15339, 220, 100257])):
        assert enc.encode("hello world") == ids
        assert enc.decode(ids) == "hello world"
        assert enc.encode("hello <|endoftext|>", allowed_special="all") == end
        assert enc.encode("") == []


def test_simple_repeated(r50k):
    eight = {1: [15], 2: [405], 3: [830], 4: [2388], 5: [20483], 6: [10535], 7: [24598], 8: [8269]}
    rest = {n + 8: [8269, *eight[n]] for n in range(2, 8)} | {9: [10535, 830], 16: [25645], 17: [8269, 10535, 830]}
    for n, ids in (eight | rest).items():
        assert r50k.encode("0" * n) == ids


def test_simple_regex(cl):
    pieces = {"rer": [38149], "'rer": [2351, 81], "today\n ": [31213, 198, 220], "today\n \n": [31213, 27907]}
    for text, ids in (pieces | {"today\n  \n": [31213, 14211], " \x850": [220, 126, 227, 15]}).items():
        assert cl.encode(text) == ids


def test_encode_bytes(cl):
    assert cl._encode_bytes(b" \xec\x8b\xa4\xed") == [62085]
    for n in range(10):
        assert cl.decode_bytes(cl._encode_bytes(b"\x80" * n)) == b"\x80" * n


@settings(deadline=None, max_examples=50)
@given(data=st.binary())
def test_any_bytes(enc, data):
    assert enc.decode_bytes(enc._encode_bytes(data)) == data


def test_surrogate_pairs(cl):
    assert cl.encode("👍") == cl.encode("\ud83d\udc4d") == [9468, 239, 235]
    assert cl.encode("\ud83d") == cl.encode("\ufffd")


@pytest.mark.parametrize("unit", ["^", "0", "a", "'s", " ", "\n"])
def test_catastrophically_repetitive(enc, unit):
    for text in (unit * 10_000, " " + unit * 10_000, " " + unit * 10_000 + "\n"):
        assert enc.decode(enc.encode(text)) == text


def test_large_repeated(cl):
    ids = cl.encode("x" * 100_000)
    assert cl.decode(ids) == "x" * 100_000


def test_round_trips(enc):
    for text in ("hello", "hello ", "hello  ", " hello", " hello ", " hello  ", "hello world", TEXTS["cjk"]):
        assert enc.decode(enc.encode(text)) == enc.decode(enc.encode_ordinary(text)) == text


@settings(deadline=None, max_examples=50)
@given(text=UTF8)
def test_any_text(enc, text):
    ids = enc.encode(text, disallowed_special=())
    assert enc.decode(ids) == text
    assert ids == enc.encode_ordinary(text)


def test_single_tokens(enc):
    for token, data in enc.tok.tokens.items():
        assert enc.encode_single_token(data) == token
        assert enc.decode_bytes([token]) == data


def test_special_tokens(cl):
    ids = {name: cl.encode_single_token(f"<|{name}|>") for name in ("endoftext", "fim_prefix", "fim_middle")}
    text = "<|endoftext|> hello <|fim_prefix|>"
    for names in ("all", {"<|endoftext|>"}, {"<|fim_prefix|>"}):
        with pytest.raises(ValueError, match="special token"):
            cl.encode(text, disallowed_special=names)
    with pytest.raises(ValueError, match="special token"):
        cl.encode(text)
    text += " there <|fim_middle|>"
    for allowed, found in (((), set()), ("all", set(ids)), *(({f"<|{name}|>"}, {name}) for name in ids)):
        met = set(cl.encode(text, allowed_special=allowed, disallowed_special=()))
        assert {name for name, token in ids.items() if token in met} == found
    assert cl.encode(text, "all", "all") == cl.encode(text, "all", ())


@settings(deadline=None, max_examples=50)
@given(batch=st.lists(UTF8, max_size=5))
def test_batches(enc, batch):
    encoded = enc.encode_batch(batch, allowed_special="all")
    assert encoded == [enc.encode(text, allowed_special="all") for text in batch]
    assert enc.decode_batch(encoded) == batch


OFFSETS = {
    "hello world": [0, 5],
    "hello world<|endoftext|> green cow": [0, 5, 11, 24, 30],
    "我非常渴望与人工智能一起工作": [0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13],
    "நடிகர் சூர்யா": [0, 0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 9, 10, 11, 12, 12],
    " Ġ除": [0, 1],
    "": [],
}


@pytest.mark.parametrize("text", OFFSETS)
def test_offsets(cl, text):
    ids = cl.encode(text, allowed_special="all")
    assert cl.decode_with_offsets(ids) == cl.decode_with_offsets(iter(ids)) == (text, OFFSETS[text])


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_offsets_by_the_definition(enc, data):
    """A token begins where the text of the tokens before it, without a half character, stops to agree with the text."""
    some = data.draw(st.lists(st.sampled_from(list(enc.tok.tokens)), max_size=20))
    ids = enc.encode(enc.decode(some, errors="ignore"), allowed_special="all")
    text, starts = enc.decode_with_offsets(ids)
    for i, start in enumerate(starts):
        before = enc.decode(ids[:i], errors="ignore")
        assert before == text[:start]


def test_errors_of_offsets(cl):
    with pytest.raises(ValueError, match="not in the vocabulary"):
        cl.decode_with_offsets([cl.n_vocab])
    with pytest.raises(UnicodeDecodeError):
        cl.decode_with_offsets(cl._encode_bytes(b"\x80"))


def test_pickle(r50k):
    copies = [pickle.loads(pickle.dumps(r50k.tok))]
    custom = Tokenizer(r50k.tok.ranks, r50k.tok.pattern, {"<|pickle|>": 100_000})
    copies.append(pickle.loads(pickle.dumps(custom)))
    for tok in copies:
        assert tok.encode("hello world") == r50k.encode("hello world")
    assert copies[1].encode("<|pickle|>", "all") == custom.encode("<|pickle|>", "all") == [100_000]


def test_the_educational_trainer():
    """Trained on a text where they are frequent, the two words are one token each."""
    tok = tokenizer.train("hello world and hello again, " * 50, 400)
    ids = tok.encode("hello world")
    assert tok.decode(ids) == "hello world"
    assert [tok.tokens[i] for i in ids] == [b"hello", b" world"]
