"""A server that does what none should: the right file comes, or one line says why not, and nothing else is left."""

import email.utils
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from tokenizer.fetch import lock, server, transfer
from tokenizer.fetch.lock import exclusively, lock_of
from tokenizer.fetch.transfer import fetch

ROOT = Path(__file__).parents[2]
DATA = bytes(range(256)) * 2000
SHA = hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Does at each path what `Handler` has a method for; keeps what was asked and how many bytes it sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = []  # path, Range, Authorization
        self.sent = 0
        self.answers = {}  # a path -> the headers of its first answer, whose status is 503

    def handle_error(self, *_):
        """The client went away, as it should."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Range"], self.headers["Authorization"]))
        first = [path for path, *_ in self.server.asked].count(self.path) == 1
        self.start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        if self.path in self.server.answers and first:
            return self.reply(503, b"", self.server.answers[self.path])
        if self.path.startswith("/status-"):
            return self.reply(int(self.path[8:]), b"") if first else self.file()
        if self.path.startswith("/to?"):
            return self.reply(302, b"", {"Location": self.path[4:]})
        return getattr(self, self.path[1:].replace("-", "_"))()

    def file(self):
        ranged = {"Content-Range": f"bytes {self.start}-{len(DATA) - 1}/{len(DATA)}"} if self.start else {}
        self.reply(206 if self.start else 200, DATA[self.start :], ranged)

    def more_announced(self):
        self.reply(200, DATA + b"more")

    def more_in_chunks(self):
        self.chunks(b"x" * 10_000 for _ in range(100_000))

    def chunked(self):
        self.chunks(DATA[i : i + 9999] for i in range(0, len(DATA), 9999))

    def packed(self):
        self.reply(200, gzip.compress(DATA), {"Content-Encoding": "gzip"})

    def loop(self):
        self.reply(302, b"", {"Location": "/loop"})

    def endless_redirect(self):
        self.chunks((b"x" * 10_000 for _ in range(100_000)), 302, {"Location": "/file"})

    def same_host(self):
        self.reply(302, b"", {"Location": "/file"})

    def drip(self):
        self.chunks(drop(i) for i in range(10_000))

    def other_start(self):
        if self.start:
            return self.reply(206, DATA[7:], {"Content-Range": f"bytes 7-{len(DATA) - 1}/{len(DATA)}"})
        return self.file()

    def other_total(self):
        if self.start:
            return self.reply(206, DATA[self.start :], {"Content-Range": f"bytes {self.start}-9999999/10000000"})
        return self.file()

    def no_range(self):
        self.reply(200, DATA)

    def not_satisfiable(self):
        if self.start:
            return self.reply(416, b"", {"Content-Range": f"bytes */{len(DATA)}"})
        return self.file()

    def part_unasked(self):
        self.reply(206, DATA[:100], {"Content-Range": f"bytes 0-99/{len(DATA)}"})

    def odd_length(self):
        self.send_response(200)
        self.send_header("Content-Length", "-5x")
        self.end_headers()
        self.wfile.write(DATA)
        self.close_connection = True

    def nothing(self):
        self.reply(204, b"")

    def paints(self):
        self.send_response_only(404, "\x1b[31m red \x07")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reply(self, status, data, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def chunks(self, parts, status=200, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.server.sent += len(part)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def drop(_):
    time.sleep(0.05)
    return b"x"


@pytest.fixture(autouse=True)
def soon(monkeypatch, tmp_path_factory):
    """No pauses of our own, and locks in a cache of the test's."""
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path_factory.mktemp("cache")))


def names(folder):
    return [path.name for path in folder.iterdir()]


def start():
    one = Server()
    threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
    return one


@pytest.fixture
def hostile():
    with start() as one:
        yield one
        one.shutdown()


@pytest.mark.parametrize(
    "path",
    [
        *("file", "chunked", "same-host", "endless-redirect", "odd-length", "to?/to?/file"),
        *("other-start", "other-total", "no-range", "not-satisfiable"),
        *("status-408", "status-429", "status-500", "status-502", "status-503", "status-599"),
    ],
)
@pytest.mark.parametrize("before", [b"", DATA[:1000], b"another version" * 100, DATA + b"x"])
@pytest.mark.parametrize("size", [None, len(DATA)])
def test_the_right_file_comes(hostile, tmp_path, path, before, size):
    if before:
        (tmp_path / "file.part").write_bytes(before)
    assert fetch(f"{hostile.url}/{path}", tmp_path / "file", SHA, size).read_bytes() == DATA
    assert names(tmp_path) == ["file"]
    assert hostile.sent < 10_000_000


REFUSED = [
    ("more-announced", f"announces {len(DATA) + 4:,} bytes, expected {len(DATA):,}"),
    ("more-in-chunks", f"sends more than {len(DATA):,} bytes"),
    ("packed", "encoded as 'gzip'"),
    ("loop", "infinite loop"),
    ("to?file:///etc/passwd", "file:///etc/passwd"),
    ("to?FILE:///etc/passwd", "///etc/passwd"),
    ("to?ftp://127.0.0.1/file", "to 'ftp://127.0.0.1/file', which is not followed"),
    ("to?data:,text", "data:,text"),
    ("to?gopher://127.0.0.1/", "gopher"),
    ("to?http://127.0.0.1:99999999/", "not a valid address"),
    ("to?http://[::1/", "invalid address"),
    ("to?http://", "infinite loop"),
    ("part-unasked", "HTTP status 206"),
    ("nothing", "HTTP status 204"),
    ("paints", r"HTTP Error 404: \?\[31m red"),
    ("status-401", "401"),
]


@pytest.mark.parametrize(("path", "says"), REFUSED)
@pytest.mark.parametrize("known", [True, False])
def test_what_is_refused_in_one_line(hostile, tmp_path, path, says, known):
    """With a checksum and without one."""
    with pytest.raises(OSError, match=says) as caught:
        fetch(f"{hostile.url}/{path}", tmp_path / "file", SHA if known else None, len(DATA))
    assert str(caught.value).isprintable()
    assert hostile.url in str(caught.value) or "address" in str(caught.value)
    assert names(tmp_path) == []
    assert hostile.sent < 10_000_000


def test_where_nobody_says_how_much_comes_it_is_not_without_end(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "UNPROMISED", 600_000)
    assert fetch(hostile.url + "/chunked", tmp_path / "file").read_bytes() == DATA
    with pytest.raises(OSError, match="more than 600,000 bytes"):
        fetch(hostile.url + "/more-in-chunks", tmp_path / "other")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "data:,x", "/etc/passwd", "", "javascript:x"])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="begins with https"):
        fetch(url, tmp_path / "file")


@pytest.mark.parametrize(
    ("url", "target", "followed"),
    [
        ("https://hub.example/a", "https://store.example/b", True),
        ("http://hub.example/a", "https://store.example/b", True),
        ("http://hub.example/a", "http://store.example/b", True),
        ("https://hub.example/a", "http://hub.example/a", False),
        ("https://hub.example/a", "HTTP://store.example/b", False),
        ("https://hub.example/a", "file:///etc/passwd", False),
    ],
)
def test_from_https_never_down(url, target, followed):
    if followed:
        server.check_redirect(url, target)
    else:
        with pytest.raises(OSError, match="not followed"):
            server.check_redirect(url, target)


def test_a_token_stays_with_scheme_host_and_port(hostile, tmp_path):
    token = {"Authorization": "Bearer secret"}
    with start() as other:
        fetch(hostile.url + "/same-host", tmp_path / "a", SHA, headers=token)
        assert [sent for *_, sent in hostile.asked] == ["Bearer secret"] * 2
        fetch(f"{hostile.url}/to?{other.url}/to?{hostile.url}/file", tmp_path / "b", SHA, headers=token)
        assert [sent for *_, sent in other.asked] == [None]  # another port is another server
        assert [sent for *_, sent in hostile.asked[2:]] == ["Bearer secret", None]  # and what it asks for is its wish
        other.shutdown()
    assert server.origin("https://hub.example/") != server.origin("http://hub.example/")
    assert server.origin("https://hub.example/") != server.origin("https://hub.example.evil/")
    assert server.origin("https://hub.example@evil/") == server.origin("https://evil")


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("1", 1.0),
        (lambda: email.utils.formatdate(time.time() + 2, usegmt=True), 0.9),
        ("0", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("1e9", 0.0),
        ("Wed, 99 Foo 2015", 0.0),
        (lambda: email.utils.formatdate(0, usegmt=True), 0.0),
    ],
)
def test_a_busy_server_is_given_the_time_it_asks_for(hostile, tmp_path, capsys, asked, waits):
    hostile.answers["/file"] = {"Retry-After": asked if isinstance(asked, str) else asked()}
    begin = time.monotonic()
    assert fetch(hostile.url + "/file", tmp_path / "file", SHA).read_bytes() == DATA
    assert waits <= time.monotonic() - begin < waits + 3
    assert ("asks to come back in" in capsys.readouterr().err) == (waits > 0)


@pytest.mark.parametrize("asked", ["3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_but_no_more_than_a_minute(hostile, tmp_path, asked):
    hostile.answers["/file"] = {"Retry-After": asked}
    with pytest.raises(OSError, match=r"asks to come back in .* seconds: try again then"):
        fetch(hostile.url + "/file", tmp_path / "file", SHA)
    assert len(hostile.asked) == 1


def test_a_server_that_drips_is_given_up(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "WINDOW", 0.5)
    begin = time.monotonic()
    with pytest.raises(OSError, match=r"/drip: \d+ bytes in 0 seconds is too slow: .*mirror"):
        fetch(hostile.url + "/drip", tmp_path / "file", SHA, len(DATA))
    assert time.monotonic() - begin < 5
    assert names(tmp_path) == ["file.part"]  # which the next run goes on with
    assert fetch(hostile.url + "/file", tmp_path / "file", SHA).read_bytes() == DATA


def test_no_room_is_said_before_the_first_byte(hostile, tmp_path, monkeypatch):
    usage = transfer.shutil.disk_usage("/")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=len(DATA) - 1))
    with pytest.raises(OSError, match=f"{len(DATA):,} bytes to come, .* make room"):
        fetch(hostile.url + "/file", tmp_path / "file", SHA)
    assert names(tmp_path) == []
    (tmp_path / "file.part").write_bytes(DATA[:1000])  # for the rest there is room
    assert fetch(hostile.url + "/file", tmp_path / "file", SHA).read_bytes() == DATA


def spawn(url, path, more=""):
    code = f"{more}\nfrom tokenizer.fetch.transfer import fetch\nfetch({url!r}, {str(path)!r}, {SHA!r})"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("checksum", [SHA, None])
def test_several_processes_fetch_it_once(hostile, tmp_path, checksum):
    code = f"from tokenizer.fetch.transfer import fetch; fetch({hostile.url + '/file'!r}, 'file', {checksum!r})"
    running = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
        for _ in range(7)
    ]
    assert [process.wait(60) for process in running] == [0] * 7
    assert (tmp_path / "file").read_bytes() == DATA
    assert len(hostile.asked) == 1
    assert names(tmp_path) == ["file"]


def test_who_was_killed_blocks_nobody_and_who_waits_can_be_interrupted(hostile, tmp_path, interruptible):
    assert interruptible is None
    holder = spawn(hostile.url + "/drip", tmp_path / "file")
    while not (tmp_path / "file.part").exists():
        time.sleep(0.02)
    waiting = spawn(hostile.url + "/file", tmp_path / "file")
    assert "another process is fetching file" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=20)
    assert waiting.returncode != 0
    holder.kill()
    holder.communicate(timeout=20)
    assert fetch(hostile.url + "/file", tmp_path / "file", SHA).read_bytes() == DATA
    assert names(tmp_path) == ["file"]


def test_waiting_ends_where_nothing_comes_but_not_while_it_grows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, "PATIENCE", 0.6)
    path = tmp_path / "file"
    lock_of(path).parent.mkdir(parents=True)
    held = FileLock(lock_of(path))
    with held:  # in this thread; the waiting is done in another, as in another process
        said = in_thread(path)
        grown = threading.Thread(target=grow, args=(tmp_path / "file.part", 8))
        grown.start()
        assert not said.done.wait(1.5)
        assert said.done.wait(5)
    assert "has brought nothing for" in said.error
    assert str(lock_of(path)) in said.error
    assert "another process is fetching file" in capsys.readouterr().err


class in_thread:
    """`exclusively` in a thread of its own; what it raised is kept."""

    def __init__(self, path):
        self.error, self.done = "", threading.Event()
        threading.Thread(target=self.run, args=(path,), daemon=True).start()

    def run(self, path):
        try:
            with exclusively(path):
                pass
        except OSError as error:
            self.error = str(error)
        self.done.set()


def grow(path, steps):
    for i in range(steps):
        path.write_bytes(bytes(i))
        time.sleep(0.25)
