"""What the warm process does: for each job it forks a child, which runs the lecturer's file and may die alone.

Jobs come as lines of JSON on standard input and answers go out likewise, each with the job's number. {"end": number}
ends the child that works on it; when standard input ends, all ends. The lecturer's file itself is never touched here.
Where a process cannot be forked, as on Windows, the work is done in the warm process itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections import deque
from contextlib import redirect_stdout, suppress
from importlib import import_module

from minigpt.lecture.kernel import LOST, Job


class Inbox:
    """What comes on a file descriptor: jobs in their order, and the numbers of those to end."""

    def __init__(self, source: int) -> None:
        self.source, self.rest = source, b""
        self.jobs: deque[Job] = deque()
        self.ended: set[int] = set()

    def read(self) -> None:
        """Takes what there is, or waits for it. EOFError when no more will come."""
        data = os.read(self.source, 1 << 16)
        if not data:
            raise EOFError
        *lines, self.rest = (self.rest + data).split(b"\n")
        for message in map(json.loads, lines):
            if "end" in message:
                self.ended.add(message["end"])
            else:
                self.jobs.append(message)

    def next(self) -> Job:
        """The next job; it waits for one."""
        while not self.jobs:
            self.read()
        return self.jobs.popleft()


class Printed:
    """Takes the place of stdout in a child: what is printed goes out at once, piece by piece."""

    encoding = "utf-8"

    def __init__(self, out: int, number: int) -> None:
        self.out, self.number = out, number

    def write(self, text: str) -> int:
        """Sends some text on."""
        if text:
            send(self.out, {"text": text, "number": self.number})
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """It is not a terminal."""
        return False


def send(out: int, answer: Job) -> None:
    """Writes one line of an answer."""
    data = (json.dumps(answer) + "\n").encode()
    while data:
        data = data[os.write(out, data) :]


def done(job: Job) -> Job:
    """What a function returns for a job that names it: one of the stage, or with its module before it."""
    module, _, name = job["do"].rpartition(".")
    answer: Job = getattr(import_module(module or "minigpt.lecture.stage"), name)(job)
    return answer


def work(job: Job, out: int) -> None:
    """Does a job here and now, and sends its answer."""
    from minigpt.lecture import stage

    sys.stdout = Printed(out, job["number"])
    try:
        answer = done(job)
    except stage.Failed as error:
        answer = {"right": False, "lines": error.lines, "line": error.line}
    except Exception as error:  # the lecturer must see that it was not the file
        answer = {"right": False, "lines": [f"{type(error).__name__}: {error}"], "line": 0}
    send(out, {**answer, "number": job["number"], "memory": peak_memory()})


def peak_memory() -> int:
    """The most bytes of memory that this process has had; 0 if the system does not say, as on Windows."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def in_child(job: Job, inbox: Inbox, out: int) -> None:
    """Does a job in a forked process, which is ended when its time is up, on request, and with this one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(out)  # else the screen would not see that this process has died as long as the child runs
        os.dup2(os.open(os.devnull, os.O_RDONLY), inbox.source)  # the jobs are not for the file's input()
        try:
            work(job, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        answer = passed_on(job, reading, inbox, out)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer is not None:
        send(out, {**answer, "number": job["number"]})


def passed_on(job: Job, reading: int, inbox: Inbox, out: int) -> Job | None:
    """Passes on what a child says; returns what to say instead of an answer, if it had none."""
    deadline, rest = time.monotonic() + job["seconds"], b""
    while True:
        ready, _, _ = select.select([reading, inbox.source], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return {"right": False, "lines": [f"not done after {job['seconds']:.0f} seconds"], "line": 0}
        if inbox.source in ready:
            inbox.read()
        if job["number"] in inbox.ended:
            return {"ended": True}
        if reading in ready:
            data = os.read(reading, 1 << 16)
            if not data:
                return LOST
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                os.write(out, line + b"\n")
                if "text" not in json.loads(line):
                    return None


def warm_up(first: list[Job]) -> None:
    """Imports what the work needs, loads the storyteller once, and does the first jobs, to keep what they load."""
    import torch

    torch.set_num_threads(1)  # a forked child has no helpers of its parent's
    import minigpt

    for _ in minigpt.load("storyteller", device="cpu", plain=True).stream("Once", max_new_tokens=2):
        pass
    for job in first:
        with suppress(Exception):  # it is reported when it is asked for
            done(job)


def main() -> None:
    """Answers jobs until standard input ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is not an answer
    inbox = Inbox(0)
    with redirect_stdout(sys.stderr):
        warm_up(inbox.next()["first"])
    send(out, {"warm": True})
    while True:
        job = inbox.next()
        if hasattr(os, "fork"):
            in_child(job, inbox, out)
        else:
            work(job, out)


if __name__ == "__main__":
    with suppress(EOFError):
        main()
