"""Files and patterns made to exhaust time or memory end in one line."""

import json
import os

import pytest

import tokenizer
from tokenizer import Tokenizer

BASE = tokenizer.train("the cat sat on the mat " * 20, 300)
BYTES = {bytes([i]): i for i in range(256)}


@pytest.mark.parametrize(
    "pattern", ["(?R)", "a(?1)|(b)", "x{99999999999}", "(" * 5000 + ")" * 5000, "(?:a{1000}){10000}"]
)
def test_patterns_in_python(pattern):
    with pytest.raises(ValueError, match="not a pattern") as error:
        Tokenizer(BYTES, pattern)
    assert len(str(error.value)) < 400


def test_a_pattern_that_takes_exponential_time_is_stopped(monkeypatch):
    from tokenizer.steps import engine

    monkeypatch.setattr(engine, "SECONDS", 0.2)
    tok = Tokenizer(BYTES, r"(?:a|aa|a\w)+(?:b|$)x")
    with pytest.raises(ValueError, match=r"takes more than .* seconds on 60 characters"):
        tok.encode("a" * 59 + "!")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "vocab.json"])
@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        "5",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a": 1, "a": 2}',
        '{"a": ' + "9" * 5000 + "}",
        r'{"a": "\ud800"}',
        "\0",
        "",
    ],
    ids=["list", "null", "number", "brackets", "braces", "twice", "digits", "surrogate", "NUL", "empty"],
)
def test_json_that_is_none(tmp_path, name, content):
    BASE.save(tmp_path)
    if name == "vocab.json":
        (tmp_path / "tokenizer.json").unlink()
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")) as error:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [10**30, -1, True, 1.5, None, "7", 1 << 31, 1 << 63])
def test_ids_that_are_none(tmp_path, value):
    BASE.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    whole = json.loads(path.read_text("utf-8"))
    extra = whole["added_tokens"][0] | {"id": value, "content": "<z>"}
    vocab = whole["model"] | {"vocab": whole["model"]["vocab"] | {"the": value}}
    for changed in ({"added_tokens": [extra]}, {"model": vocab}):
        path.write_text(json.dumps(whole | changed))
        with pytest.raises(ValueError, match=r"tokenizer\.json: "):
            Tokenizer.load(tmp_path)
    with pytest.raises(ValueError, match=r"is not a token id|unhashable|NoneType|not supported"):
        Tokenizer({b"a": 10**30})


@pytest.mark.parametrize("name", ["tokenizer.json", "merges.txt", "tokenizer_config.json"])
def test_a_pipe_is_no_file_and_a_huge_one_another(tmp_path, name):
    BASE.save(tmp_path)
    for other in ("tokenizer.json", name):
        (tmp_path / other).unlink(missing_ok=name == "tokenizer_config.json" or other == name)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is no regular file"):
        Tokenizer.load(tmp_path)
    (tmp_path / name).unlink()
    with (tmp_path / name).open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(ValueError, match=f"{name} has 10,737,418,240 bytes"):
        Tokenizer.load(tmp_path)
