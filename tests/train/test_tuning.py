"""`minigpt train --finetune` with --chat and --lora: what it writes, what it refuses, and that it resumes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt
import tokenizer
from minigpt.chat.messages import Message
from minigpt.cli import main
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.chats import TEMPLATE
from minigpt.train.checkpoint import load_run
from minigpt.train.lora import lora_layers
from weights import load_checkpoint, save_checkpoint

TEXT = "Who is in this passage? The king went to the wood. The fox said: What comes next? user assistant system\n" * 40
QUESTIONS = ("Who is it?", "Where is it?", "What comes next?")
ANSWERS = ("The king.", "In the wood.", "The fox.")
CHATS = [
    {"messages": [{"role": "user", "content": f"{q} {a}"}, {"role": "assistant", "content": a}]}
    for _ in range(3)
    for q in QUESTIONS
    for a in ANSWERS
]
FLAGS = "--steps 6 --batch-size 4 --evaluate-every 3 --warmup 2 --precision float32 --device cpu --learning-rate 0.01"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small GPT-2 with a tokenizer and no chat template, chats and a text."""
    home = tmp_path_factory.mktemp("tuning")
    tok = tokenizer.train(TEXT, 320)
    torch.manual_seed(0)
    end = tok.special_tokens["<|endoftext|>"]
    model = GPT2(GPT2Config(vocab_size=400, n_ctx=64, n_layer=2, n_head=2, n_embd=16, dropout=0.1))
    config = {"bos_token_id": end, "eos_token_id": end}
    save_checkpoint(model, home / "base", tok, generation_config=config)
    (home / "chats.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in CHATS), encoding="utf-8")
    (home / "other.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in CHATS[::-1]), encoding="utf-8")
    (home / "my.txt").write_text(TEXT, encoding="utf-8")
    return home


def train(out: Path, *words: object, flags: str = FLAGS) -> int:
    return main(["train", "--out", str(out), *map(str, words), *flags.split()])


def files(home: Path, kind: str) -> list[object]:
    return ["--finetune", home / "base", *(["--chat", home / "chats.jsonl"] if kind == "chat" else
            ["--text", home / "my.txt", "--block-size", 16])]  # fmt: skip


@pytest.fixture(scope="module")
def tuned(home: Path) -> Path:
    """A run on chats with LoRA."""
    assert train(home / "tuned", *files(home, "chat"), "--lora", 2, "--lora-targets", "c_attn,mlp.c_proj") == 0
    return home / "tuned"


# --- What is written ------------------------------------------------------------------------------------------------


def test_a_tuned_model_keeps_its_template_and_chats(tuned: Path) -> None:
    """A base model gets one, its end token's name with it, and both minigpt and transformers read them."""
    transformers = pytest.importorskip("transformers")
    assert (tuned / "chat_template.jinja").read_text(encoding="utf-8") == TEMPLATE
    lm = minigpt.load(str(tuned))
    messages: list[Message] = CHATS[0]["messages"][:1]  # type: ignore[assignment]
    assert lm.chat(messages, temperature=0, max_new_tokens=4).ids
    theirs = transformers.AutoTokenizer.from_pretrained(tuned)
    assert theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        "<|endoftext|>user\nWho is it? The king.<|endoftext|>assistant\n"
    )
    right = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert lm.chat_format().ids(messages) == right
    assert theirs.eos_token == "<|endoftext|>"
    model = transformers.AutoModelForCausalLM.from_pretrained(tuned).eval()
    ids = torch.tensor([right])
    assert (model(ids).logits - lm.model(ids)).abs().max() < 1e-5
    assert model.generation_config.eos_token_id == theirs.eos_token_id


def test_a_model_with_a_template_of_its_own_keeps_it(home: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(home / "base", tmp_path / "base"))
    own = TEMPLATE.replace("'\\n'", "':'").replace("assistant\\n", "assistant:")
    (base / "chat_template.jinja").write_text(own, encoding="utf-8")
    (base / "tokenizer_config.json").write_text('{"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}')
    out = tmp_path / "out"
    assert train(out, "--finetune", base, "--chat", home / "chats.jsonl", flags=FLAGS.replace("6", "1")) == 0
    assert (out / "chat_template.jinja").read_text(encoding="utf-8") == own
    assert (out / "tokenizer_config.json").read_bytes() == (base / "tokenizer_config.json").read_bytes()
    assert "user:Who" in minigpt.load(str(out)).chat_format().text([{"role": "user", "content": "Who"}])


def test_the_merged_model_is_the_base_and_its_adapter(home: Path, tuned: Path) -> None:
    """Only the matrices that were named have moved; by themselves they are loaded upon their base again."""
    ours, base = (dict(load_checkpoint(folder, "cpu").model.named_parameters()) for folder in (tuned, home / "base"))
    moved = {name for name, value in ours.items() if not torch.equal(value, base[name])}
    assert moved == {f"h.{i}.{name}.weight" for i in range(2) for name in ("attn.c_attn", "mlp.c_proj")}
    lm, whole = minigpt.load(str(tuned / "adapter")), minigpt.load(str(tuned))
    for name, value in lm.model.named_parameters():
        assert (value - ours[name]).abs().max() < 1e-6
    messages: list[Message] = CHATS[0]["messages"][:1]  # type: ignore[assignment]
    assert lm.chat_format().ids(messages) == whole.chat_format().ids(messages)
    assert lm.generation_config == whole.generation_config
    config = json.loads((tuned / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 2, 4.0)
    assert config["target_modules"] == ["attn.c_attn", "mlp.c_proj"]
    assert config["fan_in_fan_out"] is True
    from safetensors.torch import load_file

    stored = load_file(tuned / "adapter" / "adapter_model.safetensors")
    key = "base_model.model.transformer.h.1.mlp.c_proj.lora_A.weight"
    assert stored[key].shape == (2, 64)
    assert stored[key.replace("lora_A", "lora_B")].shape == (16, 2)
    assert len(stored) == 8


def test_the_best_model_is_kept_merged_while_the_run_goes_on_unmerged(tuned: Path) -> None:
    trainer, _, record = load_run(tuned)
    assert {name.split(".", 2)[2] for name in lora_layers(trainer.model)} == {"attn.c_attn", "mlp.c_proj"}
    assert record.asked["lora"] == 2
    assert record.asked["learning_rate"] == 0.01
    assert "lora" not in (tuned / "config.json").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "use_dora is True; only False is implemented here"),
        ({"bias": "all"}, "bias is 'all'; only 'none' is implemented here"),
        ({"rank_pattern": {"c_attn": 4}}, "rank_pattern is"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; only 'LORA'"),
        ({"base_model_name_or_path": "no/such/model"}, "no/such/model"),
        ({"base_model_name_or_path": "storyteller"}, "other base"),
    ],
)
def test_an_adapter_of_another_kind_or_base_is_refused(
    change: dict[str, Any], message: str, tuned: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tuned / "adapter", tmp_path / "adapter"))
    config = json.loads((folder / "adapter_config.json").read_text()) | change
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises((ValueError, OSError), match=message):
        minigpt.load(str(folder))


# --- Resuming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chat", "text"])
@pytest.mark.parametrize("lora", [[], ["--lora", 2, "--lora-alpha", 8, "--seed", 3]], ids=["full", "lora"])
def test_a_run_that_is_cut_off_ends_as_the_whole_one(
    kind: str, lora: list[object], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*files(home, kind), *lora]
    assert train(tmp_path / "whole", *words) == 0
    from minigpt.train.trainer import Trainer

    step = Trainer.do_step
    with monkeypatch.context() as patch:

        def killed(self: Trainer, ids: Any) -> float:
            if self.step == 4:
                raise KeyboardInterrupt
            return step(self, ids)

        patch.setattr(Trainer, "do_step", killed)
        assert train(tmp_path / "cut", *words) == 130
    assert load_run(tmp_path / "cut")[0].step == 3  # of the last evaluation
    assert train(tmp_path / "cut", "--resume", *words) == 0
    whole, cut = ((tmp_path / name / "training.jsonl").read_text() for name in ("whole", "cut"))
    assert whole == cut
    assert len(whole.splitlines()) == 6
    states = [load_run(tmp_path / name)[0].model.state_dict() for name in ("whole", "cut")]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lora", 4], "--lora 4: the run in "),
        (["--lora-alpha", 1], "--lora-alpha 1.0: the run in "),
        (["--lora-targets", "c_fc"], "--lora-targets c_fc: the run in "),
        (["--chat", "other.jsonl"], "other.jsonl is not what the run was begun with"),
        (["--text", "my.txt"], "my.txt is not wanted, the run in "),
        (["--val", "other.jsonl"], "other.jsonl is not wanted, its run was begun without"),
    ],
)
def test_what_may_not_change_is_refused_by_name(
    words: list[Any], message: str, home: Path, tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in tuned.iterdir() if file.is_file()}
    words = [home / word if str(word).endswith((".jsonl", ".txt")) else word for word in words]
    assert train(tuned, "--resume", "--steps", 9, *words, flags="") == 1
    error = capsys.readouterr().err
    assert message in error
    assert {file.name: file.read_bytes() for file in tuned.iterdir() if file.is_file()} == before


# --- Flags ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["--chat", "chats.jsonl"], "--chat tunes a model: name it, as in --finetune storyteller", 2),
        (["--text", "my.txt", "--lora", 2], "--lora tunes a model: name it", 2),
        (
            ["--chat", "chats.jsonl", "--text", "my.txt", "--finetune", "base"],
            "give one, a run learns from one kind",
            2,
        ),
        (["--text", "my.txt", "--finetune", "base", "--lora-alpha", 2], "--lora-alpha 2.0 belongs to LoRA", 2),
        (["--text", "my.txt", "--finetune", "base", "--lora-targets", "c"], "--lora-targets c belongs to LoRA", 2),
        (["--chat", "chats.jsonl", "--finetune", "base", "--compile"], "--compile wants batches of one shape", 2),
        (["--text", "my.txt", "--finetune", "base", "--lora", 0], "--lora: must be a whole number, 1 or more", 2),
        (["--text", "my.txt", "--finetune", "base", "--lora", 17], "a LoRA rank of 17 (--lora): give 1 to 16", 1),
        (["--text", "my.txt", "--finetune", "base", "--lora", 2, "--lora-targets", "c_atn"], "mean 'c_attn'?", 1),
        (["--chat", "my.txt", "--finetune", "base"], "my.txt, line 1: this is no JSON object", 1),
        (["--chat", "none.jsonl", "--finetune", "base"], "none.jsonl", 1),
        (["--chat", "chats.jsonl", "--finetune", "base", "--block-size", 3], "no chat fits into a block of 3", 1),
        (["--chat", "one.jsonl", "--finetune", "base"], "holds only one chat, another is needed for validation", 1),
    ],
)
def test_bad_flags_are_answered_in_one_line(
    words: list[Any], message: str, code: int, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "one.jsonl").write_text(json.dumps(CHATS[0]))
    there = {file.name for file in home.iterdir()} | {"none.jsonl"}
    words = [home / word if word in there else word for word in words]
    try:
        found = train(tmp_path / "out", *words)
    except SystemExit as left:
        found = int(str(left.code))
    error = capsys.readouterr().err
    assert (found, message in error, error.count("\n")) == (code, True, 1), error
    assert not (tmp_path / "out").exists()


def test_what_became_of_the_chats_is_said(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question, answer = CHATS[0]["messages"]
    long = {"messages": [question, answer, question | {"content": "Why? " * 90}, answer]}
    chats = [*CHATS[:3], long, *CHATS]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    words = ["--finetune", home / "base", "--chat", tmp_path / "c.jsonl"]
    assert train(tmp_path / "out", *words, flags=FLAGS.replace("6", "1")) == 0
    error = capsys.readouterr().err
    assert "c.jsonl: 30 chats with 30 answers; 1 cut after a whole turn, being longer than a block" in error
    assert f"minigpt chat -m {tmp_path / 'out'}" in error
    assert "parameters; " in error
    assert load_run(tmp_path / "out")[0].settings.block_size == 64  # what the model holds


def test_how_many_parameters_learn_is_said(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*files(home, "text"), "--lora", 1, "--lora-targets", "c_attn"]
    assert train(tmp_path / "out", *words, flags=FLAGS.replace("6", "1")) == 0
    assert "parameters (128 learn); " in capsys.readouterr().err  # in each of two blocks A 1 x 16 and B 48 x 1


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_other_families_are_tuned_alike(
    family: str, home: Path, tmp_path: Path, random_checkpoint: Callable[..., Path]
) -> None:
    base = Path(shutil.copytree(random_checkpoint(family, vocab_size=320), tmp_path / "base"))
    tokenizer.Tokenizer.load(home / "base").save(base)
    end = 319
    (base / "generation_config.json").write_text(json.dumps({"bos_token_id": end, "eos_token_id": end}))
    words = ["--finetune", base, "--chat", home / "chats.jsonl", "--lora", 2]
    assert train(tmp_path / "out", *words) == 0
    losses = [json.loads(line)["train"] for line in (tmp_path / "out" / "training.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
    lm = minigpt.load(str(tmp_path / "out" / "adapter"))
    whole = minigpt.load(str(tmp_path / "out"))
    ids = torch.tensor([[1, 2, 3]])
    assert (lm.model(ids) - whole.model(ids)).abs().max() < 1e-4
