"""How much memory a load takes, measured in a process of its own, above what its imports take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from weights.families.gpt2 import GPT2_FAMILY, write_config
from weights.loading import Blank

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
    with Blank():
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
    [("F32", "float32", 1.03), ("F16", "float16", 1.03), ("F16", "float32", 1.06), ("F32", "float16", 1.12)],
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
