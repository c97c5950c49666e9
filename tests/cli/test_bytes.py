"""Bytes from outside: UTF-8 from a pipe and in the words of a command, or one line, whatever the locale."""

import io
import os
import subprocess
import sys
from typing import Any

import pytest

from minigpt.cli import main
from minigpt.commands import chat
from minigpt.commands.stdin import read_line, read_prompt, read_stdin

COMMANDS = (["tokens", "--ids"], ["generate", "-n", "3"], ["next"], ["compare"], ["chat"])
LOCALES: dict[str, dict[str, str]] = {
    "C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C"},
    "POSIX, as it was": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`piped(data)`: these bytes are standard input, as a lenient locale would read them."""

    def pipe(data: bytes) -> None:
        stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
        monkeypatch.setattr(sys, "stdin", stream)

    return pipe


@pytest.mark.parametrize("locale", LOCALES)
def test_a_pipe_that_is_no_utf8_is_refused_in_any_locale(locale: str) -> None:
    """The command without torch, as a program; the others share its reading, see below."""
    command = [sys.executable, "-m", "minigpt", "tokens", "--ids"]
    options: dict[str, Any] = {
        "env": os.environ | LOCALES[locale],
        "capture_output": True,
        "timeout": 60,
        "check": False,
    }
    for data, kept in ((b"caf\xe9", False), ("café".encode(), True)):
        done = subprocess.run(command, input=data, **options)
        assert ((done.returncode == 0), bool(done.stdout)) == (kept, kept)
        assert done.stderr.count(b"\n") == (not kept)
    done = subprocess.run([*command, b"caf\xe9"], **options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"TEXT is not UTF-8 (byte 0xe9 after 3 characters)" in done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_that_reads_a_pipe_refuses(
    words: list[str], piped: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "load_model", lambda *_: type("Nothing", (), {"name": "x", "model": Sized}))
    monkeypatch.setattr(chat, "Session", Echo)
    piped(b"hi\ncaf\xe9")
    code = main(words)
    shown = capsys.readouterr()
    assert code == 1
    assert "is not UTF-8" in shown.err.splitlines()[-1]
    if words[0] != "chat":  # which has answered the first line
        assert (shown.out, shown.err.count("\n")) == ("", 1)


class Sized:
    config = type("Config", (), {"n_ctx": 8})


class Echo:
    """A conversation that goes on."""

    def __init__(self, *_: Any) -> None:
        pass

    def handle(self, _: str) -> bool:
        return True


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("PROMPT", ["generate", "caf\udce9"]),
        ("PROMPT", ["next", "\udcff"]),
        ("PROMPT", ["compare", "caf\udce9"]),
        ("--stop", ["generate", "a", "--stop", "b", "--stop", "\udc80"]),
        ("--system", ["chat", "--system", "caf\udce9"]),
        ("TEXT", ["tokens", "caf\udce9"]),
        ("--text", ["parity", "--text", "caf\udce9"]),
    ],
)
def test_words_that_are_no_utf8_are_refused(flag: str, words: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert f"{flag} is not UTF-8 (byte 0x" in shown.err
    assert (shown.out, shown.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("data", "text", "prompt"),
    [
        (b"Once\n", "Once\n", "Once"),
        (b"Once\r\n", "Once\r\n", "Once"),
        (b"a\r\nb\n\n", "a\r\nb\n\n", "a\r\nb\n"),
        (b"\xef\xbb\xbfOnce", "Once", "Once"),
        (b"a\x00b\x1a", "a\x00b\x1a", "a\x00b\x1a"),
        ("a\ufeff👑\u2028".encode(), "a\ufeff👑\u2028", "a\ufeff👑\u2028"),
        (b"", "", ""),
    ],
)
def test_what_is_piped_in_stays_what_it_is(data: bytes, text: str, prompt: str, piped: Any) -> None:
    piped(data)
    assert read_stdin() == text
    piped(data)
    assert read_prompt() == prompt


def test_lines(piped: Any) -> None:
    piped(b"one\r\n\ntwo")
    assert [read_line() for _ in range(4)] == ["one", "", "two", None]


def test_the_users_own_encoding_counts(piped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1:strict")
    piped(b"caf\xe9")
    assert read_stdin() == "café"


@pytest.mark.parametrize("data", [b"\xff\xfeO\x00", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf0\x9f\x91"])
def test_other_encodings_are_refused(data: bytes, piped: Any) -> None:
    for read in (read_stdin, read_prompt, read_line):
        piped(data)
        with pytest.raises(ValueError, match=r"^standard input is not UTF-8 \(.* at byte \d+\): convert it"):
            read()
