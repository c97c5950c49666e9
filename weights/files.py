"""The files of a checkpoint's folder: JSON, and the weights in one file or several."""

import json
from pathlib import Path
from typing import Any

from weights import tensors
from weights.tensors import Stored


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; FileNotFoundError and ValueError name the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: a checkpoint's folder needs it") from None
    except ValueError:
        tensors.check_beginning(path, path.read_bytes()[:64])
        raise ValueError(f"{path} is not JSON: fetch it again") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} should hold a JSON object, not a {type(data).__name__}: fetch it again")
    return data


def read_tensors(folder: Path) -> tuple[dict[str, Stored], list[Path]]:
    """All tensors of a folder's weights, and the files they are in."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing")
    return tensors.read(path), [path]
