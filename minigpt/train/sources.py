"""Where the text to train on comes from: files, folders, standard input; what is not text is refused by name."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from minigpt.train.data import END, read_text, text_of

SUFFIXES = (".txt", ".text", ".md")  # of the files that are taken from a folder
STDIN = "-"


def read_sources(names: Sequence[str], encoding: str = "utf-8", note: Callable[[str], object] = print) -> str:
    """The texts of several files, of all text files below folders, or of standard input ("-"), as one.

    Each is a document of its own. `note` is told what was found in a folder. Raises ValueError, naming the file, where
    one is missing, empty, named twice or not text, and where a folder holds none.
    """
    files: list[Path | None] = []  # None: standard input
    for name in names:
        files += [None] if name == STDIN else texts_below(Path(name), note) if Path(name).is_dir() else [Path(name)]
    where = [file and file.resolve() for file in files]
    for file, place in zip(files, where, strict=True):
        if where.count(place) > 1:
            raise ValueError(f"{file or 'standard input'} is named twice: name it once")
    texts = []
    for file in files:
        text = read_stdin(encoding) if file is None else read_text(file, encoding)
        if not text.replace(END, "").strip():
            raise ValueError(f"{file or 'standard input'} is empty, there is no text to train on: name another file")
        texts.append(text)
    return texts[0] if len(texts) == 1 else f"\n{END}\n".join(texts)


def texts_below(folder: Path, note: Callable[[str], object]) -> list[Path]:
    """The text files in a folder and its folders, in the order of their paths; hidden ones are left out."""
    inside = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    open_ones = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    found = [path for path in open_ones if path.suffix.lower() in SUFFIXES]
    kinds = ", ".join(SUFFIXES)
    if not found:
        raise ValueError(f"{folder} holds no text files ({kinds}): name files, as in --text {folder}/*")
    left_out = len(inside) - len(found)
    rest = f"; {left_out} other{'' if left_out == 1 else 's'} left out" if left_out else ""
    note(f"{folder}: {len(found)} text file{'' if len(found) == 1 else 's'} ({kinds}){rest}")
    return found


def read_stdin(encoding: str) -> str:
    """All of standard input; a ValueError where nothing is piped in."""
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError("--text - reads standard input: pipe a text in, as in cat my.txt | minigpt train --text -")
    data = getattr(sys.stdin, "buffer", sys.stdin).read()
    return text_of(data.encode() if isinstance(data, str) else data, "standard input", encoding)
