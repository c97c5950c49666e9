"""The warm process: it has imported torch and loaded what a lecture needs, and runs each file in a child of its own.

A child that crashes, or never ends, is lost alone; the file is never touched here. Where a process cannot be forked, as
on Windows, the work is done in the warm process itself, which is started anew when it is lost.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Job = dict[str, Any]
SECONDS = 30.0  # that the work on one file may take
LOST = {"right": False, "lines": ["the process that ran the file ended by itself"], "line": 0}


class Kernel:
    """A warm process, as its user sees it. It starts when it is first needed, or by `start`, without waiting."""

    def __init__(self, module: str = "minigpt.lecture.kernel") -> None:
        self.module = module
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.Queue[str | None] = queue.Queue()

    def start(self) -> None:
        """Starts the process; it warms up while other things go on."""
        if self.process is not None and self.process.poll() is None:
            return
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="surrogatepass",
            start_new_session=True,  # Ctrl-C at the screen is not for it
        )
        threading.Thread(target=self._listen, args=(self.process, self.lines), daemon=True).start()

    @staticmethod
    def _listen(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
        assert process.stdout
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def ask(self, job: Job, on_text: Callable[[str], None] = lambda _: None, seconds: float = SECONDS) -> Job:
        """The answer to a job, {"do": "try_out", …}; what it prints goes to `on_text` as it comes."""
        self.start()
        assert self.process
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps({**job, "seconds": seconds}) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.close()
            return LOST
        while True:
            try:
                line = self.lines.get(timeout=seconds + 30)  # the process keeps the time; this is for when it is lost
            except queue.Empty:
                line = None
            if line is None:
                self.close()
                return LOST
            answer: Job = json.loads(line)
            if "text" not in answer:
                return answer
            on_text(answer["text"])

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Printed:
    """Takes the place of stdout in a child: what is printed goes out at once, piece by piece."""

    encoding = "utf-8"

    def __init__(self, out: int) -> None:
        self.out = out

    def write(self, text: str) -> int:
        """Sends some text on."""
        if text:
            send(self.out, {"text": text})
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


def send(out: int, answer: Job) -> None:
    """Writes one line of an answer."""
    data = (json.dumps(answer) + "\n").encode()
    while data:
        data = data[os.write(out, data) :]


def work(job: Job, out: int) -> None:
    """Does a job here and now, and sends its answer."""
    from minigpt.lecture import stage

    sys.stdout = Printed(out)
    module, _, name = job["do"].rpartition(".")
    try:
        answer = getattr(importlib.import_module(module) if module else stage, name)(job)
    except stage.Failed as error:
        answer = {"right": False, "lines": error.lines, "line": error.line}
    except Exception as error:  # the lecturer must see that it was not his file
        answer = {"right": False, "lines": [f"{type(error).__name__}: {error}"], "line": 0}
    send(out, answer | {"memory": peak_memory()})


def peak_memory() -> int:
    """The most bytes of memory that this process has had; 0 where the system does not say, as Windows."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def in_child(job: Job, out: int) -> None:
    """Does a job in a forked process, which is ended when its time is over."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(job, writing)
        finally:
            os._exit(0)
    os.close(writing)
    deadline, rest = time.monotonic() + job["seconds"], b""
    answered = late = False
    while not late:
        ready, _, _ = select.select([reading], [], [], max(0, deadline - time.monotonic()))
        late = not ready
        data = os.read(reading, 1 << 16) if ready else b""
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            answered |= "text" not in json.loads(line)
            os.write(out, line + b"\n")
    os.close(reading)
    if late:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not answered:
        over = {"right": False, "lines": [f"not done after {job['seconds']:.0f} seconds"], "line": 0}
        send(out, over if late else LOST)


def warm_up() -> None:
    """Imports what the work needs, and loads the storyteller once, so that no child has to do it first."""
    import torch

    torch.set_num_threads(1)  # a forked child has no helpers of its parent's
    import minigpt
    from minigpt.lecture import stage

    for _ in minigpt.load("storyteller", device="cpu", plain=True).stream("Once", max_new_tokens=2):
        pass
    stage.base_names()


def main() -> None:
    """Answers jobs, one line of JSON each, until standard input ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    warm_up()
    do = in_child if hasattr(os, "fork") else work
    for line in sys.stdin:
        do(json.loads(line), out)


if __name__ == "__main__":
    main()
