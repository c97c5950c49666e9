"""`minigpt doctor`: what a support question asks for, and what to do next."""

import argparse

from minigpt import doctor
from minigpt.terminal import ENDLESS, columns, wrap


def run(args: argparse.Namespace) -> int:
    """Print the sections; 1 where a device computes wrong numbers."""
    answers = None if args.no_network else doctor.network()
    checks, fine = doctor.selfchecks()
    sections = {
        "system": doctor.system(),
        "caches": doctor.caches(),
        "network": answers() if answers else {},
        "self-check of the embedded model": checks,
    }
    width = columns(unknown=ENDLESS)
    for title, rows in sections.items():
        if rows:
            print(title)
        for name, value in rows.items():
            print("\n".join(wrap(f"  {name:<18}{value}", width, indent=20)))
    print("next step")
    print("\n".join(wrap(f"  {next_step(fine)}", width, indent=2)))
    return 0 if fine else 1


def next_step(fine: bool) -> str:
    """What to do now.

    >>> next_step(True)
    'all is well: minigpt generate "Once upon a time"'
    """
    if fine:
        return 'all is well: minigpt generate "Once upon a time"'
    return "a check failed: use the device that passed, as in --device cpu; if none did, install the project again"
