"""BART's and T5's checkpoints: every dialect of names loads, what would give other numbers is refused by name, and the
registered names come from a Hub."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import minigpt
from minigpt.models.bart import Bart, BartConfig
from minigpt.models.t5 import T5, T5Config
from minigpt.relatives.seq2seq import Seq2Seq
from tests.parity.seq2seq import reference
from weights.families import bart, t5
from weights.fetch import locate, registry
from weights.relatives import load_relative_checkpoint

transformers = pytest.importorskip("transformers")
State = dict[str, Tensor]
DEC = torch.tensor([[0, 5, 6]])
IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("bart", "t5", "t5_untied")}
    for name, folder in folders.items():
        untied = {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"} if name == "t5_untied" else {}
        reference(name.split("_")[0], **untied).save_pretrained(folder)
    return folders


@pytest.fixture
def copied(saved: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A folder of its own, to be changed."""
    return lambda name: Path(shutil.copytree(saved[name], tmp_path / name))


def logits(folder: Path) -> Tensor:
    model = load_relative_checkpoint(folder, "cpu").model
    with torch.no_grad():
        return model(IDS, DEC)


def rewrite(folder: Path, change: Callable[[State], State]) -> None:
    path = folder / "model.safetensors"
    save_file({key: value.clone() for key, value in change(load_file(path)).items()}, path)


def change(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


def with_copies(state: State, embedding: str, *names: str) -> State:
    return state | dict.fromkeys(names, state[embedding])


VERSIONS, TABLE = ("encoder.version", "model.decoder.version"), "relative_attention_bias"
DIALECTS: dict[str, tuple[str, Callable[[State], State]]] = {
    "bart, copies of the embedding": (
        "bart",
        lambda s: with_copies(
            s, "model.shared.weight", "lm_head.weight",
            "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight",
        ),
    ),
    "bart, bare names": ("bart", lambda s: {key.removeprefix("model."): value for key, value in s.items()}),
    "bart, versions of fairseq": ("bart", lambda s: s | dict.fromkeys(VERSIONS, torch.ones(1))),
    "bart, only one side's embedding": (
        "bart", lambda s: {key.replace("shared.", "decoder.embed_tokens."): value for key, value in s.items()}),
    "bart, half precision": ("bart", lambda s: {key: value.half() for key, value in s.items()}),
    "bart, a head of another task": ("bart", lambda s: s | {"classification_head.dense.weight": torch.ones(2, 2)}),
    "t5, copies of the embedding": (
        "t5", lambda s: with_copies(
            s, "shared.weight", "lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")),
    "t5, a table that nobody uses": (
        "t5", lambda s: s | {f"decoder.block.0.layer.1.EncDecAttention.{TABLE}.weight": torch.ones(32, 3)}),
    "t5, wrapped": ("t5", lambda s: {f"module.{key}": value for key, value in s.items()}),
    "t5 1.1, copies of the embedding": (
        "t5_untied", lambda s: with_copies(
            s, "shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_numbers(copied: Any, dialect: str) -> None:
    name, rename = DIALECTS[dialect]
    folder = copied(name)
    right = logits(folder)
    rewrite(folder, rename)
    assert (logits(folder) - right).abs().max() < (0.1 if "half" in dialect else 1e-6)


def test_a_pickled_file_and_one_without_a_bias(copied: Any) -> None:
    folder = copied("bart")
    right, state = logits(folder), load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    assert torch.equal(logits(folder), right)
    bias = state.pop("final_logits_bias")
    torch.save(state, folder / "pytorch_model.bin")
    assert (logits(folder) + bias - right).abs().max() < 1e-5
    assert not load_relative_checkpoint(folder, "cpu").model.config.has_bias


def test_a_config_of_transformers_4(copied: Any) -> None:
    """Which says of version 1.1 that nothing is tied, and nothing of a scale."""
    folder = copied("t5_untied")
    right, config = logits(folder), json.loads((folder / "config.json").read_text())
    for name in ("scale_decoder_outputs", "dense_act_fn", "is_gated_act", "num_decoder_layers"):
        del config[name]
    config |= {"tie_word_embeddings": False, "num_decoder_layers": 3}
    (folder / "config.json").write_text(json.dumps(config))
    assert torch.equal(logits(folder), right)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("bart", {"activation_function": "relu"}, "activation_function is 'relu'; only 'gelu' or"),
    ("bart", {"tie_word_embeddings": False}, "tie_word_embeddings is False"),
    ("bart", {"is_encoder_decoder": False}, "is_encoder_decoder is False"),
    ("bart", {"is_decoder": True}, "is_decoder is True"),
    ("bart", {"normalize_before": True}, "normalize_before is True"),
    ("bart", {"normalize_embedding": False}, "normalize_embedding is False"),
    ("bart", {"static_position_embeddings": True}, "static_position_embeddings is True"),
    ("bart", {"extra_pos_embeddings": 0}, "extra_pos_embeddings is 0"),
    ("bart", {"decoder_attention_heads": 6}, "decoder_attention_heads is 6; only 3"),
    ("bart", {"decoder_ffn_dim": 9}, "decoder_ffn_dim is 9; only 52"),
    ("bart", {"encoder_attention_heads": 5, "decoder_attention_heads": 5}, "n_embd 36, n_head 5"),
    ("bart", {"decoder_layers": 10**9}, "decoder_layers is 1000000000; expected at most 10000"),
    ("bart", {"encoder_layers": 10**9}, "n_layer is 1000000000"),
    ("bart", {"decoder_layers": 4}, "missing 26"),
    ("bart", {"decoder_layers": 2}, "unexpected 26"),
    ("bart", {"max_position_embeddings": 49}, r"embed_positions.weight has the shape \(50, 36\)"),
    ("bart", {"pruned_heads": {"0": [1]}}, "pruned_heads"),
    ("t5", {"feed_forward_proj": "gated-silu"}, "feed_forward_proj is 'gated-silu'; only 'relu' or 'gated-gelu'"),
    ("t5", {"dense_act_fn": "silu"}, "dense_act_fn is 'silu'"),
    ("t5", {"is_gated_act": True}, "is_gated_act is True"),
    ("t5", {"is_encoder_decoder": False}, "is_encoder_decoder is False"),
    ("t5", {"relative_attention_num_buckets": 16}, r"bias.weight has the shape \(32, 3\)"),
    ("t5", {"relative_attention_max_distance": 16}, r"n_buckets 32: expected .* \(16\)"),
    ("t5", {"scale_decoder_outputs": False}, "missing 1: lm_head.weight"),
    ("t5", {"num_decoder_layers": 10**9}, "num_decoder_layers is 1000000000; expected at most 10000"),
    ("t5", {"num_layers": 9}, "n_layer is 9 in config.json, there are 2 layers"),
    ("t5", {"d_kv": 11}, r"has the shape \(30, 36\)"),
    ("t5", {"layer_norm_epsilon": 0}, "norm_eps must be a finite number"),
    ("t5_untied", {"scale_decoder_outputs": True}, "lm_head.weight differs from shared.weight"),
    (
        "t5_untied",
        {"feed_forward_proj": "relu", "dense_act_fn": "relu", "is_gated_act": False},
        "missing 5: .*mlp.wi.weight",
    ),
]


@pytest.mark.parametrize(("name", "fields", "says"), REFUSED)
def test_what_is_not_built_is_refused_by_name(copied: Any, name: str, fields: dict[str, Any], says: str) -> None:
    folder = copied(name)
    change(folder, **fields)
    with pytest.raises(ValueError, match=says) as error:
        load_relative_checkpoint(folder, "cpu")
    assert "\n" not in str(error.value)


def test_copies_that_differ_are_refused(copied: Any) -> None:
    for name, embedding in (("bart", "model.shared.weight"), ("t5", "shared.weight")):
        folder = copied(name)
        key = embedding.replace("shared", "encoder.embed_tokens")
        rewrite(folder, lambda s, e=embedding, k=key: s | {k: s[e] + 1})
        with pytest.raises(ValueError, match=r"both .* and .* name the parameter shared\.weight"):
            load_relative_checkpoint(folder, "cpu")


def test_the_config_that_is_written_is_read(saved: dict[str, Path]) -> None:
    for name, folder in saved.items():
        config = load_relative_checkpoint(folder, "cpu").model.config
        family = bart if name == "bart" else t5
        written = family.write_config(config)
        assert family.read_config(written) == config
        theirs = getattr(transformers, "BartConfig" if name == "bart" else "T5Config")(**written)
        assert family.read_config(json.loads(theirs.to_json_string(use_diff=False))) == config


def test_parameters_of_the_registry() -> None:
    with torch.device("meta"):
        models = {"bart-base": Bart(BartConfig(has_bias=False)), "t5-small": T5(T5Config())}
    for name, model in models.items():
        assert sum(p.numel() for p in model.parameters()) == registry.REGISTRY[name].n_parameters


@pytest.mark.parametrize(
    ("name", "family"), [("facebook/bart-base", "bart"), ("bart-base", "bart"), ("t5-small", "t5")]
)
def test_a_registered_name_comes_from_the_hub(hub: Any, saved: dict[str, Path], name: str, family: str) -> None:
    hub.serve_folder(saved[family])
    loaded = minigpt.load_relative(name, "cpu")
    assert isinstance(loaded, Seq2Seq)
    assert loaded.generate([5, 6], max_new_tokens=3).n_prompt == 2
    assert locate.obtain(name).source == "Hugging Face cache"
    with pytest.raises(ValueError, match=r"an encoder-decoder, .*: load it with minigpt\.load_relative"):
        minigpt.load(name)
