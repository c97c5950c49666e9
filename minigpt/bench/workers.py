"""Contestants in processes of their own: the same number of threads for each, no library beside another's."""

import importlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from minigpt.bench.rows import Task

HOME = "minigpt.bench.contestants"
Sample = tuple[float, Any]  # seconds, or bytes, for one unit of the work; what came out
Run = Callable[[], Sample]


class ContestantError(RuntimeError):
    """A contestant cannot take part, in one line."""


class Worker:
    """A process in which the contestants of one module live; it has one task at a time."""

    def __init__(self, module: str, threads: int, home: str = HOME) -> None:
        self.module = module
        self.pipe, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")  # nothing of this process is inherited but the environment
        self.process = context.Process(target=serve, args=(there, f"{home}.{module}"), daemon=True)
        with environment(threads):
            self.process.start()
        there.close()

    def make(self, task: Task) -> None:
        """Get ready for a task; a ContestantError if that fails."""
        self._ask((task.maker.partition(":")[2], task.options))

    def run(self) -> Sample:
        """Do the task once."""
        return self._ask(None)

    def _ask(self, message: object) -> Any:
        try:
            self.pipe.send(message)
            fine, answer = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(timeout=5)
            raise ContestantError(f"its process ended with code {self.process.exitcode}") from None
        if not fine:
            raise ContestantError(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join(timeout=10)
        self.pipe.close()


class Workers:
    """The two processes of a row; they stay for the next row if its contestants are of the same module."""

    def __init__(self, threads: int, home: str = HOME) -> None:
        self.threads, self.home = threads, home
        self.alive: dict[str, Worker] = {}

    def ready(self, side: str, task: Task) -> Run:
        """A contestant ready for its task, on a side: "ours" or "peer"."""
        worker = self.alive.get(side)
        if worker is None or worker.module != task.module or not worker.process.is_alive():
            if worker:
                worker.close()
            worker = self.alive[side] = Worker(task.module, self.threads, self.home)
        worker.make(task)
        return worker.run

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.alive.values():
            worker.close()


@contextmanager
def environment(threads: int) -> Iterator[None]:
    """The environment of a process started meanwhile: how many threads every library may use, and no network.

    Python may write .pyc files, without which a start seems a quarter slower than it is.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    wanted = {name: str(threads) for name in names}
    wanted |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    wanted |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    before = dict(os.environ)
    os.environ.update(wanted)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def serve(pipe: Connection, module: str) -> None:
    """A worker's life: (function, options) is a new task, None means once more; every answer is (fine, result)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # standard output is the table's, whatever a library prints
    run: Run | None = None
    while True:
        try:
            message = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if message is None:
                if run is None:
                    raise RuntimeError("no task yet")
                pipe.send((True, run()))
            else:
                run = None  # what the last task held is freed before the next one's is made
                name, options = message
                run = getattr(importlib.import_module(module), name)(**options)
                pipe.send((True, None))
        except KeyboardInterrupt:
            return
        except ImportError as error:
            pipe.send((False, f"{error.name or error} is not installed"))
        except Exception as error:  # whatever a peer raises concerns this row, not the run
            told = " ".join(str(error).split()).replace(str(Path.home()), "~")  # files of a run are shown to others
            pipe.send((False, f"{type(error).__name__}: {told[:300]}"))
