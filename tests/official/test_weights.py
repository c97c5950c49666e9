"""The official checkpoints, where this machine has them: they load by name, pass the self-check, equal transformers."""

import pytest

from minigpt.analysis.parity import compare_layers
from weights import load_checkpoint
from weights.families.known import RELATIVES
from weights.fetch import locate as sources
from weights.fetch import registry

OFFICIAL = [entry.name for entry in registry.ENTRIES if entry.repo and entry.family not in RELATIVES]


@pytest.mark.official
@pytest.mark.parametrize("name", OFFICIAL)
def test_official(name: str) -> None:
    found = sources.local(name)
    if found is None or found.path.suffix == ".gguf":
        pytest.skip(f"{name} is not on this machine: minigpt download {name}")
    checkpoint = load_checkpoint(name, "cpu")
    assert checkpoint.report.n_parameters == registry.REGISTRY[name].n_parameters
    assert "FAILED" not in checkpoint.report.self_check
    assert checkpoint.tokenizer is not None
    layers = compare_layers(checkpoint.model, checkpoint.path, checkpoint.tokenizer.encode("Hello my name"))
    assert all(layer.equal for layer in layers), next(layer for layer in layers if not layer.equal)
