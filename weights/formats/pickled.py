"""PyTorch's older format: pytorch_model.bin, a pickled dict of tensors, read with weights_only so that no code runs."""

import pickle
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from weights.formats.stored import StoredTensor
from weights.formats.wrong_file import AGAIN, check_beginning

KINDS = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def read(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a .bin file, memory-mapped where it is a zip file, as all since PyTorch 1.6 are.

    Raises ValueError for a damaged file and for one that holds anything but tensors.
    """
    with path.open("rb") as file:
        check_beginning(path, file.read(64))
    is_zip = zipfile.is_zipfile(path)
    if is_zip:
        check_sums(path)
    try:
        with warnings.catch_warnings():  # what torch thinks of old pickles
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # a damaged pickle raises anything
        is_pickle = "Weights only load failed" in str(error) and "Unsupported operand" not in str(error)
        if isinstance(error, pickle.UnpicklingError) and is_pickle:
            raise ValueError(f"{path}: holds Python objects besides tensors, which could run code: refused") from None
        raise ValueError(f"{path}: not a whole file of torch.save: {AGAIN}") from None
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        found = f"a dict with {', '.join(map(repr, list(state)[:3]))}" if isinstance(state, dict) else type(state)
        raise ValueError(f"{path}: expected names with tensors, found {found}: save model.state_dict() alone")
    for name, value in state.items():
        if value.layout != torch.strided:
            raise ValueError(f"{path}: {name} is sparse ({value.layout}), expected all numbers: save it .to_dense()")
    return {name: stored(value) for name, value in state.items()}


def stored(value: Tensor) -> StoredTensor:
    """A tensor that is there already."""
    return StoredTensor(tuple(value.shape), value.dtype, KINDS.get(value.dtype, str(value.dtype)), lambda: value)


def check_sums(path: Path) -> None:
    """A ValueError where a part of the zip file does not have the checksum that was stored with it."""
    try:
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        bad = "its directory"
    if bad:
        raise ValueError(f"{path}: the checksum of {bad} is wrong, the file is damaged: {AGAIN}")
