"""Every format, both ways, and with the libraries that read them."""

import base64
import contextlib
import copy
import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import CL100K_PATTERN, GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN, Tokenizer
from tokenizer.formats.tokenizer_json import from_json, to_json
from tokenizer.vocabulary import Vocabulary

PATTERNS = [GPT2_PATTERN, CL100K_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN, r"\p{Lu}|\p{Ll}+|[^\p{L}]+"]
NAMES = ["gpt2", "cl100k", "qwen2", "smollm2", "own"]
ODD = ("<|endoftext|>", "<|im start|>", "<\n>", '<"é>')


def same(a: Tokenizer, b: Tokenizer) -> bool:
    return (a.ranks, a.pattern, a.special_tokens, a.normalizer) == (b.ranks, b.pattern, b.special_tokens, b.normalizer)


@pytest.mark.parametrize("pattern", PATTERNS, ids=NAMES)
@pytest.mark.parametrize("normalizer", [None, "NFC"])
def test_save_and_load(tmp_path, pattern, normalizer):
    """A vocabulary whose tokens hold spaces and line ends comes back, and `tokenizers` gives the same ids."""
    trained = tokenizer.train(TEXTS["mixed"] * 2, 600, pattern, ODD)
    tok = Tokenizer(trained.ranks, pattern, trained.special_tokens, normalizer)
    tok.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["merges.txt", "tokenizer.json", "vocab.json"]
    assert same(Tokenizer.load(folder), tok)
    assert same(Tokenizer.load(folder / "tokenizer.json"), tok)
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS.values():
        assert theirs.encode(text).ids == tok.encode(text, allow_special="all")
        assert theirs.decode(tok.encode(text), skip_special_tokens=False) == tok.decode(tok.encode(text))
    theirs.save(str(tmp_path / "tokenizer.json"))  # and back, as that library writes it
    assert same(Tokenizer.load(tmp_path), tok)
    (folder / "tokenizer.json").unlink()
    plain = Tokenizer.load(folder, pattern=pattern)
    assert (plain.ranks, plain.special_tokens, plain.pattern) == (tok.ranks, tok.special_tokens, pattern)


@settings(deadline=None, max_examples=150)
@given(text=st.text(st.sampled_from(" \n\t'sS.!-aZé中1٣½🌟e\u0301"), max_size=40), name=st.sampled_from(NAMES[:4]))
def test_fuzzed_against_tokenizers(text, name):
    ours, theirs = PAIRS[name]
    assert theirs.encode(text).ids == ours.encode(text)


def pair(pattern: str) -> tuple[Tokenizer, tokenizers.Tokenizer]:
    tok = tokenizer.train(TEXTS["mixed"] * 2, 600, pattern)
    return tok, tokenizers.Tokenizer.from_str(json.dumps(to_json(tok.vocabulary)))


PAIRS = {name: pair(pattern) for name, pattern in zip(NAMES, PATTERNS, strict=True)}


def test_transformers_loads_a_saved_folder(tmp_path):
    from transformers import PreTrainedTokenizerFast

    tok = tokenizer.train(TEXTS["mixed"], 500)
    tok.save(tmp_path)
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in TEXTS.values():
        assert theirs.encode(text) == tok.encode(text, allow_special="all")


def test_saving_again_keeps_the_old_file_until_the_new_one_is_whole(tmp_path, monkeypatch):
    old = tokenizer.train("old text", 260)
    old.save(tmp_path)
    from pathlib import Path

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        tokenizer.train("new text, quite another", 270).save(tmp_path)
    assert same(Tokenizer.load(tmp_path), old)


def test_openai_files(gpt2):
    assert gpt2.n_vocab == 50257
    assert gpt2.special_tokens == {"<|endoftext|>": 50256}
    assert gpt2.decode([0, 1, 2, 198, 50256]) == '!"#\n<|endoftext|>'


def test_gpt2_survives_saving(gpt2, tmp_path):
    gpt2.save(tmp_path)
    assert same(Tokenizer.load(tmp_path), gpt2)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS.values():
        assert theirs.encode(text).ids == gpt2.encode(text, allow_special="all")


def test_tiktoken_files(tmp_path, cl100k):
    tok = tokenizer.train(TEXTS["mixed"], 400)
    lines = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in tok.ranks.items())
    for name, pattern in (("r50k_base", GPT2_PATTERN), ("cl100k_base", CL100K_PATTERN)):
        (tmp_path / f"{name}.tiktoken").write_text(lines)
        loaded = Tokenizer.load(tmp_path / f"{name}.tiktoken")
        assert (loaded.ranks, loaded.pattern) == (tok.ranks, pattern)
    assert loaded.special_tokens == cl100k.special_tokens
    assert cl100k.n_vocab == 100277
    (tmp_path / "my.tiktoken").write_text(lines)
    with pytest.raises(ValueError, match="does not say its pattern"):
        Tokenizer.load(tmp_path / "my.tiktoken")
    assert Tokenizer.load(tmp_path / "my.tiktoken", pattern=GPT2_PATTERN).encode("the") == tok.encode("the")
    (tmp_path / "bad.tiktoken").write_text("<html>\n")
    with pytest.raises(ValueError, match="not a token in base64"):
        Tokenizer.load(tmp_path / "bad.tiktoken", pattern=GPT2_PATTERN)


def test_ids_above_the_vocabulary_and_inside_it():
    data = to_json(tokenizer.train(TEXTS["english"], 300).vocabulary)
    data["model"]["vocab"].pop("<|endoftext|>")
    data["added_tokens"][0]["id"] = 5000
    tok = Tokenizer.of(from_json(data, "x"))
    assert tok.encode("a<|endoftext|>", "all") == [*tok.encode("a"), 5000]
    assert tok.n_vocab == 5001
    word, id = next((token, id) for token, id in data["model"]["vocab"].items() if len(token) == 2 and token.isalpha())
    data["added_tokens"].append({"id": id, "content": word})  # at once a merge's result and an added token
    tok = Tokenizer.of(from_json(data, "x"))
    assert tok.encode(word) == tok.encode(word, "all") == [id]


def changed(path: str, value: object) -> dict:
    data = copy.deepcopy(to_json(PAIRS["qwen2"][0].vocabulary))
    *keys, last = path.split("/")
    place = data
    for key in keys:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("model/type", "WordPiece", "WordPiece"),
        ("model/dropout", 0.1, "dropout"),
        ("model/byte_fallback", True, "byte_fallback"),
        ("model/end_of_word_suffix", "</w>", "end_of_word_suffix"),
        ("model/continuing_subword_prefix", "##", "continuing_subword_prefix"),
        ("normalizer", {"type": "StripAccents"}, "StripAccents"),
        ("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]}, "Strip"),
        ("pre_tokenizer", None, "pre_tokenizer"),
        ("pre_tokenizer", {"type": "Whitespace"}, "Whitespace"),
        ("pre_tokenizer/pretokenizers/0/behavior", "Lost", "Lost"),
        ("pre_tokenizer/pretokenizers/0/invert", "no", "invert"),
        ("pre_tokenizer/pretokenizers/0/pattern", {"Text": " "}, "Text"),
        ("pre_tokenizer/pretokenizers/1/add_prefix_space", "yes", "add_prefix_space"),
        ("decoder", {"type": "WordPiece"}, "decoder"),
        ("added_tokens/0/lstrip", "yes", "lstrip"),
        ("added_tokens/0/single_word", 1.5, "single_word"),
        ("added_tokens/0/single_word", 1, "single_word is 1, not true or false"),
        ("added_tokens/0/special", 0, "special is 0, not true or false"),
        ("model/ignore_merges", 1.0, "ignore_merges is 1.0, not true or false"),
        ("model/merges/0", ["a", "zzz"], "zzz"),
        ("model", 5, "the model is 5, not an object"),
        ("model/merges", None, "merges is None, not a list"),
        ("model/vocab", None, "vocab is None, not an object"),
        ("model/vocab/ab", "7", "the id of 'ab' is '7', not a whole number"),
        ("model/merges/0", 5, "the merge 5 is not two tokens"),
        ("model/merges/0", ["a"], r"the merge \['a'\] is not two tokens"),
        ("model/merges/0", "a b c", r"the merge \['a', 'b', 'c'\] is not two tokens"),
        ("model/merges/0", ["a", 5], r"the merge \['a', 5\] is not two tokens"),
        ("added_tokens", 5, "added_tokens is 5, not a list"),
        ("added_tokens/0", 5, "an added token is 5, not an object"),
        ("added_tokens/0", {"id": 5}, "an added token's content is None, not a text"),
        ("added_tokens/0", {"content": "<x>"}, "the id of '<x>' is None, not a whole number"),
        ("added_tokens/0", {"content": "<x>", "id": 5}, "special token '<x>' has the id 5 of another token"),
        ("normalizer", 5, "the normalizer is 5, not an object"),
        ("normalizer", {"kind": "NFC"}, "the normalizer is {'kind': 'NFC'}, which"),
        ("normalizer", {"type": "Sequence"}, "the normalizer's normalizers is None, not a list"),
        ("pre_tokenizer", {"type": "Sequence"}, "the pre_tokenizer's pretokenizers is None, not a list"),
        ("pre_tokenizer", {"type": "Sequence", "pretokenizers": []}, "pre_tokenizer"),
        ("pre_tokenizer/pretokenizers/0", 5, "a step of the pre_tokenizer is 5, not an object"),
        ("pre_tokenizer/pretokenizers/0/pattern", 5, "pre_tokenizer"),
        ("pre_tokenizer/pretokenizers/0/pattern", {"Regex": "("}, "not a pattern"),
        ("decoder", 5, "the decoder is 5, not an object"),
    ],
)
def test_what_cannot_be_represented_is_refused_by_name(path, value, named):
    with pytest.raises(ValueError, match=named) as error:
        from_json(changed(path, value), "tokenizer.json")
    assert str(error.value).startswith("tokenizer.json: ")
    assert "\n" not in str(error.value)


TRICKY = "It's <|endoftext|> x<|endoftext|>y  zs\n<|im_end|> abab"


def booleans(part, path=""):
    """The places of all that is true or false."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(value, bool):
            yield f"{path}{key}"
        elif isinstance(value, dict | list) and key not in ("vocab", "merges"):
            yield from booleans(value, f"{path}{key}/")


@pytest.mark.parametrize("path", booleans(changed("model/dropout", None)))
def test_a_number_is_not_taken_for_true_or_false(path):
    """Refused, or without a meaning: the ids stay those of the file as it was. `tokenizers` refuses every one, and in
    the pre_tokenizer we do."""
    before = Tokenizer.of(from_json(changed("model/dropout", None), "x"))
    in_pre_tokenizer = path.startswith("pre_tokenizer")
    for wrong in (0, 1, 1.0, []):
        data = changed(path, wrong)
        with pytest.raises(Exception, match=r"expected a boolean|did not match any variant"):
            tokenizers.Tokenizer.from_str(json.dumps(data))
        with pytest.raises(ValueError, match="pre_tokenizer") if in_pre_tokenizer else contextlib.suppress(ValueError):
            tok = Tokenizer.of(from_json(data, "x"))
            assert tok.encode(TRICKY, "all") == before.encode(TRICKY, "all")


@pytest.mark.parametrize("name", [" qq", "qqqq", "[PAD]"])
def test_a_token_that_no_merge_makes_is_special(name):
    """`tokenizers` never makes it from text either, unless it is told to look for whole pieces first."""
    data = changed(f"model/vocab/{name}", 9999)
    tok, theirs = Tokenizer.of(from_json(data, "x")), tokenizers.Tokenizer.from_str(json.dumps(data))
    assert tok.special_tokens[name] == 9999
    assert tok.encode(f"a {name}b") == theirs.encode(f"a {name}b").ids
    assert 9999 in tok.encode(f"a {name}b", "all")
    assert tok.decode([9999]) == theirs.decode([9999]) == name
    data["model"]["ignore_merges"] = True  # then a piece of text that is the token gives its id
    theirs = tokenizers.Tokenizer.from_str(json.dumps(data))
    for plain in (False, True):
        tok = Tokenizer.of(from_json(data, "x"), plain=plain)
        for text in (f"a {name}b {name}", f"{name}", f"{name}\n{name}"):
            assert tok.encode(text) == theirs.encode(text).ids


def test_what_transformers_saves_from_the_lists_comes_back(tmp_path):
    from transformers import GPT2Tokenizer

    tok = tokenizer.train(TEXTS["mixed"], 600, special_tokens=("<|endoftext|>", "[PAD]", "<im start>"))
    tok.save(tmp_path / "ours")
    (tmp_path / "ours" / "tokenizer.json").unlink()
    GPT2Tokenizer.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    assert same(Tokenizer.load(tmp_path / "theirs" / "tokenizer.json"), tok)


def test_merges_as_strings_and_a_list_of_one_normalizer():
    tok = PAIRS["qwen2"][0]
    old = changed("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}]})
    old["model"]["merges"] = [" ".join(merge) for merge in old["model"]["merges"]]
    assert from_json(old, "x").ranks == tok.ranks
    assert from_json(old, "x").normalizer == "NFC"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", "{", "is not JSON"),
        ("tokenizer.json", "[]", "holds a JSON list"),
        ("tokenizer.json", "{}", "the model is None"),
        ("tokenizer.json", '{"model":' + "[" * 100_000, "is not JSON .*recursion"),
        ("tokenizer.json", '{"model":' + "9" * 5000 + "}", "is not JSON .*digits"),
        ("vocab.bin", "x", "not a tokenizer.json"),
        ("tokenizer.json", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message) as error:
        Tokenizer.load(path)
    assert str(path) in str(error.value)


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="holds no vocabulary"):
        Tokenizer.load(tmp_path)
    with pytest.raises(ValueError, match="no such file"):
        Tokenizer.load(tmp_path / "nothing")
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / "merges.txt").write_text("a b c\n")
    with pytest.raises(ValueError, match="'a b c' is not two tokens"):
        Tokenizer.load(tmp_path)
    (tmp_path / "merges.txt").write_text("")
    (tmp_path / "vocab.json").write_text('{"a": null}')
    with pytest.raises(ValueError, match=r"vocab.json: the id of 'a' is None, not a whole number"):
        Tokenizer.load(tmp_path)


def test_a_special_token_spelled_like_another_token_is_not_saved(tmp_path):
    tok = Tokenizer({bytes([i]): i for i in range(256)}, special_tokens={"Ġ": 256})
    with pytest.raises(ValueError, match="spelled like"):
        tok.save(tmp_path)


def test_no_vocabulary_is_saved_where_other_files_would_change_it(tmp_path):
    """What is saved is what loads: other files of a folder agree with it, or it is not written there."""
    tok = tokenizer.train("a cat sat on a mat", 270)
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 9}', encoding="utf-8")
    tok.save(tmp_path)
    assert Tokenizer.load(tmp_path).vocabulary == tok.vocabulary
    before = (tmp_path / "tokenizer.json").read_bytes()
    (tmp_path / "added_tokens.json").write_text('{"<old>": 500}', encoding="utf-8")
    with pytest.raises(ValueError, match="holds files of another tokenizer"):
        tokenizer.train("a hen sat on a log", 270).save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == before


def test_a_folder_that_is_there_gets_a_vocabulary_with_ends(tmp_path):
    """What every text stands between is in the tokenizer.json that is about to be written, not in files beside it."""
    trained = tokenizer.train("a cat sat on a mat", 270, special_tokens=("<s>", "</s>")).vocabulary
    start, end = trained.special_tokens.values()
    vocabulary = Vocabulary(trained.ranks, trained.pattern, trained.special_tokens, before=(start,), after=(end,))
    Tokenizer.of(vocabulary).save(tmp_path)
    assert Tokenizer.load(tmp_path).vocabulary == vocabulary
