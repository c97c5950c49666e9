"""Runs a campaign: numbers go to worker processes, verdicts come back; a worker that hangs or dies is replaced.

python -m tests.fuzz.campaign [N] [SEED]          N inputs (10,000), drawn by SEED (0)
python -m tests.fuzz.campaign --input I [SEED]    one input again; its folder stays in build/fuzz
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parents[2]
WORKERS = 2
ALONE = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
PATIENCE = 40.0  # seconds on the clock for one input, on a busy machine; ten of computing are allowed
REFERENCE = 120.0  # and for the other reader, which may have to be imported


@dataclass
class Report:
    """How many inputs ended how, and those that ended wrong."""

    seed: str
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[dict[str, object]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def text(self) -> str:
        """The counts, then a line for each wrong input and how to repeat it."""
        total = sum(self.counts.values())
        head = f"{total} inputs, seed {self.seed}: " + ", ".join(f"{n} {name}" for name, n in self.counts.most_common())
        rows = [f"{one['number']}: {one['what']}: {one.get('why', '')}" for one in self.wrong]
        again = f"again: python -m tests.fuzz.campaign --input NUMBER {self.seed}"
        return "\n".join([head, f"slowest: {self.slowest}", *rows, *([again] if rows else [])])


class Worker:
    """A worker process that is started when it is needed."""

    def __init__(self, root: Path, seed: str, place: Path, code: str = "") -> None:
        run = ["-c", code] if code else ["-m", "tests.fuzz.worker"]
        self.command = [sys.executable, *run, str(root), seed, str(place)]
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask(self, number: int) -> dict[str, object]:
        """The verdict on an input."""
        if self.process is None:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=ALONE,
                text=True,
                stdin=pipe,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.lines = queue.SimpleQueue()
            threading.Thread(target=pass_on, args=(self.process.stdout, self.lines), daemon=True).start()
            self._line(600.0 if self._send(-1) else 0)  # imports, on a busy machine
        patience = PATIENCE if self._send(number) else 0
        line = self._line(patience)
        if line == "reference\n":
            line = self._line(REFERENCE)
        if line:
            return json.loads(line)
        code = self.process.poll()
        self.stop()
        why = f"hung for {patience:.0f} seconds" if code is None else f"its process died ({code})"
        return {"number": number, "what": "", "verdict": "WRONG", "why": why, "seconds": patience}

    def _send(self, number: int) -> bool:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{number}\n")
            self.process.stdin.flush()
        except OSError:
            return False
        return True

    def _line(self, seconds: float) -> str:
        with contextlib.suppress(queue.Empty):
            return self.lines.get(timeout=seconds) if seconds else self.lines.get_nowait()
        return ""

    def stop(self) -> None:
        """Ends the process and those that it started, which would keep its pipe open."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def pass_on(stream: TextIO, lines: "queue.SimpleQueue[str]") -> None:
    """Lines from a pipe into a queue, which can be waited for; at the end an empty one."""
    for line in stream:
        lines.put(line)
    lines.put("")


def campaign(numbers: list[int], seed: str, code: str = "", workers: int = WORKERS, keep: bool = False) -> Report:
    """Judges these inputs, and keeps the last one's folder if asked; `code` stands for another worker, for tests."""
    report, todo, lock = Report(seed), queue.SimpleQueue[int](), threading.Lock()
    for number in numbers:
        todo.put(number)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "whole"
        root.mkdir()
        build = f"from tests.fuzz.originals import build; from pathlib import Path; build(Path({str(root)!r}))"
        subprocess.run([sys.executable, "-c", build], cwd=ROOT, env=ALONE, check=True, capture_output=True)

        def work(i: int) -> None:
            worker = Worker(root, seed, Path(folder) / f"worker-{i}", code)
            while True:
                try:
                    number = todo.get_nowait()
                except queue.Empty:
                    return worker.stop()
                answer = worker.ask(number)
                with lock:
                    report.counts[str(answer["verdict"])] += 1
                    seconds = float(str(answer.get("seconds", 0)))
                    report.slowest = max(report.slowest, (seconds, f"{number}: {answer['what']}"))
                    if answer["verdict"] == "WRONG":
                        report.wrong.append(answer)

        threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if keep and (Path(folder) / "worker-0").exists():
            shutil.copytree(Path(folder) / "worker-0", ROOT / "build" / "fuzz", dirs_exist_ok=True)
    report.wrong.sort(key=lambda one: int(str(one["number"])))
    return report


def main(words: list[str]) -> int:
    """The command line of this file; 1 where an input ended wrong."""
    if words[:1] == ["--input"]:
        report = campaign([int(words[1])], words[2] if words[2:] else "0", workers=1, keep=True)
    else:
        report = campaign(list(range(int(words[0]) if words else 10_000)), words[1] if words[1:] else "0")
    print(report.text())
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
