"""The server: the page, the models, a text token by token, bars. All answers are JSON or server-sent events."""

import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from minigpt.commands.parser import in_flags
from minigpt.pictures.colors import style
from minigpt.playground import code, cuts, templates, wire
from minigpt.playground.answers import Events, once
from minigpt.playground.beams import Search
from minigpt.playground.guard import Guard, body_of
from minigpt.playground.knock import WITHOUT, KnockedOut, writing
from minigpt.playground.logits import bars
from minigpt.playground.looking import next_logits, picture, planned, told
from minigpt.playground.shapes import live_architecture
from minigpt.playground.shelf import Shelf
from minigpt.playground.vocabularies import Vocabularies
from minigpt.playground.wire import LARGEST_BODY, Refused
from minigpt.playground.with_part import check_inside
from minigpt.playground.writing import name_of

PAGE = Path(__file__).parent / "page"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
N_BARS = 10


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
    """A text, token by token; also one written without some parts of the model, or with a chat template."""
    asked = wire.read(await body_of(request), {**WITHOUT, **templates.FIELDS})
    loaded = request.app.state.shelf.get(asked.model)
    written = await run_in_threadpool(writing, loaded, asked)
    return Events(loaded, written, written.stop)


async def show_bars(request: Request) -> Response:
    """The distribution after a text, before and after each filter."""
    asked = wire.read(await body_of(request), WITHOUT)
    loaded = request.app.state.shelf.get(asked.model)
    check_inside(loaded, asked)
    parts = KnockedOut(loaded.lm, asked)
    recent = parts.apart(loaded.recent)
    ids, settings = await run_in_threadpool(planned, loaded.lm, asked)
    logits = recent.get(ids)
    if logits is None:
        logits = await once(loaded, lambda: parts.without(lambda: next_logits(loaded.lm, ids, recent)))
    found = await run_in_threadpool(bars, logits, ids, settings, N_BARS)
    for step in found["steps"]:
        step["code"] = code.step_of(step["name"])
        step["where"] = code.where(step["code"])
    tokens = [name_of(loaded.lm.tokenizer, id) for id in found.pop("ids")]
    return JSONResponse({"tokens": tokens, **found})


async def show_picture(request: Request) -> Response:
    """A picture of a text by `lm.show`: as SVG without its own style sheet, which the page has, and its description."""
    asked = wire.read(await body_of(request), {"what": str, "layer": int, "head": int, **WITHOUT})
    loaded = request.app.state.shelf.get(asked.model)
    check_inside(loaded, asked)
    parts = KnockedOut(loaded.lm, asked)
    return JSONResponse(await once(loaded, lambda: parts.without(lambda: picture(loaded.lm, asked))))


async def show_architecture(request: Request) -> Response:
    """The model with the shapes that a text's tensors have in it."""
    asked = wire.read(await body_of(request))
    loaded = request.app.state.shelf.get(asked.model)
    check_inside(loaded, asked, True)
    return JSONResponse(await once(loaded, lambda: told(live_architecture(loaded.lm, asked.prompt))))


async def show_beams(request: Request) -> Response:
    """The tree of a beam search, round by round."""
    asked = wire.read(await body_of(request), WITHOUT)
    loaded = request.app.state.shelf.get(asked.model)
    return Events(loaded, await run_in_threadpool(Search, loaded.lm, asked))


async def show_template(request: Request) -> Response:
    """A prompt as the model's chat template writes it, a user's message."""
    asked = wire.read(await body_of(request))
    loaded = request.app.state.shelf.get(asked.model)
    try:
        return JSONResponse(await run_in_threadpool(templates.rendered, loaded.lm, asked))
    except ValueError as error:
        raise Refused(getattr(error, "status", 422), str(error)) from None


async def mine(request: Request) -> Response:
    """The learner's file and what the checker says about it, read again if saved since; its name is null for none."""
    shelf: Shelf = request.app.state.shelf
    return JSONResponse(await run_in_threadpool(shelf.mine.look) if shelf.mine else {"file": None})


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
    """The server as an ASGI application. Only requests to these host names are answered; with a token, to all: a
    foreign page that makes its own host name point here does not know the token."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(shelf.close)

    fetched = {"/": page, "/models": models, "/mine": mine, "/vocabularies": cuts.vocabularies, "/code": code.list_code}
    looking = {"/bars": show_bars, "/picture": show_picture, "/architecture": show_architecture, "/beams": show_beams}
    asking = {"/load": load, "/generate": generate, "/template": show_template, "/tokens": cuts.tokens} | looking
    app = Starlette(
        routes=[
            *(Route(path, function) for path, function in fetched.items()),
            Route("/code/{name}", code.show_code),
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
    app.state.shelf, app.state.vocabularies = shelf, Vocabularies(shelf)
    return app
