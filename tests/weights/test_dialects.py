"""Every dialect, dtype and sharding of the same weights gives the same model, bit by bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weights import load_checkpoint

State = dict[str, Tensor]


def official(state: State) -> State:
    """GPT-2's official names: no prefix, no head, mask buffers."""
    bare = {key.removeprefix("transformer."): value for key, value in state.items() if key != "lm_head.weight"}
    for i in range(3):
        bare[f"h.{i}.attn.bias"] = torch.ones(1, 1, 48, 48).tril()
        bare[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    return bare


def without_head(state: State) -> State:
    return {key: value for key, value in state.items() if key != "lm_head.weight"}


def with_head(state: State) -> State:
    return {key: value.clone() for key, value in state.items()}


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + key: value for key, value in without_head(state).items()}


def old_rotary(state: State) -> State:
    return without_head(state) | {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(3) for i in range(3)}


GPT2_DIALECTS = {
    "official": official,
    "transformers": without_head,
    "tied head stored": with_head,
    "DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled DataParallel": prefixed("module._orig_mod."),
}
LLAMA_DIALECTS = {
    "transformers": without_head,
    "no prefix": lambda state: {key.removeprefix("model."): v for key, v in without_head(state).items()},
    "tied head stored": with_head,
    "old rotary": old_rotary,
    "compiled": prefixed("_orig_mod."),
}


def save(folder: Path, state: State, form: str) -> None:
    """One file or three parts with an index, as safetensors or as .bin."""
    ending = ".bin" if "bin" in form else ".safetensors"
    name = "pytorch_model.bin" if ending == ".bin" else "model.safetensors"
    write = torch.save if ending == ".bin" else save_file
    if "parts" not in form:
        write(state, folder / name)
        return
    where = {key: f"part-{i % 3}{ending}" for i, key in enumerate(state)}
    for file in set(where.values()):
        write({key: value for key, value in state.items() if where[key] == file}, folder / file)
    (folder / f"{name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


@pytest.mark.parametrize("form", ["safetensors", "safetensors parts", "bin", "bin parts", "old bin"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
def test_all_ways_to_store_a_model_load_the_same(
    family: str,
    dtype: str,
    form: str,
    random_reference: Callable[..., Any],
    random_checkpoint: Callable[..., Path],
    tmp_path: Path,
) -> None:
    sizes = {"tie_word_embeddings": True}
    theirs = random_reference(family, **sizes)
    state = {key: value.to(getattr(torch, dtype)) for key, value in theirs.state_dict().items()}
    theirs.load_state_dict(state)
    config = (random_checkpoint(family, **sizes) / "config.json").read_text()
    ids = torch.randint(0, 101, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(ids).logits
    first = None
    for name, dialect in (GPT2_DIALECTS if family == "gpt2" else LLAMA_DIALECTS).items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        (folder / "config.json").write_text(config)
        stored = {key: value.contiguous() for key, value in dialect(state).items()}
        if form == "old bin":
            torch.save(stored, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
        else:
            save(folder, stored, form)
        checkpoint = load_checkpoint(folder, "cpu")
        report = checkpoint.report
        with torch.no_grad():
            logits = checkpoint.model(ids)
        assert logits.dtype == torch.float32  # halves become float32 on a CPU
        assert (logits - expected).abs().max() < 1e-5
        first = logits if first is None else first
        assert torch.equal(logits, first), name
        assert len(report.used) + len(report.ignored) + len(report.tied) == len(stored)
        assert (report.missing, report.unexpected) == ([], [])
        assert len(report.transposed) == (12 if family == "gpt2" else 0)
        assert len(report.ignored) == {"official": 6, "old rotary": 3}.get(name, 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_dtype_asked_for(dtype: str, random_checkpoint: Callable[..., Path]) -> None:
    checkpoint = load_checkpoint(random_checkpoint("gpt2", dtype="float16"), "cpu", dtype)
    assert {str(p.dtype) for p in checkpoint.model.parameters()} == {f"torch.{dtype}"}
    again = load_checkpoint(random_checkpoint("gpt2", dtype="float16"), "cpu", getattr(torch, dtype))
    assert torch.equal(checkpoint.model.wte.weight, again.model.wte.weight)  # type: ignore[union-attr,arg-type]


def test_halves_stay_halves_where_asked_and_are_not_copied(random_checkpoint: Callable[..., Path]) -> None:
    model = load_checkpoint(random_checkpoint("gpt2", dtype="float16"), "cpu", "float16").model
    weight: Any = model.get_parameter("h.0.mlp.c_fc.weight")
    assert weight.T.is_contiguous()  # a view of the file's own (in, out)
    assert not model.training


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_an_untied_head(
    family: str, random_checkpoint: Callable[..., Path], random_reference: Callable[..., Any]
) -> None:
    sizes = {"tie_word_embeddings": False}
    checkpoint = load_checkpoint(random_checkpoint(family, **sizes), "cpu")
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert (checkpoint.model(ids) - random_reference(family, **sizes)(ids).logits).abs().max() < 1e-5


def test_config_json_of_transformers_4_and_5(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    data = json.loads((random_checkpoint("qwen3") / "config.json").read_text())
    rope = data.pop("rope_parameters")
    data["torch_dtype"] = data.pop("dtype")
    (tmp_path / "config.json").write_text(json.dumps(data | {"rope_theta": rope["rope_theta"], "rope_scaling": None}))
    (tmp_path / "model.safetensors").symlink_to(random_checkpoint("qwen3") / "model.safetensors")
    old, new = load_checkpoint(tmp_path, "cpu"), load_checkpoint(random_checkpoint("qwen3"), "cpu")
    assert old.model.config == new.model.config
