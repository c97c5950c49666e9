"""What a check found, as text and as a notebook shows it."""

from dataclasses import dataclass, field
from html import escape

RIGHT, WRONG, BLANK = "✓", "✗", "○"


@dataclass
class Report:
    """True if the part is right. `bug` is the name of what is wrong, if it has one; `lines` say why."""

    name: str
    ok: bool
    says: str  # one sentence
    bug: str | None = None
    lines: list[str] = field(default_factory=list)  # the proof, the place, the shapes
    blank: bool = False  # nothing was written yet
    printed: str = ""  # what the part printed
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        mark = RIGHT if self.ok else BLANK if self.blank else WRONG
        text = [f"{mark} {self.name}: {self.says}", *(f"  {line}" for line in self.lines)]
        if self.printed:
            text.append("  it printed: " + self.printed.rstrip().replace("\n", "\n              "))
        return "\n".join(text)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        color = "#1a7f37" if self.ok else "#59636e" if self.blank else "#b45309"
        head, *rest = str(self).split("\n")
        look = "margin:.4em 0 0 1.2em;word-break:normal;overflow-wrap:anywhere"
        more = f"<pre style='{look}'>{escape(chr(10).join(rest))}</pre>" if rest else ""
        return f"<div style='border-left:4px solid {color};padding:.3em .8em'><b>{escape(head)}</b>{more}</div>"

    def raise_if_wrong(self) -> None:
        """Raises an AssertionError with the whole text, for scripts and tests."""
        if not self.ok:
            raise AssertionError(str(self))
