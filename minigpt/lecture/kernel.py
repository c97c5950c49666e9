"""The warm process, as its user sees it: it has imported torch and run the reference, so that a file runs at once.

What it does is in `warm.py`. It may die at any time; then another one is started, and the lecture goes on.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Job = dict[str, Any]
ROOT = str(Path(__file__).parents[2])  # where this minigpt is
SECONDS = 30.0  # that the work on one file may take
LOST = {"right": False, "lines": ["the process that ran the file ended by itself"], "line": 0}


class Ended(Exception):
    """`Kernel.end` ended the work on a job: there is no answer."""


class Kernel:
    """A warm process. It starts when it is first needed, or with `start`, without waiting.

    `first` are jobs that it does for itself once it has started: no file's run then has to load or compute the same.
    """

    MODULE = "minigpt.lecture.warm"

    def __init__(self) -> None:
        self.first: list[Job] = []
        self.warm = threading.Event()  # it has started
        self.process: subprocess.Popen[str] | None = None
        self.answers: queue.Queue[Job | None] = queue.Queue()  # None when the process is gone
        self.number = 0  # of the job that was asked last
        self.starting, self.sending = threading.Lock(), threading.Lock()

    def start(self) -> None:
        """Starts the process, unless it is there; it warms up while other things go on."""
        with self.starting:
            if self.process is not None and self.process.poll() is None:
                return
            self.warm, self.answers = threading.Event(), queue.Queue()
            self.process = subprocess.Popen(
                self.command(),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (ROOT, os.getenv("PYTHONPATH"))))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="surrogatepass",
                start_new_session=True,  # Ctrl-C at the screen is not for it; and it can be ended with all its children
            )
            threading.Thread(target=self._listen, args=(self.process, self.answers, self.warm), daemon=True).start()
            self._send({"first": self.first})

    def command(self) -> list[str]:
        """How it is started: no file beside the lecturer's is taken for a module (-P)."""
        return [sys.executable, "-P", "-m", self.MODULE]

    @staticmethod
    def _listen(process: subprocess.Popen[str], answers: queue.Queue[Job | None], warm: threading.Event) -> None:
        assert process.stdout
        for line in process.stdout:
            answer = json.loads(line)
            if "warm" in answer:
                warm.set()
            else:
                answers.put(answer)
        answers.put(None)

    def ask(self, job: Job, on_text: Callable[[str], None] = lambda _: None, seconds: float = SECONDS) -> Job:
        """The answer to a job, {"do": "try_out", …}; what it prints goes to `on_text` as it comes.

        A process that died before it said anything is started again, once. Raises `Ended`.
        """
        heard: list[str] = []

        def hear(text: str) -> None:
            heard.append(text)
            on_text(text)

        for _ in range(2):
            self.start()
            answer = self._answer(job, hear, seconds)
            if answer is not None:
                return answer
            self.close()
            if heard:
                break
        return LOST

    def _answer(self, job: Job, on_text: Callable[[str], None], seconds: float) -> Job | None:
        self.number += 1
        number, answers = self.number, self.answers
        self._send({**job, "seconds": seconds, "number": number})
        while True:
            try:
                answer = answers.get(timeout=seconds + 30)  # the process keeps the time; this is for when it is stuck
            except queue.Empty:
                return None
            if answer is None:
                return None
            if answer.pop("number") != number:
                continue  # of a job that was ended
            if "ended" in answer:
                raise Ended
            if "text" not in answer:
                return answer
            on_text(answer["text"])

    def _send(self, message: Job) -> None:
        assert self.process
        assert self.process.stdin
        with self.sending, suppress(OSError, ValueError):  # it is gone: `_listen` says so
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Ends the work on the present job, if there is one: its `ask`, in another thread, raises `Ended`."""
        if self.process is None:
            return
        self.answers.put({"number": self.number, "ended": True})
        if hasattr(os, "fork"):
            self._send({"end": self.number})
        else:
            self.close()

    def close(self) -> None:
        """Ends the process and those that it has started."""
        process, self.process = self.process, None
        if process is None:
            return
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
