"""Cuts made before the pattern's: each cuts the pieces left by the one before, and sees nothing beyond their ends."""

from collections.abc import Iterable
from typing import NamedTuple

from tokenizer.splitting import compile_pattern, spans

WHOLE = r"[\s\S]+"  # the pattern that cuts nothing
BEHAVIORS = ("Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext")


class Cut(NamedTuple):
    """A pattern, and what becomes of its matches; with `invert` the matches are the text in between.

    >>> Cut("-", "MergedWithPrevious")("a-b-")
    ['a-', 'b-']
    """

    pattern: str
    behavior: str = "Isolated"
    invert: bool = False

    def check(self) -> None:
        """A ValueError if the cut cannot be made."""
        if self.behavior not in BEHAVIORS:
            raise ValueError(f"no behavior {self.behavior!r}: there are {', '.join(BEHAVIORS)}")
        compile_pattern(self.pattern, ascii_only=True)

    def __call__(self, text: str) -> list[str]:
        """The pieces of the text."""
        parts: list[tuple[int, int, bool]] = []
        last = 0
        for start, end in spans(text, self.pattern):
            parts += [(last, start, self.invert)] * (last < start) + [(start, end, not self.invert)]
            last = end
        parts += [(last, len(text), self.invert)] * (last < len(text))
        if self.behavior == "Removed":
            kept = [(start, end) for start, end, match in parts if not match]
        elif self.behavior == "MergedWithNext":
            kept = [(-end, -start) for start, end in self._joined([(-e, -s, m) for s, e, m in reversed(parts)])][::-1]
        else:
            kept = self._joined(parts)
        return [text[start:end] for start, end in kept if start < end]

    def _joined(self, parts: Iterable[tuple[int, int, bool]]) -> list[tuple[int, int]]:
        kept: list[tuple[int, int]] = []
        before = False
        for start, end, match in parts:
            joins = match == before if self.behavior == "Contiguous" else match and not before
            if kept and joins and self.behavior != "Isolated":
                kept[-1] = (kept[-1][0], end)
            else:
                kept.append((start, end))
            before = match
        return kept


class PrefixSpace(NamedTuple):
    """Puts a space before a piece that does not begin with one.

    >>> PrefixSpace()("a"), PrefixSpace()(" a")
    ([' a'], [' a'])
    """

    def check(self) -> None:
        """It can always be made."""

    def __call__(self, text: str) -> list[str]:
        """The one piece."""
        return [text if text.startswith(" ") else " " + text]


Step = Cut | PrefixSpace


def cut(text: str, steps: Iterable[Step]) -> list[str]:
    """The pieces after all steps; none of them is empty.

    >>> cut("a1 b22", [Cut("[0-9]"), PrefixSpace()])
    [' a', ' 1', ' b', ' 2', ' 2']
    """
    pieces = [text] if text else []
    for step in steps:
        pieces = [part for piece in pieces for part in step(piece)]
    return pieces
