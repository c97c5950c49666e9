"""What holds of every picture: tests of pictures call these for each that they draw."""

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from minigpt.pictures.colors import COLORS
from minigpt.pictures.drawing import ADVANCE, Area, Box, Drawing, Line, Text
from minigpt.train.losses import FILE, log_lines
from tokenizer.display import cells

SVG = "{http://www.w3.org/2000/svg}"


def boxes(drawing: Drawing) -> list[ElementTree.Element]:
    """The boxes of the SVG, the paper left out."""
    return ElementTree.fromstring(drawing.svg()).findall(f"{SVG}rect")[1:]


def texts(drawing: Drawing) -> list[str]:
    """The labels of the SVG."""
    return [text.text or "" for text in ElementTree.fromstring(drawing.svg()).iter(f"{SVG}text")]


def a_run(folder: Path) -> Path:
    """A folder with the log of a run, as `minigpt train` leaves it: 200 steps, evaluated every 25."""
    entries: list[dict[str, float]] = []
    for step in range(1, 201):
        loss = 2.5 + 4 * math.exp(-step / 40) + 0.2 * math.sin(step)
        entries.append({"step": step, "train": loss, "rate": 1e-3 * min(step / 20, 1.1 - step / 200)})
        if step % 25 == 0:
            entries[-1] |= {"validation": loss + 0.1 + (step > 150) * 0.2, "bpb": 2.0}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(log_lines(entries), encoding="utf-8")
    return folder


def stands_alone(drawing: Drawing) -> None:
    """It needs nothing else, can be read aloud, and a table with its numbers stands behind it."""
    root = ElementTree.fromstring(drawing.svg())
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root[:2]] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == drawing.title
    assert drawing.title in drawing.description
    page = drawing.html()
    assert not re.findall(r"(?:href|src|url|import)", page.replace("http://www.w3.org/2000/svg", ""))
    assert "<table>" in page
    assert "prefers-color-scheme:dark" in page
    head, rows = drawing.table
    assert {len(row) for row in rows} == {len(head)}
    assert page.count("<tr>") == len(rows) + 1
    for dark in (False, True):
        assert not faint(drawing, dark)
    small = [t for t in drawing.shapes if isinstance(t, Text) and t.size * max(1, 900 / drawing.width) < 12]
    assert not small, "on a sheet of 900 pixels the last row reads nothing below 12"


def rgb(color: str) -> list[float]:
    """Red, green, blue from 0 to 1."""
    return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(color: list[float]) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(one: list[float], other: list[float]) -> float:
    """The contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def laid_on(color: str, shade: float, ground: list[float]) -> list[float]:
    """The colour that is seen where a shade of one lies on another."""
    return [shade * over + (1 - shade) * under for over, under in zip(rgb(color), ground, strict=True)]


def faint(drawing: Drawing, dark: bool) -> list[tuple[str, float]]:
    """The texts whose contrast with what lies below their middle is less than 4.5 : 1, with the contrast."""
    found = []
    fills = [(n, shape, outline(shape)) for n, shape in enumerate(drawing.shapes) if isinstance(shape, Box | Area)]
    for n, text in enumerate(drawing.shapes):
        if not isinstance(text, Text):
            continue
        width = cells(text.text) * ADVANCE * text.size
        x = text.x + {"start": 0.5, "middle": 0.0, "end": -0.5}[text.align] * width
        y = text.y - 0.35 * text.size
        ground = rgb(COLORS["paper"][dark])
        for m, below, (left, top, right, bottom) in fills:
            if m < n and left <= x <= right and top <= y <= bottom and (isinstance(below, Box) or within(below, x, y)):
                ground = laid_on(COLORS[below.color][dark], below.shade, ground)
        seen = contrast(rgb(COLORS[text.color][dark]), ground)
        if seen < 4.5:
            found.append((text.text, seen))
    return found


def outline(shape: Box | Area) -> tuple[float, float, float, float]:
    """The least upright rectangle around a shape: left, top, right, bottom."""
    if isinstance(shape, Box):
        return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    xs, ys = zip(*shape.points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def within(area: Area, x: float, y: float) -> bool:
    """Whether a point lies in an area: a ray from it crosses the edge an odd number of times."""
    crossed = False
    for (x1, y1), (x2, y2) in zip(area.points, [*area.points[1:], area.points[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            crossed = not crossed
    return crossed


def nothing_overlaps(drawing: Drawing) -> None:
    """Nothing lies outside the sheet, no label on another or across the edge of a box."""
    labels = []
    for shape in drawing.shapes:
        if isinstance(shape, Line | Area):
            corners = list(shape.points)
        elif isinstance(shape, Box):
            corners = [(shape.x, shape.y), (shape.x + shape.width, shape.y + shape.height)]
        else:
            width = cells(shape.text) * ADVANCE * shape.size
            left = shape.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.align] * width
            corners = [(left, shape.y - 0.75 * shape.size), (left + width, shape.y + 0.2 * shape.size)]
            labels.append((*corners[0], *corners[1], shape.text))
        assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in corners), shape
    for i, (x, y, right, bottom, text) in enumerate(labels):
        for x2, y2, right2, bottom2, other in labels[i + 1 :]:
            assert right <= x2 or right2 <= x or bottom <= y2 or bottom2 <= y, f"{text!r} touches {other!r}"
    edged = [outline(shape) for shape in drawing.shapes if isinstance(shape, Box) and shape.edge]
    for x, y, right, bottom, text in labels:
        for left, top, end, foot in edged:
            if x < end and left < right and y < foot and top < bottom:
                assert left - 1 <= x < right <= end + 1, f"{text!r} crosses the edge of a box"


def same_as_figure(drawing: Drawing, path: Path) -> None:
    """matplotlib draws the same shapes, in the light and in the dark, and writes a PNG."""
    pytest.importorskip("matplotlib")
    from minigpt.pictures.figure import figure, save_png

    for dark in (False, True):
        axes: Any = figure(drawing, dark).axes[0]
        assert [t.get_text().replace(r"\$", "$") for t in axes.texts] == [
            s.text for s in drawing.shapes if isinstance(s, Text)
        ]
        shades = [color[3] for group in axes.collections for color in group.get_facecolor()]
        assert shades == pytest.approx([shape.shade for shape in drawing.shapes if isinstance(shape, Box)])
        areas = [shape for shape in drawing.shapes if isinstance(shape, Area)]
        assert [patch.get_facecolor()[3] for patch in axes.patches] == pytest.approx([area.shade for area in areas])
        for patch, area in zip(axes.patches, areas, strict=True):
            assert [tuple(point) for point in patch.get_xy()[:-1]] == list(area.points)
    save_png(drawing, path)
    assert path.read_bytes().startswith(b"\x89PNG")
