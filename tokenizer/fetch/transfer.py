"""Fetching a file so that its name appears only when its bytes are right: beside, verified, renamed.

The bytes do not come through huggingface_hub: its download (2.4) restarts a file in every run, gives up on a busy
server and compares no checksum, so that wrong bytes would get a name.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from socket import gaierror
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.lock import exclusively
from tokenizer.fetch.server import ask, hopeless, in_one_line, wait
from tokenizer.fetch.verify import right, verify

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if known

CHUNK = 1 << 18
TRIES = 3
TIMEOUT = 20.0  # seconds, for each answer
PAUSE = 1.0  # seconds before the second try, twice that before the third
SLOWEST = 1000  # bytes per second, averaged over the window
WINDOW = 20.0  # seconds; a slower server is given up on
UNPROMISED = 1 << 30  # bytes that are accepted if nobody said how many will come


def fetch(
    url: str,
    destination: str | Path,
    checksum: str | None = None,
    size: int | None = None,
    on_progress: Progress | None = None,
    headers: Mapping[str, str] | None = None,
    lock: Path | None = None,
) -> Path:
    """The file at `url`, in `destination`, which is left alone if it is there and right; resumes partial downloads.

    `checksum` is a SHA-256 or Git's SHA-1, `size` the bytes that may come; `headers` go to the named server only, not
    where it redirects to. Of several processes one fetches and the others wait (`tokenizer.fetch.lock`). An OSError
    says what the server or the disk said, a ValueError what is wrong with the bytes; either way `destination` never
    holds anything but the right file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_text("some bytes")
    ...     fetch(Path(folder, "a").as_uri(), Path(folder, "b"), size=10).read_text()
    'some bytes'
    """
    destination = Path(destination)
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise ValueError(f"{url!r}: expected an address that begins with https:// or http://")
    if right(destination, checksum, size):
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    with exclusively(destination, lock):
        if right(destination, checksum, size):  # another process has fetched it meanwhile
            return destination
        with replacing(destination, resumable=True) as part:
            for again in (part.exists(), False):
                _fetch(url, part, checksum, size, on_progress, headers or {})
                try:
                    verify(part, checksum, size)
                    break
                except ValueError:  # once more from the first byte, if the part may have been another version's
                    part.unlink()
                    if not again:
                        raise
    return destination


def _fetch(
    url: str,
    part: Path,
    checksum: str | None,
    size: int | None,
    on_progress: Progress | None,
    headers: Mapping[str, str],
) -> None:
    """All bytes into `part`, in several tries if trying again may help."""
    for attempt in range(1, TRIES + 1):
        if checksum is None:  # nothing would tell if the rest came from another version of the file
            part.unlink(missing_ok=True)
        try:
            _continue(url, part, size, on_progress, headers)
            break
        except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
            if attempt == TRIES or _hopeless(error):
                raise OSError(f"{url}: {in_one_line(error)}") from None
            wait(url, PAUSE * attempt, error.headers if isinstance(error, HTTPError) else None)


def _hopeless(error: Exception) -> bool:
    if isinstance(error, HTTPError):
        return hopeless(error.code) and error.code != 416
    return isinstance(error, URLError) and isinstance(error.reason, gaierror)  # no such host, or no network


def _continue(url: str, part: Path, size: int | None, on_progress: Progress | None, headers: Mapping[str, str]) -> None:
    """The bytes that `part` lacks, as far as they come."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        have = 0
    try:
        answer = ask(url, headers, have, TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # the server's file is not longer than the part: start again
            part.unlink(missing_ok=True)
        raise
    with answer:
        if answer.status not in ((200, 206) if have else (200, None)):  # None: from a file
            raise URLError(f"HTTP status {answer.status} where the file was asked for")
        have = have if answer.status == 206 else 0
        total = _promised(url, answer, part, have, size)
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - have > free:
            raise OSError(f"{url} has {total - have:,} bytes to come, {part.parent} room for {free:,}: make room")
        with part.open("ab" if have else "wb") as file:
            done = have + _receive(url, answer, file, have, total, on_progress)
    if done > (UNPROMISED if total is None else total):
        part.unlink()
        raise OSError(f"{url}: sends more than {total or UNPROMISED:,} bytes, as many as it may: use another source")
    if total is not None and done < total:
        raise URLError(f"broke off after {done} of {total} bytes")


def _promised(url: str, answer: HTTPResponse, part: Path, have: int, size: int | None) -> int | None:
    """How many bytes the file has in all, by what was promised and what the answer says; an error if they differ."""
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise OSError(f"{url}: comes encoded as {coding[:20]!r} though nobody asked for it: use another source")
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "")) if have else None
    if span and (int(span[1]) != have or (size is not None and span[2] not in ("*", str(size)))):
        part.unlink(missing_ok=True)
        raise URLError(f"asked for the bytes from {have} on, got {span[0]}")
    length = getattr(answer, "length", None)  # None if it comes in chunks, or from a file
    if length is None:
        return size
    if size is not None and have + length > size:
        raise OSError(f"{url}: announces {have + length:,} bytes, expected {size:,}: use another source")
    return have + length


def _receive(
    url: str, answer: HTTPResponse, file: IO[bytes], have: int, total: int | None, on_progress: Progress | None
) -> int:
    """Writes what comes, never more than was promised, and counts it; an OSError if it comes too slowly."""
    most = (UNPROMISED if total is None else total) - have
    got, mark, since = 0, 0, time.monotonic()
    while chunk := answer.read1(CHUNK):
        got += len(chunk)
        if got > most:
            break
        file.write(chunk)
        if on_progress:
            on_progress(have + got, total)
        if time.monotonic() - since > WINDOW:
            if got - mark < SLOWEST * WINDOW:
                raise OSError(
                    f"{url}: {got - mark:,} bytes in {WINDOW:.0f} seconds is too slow: try again later, which "
                    "goes on from here where there is a checksum, or use a mirror (HF_ENDPOINT)"
                )
            mark, since = got, time.monotonic()
    return got
