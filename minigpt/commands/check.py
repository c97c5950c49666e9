"""`minigpt check`: the exercises in a file, each with what is right or wrong in it."""

import argparse
import time
from pathlib import Path

from minigpt.commands.common import note, spinner
from minigpt.exercises.files import check_file, note_progress
from minigpt.exercises.report import Report
from minigpt.terminal import columns, plain, wrap

EVERY = 0.3  # seconds between two looks at the file


def run(args: argparse.Namespace) -> int:
    """Check the file, once or again after every save; 1 where something is wrong."""
    code = once(args.file)
    last = stamp(args.file)
    while args.watch:
        time.sleep(EVERY)
        now = stamp(args.file)
        if now != last and now is not None:
            last = now
            print("\n" + "─" * min(60, columns()))
            try:
                code = once(args.file)
            except (OSError, ValueError) as error:  # half saved: the next save will do
                note(str(error))
    return code


def once(path: Path) -> int:
    """Check a file and print what was found."""
    with spinner(f"checking {path.name}"):
        reports, trouble = check_file(path)
        tries = note_progress(path, reports) if reports else {}
    width = columns()
    for report in reports:
        print("\n".join(lines_of(report, tries[report.name], width)))
    for line in trouble:
        print("\n".join(wrap(plain(f"not run: {line}"), width, indent=2)))
    if not reports:
        print(f"{path}: no exercise in it: define one by its name, such as def merge or class LayerNorm")
        return 1
    right = sum(report.ok for report in reports)
    print(f"{right} of {len(reports)} right")
    return 0 if right == len(reports) else 1


def lines_of(report: Report, tries: int, width: int) -> list[str]:
    """A report in lines of a width, with how often the exercise was tried."""
    first, *rest = str(report).split("\n")
    counted = f" (try {tries})" if tries > 1 else ""
    return [line for text in (first + counted, *rest) for line in wrap(text, width, indent=4)]


def stamp(path: Path) -> tuple[int, int] | None:
    """When a file was saved last, None while it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
