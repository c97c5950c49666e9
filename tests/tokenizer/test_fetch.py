"""Fetching from a server that misbehaves in every way that is known; nothing leaves this machine."""

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tokenizer.fetch import transfer as module
from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.transfer import fetch
from tokenizer.fetch.verify import cache_dir, copy, sha256_of, verify
from tokenizer.fetch.wheel import from_wheel, unpack

DATA = bytes(range(256)) * 4000
SHA = hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers as the path says; remembers what was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        start = int(wanted[6:-1]) if wanted else 0
        self.server.asked.append((self.path, start))
        times = sum(path == self.path for path, _ in self.server.asked)
        body, length = DATA, None
        if self.path == "/missing":
            return self.send_error(404, "Not here")
        if self.path == "/busy" and times < 3:
            return self.send_error(503, "Busy")
        if self.path == "/down":
            return self.send_error(503, "Down")
        if self.path == "/wrong":
            body = DATA[::-1]
        if self.path == "/page":
            body = b"\n<!DOCTYPE html><title>Log in</title>"
        if self.path == "/pointer":
            body = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
        if start >= len(body):
            return self.send_error(416)
        ranged = wanted and self.path != "/no-ranges"
        body = body[start:] if ranged else body
        length = len(body)
        if self.path == "/breaks" and times < 3:
            body = body[: len(body) // 2]
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)


def test_a_file_comes_once(server, tmp_path):
    path, seen = tmp_path / "new" / "file", []
    assert fetch(server.url + "/file", path, SHA, len(DATA), lambda *now: seen.append(now)) == path
    assert path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    fetch(server.url + "/file", path, SHA)
    fetch("http://127.0.0.1:9/nobody-listens", path, SHA)
    assert server.asked == [("/file", 0)]
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_what_broke_off_is_resumed(server, tmp_path):
    assert sha256_of(fetch(server.url + "/breaks", tmp_path / "file", SHA)) == SHA
    starts = [start for _, start in server.asked]
    assert starts == [0, len(DATA) // 2, len(DATA) * 3 // 4]
    (tmp_path / "other.part").write_bytes(DATA[:1000])
    fetch(server.url + "/other", tmp_path / "other", SHA)
    assert server.asked[-1] == ("/other", 1000)


def test_without_a_checksum_nothing_old_is_continued(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    assert fetch(server.url + "/file", tmp_path / "file").read_bytes() == DATA
    assert server.asked == [("/file", 0)]


def test_a_server_without_ranges_sends_it_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    assert fetch(server.url + "/no-ranges", tmp_path / "file", SHA).read_bytes() == DATA


def test_a_part_that_is_too_long_is_dropped(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA + b"x")
    assert fetch(server.url + "/file", tmp_path / "file", SHA).read_bytes() == DATA
    (tmp_path / "two.part").write_bytes(DATA)
    assert fetch(server.url + "/file", tmp_path / "two", SHA, len(DATA)).read_bytes() == DATA


def test_a_busy_server_is_asked_again(server, tmp_path):
    assert fetch(server.url + "/busy", tmp_path / "file", SHA).exists()
    assert len(server.asked) == 3


@pytest.mark.parametrize(("path", "times"), [("/missing", 1), ("/down", 3)])
def test_errors_name_the_address(server, tmp_path, path, times):
    with pytest.raises(OSError, match=f"{path}: HTTP Error (404|503)"):
        fetch(server.url + path, tmp_path / "file", SHA)
    assert len(server.asked) == times
    assert list(tmp_path.iterdir()) == []


def test_no_such_host_fails_at_once(tmp_path):
    with pytest.raises(OSError, match="urlopen error"):
        fetch("http://no-such-host.invalid/file", tmp_path / "file")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/wrong", f"has SHA-256 [0-9a-f]{{64}}, expected {SHA}"),
        ("/page", "HTML page"),
        ("/pointer", "Git LFS pointer"),
    ],
)
def test_wrong_bytes_never_get_the_name(server, tmp_path, path, message):
    with pytest.raises(ValueError, match=message):
        fetch(server.url + path, tmp_path / "file", SHA)
    assert list(tmp_path.iterdir()) == []
    if path != "/wrong":
        with pytest.raises(ValueError, match=message):
            fetch(server.url + path, tmp_path / "file")


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    (tmp_path / "file").write_bytes(DATA[:-1] + b"x")
    assert fetch(server.url + "/file", tmp_path / "file", SHA).read_bytes() == DATA


def test_a_full_disk_leaves_no_file(server, tmp_path, monkeypatch):
    real = Path.open

    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", **k: Full() if "part" in self.name else real(self, mode, **k)
    )
    with pytest.raises(OSError, match="No space left"):
        fetch(server.url + "/file", tmp_path / "file", SHA)
    assert not (tmp_path / "file").exists()
    assert len(server.asked) == 1


def test_verify_and_copy(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    verify(path, SHA, len(DATA))
    with pytest.raises(ValueError, match=f"has {len(DATA)} bytes, expected 5"):
        verify(path, SHA, 5)
    verify(path, hashlib.sha1(b"blob %d\0" % len(DATA) + DATA).hexdigest(), len(DATA))
    with pytest.raises(ValueError, match=r"Git SHA-1 .* expected 00"):
        verify(path, "00" * 20)
    with pytest.raises(ValueError, match="expected 00"):
        copy(path, tmp_path / "final", "00" * 32)
    with pytest.raises(ValueError, match="expected 00"), replacing(tmp_path / "final") as part:
        verify(path.rename(part), "00" * 32)
    assert list(tmp_path.iterdir()) == []


def test_the_cache(monkeypatch):
    monkeypatch.delenv("MINIGPT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_dir() == Path("~/.cache/minigpt").expanduser()
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/xdg")
    assert cache_dir() == Path("/tmp/xdg/minigpt")
    monkeypatch.setenv("MINIGPT_CACHE", "/tmp/own")
    assert cache_dir() == Path("/tmp/own")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one folder with a wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "odd_package-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("odd_package/data.bin", DATA)
        wheel.writestr("odd_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: odd-package\nVersion: 1.0\n")
        wheel.writestr(
            "odd_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("odd_package-1.0.dist-info/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_file_out_of_a_wheel(index, tmp_path):
    path = tmp_path / "cache" / "data.bin"
    assert from_wheel("odd-package", "1.0", "odd_package/data.bin", path, SHA) == path
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["data.bin"]
    for wheel in index.iterdir():
        wheel.unlink()
    from_wheel("odd-package", "1.0", "odd_package/data.bin", path, SHA)
    with pytest.raises(OSError, match=r"pip download odd-package==1.0: ERROR"):
        from_wheel("odd-package", "1.0", "odd_package/data.bin", tmp_path / "other", SHA)


@pytest.mark.usefixtures("index")
def test_a_wheel_without_the_file(tmp_path):
    with pytest.raises(ValueError, match="holds no odd_package/nothing"):
        from_wheel("odd-package", "1.0", "odd_package/nothing", tmp_path / "cache" / "x")
    with pytest.raises(ValueError, match="expected 00"):
        from_wheel("odd-package", "1.0", "odd_package/data.bin", tmp_path / "cache" / "x", "00" * 32)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "x.whl").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"x\.whl is damaged"):
        unpack(tmp_path / "x.whl", "a", tmp_path / "out")


def test_a_file_out_of_a_source_archive(tmp_path):
    archive = tmp_path / "odd-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as sdist:
        info = tarfile.TarInfo("odd-1.0/data/file.bin")
        info.size = len(DATA)
        sdist.addfile(info, io.BytesIO(DATA))
    unpack(archive, "data/file.bin", tmp_path / "out")
    assert sha256_of(tmp_path / "out") == SHA
    with pytest.raises(ValueError, match="holds no data/none"):
        unpack(archive, "data/none", tmp_path / "out")
