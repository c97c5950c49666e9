"""The command line: `minigpt COMMAND …`. Text goes to stdout, everything else to stderr."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

COMMANDS = (
    *("generate", "chat", "compare", "next", "tokens", "train"),
    *("models", "download", "inspect", "export", "parity", "eval", "doctor"),
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser(names: Sequence[str] = COMMANDS) -> Parser:
    """The parser of these commands; no command's heavy imports happen here."""
    parser = Parser(prog="minigpt", description="GPT-2 from scratch: to read, run, break and teach.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        module = importlib.import_module(f"minigpt.commands.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 used wrongly, 130 interrupted.

    >>> main(["models", "--no-such-flag"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    prepare_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    args = build_parser([name for name in words[:1] if name in COMMANDS] or COMMANDS).parse_args(words)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as in `minigpt generate … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, MemoryError) as error:
        print(f"minigpt: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 1
    return code


def prepare_streams() -> None:
    """Outputs that no text can break: UTF-8 into files and pipes whatever the system's habit, and none missing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us, as daemons are
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            wanted = None if os.environ.get("PYTHONIOENCODING") else "utf-8"  # a user's own wish goes first
            stream.reconfigure(encoding=wanted, errors="replace")


if __name__ == "__main__":
    sys.exit(main())
