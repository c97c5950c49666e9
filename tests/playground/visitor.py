"""Somebody at the page: looks, clicks and types as a person does, by the browser's own input events."""

import time
from typing import Any

from tests.pictures.browser import PATIENCE, Browser

SHOWN = "#drawn > :not(p.quiet), #cuts:not([hidden]) .text > *"  # what a tab shows; p.quiet: that it will come
VIEWED = f"document.querySelectorAll('{SHOWN}').length"
DONE = "!document.querySelector('#tools').hidden && !document.querySelector('#generate').disabled"
WRITTEN = "[...document.querySelectorAll('#text .token:not(.mark)')].map(t => t.textContent).join('')"
BARS = "[...document.querySelectorAll('#drawn td')].map(cell => cell.textContent)"


class Visitor(Browser):
    """`visit` a page, then `wait` for what comes about on it."""

    def visit(self, address: str, width: int = 1280, dark: bool = False, calm: bool = False) -> None:
        """Opens an address in a window of that width, for a reader who prefers dark, or less motion."""
        self.open(address, width, dark, phone=width < 500, calm=calm)
        self.wait("document.querySelector('#model').options.length > 0")

    def wait(self, expression: str, seconds: float = PATIENCE) -> Any:
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + seconds
        while True:
            value = self.evaluate(f"(found => found instanceof Node || found)({expression})")
            if value:
                return value
            assert time.monotonic() < end, f"{expression}: it did not come about; {self.errors}"
            self.do(lambda page: page.wait_for_timeout(30))  # wait_for_function is against the page's policy

    def click(self, selector: str) -> None:
        """A click of the mouse in the midst of an element, as soon as it is there, enabled and nothing covers it; in a
        picture, whose words lie over its shapes, also where something does."""
        shape = f"document.querySelector({selector!r}) instanceof SVGElement"
        self.do(lambda page: page.locator(selector).first.click(force=page.evaluate(shape)))

    def hover(self, selector: str) -> None:
        """The mouse over an element."""
        self.do(lambda page: page.locator(selector).first.hover())

    def key(self, name: str, shift: bool = False, control: bool = False) -> None:
        """A key, pressed and let go."""
        self.do(lambda page: page.keyboard.press("Control+" * control + "Shift+" * shift + name))

    def set(self, selector: str, value: object, event: str = "input") -> None:
        """Another value of a control, as by a hand."""
        change = "(it, [value, event]) => { it.value = value; it.dispatchEvent(new Event(event, {bubbles: true})) }"
        self.do(lambda page: page.locator(selector).first.evaluate(change, [str(value), event]))


def settle(page: Visitor, **settings: object) -> None:
    """Sliders and seed as wanted."""
    for name, value in {"max_new_tokens": 12, "temperature": 0.9, "top_p": 1, "seed": 3, **settings}.items():
        page.set(f"#{name}", value)


def generate(page: Visitor, **settings: object) -> str:
    """The text that comes of it."""
    settle(page, **settings)
    page.click("#generate")
    page.wait(DONE)
    return str(page.evaluate(WRITTEN))
