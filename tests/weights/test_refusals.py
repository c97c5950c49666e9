"""Wrong files are refused in one line that names the file and what was expected and found; nothing loads in silence."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from weights import load_checkpoint
from weights.devices import pick_device

State = dict[str, Tensor]


@pytest.fixture
def folder(random_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A random GPT-2 to damage."""
    return Path(shutil.copytree(random_checkpoint("gpt2"), tmp_path / "model"))


@pytest.fixture
def llama(random_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A random Llama to damage."""
    return Path(shutil.copytree(random_checkpoint("llama"), tmp_path / "model"))


def refused(folder: Path, *words: str) -> str:
    """The one line that says why; it holds the words."""
    with pytest.raises((ValueError, OSError)) as caught:
        load_checkpoint(folder, "cpu")
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line
    return line


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rewrite(folder: Path, edit: Callable[[State], State]) -> None:
    save_file(edit(load_file(folder / "model.safetensors")), folder / "model.safetensors")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("activation_function", "xielu"),
        ("activation_function", ["relu"]),
        ("scale_attn_weights", 0),
        ("scale_attn_by_inverse_layer_idx", 1),
        ("add_cross_attention", True),
        ("tie_word_embeddings", "no"),
        ("num_hidden_layers", 2),  # another than n_layer
        ("n_layer", 3.0),
        ("n_head", True),
        ("model_type", "bert"),
        ("n_head", 5),
        ("n_layer", "three"),
        ("n_embd", None),
        ("vocab_size", 0),
        ("layer_norm_epsilon", True),
        ("n_inner", -4),
    ],
)
def test_gpt2_configs_that_are_not_built(folder: Path, field: str, value: Any) -> None:
    change(folder, **{field: value})
    refused(folder, "config.json", field, "missing" if value is None else str(value))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("rope_parameters", {"rope_type": "longrope", "factor": 2.0, "rope_theta": 1e4}, "'longrope'"),
        ("rope_scaling", {"type": "proportional", "factor": 4.0}, "'proportional'"),
        ("rope_scaling", {"type": "yarn"}, "rope_scaling: factor is missing"),
        ("rope_scaling", {"type": "linear", "factor": "4"}, "rope_scaling: factor should be a number, not '4'"),
        (
            "rope_scaling",
            {"type": "linear", "factor": 0},
            "rope_scaling: factor must be a finite number above 0",
        ),
        ("rope_scaling", {"type": "yarn", "factor": float("inf")}, "factor must be a finite number above 0, not inf"),
        ("rope_scaling", {"type": "yarn", "factor": 4, "attention_factor": 0}, "attention_factor must be a finite"),
        ("rope_scaling", {"type": "llama3", "factor": 8.0}, "low_freq_factor is missing"),
        (
            "rope_scaling",
            {"type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0},
            "low_freq_factor 4.0 is not below high_freq_factor 1.0",
        ),
        ("rope_parameters", {"rope_type": "default", "mrope_section": [2, 2]}, "mrope_section [2, 2]"),
        ("rope_parameters", {"full_attention": {"rope_type": "default"}}, "full_attention"),
        ("rope_parameters", {"rope_type": "default", "partial_rotary_factor": 0.25}, "partial_rotary_factor is 0.25"),
        ("attention_bias", 1, "attention_bias should be true or false, not 1"),
        ("mlp_bias", "yes", "mlp_bias should be true or false, not 'yes'"),
        ("hidden_act", "xielu", "'xielu'"),
        ("partial_rotary_factor", 0.5, "0.5"),
        ("sliding_window", 8, "sliding_window is 8, and Llama has none"),
        ("sliding_window", 0, "sliding_window must be at least 1, not 0"),
        ("layer_types", ["full_attention", "chunked_attention", "full_attention"], "'chunked_attention'"),
        ("layer_types", ["full_attention"], "layer_types has 1 entries for 3 layers"),
        ("num_experts", 8, "num_experts is 8"),
        ("final_logit_softcapping", 30.0, "final_logit_softcapping is 30.0; only null is implemented here"),
        ("num_key_value_heads", 4, "n_kv_head 4"),
        ("num_attention_heads", 0, "n_head must be at least 1, not 0"),
        ("head_dim", -4, "head_dim must be at least 1, not -4"),
        ("rope_scaling", "yarn", "rope_scaling should be an object with rope_type, not 'yarn'"),
        ("rope_parameters", [1], "rope_parameters should be an object with rope_type, not [1]"),
        ("layer_types", 5, "layer_types should be a list, not 5"),
        ("sliding_window", "8", "sliding_window should be a number, not '8'"),
        ("rms_norm_eps", float("nan"), "norm_eps must be a finite number above 0, not nan"),
        ("rms_norm_eps", float("inf"), "norm_eps must be a finite number above 0, not inf"),
        ("rms_norm_eps", -1e-6, "norm_eps must be a finite number above 0, not -1e-06"),
        ("rope_parameters", {"rope_theta": 0}, "rope_theta must be a finite number above 0, not 0"),
        ("rope_parameters", {"rope_theta": float("nan")}, "rope_theta must be a finite number above 0, not nan"),
        ("rope_parameters", {"rope_theta": 10**400}, "too large"),
    ],
)
def test_llama_configs_that_are_not_built(llama: Path, field: str, value: Any, says: str) -> None:
    change(llama, **{"head_dim": None, field: value})
    refused(llama, "config.json", says)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1e-5])
def test_an_epsilon_that_gives_no_numbers(folder: Path, value: float) -> None:
    change(folder, layer_norm_epsilon=value)
    refused(folder, "config.json", f"norm_eps must be a finite number above 0, not {value}")


@pytest.mark.parametrize(
    ("field", "missing"),
    [("attention_bias", "layers.0.self_attn.q_proj.bias"), ("mlp_bias", "layers.0.mlp.gate_proj.bias")],
)
def test_biases_that_the_file_does_not_have(llama: Path, field: str, missing: str) -> None:
    change(llama, **{field: True})
    assert missing in refused(llama, "model.safetensors", "missing", missing.rpartition(".")[0].split(".")[2])


def test_an_untied_head_that_the_file_does_not_have(folder: Path) -> None:
    change(folder, tie_word_embeddings=False)
    refused(folder, "model.safetensors", "missing 1: lm_head.weight")


def test_a_sliding_window_that_is_none(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(random_checkpoint("qwen2"), tmp_path / "model"))
    change(folder, layer_types=["sliding_attention"] * 3, use_sliding_window=False)
    refused(folder, "layer_types has sliding_attention, but use_sliding_window is not true")
    change(folder, layer_types=None, use_sliding_window=True, sliding_window=0, max_window_layers=1)
    refused(folder, "sliding_window must be at least 1, not 0")


def test_a_parameter_is_missing(folder: Path) -> None:
    rewrite(folder, lambda s: {key: v for key, v in s.items() if not key.endswith("h.1.ln_2.bias")})
    refused(folder, "model.safetensors", "missing 1: h.1.ln_2.bias")


def test_a_tensor_is_unexpected(folder: Path) -> None:
    rewrite(folder, lambda s: s | {"transformer.h.1.attn.rotation": torch.ones(2)})
    refused(folder, "model.safetensors", "unexpected 1: transformer.h.1.attn.rotation")


def test_one_layer_more_than_the_config(folder: Path) -> None:
    change(folder, n_layer=2)
    refused(folder, "unexpected 12")


def test_two_names_for_one_parameter(folder: Path) -> None:
    rewrite(folder, lambda s: s | {"ln_f.bias": torch.ones(36)})
    refused(folder, "ln_f.bias", "transformer.ln_f.bias")


def test_another_size(folder: Path) -> None:
    change(folder, n_positions=64)
    refused(folder, "model.safetensors", "wpe.weight", "(48, 36)", "(64, 36)")


def test_the_layout_of_torch_linear(folder: Path) -> None:
    rewrite(folder, lambda s: {k: v.T.contiguous() if "c_fc.weight" in k else v for k, v in s.items()})
    refused(folder, "c_fc.weight", "(144, 36)", "(36, 144)", "torch.nn.Linear")


def test_an_untied_head(folder: Path) -> None:
    rewrite(folder, lambda s: s | {"lm_head.weight": s["transformer.wte.weight"] + 1})
    refused(folder, "lm_head.weight differs from wte.weight")


def test_numbers_that_are_no_fractions(folder: Path) -> None:
    rewrite(folder, lambda s: s | {"transformer.ln_f.bias": torch.ones(36, dtype=torch.int64)})
    refused(folder, "ln_f.bias", "I64")


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_truncated(folder: Path, part: float) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    refused(folder, "model.safetensors", "fetch it again")


def test_one_byte_flipped_where_the_checksum_is_known(folder: Path, tmp_path: Path) -> None:
    from weights import save_checkpoint

    save_checkpoint(load_checkpoint(folder, "cpu").model, tmp_path / "ours")
    path = tmp_path / "ours" / "model.safetensors"
    load_checkpoint(path.parent, "cpu")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    refused(path.parent, "model.safetensors", "expected SHA-256", "found")


def test_one_byte_flipped_in_a_zip_file(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    data = bytearray((folder / "pytorch_model.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "pytorch_model.bin").write_bytes(data)
    refused(folder, "pytorch_model.bin", "checksum")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_bin(folder: Path, part: float, old: bool) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), path, _use_new_zipfile_serialization=not old)
    (folder / "model.safetensors").unlink()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    refused(folder, "pytorch_model.bin", "fetch it again")


class Code:
    """Something that runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return print, ("ran",)


def test_a_bin_with_code_never_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"x": Code()}, folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin", "could run code")
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({0: torch.ones(2)}, "expected names with tensors, found a dict with 0"),
        ({"x": torch.eye(2).to_sparse()}, "x is sparse"),
        (b"garbage of some length" * 9, "not a whole file of torch.save"),
        (pickle.dumps({"x": 1}), "not a whole file of torch.save"),
    ],
    ids=["integer keys", "sparse", "garbage", "plain pickle"],
)
def test_a_bin_that_is_none_of_torchs(folder: Path, made: Any, says: str, recwarn: pytest.WarningsRecorder) -> None:
    (folder / "model.safetensors").unlink()
    if isinstance(made, bytes):
        (folder / "pytorch_model.bin").write_bytes(made)
    else:
        torch.save(made, folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin", says)
    assert not recwarn.list


@pytest.mark.parametrize("template", [[1], [{"name": "x"}]], ids=str)
def test_chat_templates_that_are_none(folder: Path, template: Any) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    refused(folder, "tokenizer_config.json", "needs a name and a template")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_json_nested_too_deep(folder: Path, name: str) -> None:
    data = b"[" * 100_000
    head = len(data).to_bytes(8, "little") if name == "model.safetensors" else b""
    (folder / name).write_bytes(head + data)
    refused(folder, name, "fetch it again")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_of_the_folder(folder: Path, name: str) -> None:
    refused(folder / name, f"name its folder, {folder}")


def test_the_home_of_nobody() -> None:
    refused(Path("~nouser/x"), "~nouser/x", "write the whole path")


def test_a_bin_of_another_structure(folder: Path) -> None:
    torch.save({"model": load_file(folder / "model.safetensors"), "step": 3}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(folder, "pytorch_model.bin", "'model', 'step'", "state_dict")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "generation_config.json"])
@pytest.mark.parametrize(
    "data", [b"<!DOCTYPE html><html>", b"version https://git-lfs.github.com/spec/v1\n", b"\0" * 99, b"{", b"[1, 2]"]
)
def test_something_else_under_a_files_name(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    refused(folder, name)


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nothing-here", "nothing-here", "storyteller", "gpt2-xl")
    (folder / "model.safetensors").rename(tmp_path / "x")
    refused(folder, str(folder), "model.safetensors", "pytorch_model.bin", "found config.json")
    (folder / "config.json").unlink()
    refused(folder, "config.json is missing")


@pytest.fixture
def parts(random_reference: Callable[..., Any], tmp_path: Path) -> Path:
    random_reference("gpt2").save_pretrained(tmp_path / "parts", max_shard_size="80KB")
    return tmp_path / "parts"


def test_a_part_is_missing(parts: Path) -> None:
    lost = sorted(parts.glob("*.safetensors"))[1]
    lost.unlink()
    refused(parts, lost.name, "part 2 of")


def test_an_index_that_leads_out_of_the_folder(parts: Path) -> None:
    index = parts / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../../etc/passwd"}}))
    refused(parts, index.name, "plain name")


@pytest.mark.parametrize("data", ["{}", '{"weight_map": []}', '{"weight_map": {"x": 3}}', "<html>"])
def test_an_index_that_is_none(parts: Path, data: str) -> None:
    (parts / "model.safetensors.index.json").write_text(data)
    refused(parts, "model.safetensors.index.json")


def test_a_tensor_in_two_parts(parts: Path) -> None:
    first, second, *_ = sorted(parts.glob("*.safetensors"))
    save_file(load_file(first) | load_file(second), second)
    refused(parts, second.name, "another part")


def test_more_tokens_than_rows(folder: Path) -> None:
    import tokenizer

    tokenizer.train("the cat sat on the mat", 262).save(folder)
    refused(folder, "262", "101")


def test_devices_and_dtypes(folder: Path) -> None:
    for device in ("gpu", "cuda:99", "tpu"):
        with pytest.raises(ValueError, match=f"{device}.*cpu"):
            pick_device(device)
    for dtype in ("fp16", "int8", torch.int64):
        with pytest.raises(ValueError, match="float32"):
            load_checkpoint(folder, "cpu", dtype)
