"""The files of a checkpoint's folder: JSON, and the weights in one file or several."""

import json
from pathlib import Path
from typing import Any

from weights import pickled, tensors
from weights.tensors import Stored

FORMS = {"model.safetensors": tensors.read, "pytorch_model.bin": pickled.read}  # the first that is there is read


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; FileNotFoundError and ValueError name the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: a checkpoint's folder needs it") from None
    except ValueError:
        with path.open("rb") as file:
            tensors.check_beginning(path, file.read(64))
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


def shards(index: Path) -> list[str]:
    """The files that an index names, in order, each once; plain names only, so that none lies outside the folder."""
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(file, str) for file in where.values()):
        raise ValueError(f"{index}: expected a weight_map from tensors to files: fetch it again")
    for file in where.values():
        if Path(file).name != file:
            raise ValueError(f"{index}: names the file {file!r}; expected a plain name beside it")
    return sorted(set(where.values()))


def read_tensors(files: list[Path]) -> dict[str, Stored]:
    """All tensors of a folder's weights, one file or several; a ValueError for one that is there twice."""
    read = next(read for name, read in FORMS.items() if files[0].suffix == Path(name).suffix)
    stored: dict[str, Stored] = {}
    for file in files:
        for name, tensor in read(file).items():
            if name in stored:
                raise ValueError(f"{file}: {name} is in another part too; expected every tensor once")
            stored[name] = tensor
    return stored
