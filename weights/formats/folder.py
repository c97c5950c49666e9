"""The files of a checkpoint's folder: JSON, and the weights in one file or several. Needs no torch until it reads."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weights.formats.safetensors import StoredTensor

FORMS = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
AGAIN = "delete it and fetch it again"


def expand(path: str | Path) -> Path:
    """The path with ~ as the home it stands for; a ValueError where nobody has that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: there is no such user's home: write the whole path") from None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; FileNotFoundError and ValueError name the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: a checkpoint's folder needs it") from None
    except (ValueError, RecursionError):  # also [[[[…
        with path.open("rb") as file:
            check_beginning(path, file.read(64))
        raise ValueError(f"{path} is not whole JSON: fetch it again") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} should hold a JSON object, not a {type(data).__name__}: fetch it again")
    return data


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights: one, or those that an index names; all exist.

    Raises FileNotFoundError where there are none, or a named one is missing.
    """
    for name in FORMS:
        if (folder / name).exists():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.exists():
            files = [folder / file for file in shards(index)]
            for i, file in enumerate(files, start=1):
                if not file.exists():
                    raise FileNotFoundError(
                        f"{file} is missing: {index.name} names it as part {i} of {len(files)}; fetch it too"
                    )
            return files
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
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
        if Path(file).name != file:
            raise ValueError(f"{index}: names the file {file!r}; expected a plain name beside it")
    return sorted(set(where.values()))


def check_beginning(path: Path, start: bytes) -> None:
    """A ValueError for what commonly stands in the place of weights: a web page, a pointer, another format."""
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path}: found a Git LFS pointer, not the weights: run `git lfs pull`, or fetch it again")
    if start.lstrip()[:5].lower() in (b"<!doc", b"<html", b"<?xml"):
        raise ValueError(f"{path}: found a web page, not the weights: {AGAIN} (is there a login page on the network?)")
    for magic, kind in ((b"PK\x03\x04", "a PyTorch .bin or zip file"), (b"GGUF", "a GGUF file")):
        if start.startswith(magic) and path.suffix == ".safetensors":
            raise ValueError(f"{path}: found {kind} under the name of a safetensors file: give it its own ending")
    if start and not start.strip(b"\0"):
        raise ValueError(f"{path}: found zeros where the header should be: {AGAIN}")


def read_tensors(files: list[Path]) -> "dict[str, StoredTensor]":
    """All tensors of a folder's weights, one file or several; a ValueError for one that is there twice."""
    from weights.formats import pickled
    from weights.formats import safetensors as tensors

    read = tensors.read if files[0].suffix == ".safetensors" else pickled.read
    stored: dict[str, StoredTensor] = {}
    for file in files:
        for name, tensor in read(file).items():
            if name in stored:
                raise ValueError(f"{file}: {name} is in another part too; expected every tensor once")
            stored[name] = tensor
    return stored
