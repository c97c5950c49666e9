"""A process that judges inputs one after the other: a number on standard input, a line of JSON on standard output.

It stays alive so that torch is imported once. `python -m tests.fuzz.worker FOLDER SEED` is started by `campaign`.
"""

import contextlib
import io
import json
import os
import random
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

from tests.fuzz import arguments, originals
from tests.fuzz.judge import Wrong, judge
from tests.fuzz.mutate import BY_FORMAT

MEMORY = 1 << 30  # bytes beyond what the process has before an input
SECONDS = 10.0  # of computing, children included


def computed() -> float:
    """Seconds of computing so far, of this process and of those that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def limit_memory() -> None:
    """From here on this process gets a gigabyte more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))


def no_limit() -> None:
    """For the other readers, which are imported when they are first needed."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def damaged_file(root: Path, seed: str, number: int, place: Path) -> tuple[str, str, str]:
    """Puts a folder with one damaged file at `place`: its name, the file's, and what was done to it."""
    rng = random.Random(f"{seed}/{number}")
    folder, file, form = originals.draw(rng)
    shutil.copytree(root / folder, place / folder)
    data = (root / folder / file).read_bytes()
    mutator = rng.choice(BY_FORMAT[form])
    for _ in range(rng.choice((1, 1, 1, 2))):
        with contextlib.suppress(Exception):  # what is no longer JSON or a zip cannot be damaged as such
            data = mutator(data, rng)
    (place / folder / file).write_bytes(data)
    return folder, file, mutator.__name__


def verdict(root: Path, seed: str, number: int, place: Path, out: TextIO) -> dict[str, object]:
    """Judges one input; a third of them are odd arguments, the rest damaged files."""

    def before_reference() -> None:
        no_limit()
        print("reference", file=out, flush=True)

    begin = computed()
    errors = io.StringIO()
    what = ""
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            if number % 4 == 3:
                what, call = arguments.draw(random.Random(f"{seed}/{number}"), root)
                limit_memory()
                found = call()
            else:
                folder, file, mutator = damaged_file(root, seed, number, place)
                what = f"{folder}/{file} {mutator}"
                limit_memory()
                found = judge(root / folder, place / folder, file, before_reference)
        if "Traceback" in errors.getvalue():
            raise Wrong(f"a traceback on stderr: {errors.getvalue()[-200:]!r}")
        if found == "refused" and computed() - begin > SECONDS:
            raise Wrong(f"took {computed() - begin:.0f} seconds")
        return {"number": number, "what": what, "verdict": found}
    except Wrong as wrong:
        return {"number": number, "what": what, "verdict": "WRONG", "why": str(wrong)}
    except BaseException as error:  # whatever escapes is a finding
        why = f"escaped: {type(error).__name__}: {str(error)[:300]}"
        return {"number": number, "what": what, "verdict": "WRONG", "why": why}
    finally:
        no_limit()


def main() -> None:
    """Answers until standard input ends."""
    root, seed, place = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may write among the answers
    for line in sys.stdin:
        if int(line) < 0:  # are you there?
            print("yes", file=out, flush=True)
            continue
        shutil.rmtree(place, ignore_errors=True)
        start = time.monotonic()
        answer = verdict(root, seed, int(line), place, out)
        print(json.dumps({**answer, "seconds": round(time.monotonic() - start, 3)}), file=out, flush=True)


if __name__ == "__main__":
    main()
