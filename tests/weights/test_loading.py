"""A model is made on the meta device, whatever its layers do when they are made, and gets all its values from files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from minigpt.models import gpt2
from minigpt.models.layers import Linear
from weights import STORYTELLER, load_checkpoint

FIRST_VALUES = {  # test_memory.py has more
    "a product": lambda shape: 0.02 * torch.randn(shape),
    "ones": lambda shape: torch.ones(*shape),
    "a keyword": lambda shape: torch.full(size=shape, fill_value=0.5),
    "clipped": lambda shape: torch.randn(shape).clamp(-2, 2).mul_(0.02),
}


@pytest.mark.parametrize("how", FIRST_VALUES)
def test_a_layer_may_give_its_weights_first_values(
    how: str, random_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learner's own Linear; whatever it begins with, the file's numbers are what it computes with."""

    class Own(Linear):
        def __init__(self, n_in: int, n_out: int, bias: bool = True) -> None:
            super().__init__(n_in, n_out, bias)
            self.weight = nn.Parameter(FIRST_VALUES[how]((n_out, n_in)))

    folder = random_checkpoint("gpt2")
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        expected = load_checkpoint(folder, "cpu").model(ids)
        monkeypatch.setattr(gpt2, "Linear", Own)
        found = load_checkpoint(folder, "cpu").model
        assert isinstance(found.get_submodule("h.0.mlp.c_fc"), Own)
        assert torch.equal(found(ids), expected)


@pytest.mark.parametrize("kind", ["parameter", "buffer"])
def test_what_no_file_gives_is_refused(
    kind: str, random_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(gpt2.MLP):
        def __init__(self, config: gpt2.GPT2Config) -> None:
            super().__init__(config)
            if kind == "parameter":
                self.gain = nn.Parameter(torch.ones(1))
            else:
                self.register_buffer("gain", torch.ones(1))

    monkeypatch.setattr(gpt2, "MLP", Own)
    with pytest.raises(ValueError, match=r"h\.0\.mlp\.gain"):
        load_checkpoint(random_checkpoint("gpt2"), "cpu")


def test_the_repr_is_one_line_that_says_what_it_is() -> None:
    text = repr(load_checkpoint(STORYTELLER, "cpu"))
    assert "\n" not in text
    for word in (str(STORYTELLER), "GPT2", "parameters", "float32", "cpu"):
        assert word in text
