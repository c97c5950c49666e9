"""A GGUF file that gguf-split cut into parts: NAME-00001-of-00003.gguf and so on; the first has the header values."""

from pathlib import Path
from typing import Any

from weights.formats import gguf
from weights.formats.folder import PART
from weights.formats.stored import StoredTensor

MOST_PARTS = 1000


def read_parts(path: Path) -> tuple[list[Path], dict[str, Any], dict[str, StoredTensor]]:
    """The files, the named values and the tensors of a GGUF file, with all of its parts if it is the first of them.

    A ValueError if it is not the first part, or the parts do not match; a FileNotFoundError for a missing one.
    """
    values, stored = gguf.read(path)
    n = values.get("split.count", 0)
    if n in (0, 1):
        return [path], values, stored
    files = parts_of(path, n, values.get("split.no"))
    for i, file in enumerate(files[1:], start=1):
        if not file.exists():
            raise FileNotFoundError(f"{file} is missing: {path.name} is part 1 of {n}; fetch it too")
        more, tensors = gguf.read(file)
        if (more.get("split.no"), more.get("split.count")) != (i, n):
            said = f"{more.get('split.no')!r:.20} of {more.get('split.count')!r:.20}"
            raise ValueError(
                f"{file}: split.no and split.count are {said}, expected {i} of {n}: fetch all parts of one file"
            )
        for name in tensors.keys() & stored.keys():
            raise ValueError(f"{file}: {name} is in another part too; expected every tensor once")
        stored |= tensors
    total = values.get("split.tensors.count", len(stored))
    if total != len(stored):
        raise ValueError(f"{path}: its {n} parts hold {len(stored)} tensors, expected {total}: fetch all parts anew")
    return files, values, stored


def parts_of(path: Path, n: object, number: object) -> list[Path]:
    """The names of all parts, derived from the first one's; a ValueError if this is not the first.

    >>> [file.name for file in parts_of(Path("a-00001-of-00002.gguf"), 2, 0)]
    ['a-00001-of-00002.gguf', 'a-00002-of-00002.gguf']
    """
    found = PART.fullmatch(path.name)
    if not isinstance(n, int) or not isinstance(number, int) or not 0 <= number < n <= MOST_PARTS:
        raise ValueError(f"{path}: split.no {number!r:.20} of split.count {n!r:.20} is no part: fetch it again")
    if found is None or int(found[2]) != number + 1 or int(found[3]) != n:
        name = f"NAME-{number + 1:05}-of-{n:05}.gguf"
        raise ValueError(f"{path} is part {number + 1} of {n} of a split GGUF file: give it its name back, {name}")
    names = [path.with_name(f"{found[1]}-{i:05}-of-{n:05}.gguf") for i in range(1, n + 1)]
    if number:
        raise ValueError(f"{path} is part {number + 1} of {n} of a split GGUF file: name the first part, {names[0]}")
    return names
