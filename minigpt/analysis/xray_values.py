"""The values that the X-ray keeps: copies, and which of them share their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from minigpt.analysis.xray_source import Place, Source

NOTHING = object()  # the value of a step that has none


@dataclass(eq=False)
class Step:
    """A value as it passed by."""

    source: Source
    place: Place
    name: str  # that it is bound to
    original: object
    value: object  # a copy, where later steps may change the original
    before: Tensor | None = None  # what the name stood for, or the tensor was, until then
    whole: bool = False  # the result of its statement, which the comment at the line's end describes
    mate: "Step | None" = None  # an earlier one with the same numbers in the same storage, or more of them
    call: str = ""  # of an argument: which call of the function, if there are several

    def note(self) -> str:
        """What to say beside the numbers."""
        if self.mate is None:
            return self.call
        what = self.mate.name if self.mate.name not in ("", "return") else self.mate.place.text
        if self.mate.original is self.original:
            return f"the same tensor as {what}" if what != self.name else self.call
        what = f"the {what} before" if what == self.name else what
        return f"a view of {what}: the same storage, nothing is copied"

    def lies(self, storage: int) -> bool:
        """Whether it is a tensor whose numbers are stored there."""
        return isinstance(self.original, Tensor) and self.original.untyped_storage().data_ptr() == storage

    def covers(self, other: Tensor, exactly: bool) -> bool:
        """Whether a tensor of the same storage has the other's numbers: exactly these, or more."""
        assert isinstance(self.original, Tensor)
        if exactly:
            return (self.original.numel(), self.original.data_ptr()) == (other.numel(), other.data_ptr())
        return self.original.numel() > other.numel()


def mate_of(value: Tensor, steps: Sequence[Step]) -> Step | None:
    """The last step with the same tensor, else with the same numbers of the same storage, else with more of it."""
    mates = [step for step in reversed(steps) if step.lies(value.untyped_storage().data_ptr())]
    same = [step for step in mates if step.original is value]
    alike = [step for step in mates if step.covers(value, exactly=True)]
    larger = [step for step in mates if step.covers(value, exactly=False)]
    return next(iter([*same, *alike, *larger]), None)


def copied(value: Tensor) -> Tensor:
    """A copy that nothing changes later; parameters and their views, which a pass leaves alone, are not copied."""
    root = value._base if value._is_view() else value
    return value.detach() if isinstance(root, nn.Parameter) else value.detach().clone()


def worded(value: object) -> str:
    """A value that is not a tensor, in a word or two.

    >>> worded(3), worded(None), worded(nn.ReLU()), worded([1, 2])
    ('3', 'None', 'a ReLU', 'a list of 2')
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    size = f" of {len(value)}" if isinstance(value, (list, tuple, dict)) else ""
    return f"a {type(value).__name__}{size}"
