"""A playground that runs, and a client that reads what it says."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import minigpt
from minigpt.commands.play import CONFIG, listen
from minigpt.language_model import LanguageModel
from minigpt.playground.app import application
from minigpt.playground.shelf import Shelf
from tests.pictures.browser import MISSING
from tests.playground.visitor import BARS, Visitor


class Playground:
    """A server in a thread of this process, and how to ask it."""

    def __init__(self, shelf: Shelf, token: str = "", prefix: str = "") -> None:
        self.shelf, self.listening = shelf, listen("127.0.0.1", 0)
        self.port = self.listening.getsockname()[1]
        self.app = app = application(shelf, token)

        async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
            """The page deep in a proxy's addresses, which takes its own part of them away."""
            stripped = scope.get("path", "").removeprefix(prefix) if scope.get("path", "").startswith(prefix) else "/no"
            await app({**scope, "path": stripped}, receive, send)

        self.server = uvicorn.Server(uvicorn.Config(proxied if prefix else app, **CONFIG))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def asking(self) -> list[str]:
        """The addresses that take a body, from the table of routes."""
        return [route.path for route in self.app.routes if isinstance(route, Route) and "POST" in (route.methods or ())]

    def open(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """The answer, its body still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is None:
            connection.request("GET", path, headers=headers or {})
        else:
            connection.request("POST", path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        answer.connection = connection  # type: ignore[attr-defined]
        return answer

    def ask(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        answer = self.open(path, body, headers)
        with answer:
            return answer.status, json.loads(answer.read())

    def events(self, **body: Any) -> Iterator[dict[str, Any]]:
        """The events of a text, as they come."""
        prompt = {} if "ids" in body else {"prompt": "Once upon a time"}
        with self.open("/generate", {"model": "storyteller", **prompt, **body}) as answer:
            assert answer.status == 200, answer.read()
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture(scope="session")
def lm() -> LanguageModel:
    return minigpt.load("storyteller", device="cpu")


@pytest.fixture(scope="session")
def playground(lm: LanguageModel) -> Iterator[Playground]:
    playground = Playground(Shelf(lm, device="cpu"))
    yield playground
    playground.stop()


@pytest.fixture
def chromium() -> Iterator[Visitor]:
    """A browser that shows nothing yet; skipped with the reason where there is none."""
    if MISSING:
        pytest.skip(MISSING)
    with Visitor() as browser:
        yield browser


@contextlib.contextmanager
def opened(chromium: Visitor, address: str) -> Iterator[Visitor]:
    """The page with its first bars; at the end it has asked nobody but its server, and nothing failed in it."""
    chromium.visit(address)
    chromium.wait(f"{BARS}.length > 0")
    yield chromium
    chromium.evaluate("0")  # after which all is told that has happened
    elsewhere = [url for url in chromium.requests if not url.startswith((address, "data:,", "blob:"))]
    assert not elsewhere
    assert not chromium.errors


@pytest.fixture
def page(chromium: Visitor, playground: Playground) -> Iterator[Visitor]:
    """See `opened`."""
    with opened(chromium, playground.address) as page:
        yield page


def until(what: Any, seconds: float = 20.0) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
