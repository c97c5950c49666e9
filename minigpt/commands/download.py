"""Bring a model to this machine, verified; afterwards it loads without a network."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weights.fetch.registry import Entry

HELP = "bring a model to this machine, verified"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt download`."""
    parser.add_argument("name", metavar="NAME", help="a registered name (see minigpt models) or a Hub id, ORG/MODEL")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--from", dest="folder", metavar="FOLDER", help="take the files from a folder instead")
    way.add_argument("--by-hand", action="store_true", help="print how to bring the files without this command")


def run(args: argparse.Namespace) -> int:
    """Fetch, check, and print the folder."""
    from weights.fetch import locate as sources
    from weights.fetch import manual as byhand
    from weights.fetch.registry import REGISTRY, lookup
    from weights.formats.folder import expand

    entry = lookup(args.name)
    if entry is None and (args.folder or args.by_hand or not sources.is_hub_id(args.name)):
        raise ValueError(f"no model {args.name!r}; there are {', '.join(REGISTRY)}, or a Hub id ORG/MODEL")
    if entry is not None and not entry.repo:
        print(f"{entry.name} is embedded: nothing to fetch", file=sys.stderr)
        return 0
    if args.by_hand and entry is not None:
        print(byhand.instructions(entry), end="")
        return 0
    if args.folder and entry is not None:
        print(byhand.adopt(entry, expand(args.folder), is_model(entry)))
        return 0
    print(sources.fetch_model(args.name, entry).path)
    return 0


def is_model(entry: "Entry") -> Callable[[Path], None]:
    """What raises a ValueError for a checkpoint that is not the registered model: it loads it and runs its probe."""

    def check(path: Path) -> None:
        from weights.checkpoint import load_checkpoint
        from weights.fetch.locate import ModelLocation
        from weights.selfcheck import check as check_probe
        from weights.selfcheck import find_probe

        checkpoint = load_checkpoint(path, "cpu", force=True)
        found, expected = checkpoint.report.n_parameters, entry.n_parameters
        if found != expected:
            raise ValueError(
                f"{path}: another model: expected {expected:,} parameters of {entry.name}, found {found:,}"
            )
        probe = find_probe(path, ModelLocation(entry.name, path, "folder", entry).probe_name)
        check_probe(checkpoint.model, probe, entry.name)

    return check
