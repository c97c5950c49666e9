"""Files that are what they should be: hashes, sizes, and the pages that servers send instead.

Pure standard library, like `fetch`; used for vocabularies here and for checkpoints in `weights`.
"""

import hashlib
import os
from pathlib import Path


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


def verify(path: str | Path, sha256: str | None = None, size: int | None = None) -> None:
    """A ValueError unless the file has this SHA-256 and this size in bytes, and is no stand-in for the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "page"
    ...     _ = path.write_text("<!DOCTYPE html>")
    ...     verify(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: .../page is an HTML page, not the file: fetch it again, or from another source
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(256).lstrip().lower()
    kind = "an HTML page" if head.startswith((b"<!doctype html", b"<html")) else None
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        kind = "a Git LFS pointer"
    if kind and (sha256 is None or sha256_of(path) != sha256):
        raise ValueError(f"{path} is {kind}, not the file: fetch it again, or from another source")
    found = path.stat().st_size
    if size is not None and found != size:
        raise ValueError(f"{path} has {found} bytes, expected {size}: fetch it again")
    if sha256 is not None and (digest := sha256_of(path)) != sha256:
        raise ValueError(f"{path} has SHA-256 {digest}, expected {sha256}: fetch it again")


def right(path: Path, sha256: str | None = None, size: int | None = None) -> bool:
    """Whether the file is there and verifies.

    >>> right(Path("/nowhere")), right(Path(os.devnull), size=5)
    (False, False)
    """
    try:
        verify(path, sha256, size)
    except (OSError, ValueError):
        return False
    return True


def keep(part: Path, destination: Path, sha256: str | None = None, size: int | None = None) -> Path:
    """Gives a verified file its final name; a file that does not verify is deleted, and a ValueError says why.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     part = Path(folder) / "file.part"
    ...     _ = part.write_text("right")
    ...     keep(part, Path(folder) / "file", size=5).name
    'file'
    """
    try:
        verify(part, sha256, size)
    except ValueError:
        part.unlink()
        raise
    return part.replace(destination)
