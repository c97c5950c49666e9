"""Versions, threads, memory, caches, network, a self-check of every device, and what to do next."""

import argparse

HELP = "is all well here? versions, caches, network, a check of every device"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt doctor`."""
    parser.add_argument("--no-network", action="store_true", help="do not ask the Hub and the package index")


def run(args: argparse.Namespace) -> int:
    """Print what a support question asks for; 1 where a device computes wrong numbers."""
    from minigpt import doctor

    answers = None if args.no_network else doctor.network()
    checks, fine = doctor.selfchecks()
    sections = {
        "system": doctor.system(),
        "caches": doctor.caches(),
        "network": answers() if answers else {},
        "self-check of the embedded model": checks,
    }
    for title, rows in sections.items():
        if rows:
            print(title)
            print("\n".join(f"  {name:<18}{value}" for name, value in rows.items()))
    print("next step")
    print("  " + next_step(fine))
    return 0 if fine else 1


def next_step(fine: bool) -> str:
    """What to do now.

    >>> next_step(True)
    'all is well: minigpt generate "Once upon a time"'
    """
    if fine:
        return 'all is well: minigpt generate "Once upon a time"'
    return "a check failed: use the device that passed, as in --device cpu; if none did, install the project again"
