"""What a lecture needs of the laptop it is held on: memory, disk, a folder to write into, a terminal that shows it."""

from __future__ import annotations

import os
import re
import select
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from minigpt.terminal import columns
from tokenizer.display import cells

LEAST = (40, 20)  # cells of a terminal that shows the screens in full
ENOUGH = (80, 24)  # that shows two texts side by side
DISK = 100e6  # bytes; a lecture writes a few hundred kilobytes
SCREENS = ("minigpt/lecture/*.py", "minigpt/lecture/plans/*.toml", "minigpt/pictures/xray*.py", "minigpt/terminal.py")
FRAMES = "│─┃━╭╮╰╯┌┐└┘▁▂▃▄▅▆▇█▏▎▍▌▋▊▉"  # of the library that draws the full screens
SECONDS = 0.5  # in which a terminal answers


@dataclass(frozen=True)
class Seen:
    """One thing that was looked at: what is there, and what is wrong with it and the way out, "" if all is well."""

    name: str
    says: str
    wrong: str = ""


def place(folder: Path) -> Seen:
    """Whether a lecture can be written into a folder, or, if it does not exist yet, where it will be made."""
    there = existing(folder)
    free = shutil.disk_usage(there).free
    says = f"{folder}, {free / 1e9:.1f} GB of the disk free"
    try:
        with workshop(folder):
            pass
    except OSError as error:
        wrong = f"{folder} cannot be written into ({error.strerror}): name another, minigpt lecture preflight FOLDER"
        return Seen("folder", says, wrong)
    full = f"the disk of {folder} has {free / 1e6:.0f} MB left: make room, or name another folder"
    return Seen("folder", says, full if free < DISK else "")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same disk, for the body's duration. Raises OSError if it cannot be made."""
    with tempfile.TemporaryDirectory(prefix=".preflight-", dir=existing(folder)) as made:
        yield Path(made)


def machine(needed: int) -> Seen:
    """Processors and memory, compared with the memory that the lectures need."""
    free = free_memory()
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    says = f"{n} processor{'s' * (n != 1)}, of which a lecture uses 1"
    if free is None:
        return Seen("machine", says)
    wrong = f"{free / 1e6:.0f} MB of memory free, a lecture takes {needed / 1e6:.0f} MB: close other programs"
    return Seen("machine", f"{says}; {free / 1e9:.1f} GB of memory free", wrong if free < needed else "")


def free_memory() -> int | None:
    """The bytes that programs may still take, if the system says, as Linux does."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)


def library() -> Seen:
    """Whether the full screens can be drawn."""
    there = find_spec("textual") is not None
    wrong = "textual is missing, without which minigpt lecture live does not open: pip install textual"
    return Seen("screens", "textual is there" if there else "no textual", "" if there else wrong)


def terminal(out: TextIO) -> Seen:
    """The size of the terminal, and whether it shows what the screens draw."""
    signs, encoding = drawn(), out.encoding or "ascii"
    lacking = [sign for sign in signs if not encodable(sign, encoding)]
    if lacking:
        wrong = f"the terminal's encoding, {encoding}, has no {ascii(lacking[0])[1:-1]}: export LC_ALL=C.UTF-8"
        return Seen("terminal", encoding, wrong)
    if not out.isatty():
        return Seen("terminal", f"{encoding}, but a file or a pipe: start preflight in the terminal of the lecture")
    width, height = columns(), shutil.get_terminal_size().lines
    says = f"{width} × {height}, {encoding}"
    if width < LEAST[0] or height < LEAST[1]:
        least = " × ".join(map(str, LEAST))
        return Seen("terminal", says, f"{width} × {height} cells are too few, {least} the least: smaller letters")
    wide = wide_ones(signs)
    if wide:
        wrong = f"the terminal draws {' '.join(wide[:5])} wider than one cell: set ambiguous characters to narrow in it"
        return Seen("terminal", says, f"{wrong}, or take another font")
    small = width < ENOUGH[0] or height < ENOUGH[1]
    return Seen("terminal", f"{says}; from 80 × 24 two texts stand side by side" if small else says)


def drawn() -> list[str]:
    """The characters beyond ASCII that the screens draw: all signs in their sources, and the frames."""
    root = Path(__file__).parents[2]
    text = "".join(path.read_text("utf-8") for pattern in SCREENS for path in root.glob(pattern))
    return sorted({c for c in text + FRAMES if not c.isascii() and unicodedata.category(c)[0] in "SP"})


def encodable(sign: str, encoding: str) -> bool:
    """Whether an encoding has a character."""
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def wide_ones(signs: list[str]) -> list[str]:
    """Those that do not take one cell: according to the terminal, which is asked where its cursor is after each; if it
    does not answer, according to the standard."""
    columns = cursor_columns(signs) if sys.stdin is not None and sys.stdin.isatty() else []
    if len(columns) != len(signs):
        return [sign for sign in signs if cells(sign) != 1]
    return [sign for sign, column in zip(signs, columns, strict=True) if column != 2]


def cursor_columns(texts: list[str]) -> list[int]:
    """Where the terminal's cursor is after each text, in columns from 1: its answers to "device status report",
    ECMA-48, 8.3.35. Fewer if it does not answer."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        return []
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    told = b""
    try:
        tty.setcbreak(keys)
        for text in texts:
            sys.stdout.write(f"\r{text}\x1b[6n")
            sys.stdout.flush()
        while told.count(b"R") < len(texts) and select.select([keys], [], [], SECONDS)[0]:
            told += os.read(keys, 1024)
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
    return [int(column) for column in re.findall(rb"\x1b\[\d+;(\d+)R", told)]
