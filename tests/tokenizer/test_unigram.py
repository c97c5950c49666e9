"""Unigram against `tokenizers`: the same ids and texts for every text, with vocabularies that its trainer made, the
normalizer of sentencepiece included; what would be done differently is refused by name; the trainer against its own."""

import base64
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import unigram
from tokenizer.formats import unigram_json
from tokenizer.steps import charsmap as charsmap_module
from tokenizer.steps.charsmap import Charsmap
from tokenizer.unigram import SPACE, Unigram, best_pieces
from tokenizer.unigram_training import as_t5, train_unigram

tokenizers = pytest.importorskip("tokenizers")
TEXT = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SPECIAL = ["<pad>", "</s>", "<unk>", "<extra_id_0>"]
KINDS: dict[str, dict[str, Any]] = {
    "T5": {},
    "spaces kept": {"split_white": False},
    "no prefix": {"prefix": "never", "n": 120},
    "bytes": {"byte": True, "split_white": False},
    "folded": {"norm": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "spaces joined": {
        "norm": [
            {"type": "Strip", "strip_left": False, "strip_right": True},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
        ],
        "split_white": False,
    },
    "sentencepiece": {"norm": [{"type": "Precompiled"}]},
}


def charsmap(table: dict[str, str]) -> bytes:
    """A compiled table: a double array over the keys' bytes, built node by node at the first offset that is free."""
    texts = b"".join(text.encode() + b"\0" for text in table.values())
    starts = {key.encode(): sum(len(t.encode()) + 1 for t in [*table.values()][:i]) for i, key in enumerate(table)}
    units: dict[int, int] = {}

    def place(prefix: bytes, node: int, label: int) -> None:
        children = sorted({key[len(prefix)] for key in starts if key.startswith(prefix) and len(key) > len(prefix)})
        wanted = [*children, *([0] if prefix in starts else [])]
        far = len(prefix) % 2  # an offset of whole 256s is written in another form, which reaches farther
        bases = (node ^ i << 8 for i in range(1, 1 << 12)) if far else range(1, 1 << 20)
        base = next(b for b in bases if all(b ^ c not in units and b ^ c for c in wanted))
        offset = (base ^ node) >> 8 << 10 | 1 << 9 if far else (base ^ node) << 10
        units[node] = offset | (prefix in starts) << 8 | label
        for child in wanted:
            units[base ^ child] = 0  # taken
        if prefix in starts:
            units[base] = 1 << 31 | starts[prefix]
        for child in children:
            place(prefix + bytes([child]), base ^ child, child)

    units[0] = 0
    place(b"", 0, 0)
    array = [units.get(i, 0) for i in range(max(units) | 255 + 1)]
    return struct.pack("<I", 4 * len(array)) + struct.pack(f"<{len(array)}I", *array) + texts


FOLDS = {
    "ﬁ": "fi",
    "①": "1",
    "Ａ": "A",
    "e\u0301": "é",
    "é": "é",
    "\u3000": " ",
    "\t": " ",
    "\u200b": "",
    "…": "...",
    "a\u0308b": "?",
}


@cache
def pair(kind: str) -> tuple[Any, Unigram]:
    """A tokenizer of the library, trained, and ours, read from what it writes."""
    given = {"split_white": True, "prefix": "always", "byte": False, "norm": [], "n": 300} | KINDS[kind]
    theirs = tokenizers.Tokenizer(tokenizers.models.Unigram())
    metaspace = tokenizers.pre_tokenizers.Metaspace(prepend_scheme=given["prefix"])
    white = [tokenizers.pre_tokenizers.WhitespaceSplit()] * given["split_white"]
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([*white, metaspace])
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=given["n"], special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    theirs.train_from_iterator([TEXT], trainer)
    data = json.loads(theirs.to_str())
    decoder = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": given["prefix"], "split": True}
    data["decoder"] = decoder
    if given["byte"]:
        data["model"]["vocab"] += [[f"<0x{byte:02X}>", -5.0] for byte in range(256)]
        data["model"]["byte_fallback"] = True
        data["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, decoder]}
    for step in given["norm"]:
        if step["type"] == "Precompiled":
            step["precompiled_charsmap"] = base64.b64encode(charsmap(FOLDS)).decode()
    data["normalizer"] = {"type": "Sequence", "normalizers": given["norm"]} if given["norm"] else None
    theirs = tokenizers.Tokenizer.from_str(json.dumps(data))
    theirs.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return theirs, Unigram(**unigram_json.from_json(json.loads(theirs.to_str()), "tokenizer.json"))


BITS = st.one_of(
    st.sampled_from(
        [*SPECIAL, " ", "  ", "▁", "\t", "\n", "\u3000", "the ", "tokenizer", "<", "…", "e\u0301", "\u200b"]
    ),
    st.integers(0, len(TEXT) - 9).map(lambda i: TEXT[i : i + 9]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
TEXTS = st.lists(BITS, max_size=12).map("".join)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_ids_and_texts_are_those_of_tokenizers(kind: str, text: str) -> None:
    theirs, ours = pair(kind)
    ids = theirs.encode(text, add_special_tokens=False).ids
    assert ours.encode(text, "all") == ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
    assert [*ours.before, *ids, *ours.after] == theirs.encode(text).ids


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_special_tokens_are_plain_text_unless_allowed(text: str) -> None:
    _, ours = pair("T5")
    assert not {0, 1, 3} & {*ours.encode(text)}
    assert ours.encode("a</s>", ["</s>"])[-1] == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("ab", -2.0)],  # a tie goes to the longer piece that starts first
        [("<unk>", 0.0), ("aa", -1.0), ("a", -0.5), ("aaa", -1.5)],
        [("<unk>", 0.0), ("▁", -2.0), ("▁a", -50.0)],  # an unknown character costs less than its piece
        [("<unk>", 0.0), ("▁", -1.0), ("▁a", -5.0)],
        [("<unk>", 0.0), ("a", -3.0), ("a", -1.0)],  # the same text twice
    ],
)
@settings(max_examples=100, deadline=None)
@given(text=st.text("ab c▁<", max_size=20))
def test_ties_and_odd_vocabularies(pieces: list[tuple[str, float]], text: str) -> None:
    theirs = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=0, byte_fallback=False))
    white = tokenizers.pre_tokenizers.WhitespaceSplit()
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([white, tokenizers.pre_tokenizers.Metaspace()])
    assert Unigram(pieces).encode(text) == theirs.encode(text).ids


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from([*"".join(FOLDS), *"ab\u0327\u200d\r\nÀ漢"]), max_size=12))
def test_the_compiled_normalizer_equals_that_of_tokenizers(text: str) -> None:
    data = charsmap(FOLDS)
    theirs = tokenizers.normalizers.Precompiled(data)
    assert Charsmap(base64.b64encode(data).decode()).normalize(text) == theirs.normalize_str(text)


def test_the_search_finds_the_best_of_all_ways() -> None:
    scores = {"a": -1.0, "b": -1.1, "ab": -1.9, "ba": -2.2, "aba": -3.05, "bab": -2.9}

    def best(text: str) -> float:
        return max((scores[text[:n]] + best(text[n:]) for n in (1, 2, 3) if text[:n] in scores and text), default=0.0)

    for i in range(1 << 9):
        text = f"{i:09b}".replace("0", "a").replace("1", "b")
        assert sum(scores[piece] for piece in best_pieces(text, scores, -99.0, 3)) == pytest.approx(best(text))


MISTAKES = {
    "greedy": ("best_pieces", lambda text, scores, *_: greedy(text, scores)),
    "one unknown a character": ("groupby", lambda pieces, key: [(key(piece), [piece]) for piece in pieces]),
    "no-break spaces kept": ("WHITE", " "),
}


def greedy(text: str, scores: Any) -> list[str]:
    """The longest piece that fits, from left to right."""
    n = next((n for n in range(len(text), 1, -1) if text[:n] in scores), 1)
    return [text[:n], *greedy(text[n:], scores)] if text else []


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    theirs, _ = pair("T5")
    attribute, wrong = MISTAKES[name]
    texts = [TEXT[i : i + 60] + "漢字 x\u00a0y" for i in range(0, len(TEXT), 61)]
    monkeypatch.setattr(unigram, attribute, wrong)
    ours = Unigram(**unigram_json.from_json(json.loads(theirs.to_str()), "tokenizer.json"))
    assert any(ours.encode(text) != theirs.encode(text, add_special_tokens=False).ids for text in texts)


def test_an_unknown_that_is_too_cheap_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [("<unk>", 0.0), ("▁", -1.0), ("▁a", -5.0)]
    assert Unigram(pieces).encode("a") == [2]  # as in test_ties_and_odd_vocabularies
    monkeypatch.setattr(unigram, "UNKNOWN", -10.0)
    assert Unigram(pieces).encode("a") == [1, 0]


@pytest.mark.parametrize(("name", "wrong"), [("SHORT", 0), ("SHORT", 99), ("_offset", lambda unit: unit >> 10)])
def test_a_mistake_in_the_compiled_normalizer_is_seen(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any) -> None:
    data, texts = charsmap(FOLDS), ["e\u0301", "…\u0327\u0327", "ﬁ①"]
    theirs = tokenizers.normalizers.Precompiled(data)
    expected = [theirs.normalize_str(text) for text in texts]
    code = base64.b64encode(data).decode()
    assert [Charsmap(code).normalize(text) for text in texts] == expected
    monkeypatch.setattr(charsmap_module, name, wrong)
    assert [Charsmap(code).normalize(text) for text in texts] != expected


# --- Files ------------------------------------------------------------------------------------------------------


def test_a_folder_saved_by_transformers_loads(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁the", -3.0), ("a", -4.0)]
    theirs = transformers.T5Tokenizer(vocab=vocab, extra_ids=3)
    theirs.save_pretrained(tmp_path)
    ours = Unigram.load(tmp_path)
    for text in ("the a", "a <extra_id_1> the", "", "</s>", "zz  a"):
        assert [*ours.before, *ours.encode(text, "all"), *ours.after] == theirs(text).input_ids
        assert ours.decode(theirs(text).input_ids) == theirs.decode(theirs(text).input_ids)
    theirs(["a", "the a"], padding=True)
    theirs.save_pretrained(tmp_path)  # which says so now, and changes no single text
    assert Unigram.load(tmp_path).encode("the a") == ours.encode("the a")


CHANGES: dict[str, tuple[list[Any], Any, str]] = {
    "another model": (["model", "type"], "BPE", "the model is BPE"),
    "no unknown": (["model", "unk_id"], None, "unk_id is None"),
    "unknown beyond": (["model", "unk_id"], 9999, "unk is 9999"),
    "a piece without score": (["model", "vocab", 5], ["a"], r"the piece \['a'\]"),
    "a score that is none": (["model", "vocab", 5], ["a", "b"], r"the piece \['a', 'b'\]"),
    "an endless score": (["model", "vocab", 5], ["a", float("inf")], "all texts with a number"),
    "truncation": (["truncation"], {"max_length": 5}, "truncation is"),
    "padding to a length": (["padding"], {"strategy": {"Fixed": 9}}, "padding is"),
    "a strange normalizer": (["normalizer"], {"type": "Nmt"}, "the normalizer"),
    "a damaged charsmap": (
        ["normalizer"],
        {"type": "Precompiled", "precompiled_charsmap": "//8="},
        "precompiled_charsmap",
    ),
    "an empty charsmap": (
        ["normalizer"],
        {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="},
        "precompiled_charsmap",
    ),
    "a strange pre_tokenizer": (["pre_tokenizer"], {"type": "BertPreTokenizer"}, "the pre_tokenizer"),
    "no pre_tokenizer": (["pre_tokenizer"], None, "the pre_tokenizer"),
    "the first word only": (["decoder", "prepend_scheme"], "first", "prepend_scheme': 'first'"),
    "another space": (["decoder", "replacement"], "_", "replacement': '_'"),
    "a decoder without prefix": (["decoder", "prepend_scheme"], "never", "the decoder"),
    "a token with flags": (["added_tokens", 0, "lstrip"], True, "lstrip"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_be_done_differently_is_refused_by_name(name: str) -> None:
    data = json.loads(pair("T5")[0].to_str())
    keys, value, message = CHANGES[name]
    part = data
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    with pytest.raises(ValueError, match=message) as error:
        Unigram(**unigram_json.from_json(data, "tokenizer.json"))
    assert "\n" not in str(error.value)


def test_older_files_say_the_same_in_other_words() -> None:
    """As t5-small's own, of 2020: the prefix by its former name, no byte_fallback, no split."""
    theirs, ours = pair("T5")
    data = json.loads(theirs.to_str())
    old = {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": True}
    data |= {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, old]}, "decoder": old}
    del data["model"]["type"], data["model"]["byte_fallback"]
    assert vars(Unigram(**unigram_json.from_json(data, "x"))) == vars(ours)


def test_a_folder_without_tokenizer_json_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"give a folder with tokenizer\.json"):
        Unigram.load(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"")
    with pytest.raises(ValueError, match=r"spiece.model alone is not read here: load it once with transformers"):
        Unigram.load(tmp_path)


def test_ids_and_names_that_are_none_are_refused() -> None:
    tok = Unigram([("<unk>", 0.0), ("a", -1.0)], special_tokens={"</s>": 2})
    with pytest.raises(ValueError, match="id 3 is not in the vocabulary"):
        tok.decode([3])
    with pytest.raises(ValueError, match="allow_special='</s>'"):
        tok.encode("a", "</s>")
    with pytest.raises(ValueError, match="no string"):
        tok.encode(b"a")  # type: ignore[arg-type]


# --- Training ---------------------------------------------------------------------------------------------------


def test_the_trained_vocabulary_is_as_good_as_that_of_tokenizers() -> None:
    text = " ".join(TEXT.split()[:600])
    trainer = tokenizers.trainers.UnigramTrainer(vocab_size=200, unk_token="<unk>", special_tokens=["<unk>"])
    theirs = tokenizers.Tokenizer(tokenizers.models.Unigram())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    theirs.train_from_iterator([text], trainer)
    ours = train_unigram(text, theirs.get_vocab_size())
    assert 195 <= ours.n_vocab <= theirs.get_vocab_size() == 200
    assert ours.decode(ours.encode(text)) == text
    assert len(ours.encode(text)) < 1.05 * len(theirs.encode(text).ids)


def test_a_trained_vocabulary_in_t5s_order_is_saved_for_both(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    ours = as_t5(train_unigram(" ".join(TEXT.split()[:300]), 90), 4)
    ours.save(tmp_path)
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text = "the <extra_id_0> of  tokens</s> 漢字"
    assert theirs(text).input_ids == [*ours.encode(text, "all"), 1]
    again = Unigram.load(tmp_path)
    assert vars(again) == vars(ours) | {"normalize": ()}
    with pytest.raises(ValueError, match=r"keep the tokenizer\.json"):
        pair("folded")[1].save(tmp_path)


def test_training_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="n is 2; this text of 1 different words needs at least 4 pieces"):
        train_unigram("ab", 2)
    with pytest.raises(ValueError, match="0 different words"):
        train_unigram(" ", 9)
    assert train_unigram("ab", 4).tokenize("ba") == [SPACE, "b", "a"]
