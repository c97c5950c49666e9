"""What a config.json may say of these families gives transformers' logits: at once, with a cache, far out, written."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from minigpt.fast import fused
from minigpt.fast.choose import fast_form
from minigpt.fast.compared import say_once
from minigpt.models import llama, rope
from minigpt.models.cache import KVCache
from minigpt.models.variants import activations
from minigpt.models.variants import gpt2 as gpt2_variants
from weights import load_checkpoint, save_checkpoint

LLAMAS = ("llama", "mistral", "qwen2", "qwen3")
ROPES: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 2.5},
    "dynamic": {"rope_type": "dynamic", "factor": 2.3},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    | {"original_max_position_embeddings": 32},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    "yarn, every field": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
    | {"beta_fast": 8, "beta_slow": 2.0, "truncate": False, "attention_factor": 1.3},
    "yarn, mscale": {"rope_type": "yarn", "factor": 40.0, "mscale": 1.0, "mscale_all_dim": 0.7},
    "yarn, one mscale": {"rope_type": "yarn", "factor": 40.0, "mscale": 0.7},
    "yarn, no factor": {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 16},
    "yarn, no ramp": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 3, "beta_slow": 3}
    | {"original_max_position_embeddings": 1000},
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"rope {name}": ("llama", {"rope_parameters": {"rope_theta": 500.0, **rope}}) for name, rope in ROPES.items()},
    **{f"{f} yarn": (f, {"rope_parameters": {"rope_theta": 5e4, **ROPES["yarn"]}}) for f in ("qwen2", "qwen3")},
    **{f"llama {name}": ("llama", {"hidden_act": name}) for name in ("swish", "gelu")},
    "gelu": ("gpt2", {"activation_function": "gelu"}),
    "attention_bias": ("llama", {"attention_bias": True}),
    "mlp_bias": ("llama", {"mlp_bias": True, "head_dim": 10}),
    "qwen3 attention_bias": ("qwen3", {"attention_bias": True}),
    "qwen2 attention_bias says nothing": ("qwen2", {"attention_bias": False}),
    "mistral, no window": ("mistral", {"sliding_window": None, "num_key_value_heads": 2}),
    "mistral, window": ("mistral", {"sliding_window": 5}),
    "mistral, as wide as the context": ("mistral", {"sliding_window": 64}),
    "qwen2, upper layers slide": ("qwen2", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}),
    "qwen3, layer types": (
        "qwen3",
        {"use_sliding_window": True, "sliding_window": 4}
        | {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    ),
    "qwen3, window of one": ("qwen3", {"use_sliding_window": True, "sliding_window": 1, "max_window_layers": 1}),
    "untied": ("gpt2", {"tie_word_embeddings": False}),
    "scores not scaled": ("gpt2", {"scale_attn_weights": False}),
    "scores scaled by layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
    "much at once": (
        "gpt2",
        {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False, "tie_word_embeddings": False}
        | {"activation_function": "relu", "n_inner": 20, "layer_norm_epsilon": 1e-3, "reorder_and_upcast_attn": True},
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_grad() -> Any:
    say_once.cache_clear()
    with torch.no_grad():
        yield


def distance(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return (a.double() - b.double()).abs().max().item()


def stepwise(model: Any, ids: Tensor, n: int) -> Tensor:
    """Logits of n tokens at once, and of the others one by one, with a cache."""
    cache = KVCache(model.config, len(ids), ids.shape[1], dtype=next(model.parameters()).dtype)
    found = [model.unembed(model.hidden(ids[:, :n], cache=cache.first(n)))]
    for i in range(n, ids.shape[1]):
        pos = torch.full((len(ids), 1), i)
        found.append(model.unembed(model.hidden(ids[:, i : i + 1], pos, cache.first(i + 1))))
    return torch.cat(found, dim=1)


def their_steps(model: Any, ids: Tensor, n: int) -> Tensor:
    out = model(ids[:, :n], use_cache=True)
    found = [out.logits]
    for i in range(n, ids.shape[1]):
        out = model(ids[:, i : i + 1], past_key_values=out.past_key_values, use_cache=True)
        found.append(out.logits)
    return torch.cat(found, dim=1)


def check(theirs: Any, folder: Path) -> Any:
    """All that is compared; returns our model, in float64."""
    theirs.save_pretrained(folder)
    ids = torch.randint(101, (2, 16), generator=torch.Generator().manual_seed(5))
    single = load_checkpoint(folder, "cpu").model
    assert distance(single(ids), theirs(ids).logits) < 1e-4  # logits are about 5 wide; measured: 1e-5
    theirs, ours = theirs.double(), load_checkpoint(folder, "cpu", "float64").model
    assert distance(ours(ids), theirs(ids).logits) < 1e-9
    assert distance(stepwise(ours, ids, 12), ours(ids)) < 1e-6
    if (
        theirs.config.model_type == "gpt2" or getattr(theirs.config, "sliding_window", 2) != 1
    ):  # there it keeps all keys
        assert distance(stepwise(ours, ids, 12), their_steps(theirs, ids, 12)) < 1e-6
    if theirs.config.model_type != "gpt2":  # rotary positions, beyond all that the config says
        far = torch.arange(500, 516).expand(2, 16)
        assert distance(ours(ids, far), theirs(ids, position_ids=far).logits) < 1e-9
    fast = fast_form(ours)
    assert fast is not ours
    assert distance(fast.unembed(fast.hidden(ids)), ours(ids)) < 1e-6
    assert distance(stepwise(fast, ids, 12), ours(ids)) < 1e-6
    save_checkpoint(single, folder / "written")
    again = type(theirs).from_pretrained(folder / "written").eval()
    assert distance(again(ids).logits, single(ids)) < 1e-4
    assert load_checkpoint(folder / "written", "cpu").model.config == single.config
    return ours


@pytest.mark.parametrize("name", CASES)
def test_a_variant(
    name: str, random_reference: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family, fields = CASES[name]
    check(random_reference(family, **fields), tmp_path)
    assert "minigpt" not in capsys.readouterr().err  # no form differs from another


@pytest.mark.parametrize("name", [*activations.ACTIVATIONS, *activations.ALIASES])
def test_activations_equal_transformers(name: str) -> None:
    from transformers.activations import ACT2FN

    x = torch.linspace(-9, 9, 1001, dtype=torch.float64)
    ours = activations.activation(activations.ALIASES.get(name, name))
    assert distance(ours(x), ACT2FN[name](x)) < 1e-9


@st.composite
def drawn(draw: Any) -> tuple[str, dict[str, Any]]:
    """A family and fields of its config.json."""
    family = draw(st.sampled_from(LLAMAS))
    n_head, n_layer, original = draw(st.sampled_from([2, 4, 6])), draw(st.integers(1, 3)), draw(st.integers(4, 80))
    rope: dict[str, Any] = {"rope_theta": draw(st.floats(2, 1e6)), "factor": draw(st.floats(1, 40))}
    kind = rope["rope_type"] = draw(st.sampled_from(["default", "linear", "dynamic", "llama3", "yarn"]))
    if kind == "default":
        del rope["factor"]
    if kind in ("llama3", "yarn"):
        rope["original_max_position_embeddings"] = original
    if kind == "llama3":
        rope |= {"low_freq_factor": draw(st.floats(0.1, 2)), "high_freq_factor": draw(st.floats(2.5, 9))}
    if kind == "yarn":
        some = {"beta_fast": st.floats(1, 64), "beta_slow": st.floats(0.1, 8), "truncate": st.booleans()}
        some |= dict.fromkeys(("mscale", "mscale_all_dim"), st.floats(0.1, 2)) | {"attention_factor": st.floats(0.5, 2)}
        rope |= draw(st.fixed_dictionaries({}, optional=some))
    fields = {
        "hidden_size": 24,
        "num_attention_heads": n_head,
        "num_key_value_heads": draw(st.sampled_from([n for n in (1, 2, n_head) if n_head % n == 0])),
        "num_hidden_layers": n_layer,
        "head_dim": draw(st.sampled_from([4, 6, 10])),
        "tie_word_embeddings": draw(st.booleans()),
        "rope_parameters": rope,
    }
    window = draw(st.none() | st.integers(2, 80))
    if family == "llama":
        fields |= {"attention_bias": draw(st.booleans()), "mlp_bias": draw(st.booleans())}
    elif family == "mistral":
        fields |= {"sliding_window": window}
    elif window:
        fields |= {"use_sliding_window": draw(st.booleans()), "sliding_window": window}
        fields |= {"max_window_layers": draw(st.integers(0, 3))}
    return family, fields


@settings(
    max_examples=int(os.environ.get("MINIGPT_FAMILIES", "12")),
    deadline=None,
    derandomize=True,  # the same ones every time, as of a seed
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn())
def test_any_config(random_reference: Callable[..., Any], case: tuple[str, dict[str, Any]]) -> None:
    family, fields = case
    with tempfile.TemporaryDirectory() as folder:
        check(random_reference(family, **fields), Path(folder))


@pytest.mark.parametrize("name", ["scores scaled by layer", "mistral, window"])
def test_a_fast_form_that_forgets_it_is_not_used(
    name: str,
    random_reference: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    family, fields = CASES[name]
    random_reference(family, **fields).save_pretrained(tmp_path)
    model = load_checkpoint(tmp_path, "cpu").model
    assert fast_form(model) is not model
    kind = fused.FusedScaledAttention if family == "gpt2" else fused.FusedAttention
    right = fused.FusedAttention.forward
    forgets = right if family == "gpt2" else lambda self, q, k, v, _=None: right(self, q, k, v)
    monkeypatch.setattr(kind, "forward", forgets)
    again = load_checkpoint(tmp_path, "cpu").model
    assert fast_form(again) is again
    assert "minigpt/fast differs" in capsys.readouterr().err


def no_ramp(period: Tensor, _theta: float, scaling: Any) -> Tensor:
    return 1.0 / (scaling.factor * period)


MUTATIONS: dict[str, tuple[str, Any, str, Any]] = {
    "llama3 as linear": ("rope llama3", rope, "llama3", lambda frequency, scaling: frequency / scaling.factor),
    "yarn without ramp": ("rope yarn", rope, "yarn", no_ramp),
    "dynamic as trained": (
        "rope dynamic", rope, "dynamic",
        lambda pos, d, theta, _: 1.0 / theta ** rope.exponents(d, pos.device),
    ),
    "window one too wide": (
        "mistral, window", llama, "causal_mask",
        lambda pos, n, right=llama.causal_mask: right(pos - (1 if pos.max() < 19 else 0), n),
    ),
    "exact gelu for relu": ("much at once", activations.ACTIVATIONS, "relu", activations.exact_gelu),
    "scores scaled as ever": (
        "scores scaled by layer", gpt2_variants.ScaledAttention, "forward", gpt2_variants.Attention.forward,
    ),
    "head tied": ("untied", gpt2_variants.GPT2Variant, "unembed", gpt2_variants.GPT2.unembed),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_turns_it_red(
    name: str, random_reference: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, place, attribute, wrong = MUTATIONS[name]
    family, fields = CASES[case]
    theirs = random_reference(family, **fields)
    theirs.save_pretrained(tmp_path)
    ids = torch.randint(101, (2, 24), generator=torch.Generator().manual_seed(5))
    ours = load_checkpoint(tmp_path, "cpu").model
    far = torch.arange(500, 524).expand(2, 24) if "dynamic" in name else torch.arange(24).expand(2, 24)
    expected = theirs(ids, position_ids=far).logits
    assert distance(ours(ids, far), expected) < 1e-4
    change: Any = monkeypatch.setitem if isinstance(place, dict) else monkeypatch.setattr
    change(place, attribute, wrong)
    assert distance(ours(ids, far), expected) > 1e-2
