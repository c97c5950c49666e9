"""The X-ray inside the lecture's screen: a pass of the reference, line by line, until q."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

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
    import torch

    import minigpt
    from minigpt.analysis.xray import xray_lines

    lm = minigpt.load("storyteller", device="cpu", plain=True)
    ids = lm.tokenizer.encode(PROMPT)
    lines = xray_lines(lm.model, torch.tensor([ids]), part)
    return XrayView(lines, [lm.tokenizer.decode([i]) for i in ids], f"{part}: {PROMPT!r}")
