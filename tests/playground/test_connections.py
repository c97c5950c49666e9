"""Connections that send too much, fall silent, read nothing, or are too many: a clear status, and nothing is lost."""

import contextlib
import gc
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minigpt.commands import play
from minigpt.language_model import LanguageModel
from minigpt.playground import connections
from minigpt.playground.shelf import Shelf
from minigpt.playground.work import AT_ONCE, WAITING
from tests.playground.conftest import Playground, until
from tests.playground.test_turns import held

HEAD = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
TEXT = {"model": "storyteller", "prompt": "Once", "settings": {"max_new_tokens": 2}}
LATE = b"the request was not complete after 0 seconds"


@pytest.fixture(scope="module")
def serving(lm: LanguageModel) -> Iterator[Playground]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(play.CONFIG, "timeout_keep_alive", 1)
        playground = Playground(Shelf(lm))
    yield playground
    playground.stop()


@pytest.fixture
def playground(serving: Playground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Playground]:
    """One that loses its patience soon; in the end it still answers, and holds no connection and no work."""
    monkeypatch.setattr(connections, "PATIENCE", 0.4)
    yield serving
    monkeypatch.setattr(connections, "PATIENCE", 30)
    *_, end = serving.events(settings={"max_new_tokens": 2})
    assert end["event"] == "end"
    until(lambda: not serving.server.server_state.connections)
    assert not serving.shelf.loaded["storyteller"].worker.jobs


def connected(playground: Playground, *sent: bytes) -> socket.socket:
    """A connection on which something was sent."""
    connection = socket.create_connection(("127.0.0.1", playground.port), 30)
    for part in sent:
        connection.sendall(part)
    return connection


def post(path: str, body: object) -> bytes:
    """A request as it is sent."""
    data = json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (path.encode(), HEAD, len(data), data)


def answered(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    found = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while more := connection.recv(1 << 16):
            found += more
    return found


def test_a_body_of_100_mb(playground: Playground) -> None:
    """Whether its length is said or not, it is refused before it has come."""
    for path in playground.asking:
        head = b"POST %s HTTP/1.1\r\n%s" % (path.encode(), HEAD)
        said = connected(playground, head, b"Content-Length: 104857600\r\n\r\n", b" " * 100_000)
        assert answered(said).startswith(b"HTTP/1.1 413 "), path
        unsaid = connected(playground, head, b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(800):
                unsaid.sendall(b"20000\r\n" + b" " * 0x20000 + b"\r\n")
        assert answered(unsaid).startswith(b"HTTP/1.1 413 "), path


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ([], b""),  # a browser's, in advance
        ([b"POST /generate HT"], LATE),
        ([b"POST /generate HTTP/1.1\r\n", *[b"X: y\r\n"] * 4], LATE),
        ([b"POST /generate HTTP/1.1\r\n", HEAD, b"Content-Length: 9\r\n\r\n{"], LATE),
        ([b"POST /generate HTTP/1.1\r\n", HEAD, b"Transfer-Encoding: chunked\r\n\r\n9\r\n{"], LATE),
        ([b"GET /models HTTP/1.1\r\n", HEAD, b"\r\nGET /mo"], b'"storyteller"'),
        ([b"GET /models HTTP/1.1\r\n", HEAD, b"Content-Length: 9\r\n\r\n{"], b'"storyteller"'),
        ([b"POST /bars HTTP/1.1\r\nOrigin: http://x\r\n", HEAD, b"Content-Length: 9\r\n\r\n{"], b"from another page"),
        ([b"\x16\x03\x01\x00"], b"Invalid HTTP request received."),  # the beginning of TLS
        ([b"\r\n\r\n nonsense\r\n\r\n"], b"Invalid HTTP request received."),
    ],
    ids=repr,
)
def test_who_falls_silent_is_told_so_and_let_go(sent: list[bytes], answer: bytes, playground: Playground) -> None:
    begin = time.monotonic()
    found = answered(connected(playground, *sent))
    assert answer in found
    assert bool(found) == bool(sent)
    assert (b" 408 " in found) == (answer == LATE)
    assert time.monotonic() - begin < 10


def test_half_open_connections_keep_nobody_waiting(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 30)
    beginnings = [b"", b"POST /generate HT", b"POST /generate HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\n{"]
    waiting = [connected(playground, beginning) for _ in range(60) for beginning in beginnings]
    *_, end = playground.events(settings={"max_new_tokens": 2})
    assert end["event"] == "end"
    for connection in waiting:
        connection.close()


def test_who_reads_nothing_is_let_go(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is sent than the system keeps for him; the answer to the picture is 2 MB and complete at once."""
    monkeypatch.setattr("minigpt.playground.looking.LONGEST", 100)
    text = {"model": "storyteller", "prompt": "a b " * 24}
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", playground.port))
        connection.sendall(post("/picture", text | {"what": "attention"}))
        until(lambda: playground.server.server_state.connections)
        until(lambda: not playground.server.server_state.connections)


def test_who_reads_slowly_gets_all_of_it(playground: Playground) -> None:
    connection = connected(playground, post("/generate", TEXT | {"settings": {"max_new_tokens": 60}}))
    found = b""
    while b'"event": "end"' not in found:
        time.sleep(0.02)
        found += connection.recv(4096)
    connection.close()


def test_more_connections_than_there_is_room_for_get_a_503(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(play.CONFIG, "limit_concurrency", 20)
    playground = Playground(Shelf(lm))
    waiting = [connected(playground) for _ in range(20)]
    until(lambda: len(playground.server.server_state.connections) == 20)
    with playground.open("/models") as answer:
        assert (answer.status, answer.read()) == (503, b"Service Unavailable")
    for connection in waiting:
        connection.close()
    until(lambda: not playground.server.server_state.connections)
    assert playground.ask("/models")[0] == 200
    playground.stop()


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for 2,000 connections' both ends in this process."""
    resource: Any = pytest.importorskip("resource", reason="this system has no limits of processes")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"this process may open {hard} files: 1,000 tabs want more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def held_by_this_process() -> tuple[int, int]:
    """Open files, where the system tells them, and threads."""
    gc.collect()
    files = Path("/proc/self/fd")
    return len(list(files.iterdir())) if files.is_dir() else 0, threading.active_count()


@pytest.mark.usefixtures("many_files")
def test_a_thousand_tabs(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many as may wait get their text, the others a 503 at once; when they have gone all is as before. How
    many come before uvicorn's own limit of connections is reached depends on how busy the machine is."""
    monkeypatch.setattr(connections, "PATIENCE", 30)
    worker = playground.shelf.loaded["storyteller"].worker
    before = held_by_this_process()
    going = held(worker)
    tabs = [connected(playground, post("/generate", TEXT)) for _ in range(1000)]
    statuses = Counter(tab.recv(12, socket.MSG_PEEK) for tab in tabs)
    accepted = statuses[b"HTTP/1.1 200"]
    assert AT_ONCE < accepted <= AT_ONCE + WAITING
    assert statuses == {b"HTTP/1.1 200": accepted, b"HTTP/1.1 503": 1000 - accepted}
    going.set()
    answers = [answered(tab) for tab in tabs]
    assert sum(b'"event": "end"' in answer for answer in answers) == accepted
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503")]
    assert all(b"try again later" in answer or answer.endswith(b"Service Unavailable") for answer in refused)
    until(lambda: not playground.server.server_state.connections)
    files, threads = held_by_this_process()
    assert files <= before[0]
    assert threads <= before[1] + 40  # which starlette keeps for its next calls


@pytest.mark.usefixtures("many_files")
def test_a_thousand_tabs_that_are_closed_at_once(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 30)
    worker = playground.shelf.loaded["storyteller"].worker
    tabs = [connected(playground, post("/generate", TEXT | {"settings": {"max_new_tokens": 300}})) for _ in range(1000)]
    until(lambda: len(worker.jobs) > WAITING)
    for tab in tabs:
        tab.close()
    until(lambda: not playground.server.server_state.connections)
    until(lambda: not worker.jobs)
