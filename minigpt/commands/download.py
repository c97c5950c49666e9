"""`minigpt download`: a model brought to this machine."""

import argparse

from minigpt.commands.common import note
from tokenizer.suggest import did_you_mean
from weights.fetch import locate, manual
from weights.fetch.registry import REGISTRY, lookup
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
        print(manual.adopt(entry, expand(args.folder)))
    else:
        print(locate.fetch_model(name, entry).path)
    return 0
