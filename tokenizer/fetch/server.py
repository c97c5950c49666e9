"""Asking a server for a file: where it may redirect to, who sees the token, how long to wait for a busy one."""

import io
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

BUSY = (408, 429)  # and all from 500 on: asking again may help
LONGEST_PAUSE = 60.0  # seconds that a server's Retry-After may ask for


def ask(url: str, headers: Mapping[str, str], start: int, timeout: float) -> HTTPResponse:
    """The answer to a GET from byte `start` on; `headers` stay with the scheme, host and port of `url`."""
    request = Request(url, headers={"User-Agent": "minigpt"} | ({"Range": f"bytes={start}-"} if start else {}))
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    return build_opener(Redirects).open(request, timeout=timeout)


class Redirects(HTTPRedirectHandler):
    """Follows redirects that `check_redirect` allows; endless ones are an HTTPError of the standard library."""

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> IO[bytes] | None:
        fp.close()  # the standard library would read the whole page that comes with a redirect, however long
        try:
            return super().http_error_302(req, io.BytesIO(), code, msg, headers)
        except ValueError as error:
            raise OSError(f"{req.full_url}: redirects to an invalid address ({error})") from None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        check_redirect(req.full_url, newurl)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and origin(newurl) == origin(req.full_url):
            for name, value in req.unredirected_hdrs.items():
                request.add_unredirected_header(name, value)
        return request


def check_redirect(url: str, target: str) -> None:
    """An OSError if a server redirects to anything but http or https, or from https down to http."""
    schemes = urlsplit(url).scheme, origin(target)[0]
    if schemes[1] not in ("http", "https") or schemes == ("https", "http"):
        raise OSError(f"{url}: redirects to {target[:200]!r}, which is not followed: use another mirror (HF_ENDPOINT)")


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a token is given for. An OSError if the port is invalid.

    >>> origin("https://huggingface.co/gpt2") == origin("HTTPS://HuggingFace.co:443/gpt2")
    True
    """
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise OSError(f"{url[:200]!r} is not a valid address ({error})") from None


def retry_after(headers: Mapping[str, str] | Message | None) -> float:
    """The seconds that a busy server asks the client to wait, from its Retry-After (RFC 9110, section 10.2.3), or 0.

    >>> retry_after({"Retry-After": "7"}), retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    (7.0, 0.0)
    """
    value = str(headers.get("Retry-After") or "").strip() if headers else ""
    if re.fullmatch("[0-9]+", value):
        return float(value[:12]) if len(value) < 13 else float("inf")
    with suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(value)
        now = datetime.now(UTC) if date.tzinfo else datetime.now(UTC).replace(tzinfo=None)
        return max(0.0, (date - now).total_seconds())
    return 0.0


def wait(url: str, pause: float, headers: Mapping[str, str] | Message | None = None) -> None:
    """Waits `pause` seconds, or as long as the server asks for; an OSError if that is longer than a minute."""
    host, asked = urlsplit(url).netloc, retry_after(headers)
    if asked > LONGEST_PAUSE:
        raise OSError(f"{host} is busy and asks to come back in {asked:,.0f} seconds: try again then, or use a mirror")
    if asked > pause:
        say(f"{host} is busy and asks to come back in {asked:,.0f} seconds: waiting")
    time.sleep(max(pause, asked))


def hopeless(status: int) -> bool:
    """Whether a server that answered with this HTTP status would say the same again."""
    return status < 500 and status not in BUSY


def in_one_line(error: Exception) -> str:
    """What an error says, where a server's own words may hold line ends and control characters."""
    if isinstance(error, URLError) and not isinstance(error, HTTPError) and not str(error.reason):
        return type(error.reason).__name__
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text)[:500]


def say(line: str) -> None:
    """One line on stderr for those who wait."""
    print(f"minigpt: {line}", file=sys.stderr, flush=True)
