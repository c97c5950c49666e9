"""Contestants that tell times without taking any."""

import os
from pathlib import Path
from typing import Any

from minigpt.bench.workers import Run


def takes(seconds: float, output: Any = 7, log: str = "", name: str = "", slower: float = 1.0) -> Run:
    """Each call says the same seconds, `slower` times as many from call to call; its name goes into a file."""
    calls = [0]

    def once() -> tuple[float, dict[str, Any]]:
        calls[0] += 1
        if log:
            with Path(log).open("a") as file:
                file.write(name)
        return seconds * slower ** calls[0], {"output": output, "notes": name}

    return once


def cannot() -> Run:
    raise ValueError("no such\n   thing")


def needs_what_is_not_there() -> Run:
    import no_such_package  # noqa: F401

    return takes(1.0)


def dies() -> Run:
    return lambda: os._exit(3)


def prints() -> Run:
    print("a library's chatter", flush=True)
    return takes(1.0)
