"""The texts that `minigpt train` is given, by their names and by what is in them."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from minigpt.train import processes
from minigpt.train.data import hold_out, sha256_of
from minigpt.train.sources import STDIN, read_sources

Note = Callable[[str], object]
NOT_ASKED = ("out", "resume", "check", "shard")  # flags of the command, not of the run
BY_HASH = ("text", "chat", "val", "encoding")  # compared by what is in the files, not by their names


def flags_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the run is asked for, by the flags' Python names; None where a flag was not given."""
    values = {name: value for name, value in vars(args).items() if name not in NOT_ASKED}
    for name in ("text", "val"):
        values[name] = values[name] and [resolved(file) for file in values[name]]
    return values | {"chat": values["chat"] and resolved(values["chat"])}


def resolved(file: Path) -> str:
    """A file's absolute path, by which --resume finds it from any folder; standard input as it is."""
    return STDIN if str(file) == STDIN else str(file.resolve())


def as_list(value: Any) -> list[str]:
    """Names of files as a list, also those that an earlier version stored as one string."""
    return [value] if isinstance(value, str) else list(value or ())


def read_texts(asked: Mapping[str, Any], note: Note, remembered: bool = False) -> tuple[str, str, tuple[str, ...]]:
    """The texts to train on and to validate on, and the SHA-256 of each that was named.

    The second text is the first one's end where no other was named.
    """
    train_files, val_files = as_list(asked["text"]), as_list(asked["val"])
    if STDIN in train_files + val_files and processes.count() > 1:
        raise ValueError("--text -: several processes cannot share standard input, name a file")
    if STDIN in train_files and remembered:
        raise ValueError("the run was begun with a text from standard input: pipe it in again, with --text -")
    both = [read_sources(files, asked["encoding"], note) for files in (train_files, val_files) if files]
    train_text, validation_text = both if both[1:] else hold_out(both[0])
    return train_text, validation_text, tuple(map(sha256_of, both))
