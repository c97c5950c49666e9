"""A model is made on the meta device, whatever its layers do when they are made, and gets all its values from files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from minigpt.models import gpt2
from minigpt.models.layers import Linear
from weights import STORYTELLER, load_checkpoint


def normal_in_place(shape: tuple[int, int]) -> Tensor:
    return nn.init.normal_(torch.empty(shape), std=0.02)


FIRST_VALUES = {
    "normal_ in place": normal_in_place,
    "a product": lambda shape: 0.02 * torch.randn(shape),
    "a keyword": lambda shape: torch.full(size=shape, fill_value=0.5),
    "ones": lambda shape: torch.ones(*shape),
    "uniform_": lambda shape: torch.empty(shape).uniform_(-0.1, 0.1),
    "xavier": lambda shape: nn.init.xavier_uniform_(torch.empty(shape)),
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


def test_a_load_imports_no_compiler() -> None:
    """Products and random numbers on the meta device import torch's decompositions, 800 modules in two seconds."""
    code = """
import sys
from weights import STORYTELLER, load_checkpoint
load_checkpoint(STORYTELLER, "cpu")
print([name for name in ("torch._refs", "torch._decomp", "torch._dynamo", "sympy") if name in sys.modules])
"""
    before = "import sys, torch; " + code.strip().splitlines()[-1]
    loaded, alone = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for program in (code, before)
    )
    assert loaded == alone


def test_the_repr_is_one_line_that_says_what_it_is() -> None:
    text = repr(load_checkpoint(STORYTELLER, "cpu"))
    assert "\n" not in text
    for word in (str(STORYTELLER), "GPT2", "parameters", "float32", "cpu"):
        assert word in text
