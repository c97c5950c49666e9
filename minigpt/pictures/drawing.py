"""A drawing: boxes, lines and texts, described once, then written as SVG, HTML or a matplotlib figure (figure.py).

Colours are named by what they mean (colors.py). Amounts are shades of one colour, which nobody confuses; every picture
comes with a table of its numbers, for screen readers and for copying.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from minigpt.pictures.colors import COLORS, FONT, style
from tokenizer.display import cells

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
    """One line of text; y is its baseline, `align` the point of it at x: "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    color: str = "ink"
    align: str = "start"
    size: float = SIZE
    bold: bool = False


Shape = Box | Line | Area | Text
Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # the head, the rows


@dataclass(repr=False)
class Drawing:
    """Shapes on a sheet of width x height pixels, with a title, a sentence that says what it shows, and the numbers.

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

    def __post_init__(self) -> None:
        """Makes the sheet wide enough for its texts, such as a long title over a small picture."""
        starts = [shape for shape in self.shapes if isinstance(shape, Text) and shape.align == "start"]
        ends = [text.x + cells(text.text) * ADVANCE * text.size + SIZE / 2 for text in starts]
        self.width = max([self.width, *ends])

    def svg(self) -> str:
        """The drawing as one SVG element that needs nothing else: styles, title and description are inside."""
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        box = f"0 0 {number(self.width)} {number(self.height)}"
        font = f'font-family="{FONT}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {size} {font} role="img" class="minigpt">'
        told = f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc>"
        paper = f'<rect {size} class="paper" fill="{COLORS["paper"][0]}"/>'
        return "\n".join([head, told, f"<style>{style()}</style>", paper, *map(element, self.shapes), "</svg>"])

    def html(self) -> str:
        """A page of its own: the drawing as wide as the window, up to twice its size, and its numbers in a table that
        unfolds. If there is no room for three quarters of its size, as on a phone, it scrolls."""
        title = escape(self.title)
        paper = f":root{{color-scheme:light dark;background:light-dark({','.join(COLORS['paper'])})}}"
        page = "body{margin:1rem;font:18px/1.5 system-ui,sans-serif}figure{margin:0 0 1rem;overflow-x:auto}"
        room = f"svg{{width:100%;height:auto;min-width:{0.75 * self.width:.0f}px;max-width:{2 * self.width:.0f}px}}"
        cell = "details{overflow-x:auto}th,td{padding:0 .6em;text-align:right}tr>:first-child{text-align:left}"
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width">'
            f"<style>{paper}{page}{room}{cell}</style></head>\n<body><figure>{self.svg()}\n"
            f"<figcaption>{escape(self.description)}</figcaption></figure>\n{self.html_table()}</body></html>\n"
        )

    def html_table(self) -> str:
        """The numbers behind the drawing."""
        head, rows = self.table
        names = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
        body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<details><summary>The numbers</summary><table><tr>{names}</tr>\n{body}</table></details>\n"

    def __repr__(self) -> str:
        return f"Drawing({self.title!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows; on a phone it scrolls, since notebooks would shrink it until it is unreadable."""
        room = f'<svg style="min-width:{0.75 * self.width:.0f}px"'
        return f'<div style="overflow-x:auto">{self.svg().replace("<svg", room, 1)}</div>{self.html_table()}'


def element(shape: Shape) -> str:
    """A shape as an SVG element.

    >>> element(Box(1, 2, 3, 4, shade=0.5))
    '<rect x="1" y="2" width="3" height="4" class="tint" fill-opacity="0.5" fill="#003f8a"/>'
    """
    if isinstance(shape, Box | Area):
        if isinstance(shape, Box):
            place = f'x="{number(shape.x)}" y="{number(shape.y)}"'
            kind, place = "rect", f'{place} width="{number(shape.width)}" height="{number(shape.height)}"'
        else:
            kind, place = "polygon", f'points="{corners(shape.points)}"'
        edge = f' stroke="{COLORS[shape.edge][0]}"' if shape.edge else ""
        fill = f'class="{shape.color}" fill-opacity="{number(shape.shade, 3)}" fill="{COLORS[shape.color][0]}"'
        head = f"<{kind} {place} {fill}{edge}"
        return f"{head}><title>{escape(shape.hint)}</title></{kind}>" if shape.hint else f"{head}/>"
    if isinstance(shape, Line):
        dashes = ' stroke-dasharray="5 4"' if shape.dashed else ""
        look = f'class="{shape.color} line" stroke-width="{number(shape.width)}"{dashes}'
        look += f' fill="none" stroke="{COLORS[shape.color][0]}"'
        return f'<polyline points="{corners(shape.points)}" {look}/>'
    bold = ' font-weight="700"' if shape.bold else ""
    fill = f'class="{shape.color}" fill="{COLORS[shape.color][0]}"'
    place = f'x="{number(shape.x)}" y="{number(shape.y)}" text-anchor="{shape.align}"'
    return (
        f'<text {place} font-size="{number(shape.size)}" {fill} xml:space="preserve"{bold}>'
        f"{escape(shape.text, quote=False)}</text>"
    )


def corners(points: Sequence[tuple[float, float]]) -> str:
    """Points as SVG writes them."""
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def number(value: float, digits: int = 2) -> str:
    """A coordinate, no longer than it needs to be.

    >>> number(3.0), number(0.125), number(-0.001)
    ('3', '0.12', '0')
    """
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
