"""What `record` sees and `patch` changes: the plain model's own tensors, equal to transformers', and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import minigpt
from minigpt import patch, record
from minigpt.analysis.activations import places
from minigpt.generation.generate import generate
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from weights import save_checkpoint

transformers = pytest.importorskip("transformers")
IDS = torch.tensor([[3, 14, 15, 9, 2], [6, 5, 35, 8, 9]])


@pytest.fixture(params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest) -> GPT2 | Llama:
    torch.manual_seed(1)
    sizes: dict[str, Any] = {"vocab_size": 40, "n_ctx": 16, "n_layer": 3, "n_head": 4, "n_embd": 24}
    if request.param == "gpt2":
        made: GPT2 | Llama = GPT2(GPT2Config(**sizes))
    else:
        made = Llama(LlamaConfig(**sizes, n_kv_head=2, n_inner=40, qkv_bias=True))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def hf_of(model: GPT2 | Llama, folder: Path) -> Any:
    save_checkpoint(model, folder)
    load = transformers.AutoModelForCausalLM.from_pretrained
    return load(folder, attn_implementation="eager", dtype=torch.float32).eval()


@torch.no_grad()
def test_they_equal_transformers(model: GPT2 | Llama, tmp_path: Path) -> None:
    theirs = hf_of(model, tmp_path)(IDS, output_attentions=True, output_hidden_states=True)
    with record(model) as seen:
        model(IDS)
    n = model.config.n_layer
    for i in range(n):
        torch.testing.assert_close(seen[f"h.{i}.attn.weights"], theirs.attentions[i], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(seen[f"h.{i}.in"], theirs.hidden_states[i], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen["ln_f"], theirs.hidden_states[n], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen["logits"], theirs.logits, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_they_fit_together(model: GPT2 | Llama) -> None:
    """Each is what the one before it makes, by the model's own definition."""
    with record(model) as seen:
        model(IDS)
    assert list(seen) == list(places(model))
    d = model.config.head_dim
    for i in range(model.config.n_layer):
        h = {name.removeprefix(f"h.{i}."): seen[name] for name in seen if name.startswith(f"h.{i}.")}
        shared = h["attn.q"].shape[1] // h["attn.k"].shape[1]
        k, v = (h[f"attn.{name}"].repeat_interleave(shared, dim=1) for name in "kv")
        scores = (h["attn.q"] @ k.mT / d**0.5).masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(), -torch.inf)
        torch.testing.assert_close(h["attn.scores"], scores)
        weights = h["attn.weights"]
        torch.testing.assert_close(weights, scores.softmax(-1))
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5))
        assert not weights.triu(1).any()
        torch.testing.assert_close(h["attn.heads"], weights @ v)
        torch.testing.assert_close(h["mid"], h["in"] + h["attn.out"])
        torch.testing.assert_close(h["out"], h["mid"] + h["mlp.out"])
        if i + 1 < model.config.n_layer:
            assert seen[f"h.{i + 1}.in"].equal(h["out"])
    assert seen["logits"].equal(model.unembed(seen["ln_f"]))


@torch.no_grad()
def test_recording_changes_nothing_and_leaves_nothing(model: GPT2 | Llama) -> None:
    before = model(IDS)
    with record(model) as seen:
        assert model(IDS).equal(before)
    assert seen["logits"].equal(before)
    with pytest.raises(ZeroDivisionError), record(model), patch(model, {"logits": 0}):
        raise ZeroDivisionError
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert "unembed" not in model.__dict__
    assert model(IDS).equal(before)


def test_generation_is_seen_pass_by_pass(model: GPT2 | Llama) -> None:
    """With a cache: one pass for the prompt, then one for each token; what a row holds is what an uncached pass has."""
    alone = generate(model, [3, 14, 15], max_new_tokens=4, eos_token_id=())
    with record(model, every=True) as seen:
        new = generate(model, [3, 14, 15], max_new_tokens=4, eos_token_id=())
    assert new == alone
    assert [one["h.1.out"].shape[1] for one in seen.passes] == [3, 1, 1, 1]
    with record(model) as whole, torch.no_grad():
        model(torch.tensor([[3, 14, 15, *new[:3]]]))
    together = torch.cat([one["h.1.out"] for one in seen.passes], dim=1)
    torch.testing.assert_close(together, whole["h.1.out"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        seen["h.1.attn.weights"][..., :6], whole["h.1.attn.weights"][..., 5:, :], rtol=1e-4, atol=1e-5
    )
    keys = [one["h.1.attn.k"] for one in seen.passes]
    assert keys[0][..., :3, :].equal(keys[-1][..., :3, :]), "an early pass's keys stay as they were"
    with record(model, "h.1.out") as last:
        generate(model, [3, 14, 15], max_new_tokens=4, eos_token_id=())
    assert [list(one) for one in last.passes] == [["h.1.out"]]


@torch.no_grad()
def test_a_stream_from_another_run_gives_that_runs_logits(model: GPT2 | Llama) -> None:
    other = torch.tensor([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]])
    for name in ("h.0.in", "h.1.in", "h.1.mid", "h.2.out", "ln_f", "logits"):
        with record(model) as seen:
            wanted = model(other)
        changes: dict[str, Any] = {name: seen[name]}
        with patch(model, changes):
            assert model(IDS).equal(wanted), name


@torch.no_grad()
def test_a_zeroed_head_is_a_model_without_that_heads_rows(model: GPT2 | Llama) -> None:
    d = model.config.head_dim
    for head in range(4):
        with patch(model, {f"h.1.attn.heads[:, {head}]": 0}):
            patched = model(IDS)
        block: Any = model.h[1] if isinstance(model, GPT2) else model.layers[1]
        project = block.attn.c_proj if isinstance(model, GPT2) else block.self_attn.o_proj
        kept = project.weight.clone()
        project.weight[:, head * d : (head + 1) * d] = 0
        torch.testing.assert_close(model(IDS), patched)
        project.weight.copy_(kept)


@torch.no_grad()
def test_every_place_can_be_changed(model: GPT2 | Llama) -> None:
    """A change shows in what is recorded and in the logits; patterns and functions do as single names and numbers."""
    clean = model(IDS)

    def stretch(value: Tensor) -> Tensor:
        return value * torch.linspace(1, 3, value.shape[-1])  # no norm and no softmax undoes it

    for name in places(model):
        with record(model, name) as seen, patch(model, {name: stretch}):
            changed = model(IDS)
        with record(model, name) as plain:
            model(IDS)
        finite = plain[name].isfinite()
        torch.testing.assert_close(seen[name][finite], stretch(plain[name])[finite])
        assert not changed.allclose(clean, atol=1e-4), name
    with patch(model, {"h.*.mlp.out": 0, "h.*.attn.out": 0}), record(model) as seen:
        model(IDS)
    assert seen["h.2.out"].equal(seen["h.0.in"])


def test_patches_are_seen_by_generation_and_by_gradients(model: GPT2 | Llama) -> None:
    with patch(model, {"logits[..., 7]": 1e4}):
        assert generate(model, [3, 14], max_new_tokens=3, eos_token_id=()) == [7, 7, 7]
        assert minigpt.LanguageModel(model).generate([3, 14], max_new_tokens=2, eos_token_id=()).ids == [7, 7]
    scale = torch.ones((), requires_grad=True)
    with patch(model, {"h.1.mid": lambda value: value * scale}):
        model(IDS).sum().backward()
    assert scale.grad


def refused() -> Iterator[tuple[dict[str, Any], str]]:
    yield {"h.0.attn.weight": 0}, "did you mean 'h.0.attn.weights'?"
    yield {"h.7.out": 0}, "no activation 'h.7.out'"
    yield {"h.0.out[1.5]": 0}, "an index is made of"
    yield {"h.0.out[": 0}, "an index is made of"
    yield {"h.0.out[__import__('os')]": 0}, "an index is made of"
    yield {"h.0.out[:, :, 99]": 0}, "h.0.out has the shape (2, 5, 24)"
    yield {"h.0.out": torch.zeros(3, 5, 24)}, "h.0.out has the shape (2, 5, 24)"
    yield {"h.0.out": lambda _: None}, "returned None, not a tensor"
    yield {"h.0.out": lambda value: value[:, :2]}, "h.0.out has the shape (2, 5, 24)"


@pytest.mark.parametrize(("changes", "words"), refused())
def test_what_names_nothing_or_does_not_fit_is_refused(model: GPT2 | Llama, changes: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as error, patch(model, changes):
        model(IDS)
    assert "\n" not in str(error.value)


def test_other_questions_are_answered_in_one_line(model: GPT2 | Llama) -> None:
    with (
        pytest.raises(ValueError, match=r"no activation 'h\.0\.outt': did you mean 'h\.0\.out'"),
        record(model, "h.0.outt"),
    ):
        pass
    with record(model, "h.0.out") as seen:
        with pytest.raises(KeyError, match="has not run yet"):
            seen["h.0.out"]
        model(IDS)
        with pytest.raises(KeyError, match=r"no activation 'h\.1\.out' was recorded"):
            seen["h.1.out"]
    with pytest.raises(ValueError, match=r"give lm\.model"), record(torch.nn.Linear(2, 2)):
        pass
