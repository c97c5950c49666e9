"""The X-ray inside the lecture's screen: a pass of the reference, line by line, until q."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

if TYPE_CHECKING:
    from minigpt.lecture.xray_view import XrayView

PROMPT = "The cat sat"


class XrayScreen(ModalScreen[None]):
    """The X-ray's view over all else; q or Esc leads back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "dismiss"),
        Binding("ctrl+c", "app.press('quit')", priority=True),
    ]

    def __init__(self, view: XrayView) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        """The view, and nothing else."""
        yield self.view

    def on_mount(self) -> None:
        """Keys go to it."""
        self.view.focus()


def pass_through(part: str) -> XrayView:
    """The view of a part of the storyteller, in its first block. Raises ValueError for a part that it does not have."""
    import minigpt
    from minigpt.lecture.xray_view import XrayView
    from minigpt.pictures.xray_steps import xray

    lm = minigpt.load("storyteller", device="cpu", plain=True)
    seen = xray(lm, part, PROMPT)
    return XrayView(seen.lines, seen.tokens, seen.title)
