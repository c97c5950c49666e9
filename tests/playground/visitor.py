"""Somebody at the page: looks, clicks and types as a person does, by the browser's own input events."""

import time
from typing import Any

from tests.pictures.browser import PATIENCE, Browser

KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "ArrowDown": 40, "ArrowUp": 38, " ": 32}


class Visitor(Browser):
    """`visit` a page, then `wait` for what comes about on it."""

    def visit(self, address: str, width: int = 1280, dark: bool = False, calm: bool = False) -> None:
        """Opens an address in a window of that width, for a reader who prefers dark, or less motion."""
        self.requests, self.errors, self.loaded = [], [], False
        schemes = {"prefers-color-scheme": "dark" if dark else "light"}
        schemes["prefers-reduced-motion"] = "reduce" if calm else "no-preference"
        self.send("Emulation.setEmulatedMedia", features=[{"name": n, "value": v} for n, v in schemes.items()])
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
        )
        self.send("Page.navigate", url=address)
        end = time.monotonic() + PATIENCE
        while not self.loaded and time.monotonic() < end:
            self.read()
        self.wait("document.querySelector('#model').options.length > 0")

    def wait(self, expression: str, seconds: float = PATIENCE) -> Any:
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + seconds
        while True:
            value = self.evaluate(f"(found => found instanceof Node || found)({expression})")
            if value:
                return value
            assert time.monotonic() < end, f"{expression}: it did not come about; {self.errors}"
            time.sleep(0.03)

    def click(self, selector: str) -> None:
        """A click of the mouse in the midst of an element, scrolled to where it can be seen."""
        box = f"document.querySelector({selector!r})"
        self.wait(f"!!{box}")
        self.evaluate(f"{box}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y = self.evaluate(
            f"(() => {{ const r = {box}.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2] }})()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """The mouse over an element."""
        x, y = self.evaluate(
            f"(() => {{ const r = document.querySelector({selector!r}).getClientRects()[0]; "
            "return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, name: str, shift: bool = False, control: bool = False) -> None:
        """A key, pressed and let go."""
        text = {"Enter": "\r", " ": " "}.get(name, "") if not control else ""
        code = {"key": name, "code": "Space" if name == " " else name, "windowsVirtualKeyCode": KEYS[name]}
        modifiers = 8 * shift + 2 * control
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, modifiers=modifiers, **code)
        self.send("Input.dispatchKeyEvent", type="keyUp", modifiers=modifiers, **code)

    def set(self, selector: str, value: object, event: str = "input") -> None:
        """Another value of a control, as by a hand."""
        self.evaluate(
            f"(() => {{ const it = document.querySelector({selector!r}); it.value = {str(value)!r}; "
            f"it.dispatchEvent(new Event({event!r}, {{bubbles: true}})) }})()"
        )
