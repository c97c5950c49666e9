"""A drawing as a matplotlib figure, with the same shapes and look, for pages that show no SVG, such as GitHub's."""

import re
import warnings
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from minigpt.pictures.colors import COLORS
from minigpt.pictures.drawing import Area, Box, Drawing, Line, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCH = 96.0  # pixels of a drawing in an inch
OTHER_FONTS = (
    *("Noto Sans Mono CJK JP", "Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "Microsoft YaHei"),
    *("WenQuanYi Zen Hei", "Noto Sans", "Arial Unicode MS", "Noto Emoji", "Segoe UI Emoji", "Symbola"),
)
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def figure(drawing: Drawing, dark: bool = False) -> "Figure":
    """The drawing on white, or on black if `dark`; an ImportError without matplotlib."""
    try:
        from matplotlib.collections import PatchCollection
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Polygon, Rectangle
    except ImportError:
        raise ImportError(
            'pictures as PNG need matplotlib: pip install "minigpt[pictures]"; SVG needs nothing'
        ) from None
    families = fonts()
    color = {name: pair[dark] for name, pair in COLORS.items()}
    made = Figure(figsize=(drawing.width / INCH, drawing.height / INCH), facecolor=color["paper"])
    axes = made.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))  # y grows downwards
    axes.axis("off")
    for order, (kind, group) in enumerate(groupby(drawing.shapes, key=type)):  # what comes later is drawn on top
        shapes = list(group)
        if kind is Box:  # neighbours together, which is thirty times as fast as one by one
            boxes = [
                Rectangle(
                    (box.x, box.y),
                    box.width,
                    box.height,
                    facecolor=(color[box.color], box.shade),
                    edgecolor=color[box.edge] if box.edge else "none",
                )
                for box in shapes
                if isinstance(box, Box)
            ]
            axes.add_collection(PatchCollection(boxes, match_original=True, zorder=order))
        for shape in shapes:
            if isinstance(shape, Area):
                edge = color[shape.edge] if shape.edge else "none"
                face = (color[shape.color], shape.shade)
                axes.add_patch(Polygon(shape.points, facecolor=face, edgecolor=edge, zorder=order))
            elif isinstance(shape, Line):
                xs, ys = zip(*shape.points, strict=True)
                line = Line2D(xs, ys, color=color[shape.color], linewidth=shape.width * 72 / INCH)
                line.set(linestyle="--" if shape.dashed else "-", zorder=order)
                axes.add_line(line)
            elif isinstance(shape, Text):
                axes.text(
                    shape.x,
                    shape.y,
                    shape.text.replace("$", r"\$"),
                    color=color[shape.color],
                    horizontalalignment=ANCHORS[shape.align],
                    verticalalignment="baseline",
                    fontsize=shape.size * 72 / INCH,
                    fontweight="bold" if shape.bold else "normal",
                    fontfamily=families,
                    zorder=order,
                )
    return made


def save_png(drawing: Drawing, path: Path, dark: bool = False) -> str:
    """Writes the drawing as a PNG, at twice the resolution of a 96 dpi screen; returns the characters for which this
    machine has no font, which are boxes in it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure(drawing, dark).savefig(path, dpi=2 * INCH, format="png", metadata={"Software": None})
    found = [re.match(r"Glyph (\d+) ", str(warning.message)) for warning in told]
    return "".join(dict.fromkeys(chr(int(glyph[1])) for glyph in found if glyph))


def png(drawing: Drawing) -> bytes:
    """The drawing as the bytes of a PNG, at the resolution of a 96 dpi screen."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure(drawing).savefig(buffer, dpi=INCH, format="png", metadata={"Software": None})
    return buffer.getvalue()


def fonts() -> list[str]:
    """The font of all pictures and, for characters that it lacks, those common fonts that are on this machine."""
    from matplotlib.font_manager import get_font_names

    here = set(get_font_names())
    return ["DejaVu Sans Mono", *(name for name in OTHER_FONTS if name in here)]
