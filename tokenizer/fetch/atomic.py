"""Atomic writing: nothing is lost, wherever the process is killed; the only place that does it.

One file is written beside its name and renamed. Several that belong together are written into a folder inside the one
they are for; renaming that folder commits them, and moving them to their places can be repeated by the next process, as
a database does with its log (Gray & Reuter 1993, chapter 9: redo). So the folder may be a mount point, a link or the
current directory, and whatever else is in it stays.
"""

import _thread  # threading alone takes as long to import as a tenth of this package
import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from time import monotonic, sleep

LOCK = ".minigpt.lock"  # held by the process that writes
STAGED = ".minigpt.part"  # files still being written
COMMITTED = ".minigpt.new"  # files that are complete and committed, but not all in their places
GOES = ".goes"  # in it: the names of old files to be removed
FIRST = "config.json"  # what readers of a model open first: absent while files move, and put in its place last
LEFT_OVER = re.compile(r"tmp\w{8}\.part|training\.pt\.part|.+\.\d+-\d+\.part")  # of writers that were killed
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WAIT = 1.0  # seconds within which a short write by another process ends


@contextmanager
def replacing(path: Path, resumable: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name when the body ends, and is removed if the body fails.

    A `resumable` one is the same in every run and stays if the body fails, so that the next run continues it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "notes.txt")) as part:
    ...         _ = part.write_text("all of it")
    ...     [path.name for path in Path(folder).iterdir()]
    ['notes.txt']
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder: make it, or name another", str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder: name a file", str(path))
    own = "" if resumable else f".{os.getpid()}-{_thread.get_ident()}"  # two that write at once do not collide
    part = path.with_name(f"{path.name}{own}.part")
    try:
        yield part
        if STAGED not in path.parts:  # else the code that staged that folder syncs all of it
            sync(part)
        part.replace(path)
    except BaseException:
        if not resumable:
            part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8 with the same bytes on every system; what was there stays until all is written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "a"), "né")
    ...     Path(folder, "a").read_bytes()
    b'n\\xc3\\xa9'
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def exclusive(folder: Path, wait: float = WAIT) -> Iterator[None]:
    """Holds a folder, made if there is none: no other process writes into it until the body ends.

    What a killed writer left is completed or removed first. The system's lock ends with the process that holds it.
    Raises BlockingIOError if another process holds the folder longer than `wait` seconds, OSError if it cannot be
    written to.
    """
    from filelock import FileLock, Timeout  # a tenth of a second that only those who write need

    made = not folder.exists()
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait, poll_interval=0.02)
    except Timeout:
        busy = f"{folder}: another process writes into it, a training or an export: let it end, or name another folder"
        raise BlockingIOError(busy) from None
    except OSError as error:
        why = f"cannot be written to ({error.strerror}): make that possible, or name another folder"
        raise OSError(error.errno, why, str(folder)) from None
    try:
        complete(folder)
        for path in list(folder.iterdir()):
            if path.name == STAGED or LEFT_OVER.fullmatch(path.name):
                rmtree(path) if path.is_dir() else path.unlink()
        yield
    finally:
        with suppress(OSError):  # Windows: an open file stays
            (folder / LOCK).unlink()
        lock.release()
        if made:
            with suppress(OSError):  # unless something is in it
                folder.rmdir()


@contextmanager
def replacing_files(folder: Path, old: Iterable[str] = ()) -> Iterator[Path]:
    """A new folder inside `folder` to write files into; when the body ends all of them take their places at once, and
    files that match the patterns `old` are removed. If the body fails, or the process dies in it, nothing has changed.

    Hold the folder with `exclusive` around it. Readers call `finish_writing` first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     _ = (folder / "a.txt").write_text("old"), (folder / "b.md").write_text("mine")
    ...     with exclusive(folder), replacing_files(folder, ["*.txt"]) as part:
    ...         _ = (part / "c.txt").write_text("new")
    ...     sorted(path.name for path in folder.iterdir())
    ['b.md', 'c.txt']
    """
    part, outermost = folder / STAGED, STAGED not in folder.parts
    try:
        part.mkdir(parents=True)
        yield part
        new = {path.name for path in part.iterdir()}
        for name in new:
            if (folder / name).is_dir():
                raise IsADirectoryError(f"{folder / name} is a folder: move it, a file is to have its name")
        goes = {path.name for pattern in old for path in folder.glob(pattern) if not path.is_dir()}
        (part / GOES).write_text(json.dumps(sorted(goes - new)), encoding="utf-8")
        if outermost:
            sync(*part.iterdir(), part)
        part.rename(folder / COMMITTED)
    except BaseException as error:
        rmtree(part, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in FULL:
            what = f"{error.strerror}; what was there is unchanged: make room, or name another folder"
            raise OSError(error.errno, what, str(folder)) from None
        raise
    complete(folder)


def complete(folder: Path) -> None:
    """Moves committed files to their places, from wherever that was cut off; does nothing if there are none."""
    done = folder / COMMITTED
    if not done.is_dir():
        return
    outermost = STAGED not in folder.parts
    if outermost:
        sync(folder)  # from here on the new files are committed
    new = sorted((path.name for path in done.iterdir() if path.name != GOES), key=lambda name: (name == FIRST, name))
    goes = json.loads((done / GOES).read_text("utf-8")) if (done / GOES).exists() else []
    for name in [FIRST, *goes] if FIRST in new else goes:
        if Path(name).name != name:
            raise ValueError(f"{done / GOES} names {name!r}, no file of this folder: delete {done}")
        (folder / name).unlink(missing_ok=True)
    for name in new:
        (done / name).replace(folder / name)
    if outermost:
        sync(folder)
    (done / GOES).unlink(missing_ok=True)
    done.rmdir()


def finish_writing(folder: Path) -> None:
    """What a reader of a folder does first: complete what a killed writer had committed, or wait for a live one.

    Raises OSError if that cannot be done, as in a read-only folder.
    """
    until = monotonic() + 10 * WAIT
    while (folder / COMMITTED).is_dir():
        try:
            with exclusive(folder, wait=0):
                pass
        except BlockingIOError:  # the writer is about to do it
            if monotonic() > until:
                raise
            sleep(WAIT / 50)


def sync(*paths: Path) -> None:
    """Waits until files' contents, and folders' names, are on the disk and outlive a power cut."""
    for path in paths:
        is_folder = path.is_dir()
        try:
            descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            if not is_folder:  # Windows and some network disks know it of files only
                raise
