"""From the Hub into the Hugging Face cache, verified before a file gets its name.

The cache keeps huggingface_hub's layout, so that other programs find the files: blobs/ by checksum, snapshots/ by name.
The bytes come by `tokenizer.fetch`, which resumes across runs and verifies; huggingface_hub's own does neither.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tokenizer.fetch.transfer import fetch, right
from weights.fetch.hub import RemoteFile, remote_file
from weights.formats.folder import FORMS, check_complete, shards

OPTIONAL = (
    "generation_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "chat_template.jinja",
)
Bar = Callable[[str], Callable[[int, int | None], None]]  # a file's name -> what is told of its bytes so far, and all


def home(repo: str) -> Path:
    """A repository's folder in the Hugging Face cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / ("models--" + repo.replace("/", "--"))


def cached(repo: str, vocabulary: bool = True) -> Path | None:
    """The snapshot with all that a load needs, or None: the one that main names, else any.

    Its vocabulary is needed too, unless the repository is known to have none, or `vocabulary` is False.
    """
    folder = home(repo)
    with suppress(OSError):
        snapshots = sorted((folder / "snapshots").iterdir())
        main = folder / "refs" / "main"
        if main.exists():
            snapshots = [folder / "snapshots" / main.read_text(encoding="utf-8").strip()]
        for snapshot in snapshots:
            with suppress(OSError, ValueError):
                no_vocabulary = (folder / ".no_exist" / snapshot.name / "tokenizer.json").exists()
                check_complete(snapshot, vocabulary=vocabulary and not no_vocabulary)
                return snapshot
    return None


def download(repo: str, check_config: Callable[[Path], Any], bar: Bar) -> Path:
    """Brings what a load needs of a repository's main revision; returns the snapshot's folder.

    config.json comes first, and `check_config` may refuse it before anything large follows. An OSError or ValueError
    says in one line what the server, the disk or the file has.
    """
    config = remote_file(repo, "config.json")
    if config is None:
        raise OSError(f"{repo} has no config.json")
    snapshot = home(repo) / "snapshots" / config.commit
    place(config, repo, "config.json", snapshot, bar)
    check_config(snapshot)
    for name in wanted(repo, config.commit, snapshot, bar):
        found = remote_file(repo, name, config.commit)
        if found is not None:
            place(found, repo, name, snapshot, bar)
        elif name not in OPTIONAL:
            raise OSError(f"{repo} has no {name}")
        else:  # noted as huggingface_hub does
            absent = home(repo) / ".no_exist" / config.commit / name
            absent.parent.mkdir(parents=True, exist_ok=True)
            absent.touch()
    check_complete(snapshot)
    main = home(repo) / "refs" / "main"
    main.parent.mkdir(parents=True, exist_ok=True)
    main.write_text(config.commit, encoding="utf-8")
    return snapshot


def wanted(repo: str, commit: str, snapshot: Path, bar: Bar) -> Iterator[str]:
    """The names of the files to bring, the weights last: one file, or the parts that an index names."""
    yield from OPTIONAL
    for name in FORMS:
        if remote_file(repo, name, commit) is not None:
            yield name
            return
        index = remote_file(repo, f"{name}.index.json", commit)
        if index is not None:
            yield from shards(place(index, repo, f"{name}.index.json", snapshot, bar))
            return
    raise OSError(f"{repo} has no weights; expected {' or '.join(FORMS)}")


def place(found: RemoteFile, repo: str, name: str, snapshot: Path, bar: Bar) -> Path:
    """Brings a file into blobs/ unless it is there, and gives it its name in the snapshot; returns that."""
    from huggingface_hub import constants, get_token

    blob = home(repo) / "blobs" / found.etag
    if not whole(blob, found):
        blob.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(blob.parent).free
        if found.size is not None and found.size > free:
            raise OSError(
                f"{name} has {found.size:,} bytes, {blob.parent} room for {free:,}: make room, or set HF_HOME"
            )
        same_host = urlsplit(found.url).netloc == urlsplit(constants.ENDPOINT).netloc
        token = get_token() if same_host and not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        new = blob.with_name(f"{found.etag}.new")
        try:
            fetch(found.url, new, found.sha256, found.size, bar(name), headers=headers)
            check_git(new, found)
            new.replace(blob)
        except (OSError, ValueError) as error:
            if not whole(blob, found):  # else another download brought it meanwhile
                raise (OSError if isinstance(error, OSError) else ValueError)(f"{name}: {error}") from None
    snapshot.mkdir(parents=True, exist_ok=True)
    pointer = snapshot / name
    if not pointer.exists() or pointer.resolve() != blob.resolve():
        part = snapshot / f"{name}.{os.getpid()}.part"  # two downloads at once do not meet
        part.unlink(missing_ok=True)
        try:
            part.symlink_to(Path("..", "..", "blobs", found.etag))
        except OSError:  # Windows without the right to make links
            shutil.copyfile(blob, part)
        part.replace(pointer)
    return pointer


def whole(blob: Path, found: RemoteFile) -> bool:
    """Whether a file is there and is what the server promised."""
    return right(blob, found.sha256, found.size) and is_gits(blob, found.etag)


def check_git(path: Path, found: RemoteFile) -> None:
    """A ValueError, and the file deleted, where a small file is not the one that git's SHA-1 names."""
    if not is_gits(path, found.etag):
        path.unlink()
        raise ValueError(f"what came from {found.url} is not what the Hub promised: try again")


def is_gits(path: Path, etag: str) -> bool:
    """Whether a file has git's SHA-1, where the etag is one."""
    if not re.fullmatch("[0-9a-f]{40}", etag):
        return True
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == etag
