"""The flags of `minigpt play`."""

import argparse

from minigpt.commands import flags

SUCH = "such as def top_k(scores, k): …"
WORK = "each is checked and written with, beside the model itself; read again after every save"


def play(parser: argparse.ArgumentParser) -> None:
    """The playground, a page in the browser: a text as it is drawn, what else could have come, bars and branches.

    It is served from this machine to this machine and asks no other. Ctrl-C ends it.
    """
    add = parser.add_argument
    flags.add_model(parser)
    flags.add_device(parser, auto=True)
    flags.add_plain(parser)
    also = "another also lets other machines in, by an address with a token"
    add("--host", default="127.0.0.1", help=f"the address to listen at (default: %(default)s); {also}")
    add("--port", type=port, default=8000, help="(default: %(default)s; if it is taken, the next one that is free)")
    add("--token", action="store_true", help="want a token, and answer under any name: behind JupyterHub's proxy")
    mine = f"a file with exercises, as minigpt check reads it, {SUCH}: {WORK}"
    add("--mine", type=flags.path, metavar="FILE", help=mine)
    add("--open", action="store_true", help="open the page in a browser")


def port(text: str) -> int:
    """The number of a port; 0 is any that is free.

    >>> port("8080")
    8080
    """
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 (any that is free) to 65535, not {text}")
    return int(text)
