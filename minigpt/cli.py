"""The command line: `minigpt COMMAND …`. Text goes to stdout, everything else to stderr."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence

import minigpt
from minigpt.commands import COMMANDS

TYPE_CHECKING = False  # typing's own takes longer to import than the rest
if TYPE_CHECKING:
    from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 130 interrupted. Wrong usage raises SystemExit(2).

    >>> main(["models", "--no-such-flag"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    prepare_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        code = dispatch(words[0] if words else "--help", words[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as in `minigpt generate … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return code


def dispatch(name: str, words: Sequence[str]) -> int:
    """What the first word asks for: help, the version, or a command."""
    if name in COMMANDS:
        return run(name, words)
    if name in ("-h", "--help"):
        print(overview())
    elif name == "--version":
        print(f"minigpt {minigpt.__version__}")
    else:
        refuse(name)
    return 0


def run(name: str, words: Sequence[str]) -> int:
    """Run a command: its flags are checked first, and only then is its module imported."""
    from minigpt.commands.flags import UsageError
    from minigpt.commands.parser import Parser, in_flags

    parser = Parser(name)
    args = parser.read(words)
    try:
        if "check" in args:
            args.check(args)
        code: int = importlib.import_module(f"minigpt.commands.{name}").run(args)
        return code
    except UsageError as error:
        parser.error(in_flags(str(error), parser.flags))
    except BrokenPipeError:
        raise
    except (ValueError, OSError, ImportError, MemoryError) as error:
        print(f"minigpt: {in_flags(reason(error), parser.flags)}", file=sys.stderr)
        return 1


def overview() -> str:
    """The help of `minigpt` itself: one line per command."""
    commands = "\n".join(f"    {name:<10} {text}" for name, text in COMMANDS.items())
    return f"""usage: minigpt COMMAND …

GPT-2 from scratch: to read, run, break and teach.

commands:
{commands}

options:
    -h, --help this list; minigpt COMMAND --help lists a command's flags
    --version  the version"""


def refuse(name: str) -> NoReturn:
    """An unknown command, with the one that was probably meant."""
    from tokenizer.suggest import did_you_mean

    what = f"unrecognized arguments: {name}" if name.startswith("-") else f"there is no command {name!r}"
    hint = did_you_mean(name, [*COMMANDS, "--help", "--version"])
    print(f"minigpt: {what}{': ' if hint else ''}{hint} (see minigpt --help)", file=sys.stderr)
    raise SystemExit(2)


def reason(error: BaseException) -> str:
    """What went wrong, in one line.

    >>> reason(FileNotFoundError(2, "No such file or directory", "my.txt")), reason(MemoryError())
    ('my.txt: No such file or directory', 'MemoryError')
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def prepare_streams() -> None:
    """Outputs that no text can break: UTF-8 into files and pipes on every system, and none missing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us, as daemons are
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - pathlib costs time
        elif isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            wanted = None if os.environ.get("PYTHONIOENCODING") else "utf-8"  # a user's own choice takes precedence
            stream.reconfigure(encoding=wanted, errors="replace")


if __name__ == "__main__":
    sys.exit(main())
