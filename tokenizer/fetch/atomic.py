"""Writing so that nothing is lost: beside the final name first, then renamed; the only place that does it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident


@contextmanager
def replacing(path: Path, resumable: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name when the body ends, and is removed where the body fails.

    A `resumable` one is the same in every run and stays where the body fails, so that the next run continues it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "notes.txt")) as part:
    ...         _ = part.write_text("all of it")
    ...     [path.name for path in Path(folder).iterdir()]
    ['notes.txt']
    """
    own = "" if resumable else f".{os.getpid()}-{get_ident()}"  # two that write at once do not meet
    part = path.with_name(f"{path.name}{own}.part")
    try:
        yield part
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
