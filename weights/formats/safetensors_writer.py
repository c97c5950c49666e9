"""Writing safetensors files by hand, with the SHA-256 of the numbers in the header; `safetensors` reads them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tokenizer.fetch.atomic import replacing
from weights.formats.safetensors import DTYPES

NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> None:
    """Writes a safetensors file, tensor by tensor, in this dtype or their own."""
    metadata = {"format": "pt", "sha256": "0" * 64}  # of the numbers, filled in when they are all written
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, tensor in tensors.items():
        kind = dtype or tensor.dtype
        n_bytes = tensor.numel() * kind.itemsize
        header[name] = {"dtype": NAMES[kind], "shape": list(tensor.shape), "data_offsets": [at, at + n_bytes]}
        at += n_bytes
    checksum = hashlib.sha256()
    with replacing(path) as part, part.open("wb") as file:
        file.write(header_bytes(header))
        for tensor in tensors.values():
            flat = tensor.detach().to("cpu", dtype or tensor.dtype).contiguous().view(-1)
            data = flat.view(torch.uint8).numpy().data
            checksum.update(data)
            file.write(data)
        metadata["sha256"] = checksum.hexdigest()
        file.seek(0)
        file.write(header_bytes(header))


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """A header as stored in the file: its length, then JSON, with spaces so that the numbers are aligned."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
