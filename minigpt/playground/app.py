"""The server: the page, the models, a text token by token, bars. All answers are JSON or server-sent events."""

import asyncio
import contextlib
import json
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from minigpt.commands.parser import in_flags
from minigpt.pictures.colors import style
from minigpt.playground import wire
from minigpt.playground.guard import Guard
from minigpt.playground.logits import bars
from minigpt.playground.looking import next_logits, picture, planned, where
from minigpt.playground.shelf import Loaded, Shelf
from minigpt.playground.wire import LARGEST_BODY, Refused
from minigpt.playground.work import Event, Job
from minigpt.playground.writing import Writing, name_of

T = TypeVar("T")
PAGE = Path(__file__).parent / "page"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
N_BARS = 10


class Events(StreamingResponse):
    """Server-sent events of a job, which ends with the answer: at its last event, or when the reader has gone."""

    def __init__(self, loaded: Loaded, writing: Writing) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def give(event: Event | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                loop.call_soon_threadsafe(self.queue.put_nowait, event)

        self.job = Job(writing.events(), give)
        place = loaded.worker.submit(self.job)
        super().__init__(self.lines({**writing.start(), "place": place}), media_type="text/event-stream")

    async def lines(self, event: Event | None) -> AsyncIterator[str]:
        """The events as the protocol writes them."""
        while event is not None:
            yield f"data: {json.dumps(event, ensure_ascii=False, allow_nan=False)}\n\n"
            event = await self.queue.get()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.job.cancel()


async def page(_: Request) -> Response:
    """The page."""
    return FileResponse(PAGE / "index.html")


async def colors(_: Request) -> Response:
    """The colours of the pictures, which are those of the page."""
    return Response(style(), media_type="text/css")


async def models(request: Request) -> Response:
    """The models on this machine, and what loading each of them costs."""
    return JSONResponse(await run_in_threadpool(request.app.state.shelf.describe))


async def load(request: Request) -> Response:
    """Loads a model; its description."""
    shelf: Shelf = request.app.state.shelf
    name = wire.fields(await body_of(request), {"model": str})["model"]
    await run_in_threadpool(shelf.load, name)
    return JSONResponse(shelf.description(name))


async def generate(request: Request) -> Response:
    """A text, token by token."""
    asked = wire.read(await body_of(request))
    loaded = request.app.state.shelf.get(asked.model)
    return Events(loaded, await run_in_threadpool(Writing, loaded.lm, asked, loaded.recent))


async def show_bars(request: Request) -> Response:
    """The distribution after a text, before and after each filter."""
    asked = wire.read(await body_of(request))
    loaded = request.app.state.shelf.get(asked.model)
    ids, settings = await run_in_threadpool(planned, loaded.lm, asked)
    logits = loaded.recent.get(ids)
    if logits is None:
        logits = await once(loaded, lambda: next_logits(loaded.lm, ids, loaded.recent))
    found = await run_in_threadpool(bars, logits, ids, settings, N_BARS)
    for step in found["steps"]:
        step["where"] = where(step["name"])
    tokens = [name_of(loaded.lm.tokenizer, id) for id in found.pop("ids")]
    return JSONResponse({"tokens": tokens, **found})


async def show_picture(request: Request) -> Response:
    """A picture of `lm.show` of a text: as SVG without its own style sheet, which the page has, and its description."""
    asked = wire.read(await body_of(request), {"what": str, "layer": int, "head": int})
    loaded = request.app.state.shelf.get(asked.model)
    return JSONResponse(await once(loaded, lambda: picture(loaded.lm, asked)))


async def body_of(request: Request) -> bytes:
    """The body, which must say that it is JSON: no form of a foreign page can."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"the content type must be application/json, not {kind or 'missing'}")
    return await request.body()


async def once(loaded: Loaded, compute: Callable[[], T]) -> T:
    """What a single step of work on a model gives; it goes before texts that are being written."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[T] = loop.create_future()

    def settle(event: Event) -> None:
        if not told.done():
            if "found" in event:
                told.set_result(event["found"])
            else:
                told.set_exception(Refused(event["status"], event["error"]))

    def give(event: Event | None) -> None:
        if event is not None:
            loop.call_soon_threadsafe(settle, event)

    def steps() -> Generator[Event, None, None]:
        yield {"found": compute()}

    job = Job(steps(), give)
    loaded.worker.submit(job, first=True)
    try:
        return await told
    finally:
        job.cancel()


async def answer(_: Request, error: Exception) -> Response:
    """What went wrong, in one line."""
    if isinstance(error, Refused):
        return JSONResponse({"error": in_flags(str(error), {})}, error.status)
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, ClientDisconnect):  # nobody reads this
        return JSONResponse({"error": "the request broke off"}, 400)
    traceback.print_exception(error, file=sys.stderr)
    return JSONResponse({"error": f"the server failed: {type(error).__name__}"}, 500)


def application(shelf: Shelf, token: str = "", hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The server as an ASGI application. Only these host names are answered; with a token, all: no foreign page can
    have made its own name point here and know the token as well."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(shelf.close)

    asking = {"/load": load, "/generate": generate, "/bars": show_bars, "/picture": show_picture}
    app = Starlette(
        routes=[
            Route("/", page),
            Route("/models", models),
            Route("/static/colors.css", colors),
            Mount("/static", StaticFiles(directory=PAGE)),
            *(Route(path, function, methods=["POST"]) for path, function in asking.items()),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["*"] if token else [*hosts], www_redirect=False),
            Middleware(Guard, token=token),
        ],
        exception_handlers=dict.fromkeys((Refused, HTTPException, ClientDisconnect, Exception), answer),
        lifespan=lifespan,
        max_body_size=LARGEST_BODY,
    )
    app.state.shelf = shelf
    return app
