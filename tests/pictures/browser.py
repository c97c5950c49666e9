"""Chromium without a window, driven over a pipe by its DevTools protocol: what a page looks like, and what it loads.

Each message is JSON and ends with a zero byte: --remote-debugging-pipe reads from file descriptor 3 and writes to 4.
Source: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PATIENCE = 30.0  # seconds that one answer may take


class Browser:
    """One page of a browser; `with Browser() as browser` ends it. A page that was opened keeps what it told:
    `requests` (addresses) and `errors` (of the console)."""

    def __init__(self) -> None:
        if CHROMIUM is None:
            raise FileNotFoundError("no chromium on this machine: on Debian, apt install chromium")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (read, to), (back, write) = os.pipe(), os.pipe()
        given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read, write)]  # clear of 3 and 4 themselves
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
        quiet = ("--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb")
        words = [CHROMIUM, *flags, *quiet, f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe"]
        shell = f'exec "$@" 3<&{given[0]} 4>&{given[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *words], pass_fds=given, stderr=subprocess.DEVNULL
        )
        for end in (read, write, *given):
            os.close(end)
        self.to, self.back, self.rest, self.count, self.session = to, back, b"", 0, ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.loaded = False
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Accessibility", "DOM"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *told: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        os.close(self.to)
        os.close(self.back)
        self.profile.cleanup()

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """One command, and its answer; a RuntimeError where the browser refuses it."""
        self.count += 1
        message: dict[str, object] = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def read(self) -> dict[str, Any]:
        """The next message, after what it tells about the page is noted."""
        while b"\0" not in self.rest:
            if not select.select([self.back], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the browser said nothing for {PATIENCE:.0f} seconds")
            more = os.read(self.back, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        told: dict[str, Any] = json.loads(message)
        self.note(told.get("method", ""), told.get("params", {}))
        return told

    def note(self, event: str, told: Mapping[str, Any]) -> None:
        """Keep what a test asks for."""
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"]["text"])
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(str(told["args"]))
        elif event == "Page.loadEventFired":
            self.loaded = True

    def open(self, file: Path, width: int = 1280, dark: bool = False, phone: bool = False) -> None:
        """Shows a file in a window of that width, for a reader who prefers light or dark, until it has loaded."""
        self.requests, self.errors, self.loaded = [], [], False
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=720, deviceScaleFactor=1, mobile=phone)
        self.send("Page.navigate", url=file.resolve().as_uri())
        end = time.monotonic() + PATIENCE
        while not self.loaded and time.monotonic() < end:
            self.read()

    def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript on the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of all that a screen reader finds."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n.get("ignored")]

    def screenshot(self, file: Path, width: int) -> None:
        """Writes the page as a PNG: as wide as its window, as long as it is."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": size["height"], "scale": 1}
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        file.write_bytes(base64.b64decode(data))
