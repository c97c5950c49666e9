"""A device that computes garbage, weights that are not the probe's: noticed at load, refused unless forced."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.models.gpt2 import GPT2
from weights import load_checkpoint, selfcheck
from weights.export import write_probe


@pytest.fixture
def folder(random_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A random GPT-2 with its probe."""
    made = Path(shutil.copytree(random_checkpoint("gpt2"), tmp_path / "model"))
    write_probe(made)
    return made


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
def test_right_numbers_pass_in_every_dtype(
    family: str, dtype: str, random_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(random_checkpoint(family), tmp_path / "model"))
    write_probe(folder)
    assert load_checkpoint(folder, "cpu", dtype).report.self_check.startswith("passed")


def test_a_probe_is_what_the_reference_says(folder: Path, random_reference: Callable[..., Any]) -> None:
    probe = selfcheck.parse(json.loads((folder / "probe.json").read_text()), folder)
    with torch.no_grad():
        expected = torch.log_softmax(random_reference("gpt2")(torch.tensor([probe.ids])).logits[0, -1], dim=-1)
    for id, value in probe.logprobs.items():
        assert abs(expected[int(id)].item() - value) < 1e-3


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 0.0, 3.0])
def test_a_device_that_computes_garbage(folder: Path, garbage: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = GPT2.unembed
    monkeypatch.setattr(
        GPT2, "unembed", lambda self, x: right(self, x).clone().index_fill_(-1, torch.arange(30), garbage)
    )
    with pytest.raises(ValueError, match="wrong numbers on cpu in float32") as caught:
        load_checkpoint(folder, "cpu")
    assert "\n" not in str(caught.value)
    assert load_checkpoint(folder, "cpu", force=True).report.self_check.startswith("FAILED, and forced")


def test_a_device_that_ignores_the_order_of_tokens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = GPT2.hidden
    monkeypatch.setattr(GPT2, "hidden", lambda self, ids: right(self, ids.sort().values))
    with pytest.raises(ValueError, match="wrong numbers"):
        load_checkpoint(folder, "cpu")


def test_weights_that_are_not_the_probes(folder: Path, random_checkpoint: Callable[..., Path]) -> None:
    shutil.copy(random_checkpoint("gpt2", seed=1) / "model.safetensors", folder)
    with pytest.raises(ValueError, match="the weights are not those of the probe"):
        load_checkpoint(folder, "cpu")


@pytest.mark.parametrize(
    "data",
    [
        *("{}", '{"ids": [], "logprobs": {}}', '{"ids": 3, "logprobs": {"1": 2}}', "nonsense"),
        *('{"ids": [null], "logprobs": {"1": 2}}', '{"ids": [[1]], "logprobs": {"1": 2}}'),
        *('{"ids": [1], "logprobs": {"1": null}}', '{"ids": [1], "logprobs": {"x": 2}}'),
        *('{"ids": [-1], "logprobs": {"1": 2}}', '{"ids": [1], "logprobs": {"1": [2]}}'),
    ],
)
def test_a_probe_that_is_none(folder: Path, data: str) -> None:
    (folder / "probe.json").write_text(data)
    with pytest.raises(ValueError, match=r"probe\.json"):
        load_checkpoint(folder, "cpu")


def test_a_folder_named_as_a_registered_model_has_its_own_probe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    folder.rename("gpt2")
    assert load_checkpoint(Path("gpt2"), "cpu").report.self_check.startswith("passed")
    Path("gpt2/probe.json").unlink()
    assert "not possible" in load_checkpoint(Path("gpt2"), "cpu").report.self_check


def test_without_a_probe_it_says_so(random_checkpoint: Callable[..., Path]) -> None:
    assert "not possible" in load_checkpoint(random_checkpoint("gpt2"), "cpu").report.self_check


def test_no_probe_of_a_model_without_finite_numbers(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    from weights import save_checkpoint

    save_checkpoint(load_checkpoint(folder, "cpu").model, folder)
    assert not (folder / "probe.json").exists()  # the old one went with the old weights
    weights = load_file(folder / "model.safetensors")
    weights["transformer.ln_f.bias"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match="not finite"):
        write_probe(folder)


def test_registered_probes_are_well_formed() -> None:
    for name, data in json.loads(selfcheck.REGISTERED.read_text()).items():
        probe = selfcheck.parse(data, selfcheck.REGISTERED)
        assert len(probe.ids) <= 16, name
        assert all(value < 0 for value in probe.logprobs.values())


def test_from_the_command_line(folder: Path) -> None:
    (folder / "probe.json").unlink()
    done = subprocess.run([sys.executable, "-m", "weights.export", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert load_checkpoint(folder, "cpu").report.self_check.startswith("passed")
