"""Processes that are started anew each time: how long a command takes, how much memory one needs at its peak."""

import json
import subprocess
import sys
import time
from pathlib import Path

from minigpt.bench import material
from minigpt.bench.workers import Run, Sample

ROOT = Path(__file__).parents[3]  # where `python -m minigpt` finds us, installed or not
FIRST_TOKEN = {
    "ours": "import minigpt, sys; lm = minigpt.load(sys.argv[1]); "
    "print(lm.generate([1, 2, 3], max_new_tokens=1, temperature=0).ids)",
    "transformers": "import torch, sys; from transformers import AutoModelForCausalLM as A; "
    "model = A.from_pretrained(sys.argv[1], dtype=torch.float32); ids = torch.tensor([[1, 2, 3]]); "
    "print(model.generate(ids, attention_mask=ids > 0, do_sample=False, max_new_tokens=1)[0, 3:].tolist())",
}


def started(arguments: list[str]) -> tuple[float, str]:
    """Seconds from a Python's start to its end, and what it wrote; a ValueError with its last line if it failed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return seconds, done.stdout


def bare() -> Run:
    """Seconds of a Python that does nothing."""
    return lambda: (started(["-c", "pass"])[0], {"output": None})


def command(words: list[str]) -> Run:
    """Seconds of a `minigpt` command."""

    def once() -> Sample:
        seconds, told = started(["-m", "minigpt", *words])
        if not told:
            raise ValueError(f"minigpt {' '.join(words)} wrote nothing")
        return seconds, {"output": None}

    return once


def first_token(name: str, model: str = "storyteller") -> Run:
    """Seconds from the start of Python to the first new token."""
    path = str(material.folder(model))

    def once() -> Sample:
        seconds, told = started(["-c", FIRST_TOKEN[name], path])
        return seconds, {"output": json.loads(told)}

    return once


def peak(what: str, *words: str) -> Run:
    """Bytes of memory at the peak of a task of `peaks`, above what it held after its imports."""

    def once() -> Sample:
        told = json.loads(started(["-m", "minigpt.bench.peaks", what, *words])[1])
        return told["bytes"], {"output": told["output"]}

    return once


def load(model: str, dtype: str) -> Run:
    """Of loading a checkpoint in this dtype, in which it is also stored."""
    return peak("load", str(material.folder(model, dtype)), dtype)


def two_tokens(model: str, batch: int, max_new_tokens: int) -> Run:
    """Of the first two tokens of a batch that may grow by `max_new_tokens`."""
    return peak("two_tokens", model, str(batch), str(max_new_tokens))


def training(who: str, model: str, precision: str) -> Run:
    """Of a few training steps."""
    return peak("training", who, model, precision)
