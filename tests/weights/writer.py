"""A process that writes models and dies where it is told to; `test_writing.py` drives it, one JSON order a line.

It imports torch once and forks a child for every order: {"what", "folder", "source", "how", "step"}.
"""

import builtins
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import RunRecord, companions_of, load_run
from minigpt.train.data import Texts, hold_out
from minigpt.train.run import run
from minigpt.train.trainer import Trainer, TrainSettings
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import exclusive
from weights import load_checkpoint, save_checkpoint
from weights.checkpoint import Checkpoint

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 30
SETTINGS = TrainSettings(steps=3, batch_size=2, block_size=8, warmup=1, learning_rate=3e-3)
STEPS = ("mkdir", "open", "fsync", "rename", "replace", "unlink", "rmdir")  # of `os`: what a write consists of


def write_model(source: Checkpoint, folder: Path) -> None:
    """The source into the folder, as `minigpt export` does."""
    save_checkpoint(source.model, folder, source.tokenizer, generation_config=source.generation_config)


def write_vocabulary(source: Checkpoint, folder: Path) -> None:
    """The source's vocabulary alone."""
    assert source.tokenizer is not None
    source.tokenizer.save(folder)


def train(source: Checkpoint, folder: Path) -> None:
    """A run of three steps, each followed by a write; goes on where there is one."""
    tok = source.tokenizer
    assert isinstance(tok, Tokenizer)
    log: list[dict[str, float]]
    with exclusive(folder):
        if (folder / "training.pt").exists() or (folder / ".minigpt.new" / "training.pt").exists():
            trainer, log, record = load_run(folder)
            tok = record.tokenizer()
        else:
            torch.manual_seed(1)
            sizes = {"n_ctx": 8, "n_layer": 1, "n_head": 2, "n_embd": 8}
            trainer = Trainer(GPT2(GPT2Config(vocab_size=tok.n_vocab, **sizes)), SETTINGS)
            log, record = [], RunRecord(companions=companions_of(tok))
        texts = Texts.of(*hold_out(TEXT), tok)
        list(run(trainer, tok, texts, folder, log, 1, record))


def fail_at(step: int, fail: Callable[[], object]) -> list[int]:
    """Calls `fail` before the step-th operation on files; the number in the list counts down to it."""
    left = [step]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                fail()
            return function(*arguments, **named)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    io.open = builtins.open = counted(io.open)  # type: ignore[assignment]
    return left


def full() -> None:
    """What a full disk says."""
    raise OSError(28, "No space left on device")


def obey(order: dict[str, Any], sources: dict[str, Checkpoint]) -> int:
    """Carry an order out; 0: written whole before that step, 1: written all the same, 3: refused in one line."""
    write = {"model": write_model, "vocabulary": write_vocabulary, "train": train}[order["what"]]
    source, folder = sources[order["source"]], Path(order["folder"])
    if order["how"] == "loop":  # until somebody kills it
        while True:
            for source in sources.values():
                write(source, folder)
    left = fail_at(order["step"], (lambda: os._exit(9)) if order["how"] == "exit" else full)
    try:
        write(source, folder)
    except OSError as error:
        return 3 if "\n" not in str(error) else 4
    return 0 if left[0] > 0 or not order["step"] else 1


def main(sources: dict[str, Checkpoint]) -> None:
    """Forks a child for each order on standard input, says its number, and how it ended."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:  # here, and not in every child, torch imports what a step needs
        train(next(iter(sources.values())), Path(folder))
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                os._exit(obey(json.loads(line), sources))
            finally:
                os._exit(5)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main({Path(folder).name: load_checkpoint(folder, "cpu") for folder in sys.argv[1:]})
