"""The log of a run, for people and programs: `training.jsonl` beside the checkpoint, a line for every step.

A line is an object: `step` from 1, `train`, the loss of the step's batch in nats per token, `rate`, its learning rate;
after the steps that were evaluated also `validation`, in nats per token, and `bpb`, bits per byte.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizer.fetch.atomic import finish_writing

FILE = "training.jsonl"
Entry = Mapping[str, float]


def log_lines(entries: Iterable[Entry]) -> str:
    """The entries as JSON lines.

    >>> log_lines([{"step": 1, "train": 6.5, "rate": 0.001}])
    '{"step": 1, "train": 6.5, "rate": 0.001}\\n'
    """
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def read_log(folder: Path) -> list[Entry]:
    """The entries of the run in a folder, by their steps.

    Raises FileNotFoundError where there is no log, ValueError, naming it, for a line that is not ours.
    """
    finish_writing(folder)
    file = folder / FILE
    if not file.is_file():
        raise FileNotFoundError(f"no log of a run in {folder}: name a folder that `minigpt train` wrote {FILE} into")
    entries: list[Entry] = []
    for n, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            entries.append({name: float(value) for name, value in entry.items()} | {"step": int(entry["step"])})
            entries[-1]["train"]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ValueError(f"{file}, line {n} is no entry of a run's log: restore the file, or delete it") from None
    return entries


def log_until(folder: Path, step: int) -> list[Entry]:
    """The part of its folder's log that a run resumed after a step keeps; nothing if there is no log."""
    entries = read_log(folder) if (folder / FILE).is_file() else []
    return [entry for entry in entries if entry["step"] <= step]
