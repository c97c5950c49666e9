"""WordPiece against `tokenizers`: the same ids, segments and decoded text, cased and uncased; files; the trainer."""

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from tokenizer import wordpiece
from tokenizer.steps import unicode8
from tokenizer.wordpiece import WordPiece, split_words
from tokenizer.wordpiece_training import train_wordpiece

CORPUS = """The quick brown fox doesn't jump over 13 lazy dogs, and neither do the unaffable foxes' quickest cubs.
Où sont les élèves? Ils étaient à l'école. Größe, Straße, ÀÉÎÕÜ, naïve façade; привет мир, Ελλάδα καλημέρα ΣΊΣΥΦΟΣ
東京は日本の首都です。 한국어 문장 हिन्दी में ไทย עברית العربية 😀 e^x = 1.5% [a] {b} <c> #tag @me a/b a\\b ~ | ` $5 §
""".lower()
N_TEXTS = int(os.environ.get("MINIGPT_TEXTS", "1000"))  # 10,000 take two minutes
ALL = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
KINDS: dict[str, dict[str, bool | None]] = {
    "uncased": {"lowercase": True, "strip_accents": None},
    "cased": {"lowercase": False, "strip_accents": None},
    "cased without accents": {"lowercase": False, "strip_accents": True},
    "uncased with accents": {"lowercase": True, "strip_accents": False},
}


def reference(kind: str) -> Any:
    """The tokenizer of `tokenizers`, with a vocabulary of a few hundred pieces in many scripts."""
    words = [*split_words(CORPUS), *split_words(CORPUS, strip_accents=False)]
    vocab = train_wordpiece([*words, *(word.capitalize() for word in words)], 700)
    made = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, **KINDS[kind])
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece(prefix="##")
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    pair = "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
    special = [(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing("[CLS]:0 $A:0 [SEP]:0", pair, special)
    return made


@cache
def both(kind: str) -> tuple[WordPiece, Any]:
    import tempfile

    made = reference(kind)
    with tempfile.TemporaryDirectory() as folder:
        made.save(str(Path(folder) / "tokenizer.json"))
        return WordPiece.load(folder), made


WORDS = st.sampled_from([*CORPUS.split(), *CORPUS.upper().split(), "[MASK]", "[SEP]", "[cls]", "x" * 100, "fox" * 34])
ODD = st.sampled_from(
    "\t\n\r\0\x85\xa0\u200b\u2028\ufffd\u0301\u0300İΣςſßﬁÅ①½’“–…·١\u3000\ue000中𠀀ﾊ\u0378\U0010ffff.,'-[]#"
)
TEXT = st.lists(st.one_of(WORDS, ODD, st.text(max_size=4), st.just(" "), st.sampled_from("abcdefghij")), max_size=25)
STRING = TEXT.map("".join)


def same(kind: str, text: str, other: str) -> None:
    ours, theirs = both(kind)
    wanted = theirs.encode(text, other)
    ids, segments = ours.wrap(ours.encode(text, "all"), ours.encode(other, "all"))
    assert (ids, segments) == (wanted.ids, wanted.type_ids)
    assert ours.wrap(ours.encode(text, "all"))[0] == theirs.encode(text).ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


@settings(deadline=None, max_examples=N_TEXTS)
@given(kind=st.sampled_from([*KINDS]), text=STRING, other=st.text(max_size=9))
def test_ids_segments_and_text_are_those_of_the_library(kind: str, text: str, other: str) -> None:
    same(kind, text, other)


@pytest.mark.parametrize("kind", ["cased", "uncased"])
def test_every_code_point(kind: str) -> None:
    """Each between two letters, in blocks of 4,096."""
    ours, theirs = both(kind)
    normalize, cut = theirs.normalizer.normalize_str, theirs.pre_tokenizer.pre_tokenize_str
    for start in range(0, len(ALL), 4096):
        block = " ".join(f"a{char}b" for char in ALL[start : start + 4096])
        wanted = [word for word, _ in cut(normalize(block))]
        equal = split_words(block, ours.lower_case, ours.strip_accents) == wanted  # no list for pytest to compare
        assert equal, f"block {start:#x}"


@pytest.mark.parametrize("table", ["PUNCTUATION", "MARKS", "REMOVED", "CHINESE"])
def test_a_table_that_lacks_a_range_is_seen(table: str) -> None:
    """Each table counts: without its first range some code point is cut otherwise."""
    less = " ".join(getattr(unicode8, table).split()[1:])
    names = {"PUNCTUATION": "ISOLATED", "MARKS": "ACCENT", "REMOVED": "REMOVE", "CHINESE": "SPACED"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wordpiece, names[table], unicode8.one_of(less))
        with pytest.raises(AssertionError, match="block 0x"):
            test_every_code_point("uncased")


def test_words_by_hand() -> None:
    assert split_words("  It's\tNFD: e\u0301!\r\n") == ["it", "'", "s", "nfd", ":", "e", "!"]
    assert split_words("ab\x00c\u200bd\ufffd") == ["abcd"]  # removed, not cut
    assert split_words("x東京y") == ["x", "東", "京", "y"]
    assert split_words("東京ﾀﾜｰ", strip_accents=False) == ["東", "京", "ﾀﾜｰ"]
    assert split_words("\ud83d\ude00") == ["😀"]
    assert split_words("\ud83d") == []


def test_the_longest_piece_wins_and_a_word_is_whole_or_unknown() -> None:
    tok = WordPiece({"[UNK]": 0, "a": 1, "ab": 2, "##c": 3, "##bc": 4, "##b": 5, "abcd": 6})
    assert [tok.pieces(word) for word in ("abc", "abcd", "ac", "abx", "")] == [
        ["ab", "##c"],  # not a, ##bc
        ["abcd"],
        ["a", "##c"],
        ["[UNK]"],  # though ab is known
        ["[UNK]"],
    ]
    long = WordPiece({"[UNK]": 0, "b": 1, "##b": 2})
    assert long.encode("b" * 100) == [1] + 99 * [2]
    assert long.encode("b" * 101) == [0]


def test_special_tokens_are_plain_text_unless_allowed() -> None:
    tok, theirs = both("uncased")
    mask = tok.special_tokens["[MASK]"]
    assert mask not in tok.encode("a [MASK]")
    assert tok.encode("a [MASK]", ["[MASK]"])[-1] == mask
    assert tok.encode("a[MASK]b[SEP]", ["[MASK]"]) != tok.encode("a[MASK]b[SEP]", "all")
    assert tok.encode("a[MASK]b[SEP]", "all") == theirs.encode("a[MASK]b[SEP]", add_special_tokens=False).ids
    assert mask not in tok.encode("[mask]", "all")
    for wrong in ("[MASK]", ["[NONE]"]):
        with pytest.raises(ValueError, match="allow_special="):
            tok.encode("a", wrong)
    with pytest.raises(ValueError, match="is no string"):
        tok.encode(b"a")  # type: ignore[arg-type]


def test_decoding_leaves_no_space_where_english_has_none() -> None:
    text = "[UNK] it 's fine , is n't it ? i 'm ... they 're ! we 've . a ##b . ##c ' ##"
    tokens = text.split()
    tok = WordPiece({token: i for i, token in enumerate(dict.fromkeys(tokens))})
    ids = [tok.vocab[token] for token in tokens[1:]]
    assert tok.decode(ids) == decoders.WordPiece(prefix="##").decode(tokens[1:])
    assert tok.decode(ids).startswith("it's fine, isn't it?")


def test_ids_that_are_none() -> None:
    tok, _ = both("uncased")
    with pytest.raises(ValueError, match=f"id {tok.n_vocab} is not in the vocabulary"):
        tok.decode([tok.n_vocab])
    assert tok.decode_batch(tok.encode_batch(["the fox", "1.5"])) == ["the fox", "1. 5"]


# --- Files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    reference("uncased").save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def change(folder: Path, part: str | None, **values: Any) -> None:
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text("utf-8"))
    (data[part] if part else data).update(values)
    path.write_text(json.dumps(data), "utf-8")


@pytest.mark.parametrize(
    ("part", "values", "says"),
    [
        ("model", {"type": "BPE"}, "the model's type is 'BPE'; only 'WordPiece'"),
        ("model", {"max_input_chars_per_word": 50}, "max_input_chars_per_word is 50; only 100"),
        ("model", {"continuing_subword_prefix": "@@"}, "prefix is '@@'; only '##'"),
        ("model", {"unk_token": "<unk>"}, r"unk_token is '<unk>'; only '\[UNK\]'"),
        ("model", {"vocab": ["a"]}, "the model's vocab is"),
        ("model", {"vocab": {"a": "x"}}, "the id of 'a' is 'x'"),
        ("model", {"vocab": {"a": 0}}, r"needs \[UNK\]"),
        ("model", {"vocab": {"[UNK]": 0, "a": 0}}, "an id of its own"),
        ("normalizer", {"type": "NFC"}, "the normalizer's type is 'NFC'"),
        ("normalizer", {"clean_text": False}, "clean_text is False"),
        ("normalizer", {"handle_chinese_chars": False}, "handle_chinese_chars is False"),
        ("normalizer", {"lowercase": 1}, "lowercase is 1, not true or false"),
        ("pre_tokenizer", {"type": "Whitespace"}, "the pre_tokenizer's type is 'Whitespace'"),
        ("decoder", {"cleanup": False}, "the decoder's cleanup is False"),
        ("post_processor", {"single": []}, "the post_processor is"),
        (None, {"normalizer": None}, "the normalizer is None"),
        (
            None,
            {"added_tokens": [{"id": 4, "content": "[MASK]", "lstrip": True}]},
            r"the added token '\[MASK\]' is 'lstrip'",
        ),
    ],
)
def test_what_is_not_done_here_is_refused_by_name(
    folder: Path, part: str | None, values: dict[str, Any], says: str
) -> None:
    change(folder, part, **values)
    with pytest.raises(ValueError, match=says):
        WordPiece.load(folder)


def test_the_files_must_agree(folder: Path) -> None:
    config = folder / "tokenizer_config.json"
    for values, says in (
        ({"do_lower_case": False}, "do_lower_case is True, but False in tokenizer_config.json"),
        ({"mask_token": {"content": "<mask>"}}, "mask_token is '<mask>'"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars is False"),
    ):
        config.write_text(json.dumps(values))
        with pytest.raises(ValueError, match=says):
            WordPiece.load(folder)
    config.write_text(json.dumps({"do_lower_case": True, "strip_accents": None, "mask_token": {"content": "[MASK]"}}))
    assert WordPiece.load(folder).lower_case


@pytest.mark.parametrize("kind", KINDS)
def test_vocab_txt_as_transformers_reads_it(tmp_path: Path, kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    tok, _ = both(kind)
    tok.save(tmp_path)
    again = WordPiece.load(tmp_path)
    assert (again.vocab, again.special_tokens) == (tok.vocab, tok.special_tokens)
    theirs = transformers.BertTokenizer.from_pretrained(str(tmp_path))
    text = "Les ÉLÈVES doesn't [MASK] 東京, brown."
    assert again.wrap(again.encode(text, "all"))[0] == theirs(text)["input_ids"]
    assert tok.encode(text) == again.encode(text)


def test_vocab_txt_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no vocabulary of BERT's"):
        WordPiece.load(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        WordPiece.load(tmp_path / "nowhere")
    (tmp_path / "vocab.txt").write_text("[UNK]\na\nb\na\n")
    with pytest.raises(ValueError, match="'a' is there twice"):
        WordPiece.load(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"[UNK]\r\na\r\n\xe2\x80\xa8\r\n")
    assert WordPiece.load(tmp_path).vocab == {"[UNK]": 0, "a": 1, "\u2028": 2}
    (tmp_path / "added_tokens.json").write_text('{"<new>": 3}')
    with pytest.raises(ValueError, match=r"adds tokens to vocab\.txt"):
        WordPiece.load(tmp_path)
    with pytest.raises(ValueError, match="gaps"):
        WordPiece({"[UNK]": 0, "a": 2}).save(tmp_path / "new")


# --- The trainer ------------------------------------------------------------------------------------------------


def test_the_score_decides_not_the_frequency() -> None:
    words = ["hug"] * 10 + ["pug"] * 5 + ["pun"] * 12 + ["bun"] * 4 + ["hugs"] * 5
    vocab = [*train_wordpiece(words, 15)]
    assert vocab[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert vocab[12:] == ["##gs", "##ug", "##ugs"]  # g-s 5/(20·5), before u-g, the most frequent, 20/(36·20)
    assert [*train_wordpiece(words, 12)] == vocab[:12]
    with pytest.raises(ValueError, match="n=11 is less than the 12"):
        train_wordpiece(words, 11)


def test_every_merge_has_the_highest_score() -> None:
    words = split_words(CORPUS)
    before = [*train_wordpiece(words, 150)]
    after = [*train_wordpiece(words, 151)]
    assert after[:-1] == before
    assert len(train_wordpiece(words, 10_000)) < 10_000  # ends when every word is whole
    tok = WordPiece(train_wordpiece(words, 10_000))
    assert all(tok.pieces(word) == [word] for word in words)
    assert Counter(len(tok.pieces(word)) for word in words) == {1: len(words)}
