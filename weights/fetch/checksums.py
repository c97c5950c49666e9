"""Is a file what it should be? Its SHA-256 is compared with the one known from where it came."""

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path

from tokenizer.fetch.atomic import write_text
from tokenizer.fetch.verify import cache_dir, git_sha1_of, sha256_of
from weights.report import size_text

SUFFIX = ".sha256"  # a file's checksum, written beside it when it was fetched
LONGEST_HEADER = 100_000_000  # bytes that the format allows


def known_checksum(path: Path) -> tuple[str, int] | None:
    """The SHA-256 that a file should have, and from which byte on; None if it is unknown.

    It is in a file beside it; or it is the file's own name in the Hugging Face cache (Git's SHA-1, of 40 digits, for a
    small file); or, in a safetensors file that `save_checkpoint` wrote, it is in the header and covers the numbers.
    """
    beside = path.with_name(path.name + SUFFIX)
    if beside.exists():
        found = re.match(rb"\s*([0-9a-fA-F]{64})\b", beside.read_bytes())
        if found:  # else it was left half written: as good as none
            return found[1].decode().lower(), 0
    blob = path.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name):
        return blob.name, 0
    if path.suffix == ".safetensors":
        with path.open("rb") as file, suppress(ValueError, TypeError, AttributeError, RecursionError):
            n = int.from_bytes(file.read(8), "little")
            if n < min(path.stat().st_size, LONGEST_HEADER):
                checksum = json.loads(file.read(n)).get("__metadata__", {}).get("sha256")
                return (str(checksum), 8 + n) if checksum else None
    return None


def note_checksum(path: Path, checksum: str) -> None:
    """Writes a file's SHA-256 beside it, as sha256sum does."""
    write_text(path.with_name(path.name + SUFFIX), f"{checksum}  {path.name}\n")


def verify(path: Path) -> str:
    """How the file was verified, in words; a ValueError if it is not what it should be.

    A file is read in full once; that it was right, its size and its modification time are then noted in our cache.
    """
    known = known_checksum(path)
    if known is None:
        return "no checksum known"
    expected, start = known
    stat = path.stat()
    note = cache_dir() / "verified" / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    noted = f"{expected} {stat.st_size} {stat.st_mtime_ns}\n"
    kind = "Git SHA-1" if len(expected) == 40 else "SHA-256"
    with suppress(OSError):
        if note.read_text(encoding="utf-8") == noted:
            return f"{kind} as expected"
    found = git_sha1_of(path) if len(expected) == 40 else sha256_of(path, start)
    if found != expected:
        wanted = expected if re.fullmatch(r"[0-9a-f]{40,64}", expected) else f"{expected!r:.80}"
        raise ValueError(f"{path}: expected {kind} {wanted}, found {found}: damaged; delete it and fetch it again")
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, noted)
    return f"{kind} as expected"


def verified(path: Path) -> str:
    """A file's name, its size and how it was verified, for the report of a load; a ValueError as in `verify`."""
    return f"{path.name}, {size_text(path.stat().st_size)}, {verify(path)}"
