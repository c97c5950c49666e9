"""`minigpt tokens`: what it writes, and that it needs no torch."""

import io
import json
import subprocess
import sys

import pytest

import tokenizer
from minigpt.commands import tokens
from minigpt.commands.parser import Parser
from tests.tokenizer.conftest import TEXTS


@pytest.fixture
def folder(tmp_path):
    tokenizer.train(TEXTS["mixed"], 400).save(tmp_path)
    return str(tmp_path)


def run(*argv: str) -> int:
    return tokens.run(Parser("tokens").read(argv))


def test_tokens_ids_and_json(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # the folder's name may be long
    tok = tokenizer.Tokenizer.load(folder)
    text = "The 🌟 end\x00"
    assert run(text, "--tokenizer", folder) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{folder}: vocabulary of 400, ")
    assert "\x1b" not in shown
    assert run(text, "--tokenizer", folder, "--color", "always") == 0
    assert "\x1b[" in capsys.readouterr().out
    assert run(text, "--tokenizer", folder, "--ids") == 0
    assert capsys.readouterr().out == " ".join(map(str, tok.encode(text))) + "\n"
    assert run(text, "--tokenizer", folder, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [token["id"] for token in data["tokens"]] == tok.encode(text)
    assert bytes.fromhex("".join(token["bytes"] for token in data["tokens"])).decode() == text
    assert run("the", "--tokenizer", folder, "--trace") == 0
    assert capsys.readouterr().out.startswith("the\n")


def test_compare(folder, capsys):
    assert run("a b", "--compare", f"{folder},{folder}/tokenizer.json", "--json") == 0
    assert [view["n_vocab"] for view in json.loads(capsys.readouterr().out)] == [400, 400]
    assert run("a b", "--compare", f"{folder},{folder}/tokenizer.json") == 0
    assert capsys.readouterr().out.count("vocabulary of") == 2


def test_standard_input(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("né".encode())))
    assert run("--tokenizer", folder, "--ids") == 0
    ids = [int(i) for i in capsys.readouterr().out.split()]
    assert ids == tokenizer.Tokenizer.load(folder).encode("né")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
    with pytest.raises(ValueError, match=r"not UTF-8 .* at byte 3"):
        run("--tokenizer", folder)
    monkeypatch.setattr(sys, "stdin", None)  # as in `minigpt tokens <&-`
    with pytest.raises(ValueError, match=r"^no text: give one"):
        run("--tokenizer", folder)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_survives_every_encoding(tmp_path, monkeypatch, encoding):
    name = str(tmp_path / "né 🌟")
    tokenizer.train("", 257).save(name)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert run("a", "--tokenizer", name, "--json") == 0
    stdout.flush()
    written = stdout.buffer.getvalue().decode(encoding)
    assert json.loads(written)["tokenizer"] == name
    assert ("é" in written) == (encoding == "utf-8")


def test_errors_are_left_to_the_command_line():
    with pytest.raises(ValueError, match="no vocabulary 'gpt9'"):
        run("a", "--tokenizer", "gpt9")
    for arguments in (("--tokenizer", ""), ("--compare", ""), ("--compare", "storyteller,,gpt9")):
        with pytest.raises(ValueError, match=f"^{' '.join(arguments[:1])} '{arguments[1]}' has an empty name"):
            run("a", *arguments)
    with pytest.raises(SystemExit):
        run("a", "--ids", "--json")


def test_no_torch(folder):
    code = f"""import sys
from minigpt.cli import main
assert main(["tokens", "hi", "--tokenizer", {folder!r}]) == 0
assert "torch" not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
