"""Curves: each line goes where its function goes, on the axes that are drawn."""

from pathlib import Path

import pytest
import torch

from minigpt.models.layers import gelu
from minigpt.pictures.curves import HIGH, WIDTH, curves
from minigpt.pictures.drawing import Line
from tests.pictures.everywhere import nothing_overlaps, same_as_figure, stands_alone

XS = torch.linspace(-4, 4, 161)


def test_a_curve_is_its_function(tmp_path: Path) -> None:
    functions = {"GELU": gelu(XS), "relu": XS.relu(), "tanh": XS.tanh()}
    drawing = curves(XS.tolist(), {name: ys.tolist() for name, ys in functions.items()}, "Three activations")
    lines = [shape for shape in drawing.shapes if isinstance(shape, Line) and len(shape.points) == len(XS)]
    assert [(line.color, line.dashed) for line in lines] == [("tint", False), ("second", True), ("soft", False)]
    low, high = (float(f(torch.stack([*functions.values()]))) for f in (torch.min, torch.max))
    bottom = max(y for line in lines for _, y in line.points)
    left = lines[0].points[0][0]
    for line, ys in zip(lines, functions.values(), strict=True):
        assert [(x - left) / WIDTH * 8 - 4 for x, _ in line.points] == pytest.approx(XS.tolist(), abs=1e-4)
        read = [low + (bottom - y) / HIGH * (high - low) for _, y in line.points]
        assert read == pytest.approx(ys.tolist(), abs=1e-4)
    assert drawing.table[1][4] == ["0.00", "0.00", "0.00", "0.00"]
    stands_alone(drawing)
    nothing_overlaps(drawing)
    same_as_figure(drawing, tmp_path / "curves.png")


@pytest.mark.parametrize("ys", [[3.0, 3.0], [-1e3, 1e3]], ids=["flat", "large"])
def test_flat_and_large_functions_can_be_drawn(ys: list[float]) -> None:
    drawing = curves([0.0, 1.0], {"a function with a name that is long enough to need room": ys}, "f")
    stands_alone(drawing)
    nothing_overlaps(drawing)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="4 functions: from 1 to 3"):
        curves([0, 1], {name: [0, 1] for name in "abcd"}, "")
    with pytest.raises(ValueError, match="2 xs"):
        curves([0, 1], {"f": [1, 2, 3]}, "")
