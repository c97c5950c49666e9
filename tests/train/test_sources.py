"""Texts from files, folders and standard input; tokenizers by name; what a learner's first folder may hold."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from minigpt.cli import main
from minigpt.train.checkpoint import resume
from minigpt.train.data import END, split_documents
from minigpt.train.sources import read_sources
from minigpt.train.vocabulary import choose_tokenizer
from tokenizer import Tokenizer, train

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 20
FLAGS = "--n-layer 1 --n-head 2 --n-embd 16 --batch-size 2 --block-size 8 --steps 2 --device cpu --precision float32"


def command(out: Path, *words: object) -> int:
    return main(["train", "--out", str(out), *map(str, words), *FLAGS.split()])


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


@pytest.fixture
def tales(tmp_path: Path) -> Path:
    """A folder of three texts, in another order than that of their names, and of files that are none."""
    folder = tmp_path / "tales"
    (folder / "more").mkdir(parents=True)
    (folder / "b.txt").write_bytes(b"second\r\n")
    (folder / "a.txt").write_text("first", "utf-8")
    (folder / "more" / "c.MD").write_text("third", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\0")
    (folder / ".draft.txt").write_text("hidden", "utf-8")
    return folder


def test_files_and_folders_are_documents_in_order(tales: Path, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(f"mine\n{END}\nmine, too", "utf-8")
    told: list[str] = []
    text = read_sources([str(tales), str(tmp_path / "own.txt")], note=told.append)
    assert split_documents(text) == ["first", "second", "third", "mine", "mine, too"]
    assert told == [f"{tales}: 3 text files (.txt, .text, .md); 2 others left out"]
    assert read_sources([str(tmp_path / "own.txt")]) == f"mine\n{END}\nmine, too"  # a single one stays as it is


def test_standard_input_is_read_in_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, "naïve\r\n".encode("cp1252"))
    assert read_sources(["-"], "cp1252") == "naïve\n"
    pipe_in(monkeypatch, "naïve".encode("cp1252"))
    with pytest.raises(
        ValueError, match=r"standard input is not UTF-8 text: byte 0xef at offset 2 .*--encoding cp1252"
    ):
        read_sources(["-"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(ValueError, match="--text - reads standard input: pipe a text in"):
        read_sources(["-"])


def test_a_folder_without_texts_and_a_text_named_twice(tales: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"pictures holds no text files .*: name files, as in --text .*/\*"):
        read_sources([str(tmp_path / "pictures")])
    with pytest.raises(ValueError, match=r"a\.txt is named twice"):
        read_sources([str(tales), str(tales / "more" / ".." / "a.txt")], note=lambda _: None)
    (tales / "b.txt").write_text(" \n", "utf-8")
    with pytest.raises(ValueError, match=r"b\.txt is empty, there is no text to train on"):
        read_sources([str(tales)], note=lambda _: None)


def test_an_unreadable_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root everything can be read, so the system's refusal is played."""
    file = tmp_path / "my.txt"
    file.write_text(TEXT, "utf-8")
    before = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == file:
            raise PermissionError(13, "Permission denied", str(path))
        return before(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert command(tmp_path / "m", "--text", file) == 1
    assert capsys.readouterr().err == f"minigpt: {file}: Permission denied\n"


def test_a_run_on_standard_input_goes_on_with_the_same_text_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m"
    pipe_in(monkeypatch, TEXT.encode())
    assert command(out, "--text", "-") == 0
    assert main(["train", "--resume", "--steps", "4", "--out", str(out)]) == 1
    assert "the run was begun with a text from standard input: pipe it in again" in capsys.readouterr().err
    pipe_in(monkeypatch, TEXT.replace("cat", "hen").encode())
    assert main(["train", "--resume", "--steps", "4", "--out", str(out), "--text", "-"]) == 1
    assert "--text - is not what the run was begun with, by its SHA-256" in capsys.readouterr().err
    pipe_in(monkeypatch, TEXT.encode())
    assert main(["train", "--resume", "--steps", "4", "--out", str(out), "--text", "-"]) == 0
    assert resume(out)[0].step == 4


def test_a_run_on_a_folder_goes_on_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tales"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT, "utf-8")
    (folder / "b.txt").write_text(TEXT, "utf-8")
    (tmp_path / "val.txt").write_text("The cat sat on the log.", "utf-8")
    out = tmp_path / "m"
    assert command(out, "--text", folder, "--val", tmp_path / "val.txt") == 0
    assert main(["train", "--resume", "--steps", "3", "--out", str(out)]) == 0
    (folder / "c.txt").write_text("one more", "utf-8")
    assert main(["train", "--resume", "--steps", "4", "--out", str(out)]) == 1
    assert "tales is not what the run was begun with" in capsys.readouterr().err


def test_one_long_line_and_every_line_end(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_bytes(TEXT.replace("\n", " ").encode() * 20)
    (tmp_path / "crlf.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert command(tmp_path / "a", "--text", tmp_path / "line.txt") == 0
    assert command(tmp_path / "b", "--text", tmp_path / "crlf.txt") == 0
    merged = [token for token in Tokenizer.load(tmp_path / "b").ranks if len(token) > 1]
    assert merged
    assert not [token for token in merged if b"\r" in token]


# --- Tokenizers ---------------------------------------------------------------------------------------------------


def test_single_characters_are_one_token_each_and_nothing_is_lost(tmp_path: Path) -> None:
    text = "naïve “日本” 😀 a\n\nb"
    tok = choose_tokenizer("char", text * 3)
    assert len(tok.encode(text)) == len(text)
    assert tok.decode(tok.encode("новое")) == "новое"
    tok.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.encode(text) == tok.encode(text)
    theirs = pytest.importorskip("tokenizers").Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.encode(text, add_special_tokens=False).ids == tok.encode(text)


@pytest.mark.parametrize("form", ["storyteller", "folder", "file"])
def test_a_tokenizer_that_exists_is_taken_as_it_is(form: str, tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text(TEXT, "utf-8")
    own = train("the cat sat on the dog " * 9, 270)
    own.save(tmp_path / "tok")
    names: dict[str, Any] = {"folder": tmp_path / "tok", "file": tmp_path / "tok" / "tokenizer.json"}
    wanted = Tokenizer.load("storyteller") if form == "storyteller" else own
    assert command(tmp_path / "m", "--text", tmp_path / "my.txt", "--tokenizer", names.get(form, form)) == 0
    found = Tokenizer.load(tmp_path / "m")
    assert (found.ranks, found.special_tokens) == (wanted.ranks, wanted.special_tokens)
    assert resume(tmp_path / "m")[0].model.config.vocab_size == wanted.n_vocab


def test_tokenizers_that_cannot_be_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.txt").write_text(TEXT, "utf-8")
    train(TEXT, 270, special_tokens=()).save(tmp_path / "tok")
    assert command(tmp_path / "m", "--text", tmp_path / "my.txt", "--tokenizer", tmp_path / "tok") == 1
    assert re.search(r"--tokenizer .*tok has no special token <\|endoftext\|>", capsys.readouterr().err)
    assert command(tmp_path / "m", "--text", tmp_path / "my.txt", "--tokenizer", "gtp2") == 1
    assert "gtp2" in capsys.readouterr().err
    for other in (["--vocab-size", "300"], ["--finetune", "storyteller"]):
        with pytest.raises(SystemExit, match="2"):
            command(tmp_path / "m", "--text", tmp_path / "my.txt", "--tokenizer", "char", *other)
        assert f"--tokenizer char and {' '.join(other)} do not go together" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
