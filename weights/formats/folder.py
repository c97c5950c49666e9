"""The files of a checkpoint's folder: JSON, and the weights in one file or several. Needs no torch."""

import re
from pathlib import Path
from typing import Any

from tokenizer.formats import text
from tokenizer.formats.regular import check_regular
from weights.formats.other_kinds import refuse_adapter, refuse_quantized_config, what_else
from weights.formats.wrong_file import check_beginning

FORMS = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
MOST = 1 << 26  # bytes of settings or of a template; real ones have a few thousand
PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")  # of a GGUF file that llama.cpp split


def expand(path: str | Path) -> Path:
    """The path with ~ expanded to the home folder; a ValueError if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: there is no such user's home: write the whole path") from None


def small(path: Path) -> Path:
    """The path of a small file; a ValueError if it is not one: a pipe would block, a huge file fill the memory."""
    if path.exists() and check_regular(path).stat().st_size > MOST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than {MOST:,}: fetch it again")
    return path


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; FileNotFoundError and ValueError name the file."""
    small(path)
    try:
        return text.read_json(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: a checkpoint's folder needs it") from None
    except ValueError as error:
        with path.open("rb") as file:
            check_beginning(path, file.read(64))
        raise ValueError(f"{error}: fetch it again") from None


def read_config(folder: Path) -> dict[str, Any]:
    """The object in config.json; a ValueError if the folder holds an adapter or quantized weights."""
    refuse_adapter(folder)
    config = read_json(folder / "config.json")
    refuse_quantized_config(config, folder)
    return config


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights: one, or those that an index names; all exist.

    Raises FileNotFoundError if there are none, or a named one is missing.
    """
    for name in FORMS:
        if (folder / name).exists() or (folder / name).is_symlink():
            return [check_regular(folder / name)]
        index = folder / f"{name}.index.json"
        if index.exists():
            files = [folder / file for file in shards(index)]
            for i, file in enumerate(files, start=1):
                if not (file.exists() or file.is_symlink()):
                    raise FileNotFoundError(
                        f"{file} is missing: {index.name} names it as part {i} of {len(files)}; fetch it too"
                    )
            return [check_regular(file) for file in files]
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    instead = what_else(found)
    if instead:
        raise FileNotFoundError(f"{folder}: no weights that are read here, but {instead}")
    raise FileNotFoundError(
        f"{folder}: no weights; expected {' or '.join(FORMS)} (or its .index.json with the parts), "
        f"found {', '.join(found[:8]) or 'nothing'}"
    )


def check_complete(folder: Path, vocabulary: bool = False) -> None:
    """An OSError that names what a checkpoint's folder lacks: config.json, the weights, or the vocabulary if asked."""
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder / 'config.json'} is missing: a checkpoint's folder needs it")
    weight_files(folder)
    has_pair = (folder / "vocab.json").exists() and (folder / "merges.txt").exists()
    if vocabulary and not has_pair and not (folder / "tokenizer.json").exists():
        raise FileNotFoundError(f"{folder}: no vocabulary; expected tokenizer.json, or vocab.json with merges.txt")


def shards(index: Path) -> list[str]:
    """The files that an index names, in order, each once; plain names only, so that none lies outside the folder."""
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(file, str) for file in where.values()):
        raise ValueError(f"{index}: expected a weight_map from tensors to files: fetch it again")
    for file in where.values():
        if Path(file).name != file or not re.fullmatch(r"(?!\.*$)[^\x00-\x1f/\\:]{1,200}", file):  # on any system
            raise ValueError(f"{index}: names the file {file!r:.80}; expected a plain name beside it")
    return sorted(set(where.values()))


def first_parts(files: list[Path]) -> list[Path]:
    """These GGUF files without the second and later parts of a split one, which the first leads to.

    >>> [file.name for file in first_parts([Path("a-00001-of-00002.gguf"), Path("a-00002-of-00002.gguf")])]
    ['a-00001-of-00002.gguf']
    """
    names = {file.name for file in files}

    def follows(file: Path) -> bool:
        part = PART.fullmatch(file.name)
        return part is not None and int(part[2]) > 1 and f"{part[1]}-00001-of-{part[3]}.gguf" in names

    return [file for file in files if not follows(file)]
