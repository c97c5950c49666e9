"""The zip file that torch.save writes: where each part of it is. Nothing is unpacked, since nothing is packed."""

import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

from weights.formats.wrong_file import AGAIN

LONGEST_DIRECTORY = 1 << 24  # bytes: 200,000 parts
LOCAL = struct.Struct("<4s22xHH")  # before every part: the signature, and how long its name and the rest are


class Place(NamedTuple):
    """Where some bytes are in a file."""

    begin: int
    n_bytes: int


def is_zip(path: Path) -> bool:
    """Whether a file begins like a zip file."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def places(path: Path) -> dict[str, Place]:
    """The parts of a file by their names, without the folder that they are all in; checked against their checksums.

    A ValueError if a part is compressed, is not where it should be, or is damaged.
    """
    check_directory(path)
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
            n_bytes = sum(part.file_size for part in parts)
            bad = archive.testzip() if not packed and n_bytes <= size else None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError, struct.error):
        packed, n_bytes, bad = False, 0, "its directory"
    if packed:
        raise ValueError(f"{path}: its parts are compressed, which torch.save never does: save it again")
    if n_bytes > size:
        raise ValueError(f"{path}: its parts have more bytes than the file: {AGAIN}")
    if bad:
        raise ValueError(f"{path}: the checksum of {bad:.200} is wrong, the file is damaged: {AGAIN}")
    found: dict[str, Place] = {}
    with path.open("rb") as file:
        for part in parts:
            file.seek(part.header_offset)
            _, n_name, n_extra = LOCAL.unpack(file.read(LOCAL.size))
            name = part.filename.partition("/")[2]
            if name in found:
                raise ValueError(f"{path}: {name!r:.80} is there twice, expected every part once: {AGAIN}")
            found[name] = Place(part.header_offset + LOCAL.size + n_name + n_extra, part.file_size)
    return found


def check_directory(path: Path) -> None:
    """A ValueError if the list of parts at the end is longer than any model's: it is read as a whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 200))
        tail = file.read()
    ends = [(b"PK\x05\x06", 12, "<I"), (b"PK\x06\x06", 40, "<Q")]  # the usual record, and that of large files
    for signature, at, form in ends:
        place = tail.rfind(signature) + at
        if place >= at and place + struct.calcsize(form) <= len(tail):
            (length,) = struct.unpack_from(form, tail, place)
            if length > LONGEST_DIRECTORY and length != (1 << 32) - 1:
                raise ValueError(f"{path}: its list of parts has {length:,} bytes, more than any model's: {AGAIN}")
