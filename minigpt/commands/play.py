"""`minigpt play`: the playground in the browser, until Ctrl-C."""

import argparse
import errno
import os
import secrets
import socket
import webbrowser
from typing import Any

import uvicorn
from starlette.applications import Starlette

from minigpt.commands.common import load_model, note, spinner
from minigpt.playground.app import LOOPBACK, application
from minigpt.playground.connections import Connection
from minigpt.playground.mine import Mine
from minigpt.playground.shelf import Shelf
from minigpt.terminal import plain

TRIED = 20  # ports, before the system chooses one
CONFIG: dict[str, Any] = {  # of uvicorn; the application itself reports its errors
    "http": Connection,
    "ws": "none",
    "log_config": None,
    "log_level": "critical",
    "server_header": False,
    "limit_concurrency": 500,  # connections at once; beyond, a 503
    "timeout_graceful_shutdown": 1,  # seconds until texts under way are cut off
}


def run(args: argparse.Namespace) -> int:
    """Load the model, print the address, serve."""
    lm = load_model(args.model, args)
    if lm.tokenizer is None:
        raise ValueError(f"{args.model} has no vocabulary: the playground shows text, choose another model")
    shelf = Shelf(lm, device=args.device, dtype=args.dtype, plain=args.plain)
    if args.mine:
        with spinner(f"checking {args.mine.name}"):
            shelf.mine = Mine(args.mine, lm)
        for line in [*(str(report).split("\n")[0] for report in shelf.mine.reports), *shelf.mine.trouble]:
            note(plain(line))
    local = args.host in (*LOOPBACK, "::1")
    token = secrets.token_urlsafe(16) if args.token or not local else ""
    listening = listen(args.host, args.port)
    port = listening.getsockname()[1]
    if port != args.port and args.port:
        note(f"port {args.port} is taken")
    address = f"http://{named(args.host)}:{port}/{token and f'?token={token}'}"
    note(f"{lm.name} is at {address} (Ctrl-C ends it)")
    if args.open:
        webbrowser.open(address)
    serve(application(shelf, token), listening)
    note("the playground has ended")
    return 0


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answers until Ctrl-C or SIGTERM, which also end texts under way."""
    try:
        uvicorn.Server(uvicorn.Config(app, **CONFIG)).run(sockets=[listening])
    except KeyboardInterrupt:  # which is how it is meant to end
        return


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at a port, or, where it is taken, at one of the next, or at any that is free."""
    try:
        family, _, _, _, (name, *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OSError(f"--host {host} is no address of this machine: {error.strerror}") from None
    for n in [*range(port, min(port + TRIED, 65536)), 0] if port else [0]:
        listening = socket.socket(family, proto=socket.IPPROTO_TCP)  # named, for asyncio then sends without delay
        try:
            if os.name == "posix":  # elsewhere it would let two programs have the same port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((name, n))
            listening.listen(1024)
            return listening
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise OSError(f"cannot listen at {host}:{n}: {error.strerror}") from None
    raise OSError(f"no port is free at {host}: give another --port")


def named(host: str) -> str:
    """A host as it is written in an address that can be opened.

    >>> named("::1"), named("0.0.0.0") == socket.gethostname()
    ('[::1]', True)
    """
    if host in ("", "0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
