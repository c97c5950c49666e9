"""What is exported loads in transformers and here, bit by bit the same."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import minigpt
import tokenizer
from minigpt.chat.chat import with_defaults
from minigpt.commands import export
from minigpt.commands.parser import Parser
from weights import load_checkpoint, save_checkpoint


def run(*arguments: str) -> int:
    return export.run(Parser("export").read(arguments))


@pytest.mark.parametrize("parts", [False, True], ids=["one file", "parts"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
def test_transformers_reads_it(
    family: str, dtype: str, parts: bool, random_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    source = random_checkpoint(family, dtype=dtype)
    checkpoint = load_checkpoint(source, "cpu", dtype)
    size = 40_000 if parts else 5_000_000_000
    save_checkpoint(checkpoint.model, tmp_path, generation_config=checkpoint.generation_config, shard_bytes=size)
    assert (tmp_path / "model.safetensors").exists() != parts
    theirs = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    ours, info = AutoModelForCausalLM.from_pretrained(tmp_path, dtype="auto", output_loading_info=True)
    assert not any(info.values())
    assert str(ours.dtype) == f"torch.{dtype}"
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())
    assert ours.generation_config.eos_token_id == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_command_twice_writes_the_same_bytes(
    dtype: str, random_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    source = Path(shutil.copytree(random_checkpoint("gpt2", dtype=dtype, vocab_size=300), tmp_path / "source"))
    tokenizer.train("the cat sat on the mat, the cat ate the rat", 270).save(source)
    (source / "chat_template.jinja").write_text("{{ messages }}")
    assert run(str(source), str(tmp_path / "once")) == 0
    assert run(str(tmp_path / "once"), str(tmp_path / "twice")) == 0
    names = {path.name for path in (tmp_path / "once").iterdir()}
    assert names >= {
        "config.json",
        "model.safetensors",
        "vocab.json",
        "merges.txt",
        "probe.json",
        "chat_template.jinja",
    }
    for name in names:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes(), name
    first, again = load_checkpoint(source, "cpu"), load_checkpoint(tmp_path / "twice", "cpu")
    for (name, p), (_, q) in zip(first.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(p, q), name
    assert list(again.report.kinds) == list(first.report.kinds)
    assert again.tokenizer is not None
    assert first.tokenizer is not None
    assert again.tokenizer.ranks == first.tokenizer.ranks
    assert again.generation_config == first.generation_config
    assert again.chat_template == first.chat_template
    assert again.model.config == first.model.config


def test_another_model_in_the_folder_goes(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    model = load_checkpoint(random_checkpoint("gpt2"), "cpu").model
    save_checkpoint(model, tmp_path, shard_bytes=40_000)
    assert (tmp_path / "model.safetensors.index.json").exists()
    save_checkpoint(model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "generation_config.json", "model.safetensors"]
    load_checkpoint(tmp_path, "cpu")


@pytest.mark.parametrize(
    "name",
    [
        *("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "chat_template.jinja"),
        *("generation_config.json", "pytorch_model.bin", "pytorch_model.bin.index.json"),
    ],
)
def test_nothing_of_the_old_model_stays(name: str, random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / name).write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    save_checkpoint(load_checkpoint(random_checkpoint("gpt2"), "cpu").model, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"config.json", "generation_config.json", "model.safetensors", "notes.txt"}
    assert load_checkpoint(tmp_path, "cpu").tokenizer is None


def test_a_disk_that_fills_loses_nothing(
    random_checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_checkpoint(random_checkpoint("gpt2"), "cpu").model
    save_checkpoint(model, tmp_path, chat_template="old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, _: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("weights.export.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(model, tmp_path, dtype=torch.float16)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_mask_buffers_do_not_widen_the_export(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    source = Path(shutil.copytree(random_checkpoint("gpt2", dtype="float16"), tmp_path / "source"))
    path = source / "model.safetensors"
    save_file(load_file(path) | {"transformer.h.0.attn.bias": torch.ones(1, 1, 48, 48)}, path)
    assert run(str(source), str(tmp_path / "made")) == 0
    assert load_checkpoint(tmp_path / "made", "cpu").report.kinds == {"F16": 40}


def test_not_onto_itself(random_checkpoint: Callable[..., Path]) -> None:
    folder = random_checkpoint("gpt2")
    with pytest.raises(ValueError, match="own folder"):
        run(str(folder), str(folder))


def test_special_ids_stand_in_config_json(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    model: Any = load_checkpoint(random_checkpoint("gpt2"), "cpu").model
    save_checkpoint(model, tmp_path, generation_config={"eos_token_id": [7, 8], "temperature": 0.5})
    (tmp_path / "generation_config.json").unlink()
    assert json.loads((tmp_path / "config.json").read_text())["eos_token_id"] == [7, 8]
    assert load_checkpoint(tmp_path, "cpu").generation_config == {"eos_token_id": [7, 8]}


NAMED = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "eos_token": {"__type": "AddedToken", "content": "<|im_end|>"},
}
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m.role }} {{ m.content }}{{ eos_token }}{% endfor %}"
KEPT: dict[str, dict[str, str]] = {
    "a template in tokenizer_config.json": {"tokenizer_config.json": json.dumps(NAMED | {"chat_template": TEMPLATE})},
    "several": {
        "tokenizer_config.json": json.dumps(NAMED | {"chat_template": [{"name": "default", "template": TEMPLATE}]})
    },
    "a file": {"tokenizer_config.json": json.dumps(NAMED), "chat_template.jinja": f"{TEMPLATE}\r\n"},
    "a folder": {
        "tokenizer_config.json": json.dumps(NAMED),
        "chat_template.jinja": TEMPLATE,
        "additional_chat_templates/tool_use.jinja": "{{ tools }}",
    },
    "an older map": {
        "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE}),
        "special_tokens_map.json": json.dumps({"eos_token": "<|im_end|>", "bos_token": "<s>"}),
    },
    "settings": {
        "tokenizer_config.json": json.dumps(NAMED | {"chat_template": TEMPLATE}),
        "generation_config.json": '{"eos_token_id": [5, 6], "do_sample": true, "transformers_version": "5"}',
    },
}


@pytest.mark.parametrize("kind", KEPT)
def test_a_copy_keeps_what_lies_beside_the_weights(
    kind: str, random_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """The same ids, ends and templates, here and in transformers; a copy of the copy has the same bytes."""
    from transformers import AutoTokenizer, GenerationConfig

    tok = tokenizer.train("the cat sat on the mat " * 50, 280, special_tokens=("<|endoftext|>", "<s>", "<|im_end|>"))
    sizes = {"vocab_size": tok.n_vocab, "num_hidden_layers": 1, "bos_token_id": None, "eos_token_id": 5}
    source = Path(shutil.copytree(random_checkpoint("llama", **sizes), tmp_path / "source"))
    tok.save(source)
    data = json.loads((source / "tokenizer.json").read_text())
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [tok.special_tokens["<s>"]], "tokens": ["<s>"]}},
    }
    (source / "tokenizer.json").write_text(json.dumps(data))
    for name, text in KEPT[kind].items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(text.encode())
    assert run(str(source), str(tmp_path / "once")) == 0
    assert run(str(tmp_path / "once"), str(tmp_path / "twice")) == 0
    talk = [{"role": "user", "content": "hi"}]
    seen = []
    for folder in (source, tmp_path / "once", tmp_path / "twice"):
        lm, theirs = minigpt.load(folder, "cpu"), AutoTokenizer.from_pretrained(folder)
        seen.append(
            (
                lm.encode("the <|im_end|> cat"),
                lm.chat_format().ids(talk),
                with_defaults({}, lm.chat_format(), lm.generation_config)["eos_token_id"],
                lm.generation_config,
                lm.chat_template,
                theirs("the <|im_end|> cat").input_ids,
                theirs.apply_chat_template(talk, tokenize=False),
                theirs.special_tokens_map,
                GenerationConfig.from_pretrained(folder).eos_token_id,
            )
        )
    assert seen[0] == seen[1] == seen[2]
    for file in (tmp_path / "once").iterdir():
        assert file.read_bytes() == (tmp_path / "twice" / file.name).read_bytes(), file.name
        if file.name in KEPT[kind] and "additional_chat_templates/tool_use.jinja" not in KEPT[kind]:
            assert file.read_bytes() == KEPT[kind][file.name].encode(), file.name


def test_what_is_left_behind_is_named(
    random_checkpoint: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(shutil.copytree(random_checkpoint("gpt2"), tmp_path / "source"))
    (source / "LICENSE").write_text("mine")
    (source / "training.pt").write_text("x")
    assert run(str(source), str(tmp_path / "made")) == 0
    assert "not copied, as no model is made of it: LICENSE, training.pt\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "dtype", "message"),
    [
        (
            7e4,
            torch.float16,
            r"transformer.h.1.ln_1.bias holds 70000, more than float16 can hold \(65504\): give dtype=",
        ),
        (-7e4, torch.float16, "transformer.h.1.ln_1.bias holds -70000, more than float16 can hold"),
        (3.4e38, torch.bfloat16, "holds 3.4e[+]38, more than bfloat16 can hold"),
        (float("nan"), torch.float32, "transformer.h.1.ln_1.bias holds nan: the weights are damaged"),
        (float("-inf"), torch.float16, "transformer.h.1.ln_1.bias holds -inf: the weights are damaged"),
    ],
)
def test_weights_that_would_not_survive_are_refused(
    number: float, dtype: torch.dtype, message: str, random_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    model: Any = load_checkpoint(random_checkpoint("gpt2"), "cpu").model
    model.h[1].ln_1.bias.data[3] = number
    with pytest.raises(ValueError, match=message):
        save_checkpoint(model, tmp_path / "made", dtype=dtype)
    assert not (tmp_path / "made").exists()


def test_the_largest_half_is_no_overflow(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    model: Any = load_checkpoint(random_checkpoint("gpt2"), "cpu").model
    model.h[1].ln_1.bias.data[3] = 65519.0  # which rounds to 65504
    save_checkpoint(model, tmp_path, dtype=torch.float16)
    assert load_file(tmp_path / "model.safetensors")["transformer.h.1.ln_1.bias"][3] == 65504


def test_another_models_templates_are_not_mixed_in(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "additional_chat_templates").mkdir()
    with pytest.raises(ValueError, match="additional_chat_templates holds another model's chat templates"):
        save_checkpoint(load_checkpoint(random_checkpoint("gpt2"), "cpu").model, tmp_path)
