"""`minigpt models`: the models known by name, and where each of them is."""

import argparse
import json
from math import prod
from pathlib import Path

from minigpt.terminal import ENDLESS, columns, table
from tokenizer.display import use_color
from weights.fetch.locate import local
from weights.fetch.registry import ENTRIES, Entry
from weights.formats.folder import weight_files
from weights.report import size_text

HEAD = ("name", "parameters", "size", "licence", "where")


def run(args: argparse.Namespace) -> int:
    """Print the table; asks no network."""
    rows = [HEAD, *(row(entry, args.paths) for entry in ENTRIES)]
    print("\n".join(table(rows, columns(unknown=ENDLESS), numbers=(1, 2), color=use_color())))
    return 0


def row(entry: Entry, paths: bool) -> tuple[str, str, str, str, str]:
    """A model's line of the table."""
    n, size, where = entry.n_parameters, entry.size, "on the Hub" if entry.repo else "missing"
    where += " and in the package index" if entry.wheel else ""
    try:
        found = local(entry.name)
        if found is not None:
            size = size_text(weight_bytes(found.path))
            n = n or count(found.path / "model.safetensors")
            where = found.source if found.source == "embedded" else f"on this machine ({found.source})"
            where += f": {found.path}" if paths else ""
    except (OSError, ValueError) as error:
        where = f"damaged: {error}"
    return entry.name, f"{n / 1e6:,.0f} M" if n >= 1e6 else f"{n / 1e6:.1f} M", size, entry.licence, where


def count(path: Path) -> int:
    """The numbers in a safetensors file, from its header."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def weight_bytes(path: Path) -> int:
    """The size of a checkpoint's weights on disk."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else weight_files(path)))
