"""Fetching a file so that its name appears only when its bytes are right: beside, verified, renamed.

The bytes do not come by huggingface_hub: its download (2.4) begins a file anew in every run, gives up at a busy server
and compares no checksum, so that wrong bytes would get a name. Pure standard library.
"""

import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from socket import gaierror
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.verify import right, verify

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if known

CHUNK = 1 << 20
TRIES = 3
PAUSE = 1.0  # seconds before the second try, twice that before the third
TIMEOUT = 20.0  # seconds, for each answer


def fetch(
    url: str,
    destination: str | Path,
    checksum: str | None = None,
    size: int | None = None,
    on_progress: Progress | None = None,
    headers: Mapping[str, str] | None = None,
) -> Path:
    """The file at `url` under `destination`, which is left alone if it is there and right; resumes what broke off.

    `checksum` is a SHA-256 or Git's SHA-1; `headers` go to the named server only, not where it redirects to. An
    OSError says what the server or the disk said, a ValueError what is wrong with the bytes; either way
    `destination` never holds anything but the right file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_text("some bytes")
    ...     fetch(Path(folder, "a").as_uri(), Path(folder, "b"), size=10).read_text()
    'some bytes'
    """
    destination = Path(destination)
    if right(destination, checksum, size):
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    with replacing(destination, resumable=True) as part:
        if checksum is None:  # nothing would tell if the rest came from another version of the file
            part.unlink(missing_ok=True)
        for attempt in range(1, TRIES + 1):
            try:
                _continue(url, part, size, on_progress, headers or {})
                break
            except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
                if attempt == TRIES or _hopeless(error):
                    raise OSError(f"{url}: {error}") from None
                time.sleep(PAUSE * attempt)
        try:
            verify(part, checksum, size)
        except ValueError:
            part.unlink()
            raise
    return destination


def _hopeless(error: Exception) -> bool:
    if isinstance(error, HTTPError):
        return error.code < 500 and error.code not in (408, 416, 429)
    return isinstance(error, URLError) and isinstance(error.reason, gaierror)  # no such host, or no network


def _continue(url: str, part: Path, size: int | None, on_progress: Progress | None, headers: Mapping[str, str]) -> None:
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        have = 0
    request = Request(url, headers={"User-Agent": "minigpt"} | ({"Range": f"bytes={have}-"} if have else {}))
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        answer = urlopen(request, timeout=TIMEOUT)
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
            if on_progress:
                on_progress(done, total)
    if total is not None and done < total:
        raise URLError(f"broke off after {done} of {total} bytes")
