"""`minigpt bench`: ours beside what one would use instead, as one table."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minigpt.bench import report, results
from minigpt.bench.contest import absent, measure
from minigpt.bench.rows import Row, choose
from minigpt.bench.table import table
from minigpt.bench.workers import Workers
from minigpt.commands.common import note, some_text
from minigpt.commands.flags import UsageError
from minigpt.terminal import ENDLESS, columns
from minigpt.terminal import table as in_columns

Record = dict[str, Any]


def run(args: argparse.Namespace) -> int:
    """Measure, print, keep; 1 where a row failed or became slower than in the run that it is compared with."""
    rows = table(str(args.text.absolute()) if args.text else "")
    try:
        chosen = choose(rows, args.rows)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if args.list:
        print_table(chosen, [{"row": row.name, "absent": absent(row) or "can be measured"} for row in chosen])
        return 0
    if args.png and importlib.util.find_spec("matplotlib") is None:  # said now rather than after an hour
        raise ImportError('--png needs matplotlib: pip install "minigpt[pictures]"')
    before = results.read(args.against) if args.against else None
    run = results.header(args.threads, name_of(args.text))
    kept = results.resume(args.json, run) if args.json else []
    records = measure_all(chosen, kept, run, args)
    print(results.title(run))
    print_table(chosen, records)
    if args.png:
        draw(rows, records, run, args.png)
    fine = not any("failed" in record for record in records)
    if before:
        fine = say_changes(rows, records, run, before) and fine
    return 0 if fine else 1


def name_of(text: Path | None) -> str:
    """The text by its name and size, as the run's file records it; raises ValueError if it is empty."""
    return f"{text.name}, {len(some_text(text).encode())} bytes" if text else "pydoc_data.topics"


def measure_all(rows: Sequence[Row], kept: list[Record], run: Record, args: argparse.Namespace) -> list[Record]:
    """The records of the rows, including those that were kept; the file is written after each."""
    done = {record["row"]: record for record in kept if "ratio" in record}
    again = [row for row in rows if row.name in done]
    if again:
        note(f"{len(again)} rows are kept from {args.json}: remove it to measure them anew")
    todo = [row for row in rows if row.name not in done]
    with Workers(args.threads) as workers:
        for n, row in enumerate(todo):
            label = f"[{n + 1}/{len(todo)}] {row.name}"
            start = time.monotonic()
            record = measure(row, workers, args.pairs, progress(label, args.pairs))
            done[row.name] = record | {"took": round(time.monotonic() - start, 1)}  # seconds
            _, _, _, ratio, around, goal, told = report.cells(row, done[row.name])
            note(f"{start_of_line()}{label}: {f'{ratio} ({around}) {goal} ' if ratio else ''}{told}")
            if args.json:
                results.write(args.json, run, [*done.values()])
    return list(done.values())


def start_of_line() -> str:
    """The codes that take a terminal back to the start of its line, to write over the progress."""
    return "\r\x1b[K" if sys.stderr.isatty() else ""


def progress(label: str, pairs: int) -> Callable[[int, float], None]:
    """Shows on a terminal how far along a row is."""

    def on_pair(n: int, ratio: float) -> None:
        if start_of_line():
            told = f"{label}: pair {n} of {pairs}, {ratio:.2f}×"
            print(f"{start_of_line()}{told}", end="", file=sys.stderr, flush=True)

    return on_pair


def print_table(rows: Sequence[Row], records: Sequence[Record]) -> None:
    """The rows on stdout."""
    found = {record["row"]: record for record in records}
    lines = [list(report.HEAD), *(report.cells(row, found.get(row.name)) for row in rows)]
    print("\n".join(in_columns(lines, columns(unknown=ENDLESS), numbers=(3, 4, 5))))


def say_changes(rows: Sequence[Row], records: list[Record], run: Record, before: Record) -> bool:
    """Prints what changed beyond noise since another run; returns whether nothing became slower."""
    lines = report.compare(rows, records, before["rows"])
    print(f"\nsince {results.title(before)}")
    if before["machine"] != run["machine"]:
        print("  that was another machine: what differs may be its own doing")
    print("\n".join(f"  {line}" for line in lines or ["nothing changed beyond noise"]))
    return not any(": slower" in line for line in lines)


def draw(rows: Sequence[Row], records: Sequence[Record], run: Record, path: Path) -> None:
    """The chart: rows with a target, those that say how many times as fast ours is."""
    from minigpt.pictures.benchmark import Bar, benchmark_bars
    from minigpt.pictures.figure import save_png

    found = {record["row"]: record for record in records if "ratio" in record}
    drawn = [(row, found[row.name]) for row in rows if row.name in found and row.target and not row.at_most]
    bars = [
        Bar(row.what, row.against, *report.interval_of(record), row.target, report.verdict(row, record) == "hit")
        for row, record in drawn
    ]
    pairs = min((len(record["pairs"]) for _, record in drawn), default=0)
    told = f"{results.title(run)}; {pairs} pairs a row"
    save_png(benchmark_bars(bars, "How many times as fast as the other", told), path)
    note(f"{path}: {len(bars)} rows")
