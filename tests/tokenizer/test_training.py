"""The merges of Hugging Face's BpeTrainer, in the same order, on texts of all kinds."""

import json
import random
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import regex
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import CL100K_PATTERN, GPT2_PATTERN, Tokenizer
from tokenizer.formats.byte_alphabet import bytes_to_unicode
from tokenizer.formats.merges import recover_merges

END = "<|endoftext|>"


def theirs(texts: list[str], vocab_size: int) -> list[tuple[str, str]]:
    """The merges that Hugging Face's trainer finds; pieces are cut by `regex`, so that only training differs."""
    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tok.train_from_iterator(texts, trainer)
    return [tuple(merge) for merge in json.loads(tok.to_str())["model"]["merges"]]


def ours(tok: Tokenizer) -> list[tuple[str, str]]:
    return [(bytes_to_unicode(a), bytes_to_unicode(b)) for a, b in recover_merges(tok.ranks)]


def source_code() -> str:
    """Some of the standard library."""
    files = [Path(sys.modules[name].__file__) for name in ("json.decoder", "random", "typing")]
    return "".join(file.read_text(encoding="utf-8") for file in files)


def cjk() -> str:
    """Sentences of Chinese characters as frequent as words are: a few often, most seldom."""
    rng = random.Random(0)
    signs = [chr(c) for c in range(0x4E00, 0x4E00 + 900)]
    words = ["".join(rng.choices(signs, k=rng.choice([1, 2, 2, 3]))) for _ in range(900)]
    weights = [1 / (n + 1) for n in range(len(words))]
    return "".join("".join(rng.choices(words, weights, k=12)) + rng.choice("，。！\n") for _ in range(1500))


@pytest.mark.parametrize("kind", [*TEXTS, "source", "chinese", "all"])
def test_the_merges_of_hugging_face(kind):
    made = {"source": source_code, "chinese": cjk, "all": lambda: source_code() + cjk() + TEXTS["mixed"]}
    text = (made[kind]() if kind in made else TEXTS[kind] * 3).replace(END, "")
    for size in (257, 300, 1000, 3000):
        tok = tokenizer.train(text, size)
        assert ours(tok) == theirs([text], size)
        assert len(tok.ranks) + 1 <= size
        assert tok.decode(tok.encode(text)) == text


@settings(deadline=None, max_examples=300)
@given(texts=st.lists(st.text(st.sampled_from("aab \nbcé中"), max_size=60), min_size=1, max_size=4))
def test_ties_and_exhaustion(texts):
    """Texts of few letters, trained until no pair is left: nearly every choice is a tie."""
    tok = tokenizer.train(texts, 2000)
    assert ours(tok) == theirs(texts, 2000)
    assert tok.n_vocab == 257 + len(recover_merges(tok.ranks))


def naive(text: str, n: int) -> list[bytes]:
    """The definition: count all pairs of all pieces, merge the most frequent one, again and again."""
    order = {byte: i for i, byte in enumerate(tokenizer.train("", 256, special_tokens=()).ranks)}
    pieces = [[bytes([b]) for b in piece.encode()] for piece in regex.findall(GPT2_PATTERN, text)]
    made = []
    for _ in range(n):
        counts: dict[tuple[bytes, bytes], int] = {}
        for piece in pieces:
            for pair in pairwise(piece):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        a, b = max(counts, key=lambda pair: (counts[pair], -order[pair[0]], -order[pair[1]]))
        order[a + b] = len(order)
        made.append(a + b)
        for piece in pieces:
            i = 0
            while i < len(piece) - 1:
                if (piece[i], piece[i + 1]) == (a, b):
                    piece[i : i + 2] = [a + b]
                i += 1
    return made


@settings(deadline=None, max_examples=100)
@given(text=st.text(st.sampled_from("aab bcé"), max_size=60))
def test_the_definition(text):
    tok = tokenizer.train(text, 280, special_tokens=())
    assert [token for token in tok.ranks if len(token) > 1] == naive(text, 24)


def test_special_tokens_are_boundaries():
    text = f"ab{END}ab{END}{END}ab <|x|> ab"
    tok = tokenizer.train(text, 400, special_tokens=(END, "<|x|>"))
    apart = tokenizer.train(["ab", "ab", "ab ", " ab"], 400, special_tokens=(END, "<|x|>"))
    assert tok.ranks == apart.ranks
    assert tok.special_tokens == {END: len(tok.ranks), "<|x|>": len(tok.ranks) + 1}
    assert not any(b"<" in token for token in tok.ranks if len(token) > 1)


def test_a_string_an_iterable_and_a_file_are_the_same(tmp_path):
    text = f"one two\r\nthree {END} four\n\nfive, " * 50
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    expected = tokenizer.train(text, 300)
    assert tokenizer.train(path, 300).ranks == expected.ranks
    assert tokenizer.train(iter(text.split(END)), 300).ranks == expected.ranks


def test_other_patterns():
    text = TEXTS["mixed"].replace(END, "")
    tok = tokenizer.train(text, 400, pattern=CL100K_PATTERN)
    pieces = regex.findall(CL100K_PATTERN, text)
    assert tok.ranks == tokenizer.train(pieces, 400, pattern="(?s:.+)").ranks
    assert tok.pattern == CL100K_PATTERN


def test_the_order_of_the_bytes_and_of_all_ids():
    tok = tokenizer.train("aaa", 260, special_tokens=("<a>", "<b>"))
    assert list(tok.ranks.values()) == list(range(len(tok.ranks)))
    some = (b"!", b"~", b"\xa1", b"\xff", b"\x00", b"\n", b" ")
    assert [tok.ranks[byte] for byte in some] == [0, 93, 94, 187, 188, 198, 220]
    assert tok.special_tokens == {"<a>": 258, "<b>": 259}


@pytest.mark.parametrize("size", [0, 255, 256])
def test_a_size_too_small_is_named(size):
    with pytest.raises(ValueError, match=f"vocab_size {size} is too small.* need 257"):
        tokenizer.train("text", size)


@pytest.mark.parametrize("size", [300.5, 300.0, "300", None])
def test_a_size_that_is_no_whole_number_is_named(size):
    with pytest.raises(ValueError, match=f"^vocab_size {size!r} is no whole number"):
        tokenizer.train("text", size)


@pytest.mark.parametrize(("text", "named"), [(b"x", "b'x'"), (None, "None"), (5, "5"), (["a", b"x"], "b'x'")])
def test_a_text_that_is_none_is_named(text, named):
    with pytest.raises(ValueError, match=f"^text {named} is no string"):
        tokenizer.train(text, 300)


@pytest.mark.parametrize("name", ["a", "Ġ"])
def test_a_special_token_spelled_like_a_byte_is_refused_at_once(name):
    with pytest.raises(ValueError, match=f"^special token '{name}' is how files write a byte"):
        tokenizer.train("text", 300, special_tokens=("<|endoftext|>", name))


@pytest.mark.parametrize("special", [("a", "a"), ("",), END])
def test_bad_special_tokens_are_named(special):
    with pytest.raises(ValueError, match="special_tokens"):
        tokenizer.train("text", 300, special_tokens=special)


def test_empty_text_and_progress(capsys):
    assert tokenizer.train("", 300).n_vocab == 257
    assert tokenizer.train([], 300, progress=True).n_vocab == 257
    tokenizer.train("low lower lowest", 300, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "merges" in err


def test_surrogates_in_the_text():
    assert tokenizer.train("\ud83d\ude00 " * 9, 270).encode("😀") == tokenizer.train("😀 " * 9, 270).encode("😀")


def test_units_are_cut_when_there_are_many(monkeypatch):
    text = TEXTS["mixed"] * 2
    expected = tokenizer.train(text, 400).ranks
    monkeypatch.setattr("tokenizer.fast.training.MANY", 5)
    assert tokenizer.train(text.split("\n"), 400).ranks == tokenizer.train([*text.split("\n")], 400).ranks
    assert tokenizer.train(text, 400).ranks == expected
