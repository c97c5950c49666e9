"""`minigpt download`: a model brought to this machine."""

import argparse
from collections.abc import Callable
from pathlib import Path

from minigpt.commands.common import note
from tokenizer.suggest import did_you_mean
from weights.fetch import locate, manual
from weights.fetch.registry import REGISTRY, Entry, lookup
from weights.formats.folder import expand


def run(args: argparse.Namespace) -> int:
    """Fetch, check, and print the folder."""
    name = args.model
    entry = lookup(name)
    if entry is None and (args.folder or args.by_hand or not locate.is_hub_id(name)):
        hint = did_you_mean(name, REGISTRY) or f"there are {', '.join(REGISTRY)}, or a Hub id ORG/NAME"
        raise ValueError(f"no model {name!r}: {hint}")
    if entry is not None and not entry.repo:
        note(f"{entry.name} is embedded: nothing to fetch")
    elif args.by_hand and entry is not None:
        print(manual.instructions(entry), end="")
    elif args.folder and entry is not None:
        print(manual.adopt(entry, expand(args.folder), is_model(entry)))
    else:
        from weights.relatives import check_any  # torch takes a second

        print(locate.fetch_model(name, entry, check_any).path)
    return 0


def is_model(entry: Entry) -> Callable[[Path], None]:
    """A check that raises ValueError if a checkpoint is not the registered model: it loads it and runs its probe."""

    def check(path: Path) -> None:
        from weights.checkpoint import load_checkpoint
        from weights.families.known import RELATIVES
        from weights.fetch.locate import ModelLocation
        from weights.relatives import RelativeCheckpoint, load_relative_checkpoint
        from weights.selfcheck import check as check_probe
        from weights.selfcheck import find_probe

        relative = entry.family in RELATIVES
        checkpoint = load_relative_checkpoint(path, "cpu") if relative else load_checkpoint(path, "cpu", force=True)
        found, expected = checkpoint.report.n_parameters, entry.n_parameters
        if found != expected:
            raise ValueError(
                f"{path}: another model: expected {expected:,} parameters of {entry.name}, found {found:,}"
            )
        if isinstance(checkpoint, RelativeCheckpoint):
            return
        probe = find_probe(path, ModelLocation(entry.name, path, "folder", entry).probe_name)
        check_probe(checkpoint.model, probe, entry.name)

    return check
