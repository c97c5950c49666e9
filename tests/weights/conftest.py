"""A server that speaks the Hub's protocol and can do wrong, and caches of the tests' own."""

import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, file_download

OWN, THEIRS = os.environ.get("MINIGPT_CACHE"), constants.HF_HUB_CACHE
COMMIT = "1234567890" * 4
HTML = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"


class Hub(ThreadingHTTPServer):
    """Serves `files` of any repository; `faults` says for a file's name what goes wrong, once or always.

    503 GET, 429 HEAD and the like: the status, once. cut: a fifth of the bytes, once. cut always: a fifth each time.
    wrong: the right size, wrong bytes. html: a page with status 200. lfs: a pointer instead of the file.
    stall: nothing for a while, once. reset: a fifth of the bytes, then the connection is reset, once.
    redirect: it lies on `elsewhere`, another server, as large files of the Hub do.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, str] = {}
        self.log: list[tuple[str, str, str | None, str | None]] = []  # method, file, Range, Authorization
        self.status: int | None = None  # answered to everything
        self.stop = threading.Event()
        self.elsewhere = ""
        self.headers: dict[str, dict[str, str]] = {}  # a file's name -> what its answers say otherwise

    def serve_folder(self, folder: Path) -> None:
        """All files of a folder."""
        paths = [path for path in folder.rglob("*") if path.is_file()]
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    def asked(self, method: str) -> list[str]:
        """The files asked for by a method, in order."""
        return [name for verb, name, *_ in self.log if verb == method]


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(self.server.files.get(self.name, b""))

    @property
    def name(self) -> str:
        """The file's path in its repository, which follows the revision."""
        return self.path.partition("/resolve/")[2].partition("/")[2] or self.path.removeprefix("/")

    def answer(self, data: bytes) -> None:
        hub, name = self.server, self.name
        hub.log.append((self.command, name, self.headers.get("Range"), self.headers.get("Authorization")))
        if hub.status or name not in hub.files:
            code = {401: "RepoNotFound", 403: "GatedRepo", 404: "EntryNotFound"}.get(hub.status or 404)
            return self.reply(hub.status or 404, b"", {"X-Error-Code": code} if code else {})
        fault = hub.faults.get(name, "")
        if fault.endswith(self.command):
            del hub.faults[name]
            return self.reply(int(fault.split()[0]), b"", {"Retry-After": "0"})
        whole = hub.files[name]
        is_large = name.endswith((".safetensors", ".bin"))
        digest = hashlib.sha256(whole) if is_large else hashlib.sha1(b"blob %d\0" % len(whole) + whole)
        headers = {"ETag": f'"{digest.hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if fault == "html":
            return self.reply(200, b"" if self.command == "HEAD" else HTML, {"Content-Type": "text/html"})
        if fault == "redirect":
            linked = {"X-Linked-Etag": headers.pop("ETag"), "X-Linked-Size": str(len(whole))}
            return self.reply(302, b"", headers | linked | {"Location": f"{hub.elsewhere}/{name}"})
        headers |= hub.headers.get(name, {})
        if self.command == "HEAD":
            return self.reply(302 if "Location" in headers else 200, b"", headers, len(whole))
        if fault == "html later":
            data = HTML
        if fault == "wrong":
            data = bytes([data[0] ^ 1]) + data[1:]
        if fault == "lfs":
            data = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n"
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if fault == "stall":
            del hub.faults[name]
            hub.stop.wait(10)
        if fault == "reset":
            del hub.faults[name]
            self.reply(200, data[: len(data) // 5], headers, len(data))
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return None
        if fault.startswith("cut"):
            if fault == "cut":
                del hub.faults[name]
            self.reply(206 if start else 200, data[start : start + len(data) // 5], headers, len(data) - start)
            self.close_connection = True
            return None
        return self.reply(206 if start else 200, data[start:], headers)

    def reply(self, status: int, data: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data) if length is None else length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small models run faster on one."""
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches for this test: our own, and the Hub's; returns the folder of both."""
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("MINIGPT_CACHE", str(folder / "minigpt"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    return folder


@pytest.fixture
def real_caches(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own caches again, for the models that are too large to fetch for every run."""
    assert caches.is_dir()
    monkeypatch.delenv("MINIGPT_CACHE")
    if OWN is not None:
        monkeypatch.setenv("MINIGPT_CACHE", OWN)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", THEIRS)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on this machine that huggingface_hub asks, without pauses between the tries."""
    import tokenizer.fetch.hub
    import tokenizer.fetch.transfer

    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        for module in (constants, file_download):  # the second for old versions, which copy it
            url = server.url + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", url, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(tokenizer.fetch.transfer, "PAUSE", 0.01)
        monkeypatch.setattr(tokenizer.fetch.hub, "PAUSES", (0.01, 0.01))
        yield server
        server.stop.set()
        server.shutdown()
