"""Text from outside: standard input and the words of the command line, which are UTF-8 or refused."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


def read_stdin() -> str:
    """All of standard input, its line ends as they are, without a byte-order mark; ValueError if it is not UTF-8.

    >>> import io
    >>> sys.stdin, before = io.TextIOWrapper(io.BytesIO(b"caf\\xe9")), sys.stdin
    >>> read_stdin()
    Traceback (most recent call last):
    ValueError: standard input is not UTF-8 (unexpected end of data at byte 3): convert it, as with iconv
    >>> sys.stdin = before
    """
    return text_of(source().read()).removeprefix("\ufeff")


def read_prompt() -> str:
    """All of standard input, without the line end that closes it."""
    return read_stdin().removesuffix("\n").removesuffix("\r")


def read_line() -> str | None:
    """The next line of standard input without its end, None if there is none; what was read before is not re-read."""
    line = text_of(source().readline())
    return line.rstrip("\r\n") if line else None


def source() -> IO[bytes] | IO[str]:
    """Standard input's bytes where it has any: its own decoding depends on the locale, and lets bad bytes through."""
    return getattr(sys.stdin, "buffer", sys.stdin)


def text_of(data: bytes | str) -> str:
    """The text of bytes from standard input: UTF-8, unless the user's PYTHONIOENCODING says otherwise.

    >>> text_of("né".encode()), text_of("né")
    ('né', 'né')
    """
    if isinstance(data, str):
        return data
    own = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    encoding = own or "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = own or "UTF-8"
        where = f"{error.reason} at byte {error.start}"
        raise ValueError(f"standard input is not {name} ({where}): convert it, as with iconv") from None


def refuse_bad_bytes(what: str, text: str) -> None:
    """Raises ValueError if a word of the command line was not UTF-8: Python keeps such bytes as lone surrogates.

    >>> refuse_bad_bytes("PROMPT", "caf\\udce9")
    Traceback (most recent call last):
    ValueError: PROMPT is not UTF-8 (byte 0xe9 after 3 characters): write it in UTF-8, or pipe it in
    """
    at = next((i for i, character in enumerate(text) if "\udc80" <= character <= "\udcff"), None)
    if at is not None:
        byte = ord(text[at]) - 0xDC00
        raise ValueError(
            f"{what} is not UTF-8 (byte {byte:#04x} after {at} characters): write it in UTF-8, or pipe it in"
        )
