"""The small files beside the weights, as they are in the wild: obeyed, or refused in one line that names the file."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import minigpt
import tokenizer
from minigpt.chat.chat import with_defaults
from weights import load_checkpoint
from weights.companions import END, named_tokens

TEMPLATE = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
FILES = ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json")


@pytest.fixture(scope="module")
def whole(random_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2 with a vocabulary, a chat template and two end tokens."""
    tok = tokenizer.train("the cat sat on the mat " * 50, 280, special_tokens=("<|endoftext|>", "<|im_end|>"))
    folder = tmp_path_factory.mktemp("companions") / "whole"
    sizes = {"vocab_size": tok.n_vocab, "num_hidden_layers": 1, "bos_token_id": None, "eos_token_id": 5}
    shutil.copytree(random_checkpoint("qwen2", **sizes), folder)
    tok.save(folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": 6}')
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>", "chat_template": TEMPLATE}))
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "model")


def refused(folder: Path, file: str, seconds: float = 10.0) -> str:
    """The one line by which a folder is refused; it names the file."""
    start = time.perf_counter()
    with pytest.raises((ValueError, OSError)) as caught:
        minigpt.load(folder, device="cpu")
    message = str(caught.value)
    assert str(folder / file) in message
    assert "\n" not in message
    assert len(message) < len(str(folder)) + 300
    assert time.perf_counter() - start < seconds
    return message


BROKEN = {
    "a list": "[]",
    "null": "null",
    "a number": "5",
    "a text": '"x"',
    "nothing": "",
    "half": '{"eos_token": ',
    "brackets": "[" * 100_000,
    "objects": '{"a":' * 100_000,
    "a page": "<!DOCTYPE html><html></html>",
    "a pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    "latin-1": b'{"eos_token": "\xe9"}',
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_json_object_is_refused(folder: Path, file: str, kind: str) -> None:
    content = BROKEN[kind]
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(folder, file)


WRONG = [
    *(("tokenizer_config.json", {"eos_token": value}) for value in (5, True, ["<|im_end|>"], {"text": "x"}, {}, 1.5)),
    *(
        ("tokenizer_config.json", {"chat_template": value})
        for value in (5, True, [1], [{"name": "a"}], {"a": 1}, ["x"])
    ),
    ("tokenizer_config.json", {"chat_template": [{"name": 1, "template": "x"}]}),
    ("tokenizer_config.json", {"chat_template": [{"name": "default", "template": None}]}),
    ("tokenizer_config.json", {"bos_token": ["<s>"]}),
    ("special_tokens_map.json", {"eos_token": 5}),
    ("special_tokens_map.json", {"pad_token": ["<pad>"]}),
    *(("generation_config.json", {"eos_token_id": value}) for value in (True, 2.0, "2", [1, None], [[1]], {}, [True])),
    *(("generation_config.json", {"bos_token_id": value}) for value in (True, 1.0, "1", [1])),
    ("config.json", {"eos_token_id": "5"}),
    ("config.json", {"bos_token_id": 1.5}),
]


@pytest.mark.parametrize(("file", "changed"), WRONG, ids=str)
def test_a_field_of_the_wrong_kind_is_refused_by_name(folder: Path, file: str, changed: dict[str, Any]) -> None:
    if file == "config.json":
        (folder / "generation_config.json").unlink()
    path = folder / file
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changed))
    assert next(iter(changed)) in refused(folder, file)


@pytest.mark.parametrize(
    ("config", "older", "names"),
    [
        ({"eos_token": "a"}, None, {"eos_token": "a"}),
        ({"eos_token": {"__type": "AddedToken", "content": "a", "lstrip": False}}, None, {"eos_token": "a"}),
        ({"eos_token": None, "bos_token": "b"}, None, {"bos_token": "b"}),
        ({"eos_token": "a"}, {"eos_token": "b"}, {"eos_token": "b"}),
        ({"eos_token": "a"}, {"eos_token": {"content": "b"}, "bos_token": "c"}, {"eos_token": "b", "bos_token": "c"}),
        ({"eos_token": "a", "added_tokens_decoder": {}}, {"eos_token": "b"}, {"eos_token": "a"}),
        (None, {"eos_token": "b"}, {"eos_token": "b"}),
        (
            {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "a"},
            None,
            {"eos_token": "a", "unk_token": END, "pad_token": END},
        ),
        ({"tokenizer_class": "GPT2TokenizerFast"}, None, {"bos_token": END, "eos_token": END, "unk_token": END}),
        ({"tokenizer_class": "GPT2Tokenizer", "bos_token": None}, None, {"eos_token": END, "unk_token": END}),
        ({"eos_token": "a", "image_token": "i"}, None, {"eos_token": "a", "image_token": "i"}),
    ],
)
def test_special_tokens_are_named_as_in_transformers(
    config: Any, older: Any, names: dict[str, str], folder: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    for file, data in (("tokenizer_config.json", config), ("special_tokens_map.json", older)):
        (folder / file).unlink(missing_ok=True)
        if data is not None:
            (folder / file).write_text(json.dumps(data))
    assert named_tokens(folder) == names
    if config is not None:
        kind = getattr(transformers, config.get("tokenizer_class", "PreTrainedTokenizerFast"))
        theirs = kind.from_pretrained(folder).special_tokens_map
        assert theirs == names


def test_every_end_ends_a_chat(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": [6, 7]}')
    lm = minigpt.load(folder, device="cpu")
    end = lm.tokenizer.special_tokens["<|im_end|>"]  # type: ignore[union-attr]
    assert with_defaults({}, lm.chat_format(), lm.generation_config)["eos_token_id"] == (6, 7, end)
    (folder / "generation_config.json").unlink()  # then config.json's
    assert load_checkpoint(folder, "cpu").generation_config == {"eos_token_id": 5}


IGNORED = {  # what changes neither ids nor text here, nor in transformers where a text is encoded and decoded
    "model_max_length": 8,
    "clean_up_tokenization_spaces": True,  # transformers ignores it for byte-pair encoding: it would damage the text
    "padding_side": "left",
    "truncation_side": "left",
    "pad_token": "<|im_end|>",
    "errors": "replace",
    "split_special_tokens": True,
    "additional_special_tokens": ["<|im_end|>"],
    "unheard_of": 1,
}


def test_what_cannot_matter_is_ignored(folder: Path) -> None:
    before = minigpt.load(folder, device="cpu")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | IGNORED))
    after = minigpt.load(folder, device="cpu")
    text = "the cat , sat . <|im_end|>"
    assert after.encode(text) == before.encode(text)
    assert after.generate(text, max_new_tokens=9) == before.generate(text, max_new_tokens=9)
    talk = [{"role": "user", "content": text}]
    assert after.chat_format().ids(talk) == before.chat_format().ids(talk)


def test_spaces_are_not_cleaned_up_or_it_is_said(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    harm = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
    path.write_text(json.dumps(json.loads(path.read_text()) | {harm: True, "clean_up_tokenization_spaces": True}))
    assert harm in refused(folder, path.name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("file", [*FILES, "chat_template.jinja", "config.json"])
def test_a_pipe_in_place_of_a_file_does_not_wait(folder: Path, file: str) -> None:
    (folder / file).unlink(missing_ok=True)
    os.mkfifo(folder / file)
    code = (
        "import sys\nfrom pathlib import Path\nfrom weights import companions as c\nfolder = Path(sys.argv[1])\n"
        "try: c.named_tokens(folder), c.read_generation_config(folder), c.read_chat_template(folder)\n"
        "except (ValueError, OSError) as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=30, check=False
    )
    assert str(folder / file) in done.stdout, done.stderr


@pytest.mark.parametrize("file", [*FILES, "chat_template.jinja"])
def test_a_file_that_only_claims_to_be_large_is_not_read(folder: Path, file: str) -> None:
    with (folder / file).open("wb") as hole:
        hole.truncate(1 << 36)
    refused(folder, file)
