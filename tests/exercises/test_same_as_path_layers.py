"""The solutions of lessons 04 to 07 do what the project's own code does, so that lessons cannot drift from it."""

from typing import Any

import pytest
import torch
from torch import nn

from minigpt.exercises import material
from minigpt.exercises.catalog import exercise
from minigpt.exercises.exercise import Case
from minigpt.exercises.parameters import build
from minigpt.exercises.tasks.attention import attention
from minigpt.exercises.tasks.count_parameters import count_parameters
from minigpt.exercises.tasks.embed import embed
from minigpt.exercises.tasks.gelu import gelu
from minigpt.exercises.tasks.load import file, load
from minigpt.models import gpt2, layers
from minigpt.models.attention import Attention
from minigpt.models.config import GPT2Config
from weights.families.gpt2 import GPT2_FAMILY

MODULES: dict[str, type[nn.Module]] = {
    "Linear": layers.Linear,
    "LayerNorm": layers.LayerNorm,
    "CausalSelfAttention": gpt2.CausalSelfAttention,
    "MLP": gpt2.MLP,
    "Block": gpt2.Block,
    "GPT2": gpt2.GPT2,
}


def ran(part: Any, case: Case) -> Any:
    """What a module gives on a case."""
    assert case.state is not None
    with torch.no_grad():
        return build(part, case.build, case.state, torch.float64)(*case.args)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_the_paths_own(name: str) -> None:
    for case in exercise(name).cases:
        torch.testing.assert_close(ran(exercise(name).part, case), ran(MODULES[name], case), rtol=1e-12, atol=1e-12)


def test_attention_is_the_paths_own() -> None:
    for case in exercise("attention").cases:
        torch.testing.assert_close(attention(*case.args), Attention()(*case.args), rtol=1e-12, atol=1e-12)


def test_gelu_is_the_paths_own() -> None:
    for case in exercise("gelu").cases:
        torch.testing.assert_close(gelu(*case.args), layers.gelu(*case.args), rtol=1e-12, atol=1e-12)


def test_embed_is_what_the_first_block_gets() -> None:
    model, ids = material.storyteller(), material.ids()
    found = embed(ids, model.wte.weight, model.wpe.weight)
    torch.testing.assert_close(found, material.activations()["h.0.in"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "config", [GPT2Config(), *(case.args[0] for case in exercise("count_parameters").cases)], ids=str
)
def test_count_parameters_counts_a_models_own(config: GPT2Config) -> None:
    with torch.device("meta"):
        model = gpt2.GPT2(config)
    assert count_parameters(config) == sum(p.numel() for p in model.parameters())


def test_the_smallest_gpt2_has_124_million() -> None:
    assert count_parameters(GPT2Config()) == 124_439_808
    assert "124,439,808" in (count_parameters.__doc__ or "")


def test_load_does_what_the_loader_does() -> None:
    """The same names, the same ones turned; a GPT-2 takes what comes out."""
    stored = file(n_layer=12, V=11, n_ctx=7, C=6, inner=13)
    found = load(stored)
    assert set(found) == {name for key in stored if (name := GPT2_FAMILY.parameter(key))}
    for name, value in found.items():
        turned = GPT2_FAMILY.transposed.fullmatch(name) is not None
        assert torch.equal(value, stored[name].T if turned else stored[name])
    config = GPT2Config(vocab_size=11, n_ctx=7, n_layer=12, n_head=2, n_embd=6, n_inner=13)
    gpt2.GPT2(config).load_state_dict(found, strict=True)
