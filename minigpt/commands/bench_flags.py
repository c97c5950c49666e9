"""The flags of `minigpt bench`."""

import argparse
import os
from pathlib import Path

from minigpt.commands import flags

QUICK = 3  # pairs


def bench(parser: argparse.ArgumentParser) -> None:
    """How fast minigpt is here, beside what one would use instead: transformers, llama.cpp, tiktoken and others.

    Each row times two processes in turn, after their outputs were found equal; the ratio is the other's time over ours
    (or ours over the other's, where the target is a maximum). Only those that are installed take part:
    pip install 'minigpt[bench]'. Models have GPT-2's sizes and random weights, kept in the cache.
    """
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help="rows or groups of the table, such as decode tokens (default: all)")
    add("--list", action="store_true", help="the rows with their targets, and what is missing for them here")
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--pairs", type=flags.at_least(1), default=15, metavar="N", help="of timings (default: 15)")
    number.add_argument("--quick", dest="pairs", action="store_const", const=QUICK, help=f"{QUICK} pairs: a first look")
    every = os.cpu_count() or 1
    add("--threads", type=flags.at_least(1), default=every, metavar="N", help="for each (default: %(default)s)")
    add("--text", type=Path, metavar="FILE", help="what the tokenizers read (default: what Python's help() tells)")
    kept = "keep every pair here; rows that the file has are not measured again, so a run can go on after a break"
    add("--json", type=Path, metavar="FILE", help=kept)
    add("--png", type=Path, metavar="FILE", help='a chart; needs pip install "minigpt[pictures]"')
    add("--against", type=Path, metavar="FILE", help="say what became slower since that run; then the exit code is 1")
