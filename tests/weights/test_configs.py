"""config.json: places and defaults as transformers reads them; sizes that cannot be, refused at once."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from minigpt.models.rope import rope_angles
from weights import load_checkpoint
from weights.families.known import FAMILIES, check_config
from weights.families.rope import read_rope

LLAMAS = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


def change(folder: Path, **values: Any) -> None:
    """Writes values into config.json; those that are ... are taken out."""
    path = folder / "config.json"
    data = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({name: value for name, value in data.items() if value is not ...}))


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - each test looks at the words
        load_checkpoint(folder, "cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def copy(random_checkpoint: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    return lambda family="gpt2", **sizes: Path(shutil.copytree(random_checkpoint(family, **sizes), tmp_path / family))


ROPE = st.fixed_dictionaries(
    {"factor": st.sampled_from([1.0, 2.5, 8])},
    optional={
        "rope_type": st.sampled_from(["default", "linear", "dynamic", "yarn"]),
        "type": st.sampled_from(["default", "linear", "yarn"]),
        "rope_theta": st.sampled_from([500.0, 1000000]),
        "original_max_position_embeddings": st.sampled_from([8, 32]),
        "beta_fast": st.sampled_from([0, 4]),
        "mscale": st.sampled_from([0.5]),
        "mscale_all_dim": st.sampled_from([0, 2.0]),
    },
)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "rope_theta": st.sampled_from([300.0, 70000]),
            "rope_scaling": st.none() | st.just({}) | ROPE,
            "rope_parameters": st.none() | ROPE,
            "original_max_position_embeddings": st.just(16),
        },
    )
)
def test_rope_is_read_where_transformers_reads_it(data: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    sizes = {"hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 64}
    try:
        rotary = LlamaRotaryEmbedding(transformers.LlamaConfig(**sizes, **json.loads(json.dumps(data))))
    except (KeyError, TypeError):
        assume(False)
    pos = torch.tensor([[0, 1, 63, 1000]])
    theirs = rotary(torch.zeros(1), pos)
    ours = rope_angles(pos, 16, *read_rope(data, 64))
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one[0, 0], other[0, :, :8])


@pytest.mark.parametrize("family", LLAMAS)
def test_defaults_are_transformers_own(family: str) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = getattr(transformers, LLAMAS[family] + "Config")()
    ours: Any = FAMILIES[family].read_config({"model_type": family})
    assert (ours.vocab_size, ours.n_ctx, ours.n_layer) == (
        *(theirs.vocab_size, theirs.max_position_embeddings, theirs.num_hidden_layers),
    )
    assert (ours.n_head, ours.n_kv_head) == (theirs.num_attention_heads, theirs.num_key_value_heads)
    assert (ours.n_embd, ours.n_inner, ours.norm_eps) == (
        *(theirs.hidden_size, theirs.intermediate_size, theirs.rms_norm_eps),
    )
    assert ours.head_dim == (getattr(theirs, "head_dim", None) or theirs.hidden_size // theirs.num_attention_heads)
    assert (ours.rope_theta, ours.tied) == (theirs.rope_parameters["rope_theta"], theirs.tie_word_embeddings)
    assert ours.window == (getattr(theirs, "sliding_window", None) or 0)


def test_gpt2s_defaults_are_transformers_own() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.GPT2Config()
    ours: Any = FAMILIES["gpt2"].read_config({"model_type": "gpt2"})
    for name in ("vocab_size", "n_layer", "n_head", "n_embd"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert (ours.n_ctx, ours.dropout) == (theirs.n_positions, theirs.resid_pdrop)


def test_gpt2s_other_names(copy: Callable[..., Path]) -> None:
    folder = copy()
    config = check_config(folder)[1]
    names = {"n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads"}
    names["n_positions"] = "max_position_embeddings"
    data = json.loads((folder / "config.json").read_text())
    change(folder, **dict.fromkeys(names, ...), **{other: data[name] for name, other in names.items()})
    assert check_config(folder)[1] == config


@pytest.mark.parametrize("size", [10**5, 10**18, 2**63, 2**64, 10**30, -1, 0, True, 12.0, "12", [12]], ids=repr)
@pytest.mark.parametrize("name", ["n_layer", "vocab_size", "n_inner", "n_embd", "n_head", "n_positions"])
def test_gpt2s_sizes_that_cannot_be(copy: Callable[..., Path], name: str, size: Any) -> None:
    folder = copy()
    change(folder, **{name: size})
    start = time.monotonic()
    ours = "n_ctx" if name == "n_positions" and not isinstance(size, bool | float | str | list) else name
    assert ours in refused(folder)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("size", [10**5, 10**18, 2**63, 10**30, -1, True, 12.0, "12"], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        *("num_hidden_layers", "vocab_size", "intermediate_size", "hidden_size", "num_attention_heads"),
        *("num_key_value_heads", "head_dim", "max_window_layers", "sliding_window"),
    ],
)  # fmt: skip
def test_qwens_sizes_that_cannot_be(copy: Callable[..., Path], name: str, size: Any) -> None:
    folder = copy("qwen3")
    change(folder, layer_types=None, use_sliding_window=True, **{name: size})
    start = time.monotonic()
    if name in ("max_window_layers", "sliding_window") and type(size) is int and (size > 0 or name[0] == "m"):
        load_checkpoint(folder, "cpu")  # beyond all layers, or wider than the context
    else:
        refused(folder)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("size", [2**63, 10**30], ids=repr)
@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn"])
def test_more_positions_than_can_be_counted(copy: Callable[..., Path], kind: str, size: int) -> None:
    folder = copy("llama")
    change(folder, max_position_embeddings=size, rope_parameters={"rope_type": kind, "factor": 2.0, "rope_theta": 1e4})
    assert str(size) in refused(folder)


HEADS = {
    "classes": {"score.weight": (2, 36)},
    "tokens' classes": {"classifier.weight": (2, 36), "classifier.bias": (2,)},
    "questions": {"qa_outputs.weight": (2, 36), "qa_outputs.bias": (2,)},
    "choices": {"multiple_choice_head.summary.weight": (1, 36), "multiple_choice_head.summary.bias": (1,)},
    "values": {"v_head.summary.weight": (1, 36), "v_head.summary.bias": (1,)},
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_heads_of_other_tasks_are_left_out_and_said(copy: Callable[..., Path], family: str, name: str) -> None:
    folder = copy(family)
    right = load_checkpoint(folder, "cpu").model
    extra = {key: torch.ones(shape) for key, shape in HEADS[name].items()}
    save_file({**load_file(folder / "model.safetensors"), **extra}, folder / "model.safetensors")
    found = load_checkpoint(folder, "cpu")
    assert sorted(found.report.ignored) == sorted(extra)
    assert min(extra) in found.report.text()
    ids = torch.tensor([[3, 1, 4]])
    assert torch.equal(found.model(ids), right(ids))


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_tied_model_with_the_head_only(copy: Callable[..., Path], family: str) -> None:
    """transformers ties both ways: where the files have one of the two, it serves as both."""
    folder = copy(family, tie_word_embeddings=True)
    right = load_checkpoint(folder, "cpu").model
    name = "transformer.wte.weight" if family == "gpt2" else "model.embed_tokens.weight"
    state = load_file(folder / "model.safetensors")
    save_file({"lm_head.weight" if key == name else key: v for key, v in state.items()}, folder / "model.safetensors")
    ids = torch.tensor([[3, 1, 4]])
    assert torch.equal(load_checkpoint(folder, "cpu").model(ids), right(ids))
