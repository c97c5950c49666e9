"""How long the lecture's screen takes to answer a key, from the key to the answer that it shows, once it is warm.

    python -m benchmarks.lecture_live [LECTURE]

Prints the median and the slowest of 20 presses, in milliseconds on the clock, and what the screen, the warm process and
its children computed for one press, which other programs on the machine lengthen little. Of `run` the first text
counts.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.events import Key

from minigpt.lecture.held import Held
from minigpt.lecture.live import Live
from minigpt.lecture.merging import BLANK
from minigpt.lecture.working_file import WorkingFile

PRESSES = 20


async def until(true: Callable[[], Any]) -> None:
    while not true():
        await asyncio.sleep(0.002)


class Timed(Live):
    """Notes when it shows something new."""

    before: object = None
    at = 0.0

    def draw(self) -> None:
        super().draw()
        if not self.at and (self.commands.said is not self.before or self.commands.pieces or self.peek):
            self.at = time.perf_counter()

    async def press(self, *keys: str) -> float:
        """Seconds from the last key until its answer is shown; the others lead there. Ends when all is done."""
        for key in keys:
            self.before, self.at, begun = self.commands.said, 0.0, time.perf_counter()
            self.post_message(Key(key, key if len(key) == 1 else None))
            await until(lambda: self.at or (self.prompt.then and key != keys[-1]))  # noqa: B023
        took = self.at - begun
        await until(lambda: not self.commands.busy())
        return took

    def computed(self) -> float:
        """Seconds that this process, the warm one and its children have computed."""
        assert self.held.kernel.process
        stat = Path(f"/proc/{self.held.kernel.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return time.process_time() + sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")

    def type_next(self) -> None:
        """The lecturer types the next step, with a print below."""
        held = self.held
        lines = held.file.path.read_text("utf-8").split("\n")
        blank = next(i for i, line in enumerate(lines) if BLANK in line)
        own = [line for line in held.lecture.steps[held.step].lines if line]
        lines[blank:blank] = [*own, own[-1][: len(own[-1]) - len(own[-1].lstrip())] + "print(1)"]
        held.file.path.write_text("\n".join(lines), "utf-8")


async def measure(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        held = Held(WorkingFile.start(name, Path(folder)))
        held.kernel.first = held.trials.rehearsal()
        app, last = Timed(held), str(held.n_steps)
        breaks = [str(i) for i, each in enumerate(held.lecture.breaks, start=1)]
        async with app.run_test(size=(80, 24)):
            await until(lambda: held.kernel.warm.is_set() and app.ahead and not app.commands.busy())

            async def row(what: str, before: Callable[[int], list[str]], *keys: str, typed: bool = False) -> None:
                took, computed = [], 0.0
                for i in range(PRESSES):
                    for step in before(i):
                        await app.press("g" if step.isdecimal() else "b", step.lstrip("b"))
                    if typed:
                        app.type_next()
                    was = app.computed()
                    took.append(1000 * await app.press(*(key.replace("*", breaks[i % len(breaks)]) for key in keys)))
                    computed += 1000 * (app.computed() - was)
                print(
                    f"{what:22s} {statistics.median(took):6.0f} {max(took):8.0f} {computed / PRESSES:10.0f}", flush=True
                )

            print(f"{name:22s} median  slowest  computing  (ms)")
            await row("next", lambda i: [str(i % held.n_steps)], "n")
            await row("next, own lines", lambda i: [str(i % held.n_steps)], "n", typed=True)
            await row("undo", lambda _: [last], "u")
            await row("redo", lambda _: ["0", last], "u", "r")
            await row("goto, forward", lambda _: ["0"], "g", last)
            await row("show", lambda i: [str(i % held.n_steps)], "s")
            await row("time", lambda _: [], "t")
            await row("check, right", lambda _: [last], "c")
            await row("break", lambda _: [last], "b", "*")
            await row("check, wrong", lambda i: [last, "b" + breaks[i % len(breaks)]], "c")
            await row("fix", lambda i: [last, "b" + breaks[i % len(breaks)]], "f")
            await row("run, first text", lambda _: [last], "R")
        app.leave()
        held.kernel.close()


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else "attention"))
