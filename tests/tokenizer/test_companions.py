"""Folders of vocab.json and merges.txt, and the files beside them: the ids of transformers, or one line."""

import json

import pytest
from transformers import AutoTokenizer

import tokenizer
from tokenizer import QWEN2_PATTERN, Tokenizer

TEXT = "(it)\n was 2024, Once <|user|>  e\u0301 x <|endoftext|><s> don't"
TRAINED = {
    "gpt2": tokenizer.train(TEXT * 30, 330),
    "qwen2": tokenizer.train(TEXT * 30, 330, QWEN2_PATTERN, ("<|endoftext|>", "<|im_end|>")),
}
N = 330
PLAIN = {
    "content": "<|user|>",
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "single_word": False,
    "special": True,
}
GPT2 = {"tokenizer_class": "GPT2Tokenizer"}
DECODER = GPT2 | {"added_tokens_decoder": {str(TRAINED["gpt2"].n_vocab): PLAIN}}


def n_vocab(name: str = "gpt2") -> int:
    return TRAINED[name].n_vocab


def folder(path, name="gpt2", keep=True, **files):
    TRAINED[name].save(path)
    if not keep:
        (path / "tokenizer.json").unlink()
    for stem, content in ({"config": {"model_type": name}} | files).items():
        (path / f"{stem}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("keep", [True, False], ids=["tokenizer.json", "lists"])
@pytest.mark.parametrize(
    "files",
    [
        {},
        {"tokenizer_config": GPT2, "added_tokens": {"<|user|>": n_vocab()}},
        {"tokenizer_config": DECODER},
        {"tokenizer_config": GPT2 | {"add_prefix_space": True}},
        {"tokenizer_config": GPT2 | {"add_prefix_space": False, "eos_token": "<|endoftext|>"}},
        {"tokenizer_config": GPT2 | {"add_bos_token": True, "bos_token": "<|endoftext|>"}},
        {
            "tokenizer_config": GPT2 | {"add_bos_token": True, "add_eos_token": True},
            "special_tokens_map": {"eos_token": "<s>"},
        },
        {"tokenizer_config": GPT2 | {"additional_special_tokens": ["<|user|>"]}},
        {"tokenizer_config": GPT2, "special_tokens_map": {"additional_special_tokens": ["<|user|>", "<s>"]}},
        {"tokenizer_config": GPT2 | {"pad_token": "<s>", "eos_token": {"__type": "AddedToken"} | PLAIN}},
        {
            "tokenizer_config": {
                "tokenizer_class": "GPT2TokenizerFast",
                "added_tokens_decoder": {str(n_vocab()): PLAIN | {"lstrip": True}},
            }
        },
    ],
)
def test_gpt2_folders(tmp_path, files, keep):
    theirs = AutoTokenizer.from_pretrained(folder(tmp_path, keep=keep, **files))
    ours = Tokenizer.load(tmp_path)
    ids = theirs.encode(TEXT, add_special_tokens=False)
    assert ours.encode(TEXT, allow_special="all") == ids
    if '"eos_token": "<s>"' not in json.dumps(files):  # there bos_token is a class's own default, which no file says
        vocabulary = ours.vocabulary
        assert [*vocabulary.before, *ids, *vocabulary.after] == theirs.encode(TEXT)


def test_qwen2_without_tokenizer_json(tmp_path):
    added = TRAINED["qwen2"].special_tokens
    whole = json.loads((folder(tmp_path, "qwen2") / "vocab.json").read_text("utf-8"))
    vocab = {token: i for token, i in whole.items() if token not in added}
    config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    folder(tmp_path, "qwen2", False, vocab=vocab, added_tokens=added, tokenizer_config=config)
    ours, theirs = Tokenizer.load(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert ours.special_tokens == added
    assert ours.normalizer == "NFC"
    assert ours.encode(TEXT, allow_special="all") == theirs(TEXT).input_ids
    assert ours.encode("it was") == TRAINED["qwen2"].encode("it was")


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"tokenizer_config": {"tokenizer_class": "BertTokenizer"}}, "tokenizer_class is 'BertTokenizer'"),
        ({"tokenizer_config": {"tokenizer_class": 5}}, "tokenizer_class is 5, not a text"),
        ({"tokenizer_config": GPT2 | {"auto_map": {"AutoTokenizer": ["x.Y", None]}}}, "tokenizer_class"),
        ({"tokenizer_config": GPT2 | {"add_prefix_space": "yes"}}, "add_prefix_space is 'yes'"),
        ({"tokenizer_config": GPT2 | {"add_bos_token": 2}}, "add_bos_token is 2"),
        ({"tokenizer_config": GPT2 | {"added_tokens_decoder": []}}, r"added_tokens_decoder is \[\], not an object"),
        ({"tokenizer_config": GPT2 | {"added_tokens_decoder": {"x": PLAIN}}}, "the id 'x' in added_tokens_decoder"),
        ({"tokenizer_config": GPT2 | {"added_tokens_decoder": {"5": PLAIN}}}, "has the id 5 of another token"),
        ({"tokenizer_config": GPT2 | {"eos_token": 5}}, "eos_token is 5, not a text"),
        (
            {"tokenizer_config": GPT2 | {"additional_special_tokens": "x"}},
            "additional_special_tokens is 'x', not a list",
        ),
        ({"added_tokens": {"<x>": "7"}}, "the id of '<x>' is '7'"),
        ({"added_tokens": "[1]"}, "added_tokens.json holds a JSON list"),
        ({"special_tokens_map": '{"a": 1, "a": 2}'}, "the key 'a' stands in it twice"),
        ({"tokenizer_config": "[" * 100_000}, "tokenizer_config.json is not JSON"),
        ({"tokenizer_config": "null"}, "holds a JSON NoneType"),
    ],
)
def test_what_they_say_wrongly_is_refused(tmp_path, files, named):
    with pytest.raises(ValueError, match=named) as error:
        Tokenizer.load(folder(tmp_path, keep=False, **files))
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", ["half", "one line in the middle", "the last line", "all"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_incomplete_merges_are_refused(tmp_path, cut, bom):
    folder(tmp_path, keep=False)
    path = tmp_path / "merges.txt"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text(bom + "".join(lines), "utf-8")
    whole = Tokenizer.load(tmp_path)
    assert whole.encode(TEXT) == TRAINED["gpt2"].encode(TEXT)
    middle = len(lines) // 2
    kept = {"half": lines[:middle], "all": [], "the last line": lines[:-1]}.get(
        cut, lines[:middle] + lines[middle + 1 :]
    )
    path.write_text(bom + "".join(kept), "utf-8")
    with pytest.raises(ValueError, match=r"vocab\.json: (token .* comes from no merge|merge .* can never)"):
        Tokenizer.load(tmp_path)
