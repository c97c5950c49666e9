"""The warm process with the network off: whatever tries to reach another machine is stopped, and the host is named."""

import os
import sys
from contextlib import suppress
from typing import Any

from minigpt.lecture import warm


class NetworkOff(Exception):
    """Something tried to reach another machine. Not an OSError: no code should take it for a network that is down and
    go on without it."""


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """Stops what Python is about to do if it concerns another machine; see sys.addaudithook.

    >>> refuse("socket.getaddrinfo", ("localhost", 80, 0, 0, 0))
    >>> refuse("socket.connect", (None, ("192.0.2.1", 443)))
    Traceback (most recent call last):
    minigpt.lecture.preflight_kernel.NetworkOff: it asks for 192.0.2.1, and in a hall there may be no network
    """
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):  # a Unix socket has a path
        host = args[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name not in ("localhost", "::1") and not name.startswith("127."):
        raise NetworkOff(f"it asks for {name}, and in a hall there may be no network")


def main() -> None:
    """Answers jobs as the warm process does."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.addaudithook(refuse)
    with suppress(EOFError):
        warm.main()


if __name__ == "__main__":
    main()
