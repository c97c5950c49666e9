"""How much memory a load takes, measured in a process of its own, above what its imports take."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from minigpt.models import layers
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from weights import load_checkpoint
from weights.families.gpt2 import GPT2_FAMILY, write_config

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to measure")

PROGRAM = """
import sys, torch
from minigpt.models.gpt2 import GPT2, GPT2Config
from weights import load_checkpoint

def peak():
    return next(1024 * int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

torch.set_num_threads(1)
with torch.inference_mode():  # the code of the operations is no part of the weights
    GPT2(GPT2Config(vocab_size=9, n_ctx=8, n_layer=1, n_head=1, n_embd=4))(torch.ones(1, 2, dtype=torch.int64))
base = peak()
model = load_checkpoint(sys.argv[1], "cpu", sys.argv[2]).model
if sys.argv[3] == "touch":
    for p in model.parameters():
        p.detach().view(-1)[::512].sum() if p.is_contiguous() else p.detach().T.reshape(-1)[::512].sum()
n_bytes = sum(p.nbytes for p in model.parameters())
print(n_bytes, peak() - base)
"""


def measure(folder: Path, dtype: str, touch: bool = True) -> tuple[int, int]:
    """The weights' bytes, and the peak above the imports, also in bytes."""
    command = [sys.executable, "-c", PROGRAM, str(folder), dtype, "touch" if touch else ""]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_bytes, above = map(int, done.stdout.split())
    return n_bytes, above


def make(folder: Path, config: GPT2Config, kind: str) -> Path:
    """A checkpoint of zeros that takes no room on the disk: a header, then a hole."""
    with torch.device("meta"):
        parameters = dict(GPT2(config).named_parameters())
    size = {"F32": 4, "F16": 2}[kind]
    header, at = {}, 0
    for name, p in parameters.items():
        shape = list(p.shape)[::-1] if GPT2_FAMILY.transposed.fullmatch(name) else list(p.shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + p.numel() * size]}
        at += p.numel() * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    (folder / "config.json").write_text(json.dumps(write_config(config)))
    return folder


@pytest.mark.parametrize(
    ("kind", "dtype", "allowed"),
    [("F32", "float32", 1.03), ("F16", "float16", 1.03), ("F16", "float32", 1.03), ("F32", "float16", 1.03)],
)
def test_gpt2(kind: str, dtype: str, allowed: float, tmp_path: Path) -> None:
    n_bytes, above = measure(make(tmp_path / "model", GPT2Config(), kind), dtype)
    assert n_bytes == 124_439_808 * getattr(torch, dtype).itemsize
    assert 0.9 * n_bytes < above <= allowed * n_bytes, above / n_bytes


def test_gpt2_xl_is_opened_without_reading_it(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=48, n_head=25, n_embd=1600)
    n_bytes, above = measure(make(tmp_path / "xl", config, "F32"), "float32", touch=False)
    assert n_bytes == 4 * 1_557_611_200
    assert above < 0.01 * n_bytes


def test_a_layer_may_fill_its_parameters_in_any_way(
    monkeypatch: pytest.MonkeyPatch, random_checkpoint: Callable[..., Path]
) -> None:
    """What a constructor does to its parameters is nobody's business but its own: the files' values are what counts."""

    def in_torchs_way(self: Any, n_in: int, n_out: int, bias: bool = True) -> None:
        nn.Module.__init__(self)
        self.weight, self.bias = nn.Parameter(torch.rand(n_out, n_in) * 2 - 1), None
        nn.init.normal_(self.weight, std=0.02)
        if bias:
            self.bias = nn.Parameter(torch.full((n_out,), 3.0).cos())

    folder = random_checkpoint("gpt2")
    right = load_checkpoint(folder, "cpu").model
    monkeypatch.setattr(layers.Linear, "__init__", in_torchs_way)
    found = load_checkpoint(folder, "cpu").model
    for one, other in zip(right.parameters(), found.parameters(), strict=True):
        assert torch.equal(one, other)


def test_loading_imports_no_compiler() -> None:
    """Building on the meta device is cheap as long as nothing but `torch.empty` and the like runs there."""
    program = "import torch, sys, weights; n = len(sys.modules); weights.load_checkpoint('storyteller', 'cpu'); "
    program += "print([name for name in sys.modules if name.startswith(('torch._decomp', 'torch._dynamo', 'sympy'))])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before = subprocess.run(
        [sys.executable, "-c", program.replace("weights.load_checkpoint('storyteller', 'cpu')", "0")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == before.stdout
