"""Only regular files are read: a pipe in place of one would be waited for forever, and a device may never end."""

import stat
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: Path) -> Path:
    """The path itself, if a file is there; a ValueError if something else is, an OSError if nothing is.

    >>> check_regular(Path("/"))
    Traceback (most recent call last):
    ValueError: / is a folder, expected a file: put the file itself there
    """
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(f"{path} is a link to {path.readlink()}, which is not there: put the file itself there")
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise ValueError(
            f"{path} is {KINDS.get(stat.S_IFMT(mode), 'no file')}, expected a file: put the file itself there"
        )
    return path
