"""Batches, bytes, offsets, special tokens that are not allowed, copies and threads: as tiktoken, or refused by name."""

import copy
import multiprocessing
import pickle
import random
import threading
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import CharTokenizer, Tokenizer, WordTokenizer

TOK = tokenizer.train(TEXTS["mixed"] * 2, 500, special_tokens=("<|endoftext|>", "<|end|>"))
NFC = Tokenizer(TOK.ranks, normalizer="NFC")
SIMPLE = (WordTokenizer("a b c"), CharTokenizer("abc"))
TEXT = st.lists(st.sampled_from([*"ab é中🌟\n\u0301 ", "<|end|>", "<|endoftext|>"]), max_size=20).map("".join)
DATA = st.lists(st.sampled_from([*(bytes([i]) for i in (*b"a \n\t1.", 0x80, 0xE4, 0xF0, 0xFF)), "é中🌟".encode()]))


@settings(deadline=None, max_examples=200)
@given(data=DATA.map(b"".join))
def test_bytes_as_in_tiktoken(gpt2, tiktoken_gpt2, cl100k, tiktoken_cl100k, data):
    for ours, theirs in ((gpt2, tiktoken_gpt2), (cl100k, tiktoken_cl100k)):
        assert ours.encode_bytes(data) == theirs._encode_bytes(data)
        assert ours.decode_bytes(ours.encode_bytes(memoryview(data))) == data


@pytest.mark.parametrize("pattern", [tokenizer.GPT2_PATTERN, tokenizer.patterns.CL100K_PATTERN])
def test_blanks_before_a_wrong_byte_are_one_piece_with_it(pattern):
    import tiktoken

    tok = tokenizer.train("Once upon a time  \n\n\t hello   world \n  x" * 30, 400, pattern=pattern, special_tokens=())
    theirs = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=dict(tok.ranks), special_tokens={})
    draw = random.Random(1)
    for _ in range(2000):
        text = "".join(draw.choices(["a", " ", "  ", "\n", "\t", " w", "1", "\n\n", "!"], k=draw.randint(1, 9)))
        data = text.encode() + bytes([draw.choice([0xFF, 0xE2, 0x80, 0xF0])]) + b" a\n"[: draw.randint(0, 3)]
        assert tok.encode_bytes(data) == theirs._encode_bytes(data), data


@settings(deadline=None, max_examples=200)
@given(data=st.binary())
def test_bytes_come_back(data):
    for tok in (TOK, Tokenizer(TOK.ranks, plain=True)):
        assert tok.decode_bytes(tok.encode_bytes(data)) == data


def test_a_million_bytes_that_are_no_text():
    data = b"ab\x80" * 300_000
    assert TOK.decode_bytes(TOK.encode_bytes(data)) == data


@pytest.mark.parametrize("bad", ["text", None, 5, [1, 2]])
def test_what_is_no_bytes_is_named(bad):
    with pytest.raises(ValueError, match=r"^data .* not bytes: give bytes, or a text to encode$"):
        TOK.encode_bytes(bad)


def test_a_byte_without_a_token_is_named():
    with pytest.raises(ValueError, match="no token for the byte ff"):
        Tokenizer({b"a": 0}).encode_bytes(b"a\xff")


@settings(deadline=None, max_examples=300)
@given(text=st.one_of(st.text(st.characters(exclude_categories=["Cs"])), TEXT))
def test_offsets_as_in_tiktoken(gpt2, tiktoken_gpt2, cl100k, tiktoken_cl100k, text):
    for ours, theirs in ((gpt2, tiktoken_gpt2), (cl100k, tiktoken_cl100k)):
        ids, places = ours.encode_with_offsets(text, allow_special="all")
        assert ids == ours.encode(text, "all")
        assert (text, [start for start, _ in places]) == theirs.decode_with_offsets(ids)
        assert ours.decode_with_offsets(ids) == theirs.decode_with_offsets(ids)
        _, in_bytes = ours.encode_with_offsets(text, "all", in_bytes=True)
        data = text.encode()
        for i, (start, end), (first, last) in zip(ids, places, in_bytes, strict=True):
            assert data[first:last] == ours.decode_bytes([i])
            assert ours.decode_bytes([i]) in text[start:end].encode()
            assert (start, end) == (len(data[:first].decode("utf-8", "ignore")), characters(data, last))


def characters(data: bytes, end: int) -> int:
    """How many characters the first `end` bytes touch."""
    return len(data[:end].decode("utf-8", "replace"))


def test_a_text_of_another_form_is_refused():
    assert NFC.encode_with_offsets("né")[1] == TOK.encode_with_offsets("né")[1]
    with pytest.raises(ValueError, match="encoded as 'né', where its tokens have other places"):
        NFC.encode_with_offsets(unicodedata.normalize("NFD", "né"))
    with pytest.raises(ValueError, match="other places"):
        TOK.encode_with_offsets("\ud83d\ude00")
    assert TOK.encode_with_offsets("a\ud83db")[1][-1] == (2, 3)  # half a pair is one character, U+FFFD


def test_bytes_that_are_no_text_have_no_offsets():
    with pytest.raises(UnicodeDecodeError):
        TOK.decode_with_offsets(TOK.encode_bytes(b"\x80"))
    with pytest.raises(ValueError, match="id 9999 is not"):
        TOK.decode_with_offsets([9999])


@settings(deadline=None, max_examples=100)
@given(texts=st.lists(TEXT, max_size=5))
def test_batches(texts):
    ids = TOK.encode_batch(texts, allow_special="all")
    assert ids == [TOK.encode(text, "all") for text in texts]
    assert TOK.encode_batch(iter(texts)) == [TOK.encode(text) for text in texts]
    assert TOK.encode_batch(texts, allow_special=iter(["<|end|>"])) == [TOK.encode(t, ["<|end|>"]) for t in texts]
    assert TOK.decode_batch(ids) == texts
    for tok in SIMPLE:
        assert tok.encode_batch(texts) == [tok.encode(text) for text in texts]
        assert tok.decode_batch([[2, 3], []]) == [tok.decode([2, 3]), ""]


@pytest.mark.parametrize("bad", ["abc", b"abc", None, 5, {"a": 1}])
def test_one_text_is_no_batch(bad):
    for tok in (TOK, *SIMPLE):
        with pytest.raises(ValueError, match=r"^texts .*: give several in a list, or a single one to encode$"):
            tok.encode_batch(bad)
        with pytest.raises(ValueError, match=r"^batch .*: give several in a list, or a single one to decode$"):
            tok.decode_batch(bad)
    with pytest.raises(ValueError, match=r"^ids 5: give a list"):
        TOK.decode_batch([5])


@pytest.mark.parametrize("bad", [None, b"abc", ["a"], 5, {"a": 1}])
def test_what_is_no_text_is_named(bad):
    for encode in (TOK.encode, TOK.trace, TOK.encode_with_offsets, *(tok.encode for tok in SIMPLE)):
        with pytest.raises(ValueError, match=r"^text .* is no string: give a str; bytes go to encode_bytes"):
            encode(bad)
    with pytest.raises(ValueError, match="is no string"):
        CharTokenizer(bad)
    with pytest.raises(ValueError, match="is no string"):
        WordTokenizer(bad if bad != ["a"] else [None])


def test_errors_of_decoding():
    ids = TOK.encode_bytes(b"a\xffb")
    assert [TOK.decode(ids, errors=name) for name in ("replace", "ignore")] == ["a\ufffdb", "ab"]
    with pytest.raises(UnicodeDecodeError):
        TOK.decode(ids, "strict")
    for bad in ("perhaps", 5, None):
        with pytest.raises(ValueError, match=r'^errors=.*: give "replace"'):
            TOK.decode([], bad)


@pytest.mark.parametrize(
    "bad", ["abc", b"abc", bytearray(b"a"), {1: 2}, {1, 2}, 5, None, [True], [1, False], [1.5], ["1"]]
)
def test_what_is_no_list_of_ids_is_named(bad):
    """A text or bytes are no ids, though a loop over them gives numbers; neither is True, though it equals 1."""
    for decode in (TOK.decode, TOK.decode_bytes, TOK.decode_with_offsets, *(tok.decode for tok in SIMPLE)):
        with pytest.raises(ValueError, match=r"^ids? .*: (give a list of ids|ids are 0 to \d+$)"):
            decode(bad)


HELD = "a <|end|> b <|endoftext|>"


@pytest.mark.parametrize(
    ("allow", "disallow", "named"),
    [
        ((), (), None),
        ((), "all", ("<|end|>", 2)),
        ("all", "all", None),
        ((), {"<|endoftext|>"}, ("<|endoftext|>", 12)),
        ({"<|end|>"}, "all", ("<|endoftext|>", 12)),
        ({"<|end|>"}, iter(["<|end|>"]), ("<|end|>", 2)),  # what is named is refused, though it is allowed too
        (("<|end|>", "<|endoftext|>"), "all", None),
    ],
)
def test_disallowed(allow, disallow, named):
    if named is None:
        assert TOK.encode(HELD, allow, disallow) == TOK.encode(HELD, allow)
        return
    with pytest.raises(ValueError, match="special token '") as error:
        TOK.encode(HELD, allow, disallow)
    assert str(error.value).startswith(f"special token {named[0]!r} at character {named[1]} of the text: ")


@settings(deadline=None, max_examples=200)
@given(text=TEXT, allow=st.sets(st.sampled_from(["<|endoftext|>"])), disallow=st.booleans())
def test_disallowed_as_in_tiktoken(gpt2, tiktoken_gpt2, text, allow, disallow):
    names = "all" if disallow else ()
    try:
        expected = tiktoken_gpt2.encode(text, allowed_special=allow, disallowed_special=names)
    except ValueError:
        with pytest.raises(ValueError, match="at character"):
            gpt2.encode(text, allow, names)
    else:
        assert gpt2.encode(text, allow, names) == expected


@pytest.mark.parametrize("wish", ["<|end|>", ("<|nothing|>",), {"all"}, 5])
def test_a_bad_disallow_special_is_named(wish):
    with pytest.raises(ValueError, match="disallow_special"):
        TOK.encode("a", disallow_special=wish)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies(copied):
    for tok in (TOK, NFC, *SIMPLE):
        tok.encode("a b")
        twin = copied(tok)
        assert type(twin) is type(tok)
        assert twin.encode("a é c") == tok.encode("a é c")
        assert list(twin.encode_iterable("a é c")) == tok.encode("a é c")
    assert copied(TOK.vocabulary) == TOK.vocabulary


class Texts:
    """A data set that encodes in the worker, with what it was given by pickle."""

    def __init__(self, tok: Tokenizer) -> None:
        self.tok, self.texts = tok, ["one", "two <|end|>"]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, i: int) -> list[int]:
        return self.tok.encode(self.texts[i], "all")


@pytest.mark.skipif("spawn" not in multiprocessing.get_all_start_methods(), reason="no spawned processes here")
def test_a_data_loader_with_spawned_workers():
    from torch.utils.data import DataLoader

    TOK.encode("fills the tables")
    loader = DataLoader(Texts(TOK), num_workers=1, multiprocessing_context="spawn", collate_fn=list)
    assert [ids for batch in loader for ids in batch] == [TOK.encode("one"), TOK.encode("two <|end|>", "all")]


def test_threads_share_a_tokenizer():
    tok = Tokenizer(TOK.ranks)
    texts = [TEXTS["mixed"][i:] for i in range(0, 400, 3)]
    expected, found = TOK.encode_batch(texts), []
    for table in (tok._fast.pieces, tok._fast.parts, *tok._fast.units.values()):
        table.limit = 20  # so that the tables are emptied under way
    threads = [threading.Thread(target=lambda: found.append(tok.encode_batch(texts))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
