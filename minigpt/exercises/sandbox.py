"""Runs a learner's code so that it cannot harm the check: limits on time and printing, and all settings restored."""

import ctypes
import io
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

import torch

from tokenizer.display import clip

SECONDS = 1.0  # what a part may take for one case
PRINTED = 2000  # characters that are kept of what it prints
FEW, WIDE = 5, 100  # lines that are shown of them, and characters of a line


class TooLong(BaseException):
    """Stops a learner's code; no `except Exception` of theirs catches it."""


class Printed(io.StringIO):
    """Keeps the first characters of what is printed, forgets the rest, and counts the lines."""

    ends, last = 0, "\n"

    def write(self, text: str) -> int:
        self.ends, self.last = self.ends + text.count("\n"), text[-1:] or self.last
        super().write(text[: max(0, PRINTED - self.tell())])
        return len(text)

    def shown(self) -> str:
        """The first lines, and how many more there are.

        >>> print(*range(20), sep="\\n", file=(printed := Printed()))
        >>> printed.shown()
        '0\\n1\\n2\\n3\\n4\\n… and 15 lines more'
        """
        lines = [clip(line, WIDE) for line in self.getvalue().split("\n")][:FEW]
        more = self.ends + (self.last != "\n") - len(lines)
        return "\n".join([*lines, f"… and {more} line{'s' * (more > 1)} more"] if more > 0 else lines).rstrip()


class Watch(threading.Thread):
    """Raises a TooLong in every thread whose time is up, like an interrupt, and again until it stops.

    Time is up after some seconds on the clock if the process computed for half of them, which it cannot on a machine
    busy with other work; after five times as many in any case, since code may sleep.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.begun: dict[int, tuple[float, float, float]] = {}  # thread: clock, computing time, seconds allowed
        self.sent: set[int] = set()  # threads that were sent an error
        self.lock, self.busy = threading.Lock(), threading.Event()
        self.start()

    def run(self) -> None:
        while self.busy.wait():
            with self.lock:
                for thread, (clock, computing, seconds) in self.begun.items():
                    passed, computed = time.monotonic() - clock, time.process_time() - computing
                    if passed > 5 * seconds or (passed > seconds and computed > seconds / 2):
                        self.sent.add(thread)
                        put(thread, TooLong)
            time.sleep(0.02)

    def begin(self, thread: int, seconds: float) -> None:
        """From now on a thread has this many seconds."""
        with self.lock:
            self.begun[thread] = (time.monotonic(), time.process_time(), seconds)
            self.busy.set()

    def end(self, thread: int) -> bool:
        """A thread's limit is lifted. Returns whether it was sent an error, which may still be on its way."""
        with self.lock:
            self.begun.pop(thread, None)
            sent = thread in self.sent
            self.sent.discard(thread)
            if not self.begun:
                self.busy.clear()
            return sent


def put(thread: int, error: type[BaseException]) -> None:
    """Raises an error in a thread, between two of Python's steps: one long step of torch's is not cut short."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def take(thread: int) -> None:
    """Lets an error that is on its way to this thread arrive, replacing one that may be.

    Taking it back instead (an error of None) leaves a flag that makes Python 3.11 look for an error at every step from
    then on; under a tracer, a debugger's or a profiler's, it then never reaches the next one.
    """
    with suppress(TooLong):
        put(thread, TooLong)
        while True:
            pass


_watch: list[Watch] = []


def limited(work: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What `work` returns; a TooLong if it takes longer."""
    if not _watch or not _watch[0].is_alive():
        _watch[:] = [Watch()]
    watch, thread = _watch[0], threading.get_ident()
    watch.begin(thread, seconds)
    try:
        return work()
    finally:
        sent = None
        while sent is None:
            try:  # the error may arrive here, too
                sent = watch.end(thread)
            except TooLong:
                continue
        if sent:
            take(thread)


@contextmanager
def shielded() -> Iterator[Printed]:
    """Inside it code may print, warn, seed and set what it likes: afterwards everything is as before."""
    rng, numbers, recursion = torch.random.get_rng_state(), random.getstate(), sys.getrecursionlimit()
    dtype, grad, device = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device()
    numpy = sys.modules.get("numpy")
    others = numpy.random.get_state() if numpy else None
    printed = Printed()
    try:
        with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.set_default_device(None)
            yield printed
    finally:
        torch.random.set_rng_state(rng)
        random.setstate(numbers)
        sys.setrecursionlimit(recursion)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_default_device(device if device.type != "cpu" else None)
        if numpy and others is not None:
            numpy.random.set_state(others)
