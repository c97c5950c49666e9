"""The command line in a tree of its own, or a function, in a process forked from one that has imported torch: much
faster to begin. slipcover is not there, whose probes torch.compile cannot take."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch"])


def command(
    tree: Path, words: Sequence[str], environment: Mapping[str, str], seconds: float = 300
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `python -m minigpt words` where minigpt is the one in `tree`."""
    out, err = tree / "stdout", tree / "stderr"
    process = FORKS.Process(target=_become, args=(str(tree), [*words], {**environment}, str(out), str(err)))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{words} took more than {seconds} seconds")
    return process.exitcode, out.read_text("utf-8"), err.read_text("utf-8")


def call(function: Callable[..., Any], *args: object, seconds: float = 300) -> Any:
    """What a function at the top of a module gives, or raises, in a process with this one's environment."""
    with ProcessPoolExecutor(1, FORKS, _set, ({**os.environ},)) as pool:
        return pool.submit(function, *args).result(seconds)


def _set(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)


def _become(tree: str, words: list[str], environment: dict[str, str], out: str, err: str) -> None:
    for fd, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, flags | os.O_CREAT | os.O_TRUNC), fd)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode, closefd=False) for fd, mode in enumerate("rww"))
    os.chdir(tree)
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    sys.path.insert(0, tree)
    sys.argv = ["minigpt", *words]
    if {"minigpt", "tokenizer", "weights"} & sys.modules.keys():
        raise ImportError("another tree's packages are imported already")
    runpy.run_module("minigpt", run_name="__main__", alter_sys=True)
