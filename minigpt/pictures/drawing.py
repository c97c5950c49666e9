"""A drawing: boxes, lines and texts, said once, then written as SVG or HTML, or as a matplotlib figure (figure.py).

Colours are named by what they mean and looked up in the style of the page, so that one file serves in the light and in
the dark. Amounts are shades of one colour, which nobody confuses; a table with the numbers stands behind every picture,
for a screen reader and for whoever wants to copy them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

COLORS = {  # by meaning: on white, on black; shades of "tint" carry amounts, "second" stands against it
    "paper": ("#ffffff", "#14171c"),
    "ink": ("#1b1f24", "#f0f3f6"),
    "soft": ("#59636e", "#aab4bf"),
    "rule": ("#d1d9e0", "#3d444d"),
    "tint": ("#0b5cad", "#6cb6ff"),
    "second": ("#b45309", "#f5a524"),
}
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"  # every character one width: columns stand
ADVANCE = 0.6022  # the width of a character of DejaVu Sans Mono, in font sizes
SIZE = 14.0  # the usual font size, in pixels of the drawing


@dataclass(frozen=True)
class Box:
    """A rectangle; `shade` from 0 to 1 is how much of its colour shows."""

    x: float
    y: float
    width: float
    height: float
    color: str = "tint"
    shade: float = 1.0
    edge: str | None = None
    hint: str = ""  # shown where the mouse rests


@dataclass(frozen=True)
class Line:
    """A line through points, open."""

    points: tuple[tuple[float, float], ...]
    color: str = "soft"
    width: float = 1.5
    dashed: bool = False


@dataclass(frozen=True)
class Area:
    """A filled polygon, such as a slice of a wheel; its last point is joined to its first."""

    points: tuple[tuple[float, float], ...]
    color: str = "tint"
    shade: float = 1.0
    edge: str | None = None
    hint: str = ""


@dataclass(frozen=True)
class Text:
    """One line of text; y is its base line, `align` where x lies in it: "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    color: str = "ink"
    align: str = "start"
    size: float = SIZE
    bold: bool = False


Shape = Box | Line | Area | Text
Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # the head, the rows


@dataclass
class Drawing:
    """Shapes on a sheet of width x height pixels, with a title, a sentence that says what is seen, and the numbers.

    >>> picture = Drawing(80, 40, "One", "A box.", (["what"], [["box"]]), [Box(0, 0, 80, 40), Text(8, 24, "a & b")])
    >>> picture.svg().count("<rect"), "a &amp; b" in picture.svg()
    (2, True)
    """

    width: float
    height: float
    title: str
    description: str
    table: Table
    shapes: list[Shape] = field(default_factory=list)
    shades: Sequence[Sequence[float]] = ()  # of the table's cells after the first of each row, for the terminal

    def svg(self) -> str:
        """The drawing as one SVG element that needs nothing else: styles, title and description are inside."""
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        box = f"0 0 {number(self.width)} {number(self.height)}"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {size} role="img" class="minigpt">'
        told = f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc>"
        paper = f'<rect width="{number(self.width)}" height="{number(self.height)}" class="paper"/>'
        return "\n".join([head, told, f"<style>{style()}</style>", paper, *map(element, self.shapes), "</svg>"])

    def html(self) -> str:
        """A page of its own: the drawing and, behind a fold, its numbers as a table."""
        title = escape(self.title)
        page = "body{margin:2rem;font:16px/1.5 system-ui,sans-serif} svg{max-width:100%;height:auto}"
        colors = ":root{color-scheme:light dark}"
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{colors}{page}</style></head>\n<body><figure>{self.svg()}\n"
            f"<figcaption>{escape(self.description)}</figcaption></figure>\n{self.html_table()}</body></html>\n"
        )

    def html_table(self) -> str:
        """The numbers behind the drawing."""
        head, rows = self.table
        cells = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
        body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<details><summary>The numbers</summary><table><tr>{cells}</tr>\n{body}</table></details>\n"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.svg() + self.html_table()


def element(shape: Shape) -> str:
    """A shape as an SVG element.

    >>> element(Box(1, 2, 3, 4, shade=0.5))
    '<rect x="1" y="2" width="3" height="4" class="tint" fill-opacity="0.5"/>'
    """
    if isinstance(shape, Box | Area):
        if isinstance(shape, Box):
            place = f'x="{number(shape.x)}" y="{number(shape.y)}"'
            kind, place = "rect", f'{place} width="{number(shape.width)}" height="{number(shape.height)}"'
        else:
            kind, place = "polygon", f'points="{corners(shape.points)}"'
        edge = f' style="stroke:var(--{shape.edge})"' if shape.edge else ""
        head = f'<{kind} {place} class="{shape.color}" fill-opacity="{number(shape.shade, 3)}"{edge}'
        return f"{head}><title>{escape(shape.hint)}</title></{kind}>" if shape.hint else f"{head}/>"
    if isinstance(shape, Line):
        dashes = ' stroke-dasharray="5 4"' if shape.dashed else ""
        look = f'class="{shape.color} line" stroke-width="{number(shape.width)}"{dashes}'
        return f'<polyline points="{corners(shape.points)}" {look}/>'
    bold = ' font-weight="700"' if shape.bold else ""
    place = f'x="{number(shape.x)}" y="{number(shape.y)}" text-anchor="{shape.align}"'
    return (
        f'<text {place} font-size="{number(shape.size)}" class="{shape.color}" xml:space="preserve"{bold}>'
        f"{escape(shape.text, quote=False)}</text>"
    )


def corners(points: Sequence[tuple[float, float]]) -> str:
    """Points as SVG writes them."""
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def style() -> str:
    """The colours in the light and in the dark, and the font."""
    light, dark = ("".join(f"--{name}:{pair[i]};" for name, pair in COLORS.items()) for i in (0, 1))
    fills = "".join(f".minigpt .{name}{{fill:var(--{name})}}" for name in COLORS)
    lines = "".join(f".minigpt .line.{name}{{fill:none;stroke:var(--{name})}}" for name in COLORS)
    dark = f"@media(prefers-color-scheme:dark){{.minigpt{{{dark}}}}}"
    return f".minigpt{{{light}}}{dark}{fills}{lines}.minigpt text{{font-family:{FONT}}}"


def number(value: float, digits: int = 2) -> str:
    """A coordinate, no longer than it need be.

    >>> number(3.0), number(0.125), number(-0.001)
    ('3', '0.12', '0')
    """
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
