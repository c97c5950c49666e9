"""Who may ask: no foreign page, and nobody without the token if one is required; what a browser may load."""

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minigpt.playground.wire import Refused

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address may hold the token
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",  # a newer version shows at once
}


class Guard:
    """Every answer gets the headers; a request that changes or computes something must come from the page itself.

    A browser says where a request comes from: by Sec-Fetch-Site, which no proxy changes, else by Origin, which must
    name the host that was asked. Programs other than browsers send neither, and may ask. With a `token` everything but
    the page's own files requires it, as "Authorization: Bearer …" or, for the page, as ?token=….
    """

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        status, reason = self.against(scope)
        app = JSONResponse({"error": reason}, status) if status else self.app
        return await app(scope, receive, send_with_headers)

    def against(self, scope: Scope) -> tuple[int, str]:
        """The status and the reason if a request is refused, else 0."""
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD") and not self.own_page(headers):
            return 403, "this request comes from another page: open the playground itself"
        if self.token and not scope["path"].startswith("/static/"):
            sent = headers.get("authorization", "").removeprefix("Bearer ") or Request(scope).query_params.get(
                "token", ""
            )
            if not secrets.compare_digest(sent.encode(), self.token.encode()):
                return 401, "the token is missing or wrong: open the address that minigpt play printed"
        return 0, ""

    def own_page(self, headers: Headers) -> bool:
        """Whether a request comes from the page, or from a program that is not a browser."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if self.token and site:  # behind a proxy Origin and Host may name two hosts
            return site == "same-origin"
        own = origin is None or urlsplit(origin).netloc == headers.get("host")
        return own and site in (None, "same-origin", "none")


async def body_of(request: Request) -> bytes:
    """The body, which must say that it is JSON: no form of a foreign page can."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"the content type must be application/json, not {kind or 'missing'}")
    return await request.body()
