"""Chromium without a window, driven by Playwright: what a page looks like, and what it loads.

One browser serves a whole run of the tests; every page that is opened gets a context of its own, which is as a fresh
profile. Source: https://playwright.dev/python/docs/library
"""

import atexit
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import ConsoleMessage, Page

T = TypeVar("T")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FOUND = next(filter(None, map(shutil.which, NAMES)), None)
PLAYWRIGHT = find_spec("playwright") is not None
CHROMIUM = FOUND if PLAYWRIGHT else None
MISSING = (  # why there is no browser; empty where there is one
    "playwright is not installed: pip install playwright"
    if not PLAYWRIGHT
    else ("" if FOUND else "no chromium on this machine: on Debian, apt install chromium")
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb")
PATIENCE = 30.0  # seconds that one answer may take


class Process(threading.Thread):
    """The browser, in a thread of its own: Playwright leaves an event loop that runs in its thread, and a test that
    comes later may want to run one in the main thread."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self.start()
        self.do(self.launch)
        atexit.register(self.end)

    def launch(self) -> None:
        """Starts it."""
        from playwright.sync_api import sync_playwright

        self.playwright = sync_playwright().start()
        self.chromium: Chromium = self.playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

    def do(self, action: Callable[[], T]) -> T:
        """What an action in the browser's thread returns or raises."""
        if threading.current_thread() is self:
            return action()
        done: Future[T] = Future()
        self.asked.put((done, action))
        return done.result()

    def run(self) -> None:
        """One action after the other."""
        while asked := self.asked.get():
            done, action = asked
            try:
                done.set_result(action())
            except BaseException as error:
                done.set_exception(error)

    def end(self) -> None:
        """Ends the browser and the thread."""
        self.do(lambda: (self.chromium.close(), self.playwright.stop()))
        self.asked.put(None)
        self.join(PATIENCE)


@cache
def process() -> Process:
    """The browser of this run, started when it is first wanted."""
    if MISSING:
        raise FileNotFoundError(MISSING)
    return Process()


class Browser:
    """One page at a time; `with Browser() as browser` closes it. The page that was opened last tells `requests`
    (addresses) and `errors` (of its console and its scripts)."""

    def __init__(self) -> None:
        self.process = process()
        self.page: Page | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.process.do(self.close)

    def close(self) -> None:
        """Closes the page and forgets its profile."""
        if self.page:
            self.page.context.close()
        self.page = None

    def do(self, action: "Callable[[Page], T]") -> T:
        """What an action of Playwright on the page returns."""
        assert self.page, "open a page first"
        page = self.page
        return self.process.do(lambda: action(page))

    def open(
        self, address: Path | str, width: int = 1280, dark: bool = False, phone: bool = False, calm: bool = False
    ) -> None:
        """Shows a file or an address in a window of that width, for a reader who prefers light or dark, or less
        motion, until it has loaded."""
        self.requests, self.errors = [], []
        requests, errors = self.requests, self.errors

        def fresh() -> None:
            self.close()
            context = self.process.chromium.new_context(
                viewport={"width": width, "height": 800},
                is_mobile=phone,
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce" if calm else "no-preference",
            )
            context.set_default_timeout(1000 * PATIENCE)
            context.on("request", lambda request: requests.append(request.url))
            context.on("console", lambda message: note(message, errors))
            context.on("weberror", lambda found: errors.append(str(found.error)))
            self.page = context.new_page()
            self.page.goto(address.resolve().as_uri() if isinstance(address, Path) else address)

        self.process.do(fresh)

    def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript on the page."""
        return self.do(lambda page: page.evaluate(script))

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of all that a screen reader finds."""
        tree = self.do(lambda page: page.context.new_cdp_session(page).send("Accessibility.getFullAXTree"))
        found = [node for node in tree["nodes"] if not node.get("ignored")]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in found]

    def screenshot(self, file: Path, width: int) -> None:
        """Writes the page as a PNG: as wide as its window, as long as it is."""
        height = self.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        clip: Any = {"x": 0, "y": 0, "width": width, "height": max(height, 1)}
        self.do(lambda page: page.screenshot(path=file, full_page=True, clip=clip))


def note(message: "ConsoleMessage", errors: list[str]) -> None:
    """Keep what the console says of errors."""
    if message.type in ("error", "warning", "assert"):
        errors.append(message.text)
