"""One process at a time fetches a file; the others wait as long as it grows, and find it there."""

import glob
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tokenizer.fetch.server import say
from tokenizer.fetch.verify import cache_dir

PATIENCE = 60.0  # seconds without a new byte after which a process stops waiting for another


@contextmanager
def exclusively(destination: Path, lock: Path | None = None) -> Iterator[None]:
    """While the body runs, no other process is in such a body for `destination`; the system frees a dead one's lock.

    `lock` is a file of its own in our cache unless named. An OSError if the holder has fetched nothing for a minute.

    >>> with exclusively(Path("vocab.json").absolute()):
    ...     pass
    """
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout  # only a download pays for the import

    path = lock or lock_of(destination)
    path.parent.mkdir(parents=True, exist_ok=True)
    held: BaseFileLock = FileLock(path, mode=0o664)  # others of the group may share the cache
    seen, since, told = -1, time.monotonic(), False
    while True:
        try:
            held.acquire(timeout=min(1.0, PATIENCE), poll_interval=0.05)
            break
        except NotImplementedError:  # a file system without locks: the file's existence is the lock
            held = SoftFileLock(path)
        except Timeout:
            if not told:
                say(f"another process is fetching {destination.name}: waiting for it")
            told = True
        now = bytes_there(destination)
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since >= PATIENCE:
            raise OSError(
                f"{destination}: another process holds {path} and has brought nothing for {PATIENCE:.0f} seconds: "
                "end that one, or delete the file, and try again"
            )
    try:
        yield
    finally:
        held.release()


def lock_of(destination: Path) -> Path:
    """The file whose lock stands for `destination`: not beside it, where it would stay for everyone to see."""
    name = hashlib.sha256(str(destination.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
    return cache_dir() / "locks" / f"{name}.lock"


def bytes_there(destination: Path) -> int:
    """How many bytes are in the file and in those whose names begin with its name: parts, ours or another program's."""
    total = 0
    for path in destination.parent.glob(f"{glob.escape(destination.name)}*"):
        with suppress(OSError):  # gone meanwhile
            total += sum(file.stat().st_size for file in (path, *path.rglob("*")))
    return total
