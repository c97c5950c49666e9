"""Files that are what they should be: checksums, sizes, and what servers send instead. Pure standard library."""

import hashlib
import os
import shutil
from pathlib import Path

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.wrong_file import what_it_is


def cache_dir() -> Path:
    """Where fetched files are kept: $MINIGPT_CACHE, else $XDG_CACHE_HOME/minigpt, else ~/.cache/minigpt.

    >>> cache_dir().is_absolute()
    True
    """
    own, shared = os.environ.get("MINIGPT_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else Path(shared) / "minigpt" if shared else Path("~/.cache/minigpt")
    return folder.expanduser().absolute()


def sha256_of(path: str | Path, start: int = 0) -> str:
    """The SHA-256 of a file's bytes from `start` on, as 64 hexadecimal digits; the file need not fit in memory.

    >>> sha256_of(os.devnull)[:16]
    'e3b0c44298fc1c14'
    """
    with Path(path).open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_sha1_of(path: Path) -> str:
    """The SHA-1 under which Git keeps a file, as 40 hexadecimal digits: the Hub names small files by it.

    >>> git_sha1_of(Path(os.devnull))  # as `git hash-object` says
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def verify(path: str | Path, checksum: str | None = None, size: int | None = None) -> None:
    """A ValueError unless the file has this checksum and this size in bytes, and is not a stand-in for the file.

    `checksum` is a SHA-256 (64 hexadecimal digits) or Git's SHA-1 (40).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "page"
    ...     _ = path.write_text("<!DOCTYPE html>")
    ...     verify(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: .../page is an HTML page, not the file: fetch it again, or from another source
    """
    path = Path(path)
    found = path.stat().st_size
    same_size = size is None or found == size
    name, digest = "SHA-256", None
    if checksum is not None and same_size:
        name, digest = ("Git SHA-1", git_sha1_of(path)) if len(checksum) == 40 else (name, sha256_of(path))
        if digest == checksum:
            return
    with path.open("rb") as file:
        instead = what_it_is(file.read(256))
    if instead:
        raise ValueError(f"{path} is {instead}, not the file: fetch it again, or from another source")
    if not same_size:
        raise ValueError(f"{path} has {found} bytes, expected {size}: fetch it again")
    if checksum is not None:
        raise ValueError(f"{path} has {name} {digest}, expected {checksum}: fetch it again")


def right(path: Path, checksum: str | None = None, size: int | None = None) -> bool:
    """Whether the file is there and verifies.

    >>> right(Path("/nowhere")), right(Path(os.devnull), size=5)
    (False, False)
    """
    try:
        verify(path, checksum, size)
    except (OSError, ValueError):
        return False
    return True


def copy(source: Path, destination: Path, checksum: str) -> Path:
    """Copies a file, verified before it gets its name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     copy(Path(os.devnull), Path(folder, "empty"), git_sha1_of(Path(os.devnull))).stat().st_size
    0
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with replacing(destination) as part:
        shutil.copyfile(source, part)
        verify(part, checksum)
    return destination
