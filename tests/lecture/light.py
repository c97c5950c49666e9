"""The warm process without torch, for tests of what is around it: a stage whose answers depend on words in the file.

"wrong" is wrong, "noisy" prints endlessly, "forever" never ends, "crash" ends the process, "asks" reads its input
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from minigpt.lecture.kernel import Kernel

Job = dict[str, Any]
TEXT = "Once upon a time there was a ship. "


class Light(Kernel):
    """A kernel that is warm at once."""

    MODULE = "tests.lecture.light"


def judge(job: Job) -> Job:
    """What `examine` and `try_out` say."""
    text = job["text"]
    while "forever" in text:
        time.sleep(0.01)
    if "crash" in text:
        os._exit(1)
    if "asks" in text:
        input()
    bug = "no_mask" if "wrong" in text or "scores + 0" in text else None
    return {"right": bug is None, "bug": bug, "lines": ["each token sees those after it"] * bool(bug), "line": 0}


def first_right(job: Job) -> Job:
    """The first of several files that has no "wrong" in it."""
    return {"right": True, "first": next((i for i, text in enumerate(job["texts"]) if "wrong" not in text), -1)}


def perform(job: Job) -> Job:
    """Writes a text, word by word; another one where the file is wrong."""
    if "forever" in job["text"]:
        print(os.getpid(), end=" ", flush=True)
    right = judge(job)["right"]
    for word in [*words(TEXT if right else TEXT.replace("ship", "dog"))]:
        print(word, end="", flush=True)
    return {"right": True, "lines": [], "line": 0, "printed": []}


def xray(job: Job) -> Job:
    """Three steps on two lines, at two sizes."""
    if job["part"] == "bpe":
        return {"right": False, "lines": ["there is no part 'bpe'"], "line": 0}
    steps = [[f"step {i} at width {job['width']}"] for i in (1, 2, 3)]
    return {"right": True, "steps": steps, "lines": [1, 1, 2], "width": job["width"], "height": job["height"]}


def words(text: str) -> Iterator[str]:
    """Word by word."""
    yield from (word + " " for word in text.split())


def main() -> None:
    """Takes the place of `minigpt.lecture.stage`, then works as the real process does."""
    stage = ModuleType("minigpt.lecture.stage")
    stage.Failed = type("Failed", (Exception,), {})  # type: ignore[attr-defined]
    for do in (judge, first_right, perform):
        setattr(stage, do.__name__, do)
    stage.try_out = stage.examine = judge  # type: ignore[attr-defined]
    stage.xray = xray  # type: ignore[attr-defined]
    stage.note = lambda job: Path(job["path"]).write_text(str(os.getpid()), "utf-8")  # type: ignore[attr-defined]
    sys.modules["minigpt.lecture.stage"] = stage
    sys.modules["minigpt.lecture.xray_job"] = stage
    from minigpt.lecture import warm

    def warm_up(first: list[Job]) -> None:
        for job in first:
            getattr(stage, job["do"])(job)

    warm.warm_up = warm_up
    warm.main()


if __name__ == "__main__":
    main()
