"""The tensors of a checkpoint's folder, whatever format its files have."""

from pathlib import Path

from weights.formats import pickled, safetensors
from weights.formats.other_kinds import refuse_quantized_tensors
from weights.formats.stored import StoredTensor


def read_tensors(files: list[Path]) -> dict[str, StoredTensor]:
    """All tensors of a folder's weights, one file or several; a ValueError for one that occurs twice."""
    read = safetensors.read if files[0].suffix == ".safetensors" else pickled.read
    stored: dict[str, StoredTensor] = {}
    for file in files:
        tensors = read(file)
        refuse_quantized_tensors(tensors, file)
        for name, tensor in tensors.items():
            if name in stored:
                raise ValueError(f"{file}: {name} is in another part too; expected every tensor once")
            stored[name] = tensor
    return stored
