"""`minigpt play` as a process: where it listens, the token, how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from minigpt.cli import main
from minigpt.commands import play
from minigpt.language_model import LanguageModel


@pytest.fixture
def started(interruptible: None) -> Iterator[Any]:  # noqa: ARG001
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> tuple[subprocess.Popen[str], list[str]]:
        command = [sys.executable, "-m", "minigpt", "play", *words]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        running.append(process)
        assert process.stderr
        lines = [process.stderr.readline()]
        while lines[-1] and "Ctrl-C" not in lines[-1]:
            lines.append(process.stderr.readline())
        return process, lines

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stderr
        process.stderr.close()


def test_the_next_free_port_a_token_for_another_host_and_ctrl_c_in_the_midst_of_a_text(started: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port = other.getsockname()[1]
        process, lines = started("--host", "127.0.0.2", "--port", str(port))
    assert lines[0] == f"port {port} is taken\n"
    found = re.fullmatch(
        r"storyteller is at (http://127\.0\.0\.2:(\d+)/)\?token=([\w-]{20,}) \(Ctrl-C ends it\)\n", lines[1]
    )
    assert found
    address, got, token = found.groups()
    assert port < int(got) < port + play.TRIED
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address)
    assert urllib.request.urlopen(f"{address}?token={token}").status == 200
    body = b'{"model": "storyteller", "prompt": "a", "settings": {"max_new_tokens": 500, "num_beams": 16}}'
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(address + "generate", body, headers)) as answer:
        answer.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.wait(20) == 0
    assert rest == "the playground has ended\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--port", "65536"], 2, "must be a whole number from 0 (any that is free) to 65535, not 65536"),
        (["--port", "x"], 2, "must be a whole number from 0"),
        (["--host", "no.such.host.example"], 1, "no.such.host.example"),
        (["--host", "192.0.2.1"], 1, "cannot listen at 192.0.2.1:8000: "),
        (["-m", "no-such-model"], 1, "no-such-model"),
        (["extra"], 2, "unrecognized arguments: extra"),
    ],
    ids=repr,
)
def test_bad_flags_are_one_line(
    words: list[str], code: int, message: str, lm: LanguageModel, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "-m" not in words:
        monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    try:
        got = main(["play", *words])
    except SystemExit as end:
        got = int(end.code or 0)
    err = capsys.readouterr().err
    assert (got, err.count("\n")) == (code, 1), err
    assert message in err


def test_open_opens_the_address(lm: LanguageModel, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(play, "serve", lambda _, listening: listening.close())
    assert main(["play", "--port", "0", "--token", "--open"]) == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", opened[0])
    assert f"storyteller is at {opened[0]} (Ctrl-C ends it)" in capsys.readouterr().err


def test_help_imports_neither_torch_nor_the_server() -> None:
    code = "import sys; from minigpt.commands.parser import Parser; Parser('play').format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "starlette", "uvicorn", "asyncio", "socket"} & set(done.stdout.split())
