"""A linear layer's picture: the numbers that stand in it are W, x, b and W x + b."""

from pathlib import Path

import pytest
import torch

from minigpt.models.layers import Linear
from minigpt.pictures.drawing import Text
from minigpt.pictures.product import linear_layer
from tests.pictures.everywhere import boxes, nothing_overlaps, same_as_figure, stands_alone


@pytest.mark.parametrize(
    ("n_in", "n_out", "scale"), [(3, 2, 1.0), (1, 1, 1.0), (8, 8, 1000.0), (1, 8, 0.01), (8, 1, 1.0)]
)
def test_every_number_of_the_layer_stands_in_a_box(n_in: int, n_out: int, scale: float, tmp_path: Path) -> None:
    numbers = torch.Generator().manual_seed(n_in)
    layer = Linear(n_in, n_out)
    layer.load_state_dict({n: torch.randn(p.shape, generator=numbers) * scale for n, p in layer.named_parameters()})
    x = torch.randn(n_in, generator=numbers)
    assert layer.bias is not None
    drawing = linear_layer(layer.weight.tolist(), x.tolist(), layer.bias.tolist(), f"Linear({n_in}, {n_out})")
    expected = torch.cat([layer.weight.flatten(), x, layer.bias, layer(x)]).tolist()
    shown = [float(text.text) for text in drawing.shapes if isinstance(text, Text) and "." in text.text]
    assert shown == pytest.approx(expected, abs=0.0051)
    marks = [box.attrib["class"] for box in boxes(drawing)]
    assert marks == ["second" if value < 0 else "tint" for value in expected]
    assert [float(row[3]) for row in drawing.table[1]] == pytest.approx(layer(x).tolist(), abs=0.0051)
    stands_alone(drawing)
    nothing_overlaps(drawing)
    same_as_figure(drawing, tmp_path / "linear.png")


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weight must be \(n_out, 3\)"):
        linear_layer([[1.0, 2.0]], [1.0, 2.0, 3.0], [0.0], "")
    with pytest.raises(ValueError, match=r"bias \(n_out,\), here \(2,\)"):
        linear_layer([[1.0]], [1.0], [0.0, 0.0], "")
    with pytest.raises(ValueError, match="up to 8"):
        linear_layer([[1.0] * 9], [1.0] * 9, [0.0], "")
