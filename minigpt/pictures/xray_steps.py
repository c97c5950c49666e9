"""The X-ray of a text: what `minigpt xray` shows, and what a notebook gets from `minigpt.xray`."""

from collections.abc import Iterator
from dataclasses import dataclass

from minigpt.analysis.xray import Line, xray_lines
from minigpt.pictures.seen import Seen, ids_of, model_of, quoted
from minigpt.pictures.xray import step_text
from minigpt.pictures.xray_page import fragment, page
from minigpt.terminal import columns


@dataclass(frozen=True, repr=False)
class Xray:
    """The steps of a part of a forward pass: a notebook shows them, `print` writes them one after the other.

    `.html()` is a page of its own; each step is a `minigpt.analysis.xray.Line`, whose `value` is the whole tensor.
    """

    title: str
    tokens: tuple[str, ...]
    lines: tuple[Line, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, at: int) -> Line:
        return self.lines[at]

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __repr__(self) -> str:
        return f"Xray({self.title!r}, {len(self)} steps)"

    def __str__(self) -> str:
        return self.text(columns())

    def text(self, width: int = 80, color: bool = False) -> str:
        """All steps, one after the other."""
        steps = (step_text(self.lines, at, self.tokens, self.title, width, None, color) for at in range(len(self)))
        return "\n\n".join("\n".join(rows) for rows in steps)

    def html(self) -> str:
        """A page that shows one step at a time, by buttons or arrow keys, and contacts no other host."""
        return page(self.lines, self.tokens, self.title)

    def _repr_html_(self) -> str:
        """What a notebook shows; without scripts, as on GitHub, the steps are listed one after the other."""
        return fragment(self.lines, self.tokens, self.title)


def xray(lm: Seen, what: str, prompt: str, layer: int | None = None, cache: bool = False) -> Xray:
    """Line by line through a part of a model's real forward pass of a text: what each line computed, and its shape.

    `what` is a part, such as "attention", "softmax", "mlp", "block" or "gpt2" (see `minigpt xray --help`), or a
    module's name, such as "mlp.c_fc"; in the block `layer`, the first if it is left out. With `cache` it is the decode
    step of the last token, after a prefill of those before. The plain model runs. Raises ValueError for a part or a
    layer that the model does not have.

    >>> import minigpt
    >>> lm = minigpt.load("storyteller")
    >>> minigpt.xray(lm, "softmax", "The cat sat")[-1].shape
    '(B, H, T, S) = (1, 8, 3, 3)'
    """
    ids, tokens = ids_of(lm, prompt)
    lines = xray_lines(model_of(lm), ids, what, layer, cache)
    where = f"{what}, layer {layer}" if layer is not None else what
    how = ", decode step" if cache else ""
    return Xray(f"{where}{how} on {quoted(prompt)}", tuple(tokens), tuple(lines))
