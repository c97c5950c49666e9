"""Training: the data, the step, runs that resume exactly, and the command."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import minigpt
import tokenizer
from minigpt.cli import main
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import resume, save
from minigpt.train.data import Texts, draw_batch, encode_documents, hold_out, read_text, split_documents
from minigpt.train.trainer import Trainer, TrainSettings, evaluate

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 60


def tiny(seed: int = 0, dropout: float = 0.1) -> GPT2:
    torch.manual_seed(seed)
    return GPT2(GPT2Config(vocab_size=300, n_ctx=16, n_layer=2, n_head=2, n_embd=16, dropout=dropout))


SETTINGS = TrainSettings(steps=12, batch_size=4, block_size=16, warmup=3, learning_rate=3e-3)
IDS = torch.randint(300, (500,), generator=torch.Generator().manual_seed(0))


# --- Data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"a\r\nb\rc\n", "utf-8", "a\nb\nc\n"),
        (b"\xef\xbb\xbfhello", "utf-8", "hello"),
        ("naïve — “quoted”".encode("cp1252"), "cp1252", "naïve — “quoted”"),
        ("日本語".encode(), "utf-8", "日本語"),
    ],
)
def test_text_is_read_as_it_was_meant(tmp_path: Path, data: bytes, encoding: str, text: str) -> None:
    (tmp_path / "t.txt").write_bytes(data)
    assert read_text(tmp_path / "t.txt", encoding) == text


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("na\u00efve".encode("cp1252"))
    with pytest.raises(ValueError, match=r"t\.txt is not UTF-8 text: byte 0xef at offset 2.*; .*--encoding cp1252"):
        read_text(tmp_path / "t.txt")
    with pytest.raises(ValueError, match="unknown encoding 'utf-9'"):
        read_text(tmp_path / "t.txt", "utf-9")


def test_every_document_begins_with_the_end_sign_and_none_is_written_as_text() -> None:
    tok = tokenizer.train(TEXT, 300)
    documents = split_documents(f"one\n<|endoftext|>\ntwo<|endoftext|>\n\n<|endoftext|>three {TEXT}")
    assert documents[:2] == ["one", "two"]
    assert len(documents) == 3
    ids = encode_documents(documents[:2], tok).tolist()
    end = tok.special_tokens["<|endoftext|>"]
    assert ids == [end, *tok.encode("one"), end, *tok.encode("two"), end]


@pytest.mark.parametrize("text", ["a\nb\n" * 50, "x" * 1000, "one long line " * 30])
def test_held_out_text_is_the_end_and_nothing_is_lost(text: str) -> None:
    train, validation = hold_out(text)
    assert train + validation == text
    assert 0.02 < len(validation) / len(text) < 0.6


def test_batches_are_blocks_of_the_text_with_the_next_tokens() -> None:
    ids = torch.arange(100)
    x, y = draw_batch(ids, 10, 64, torch.Generator().manual_seed(3))
    assert x.shape == y.shape == (64, 10)
    assert torch.equal(y, x + 1)
    assert (x[:, 1:] - x[:, :-1] == 1).all()
    starts = {int(s) for _ in range(60) for s in draw_batch(ids, 10, 64, torch.Generator().manual_seed(_))[0][:, 0]}
    assert starts == set(range(90))  # every block can be drawn, the first and the last too


def test_a_text_shorter_than_a_block_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="the text has 10 tokens, but a block of 10 needs at least 11"):
        draw_batch(torch.arange(10), 10, 1, torch.Generator())
    assert draw_batch(torch.arange(11), 10, 1, torch.Generator())[0].shape == (1, 10)


# --- The step ---------------------------------------------------------------------------------------------------


def test_a_step_equals_one_written_out() -> None:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) by hand on the same batch: decay on matrices, none on vectors."""
    settings = replace(SETTINGS, clip=0.5)
    trainer, model = Trainer(tiny(dropout=0.0), settings), tiny(dropout=0.0)
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in model.named_parameters()}
    for step in range(4):
        trainer.do_step(IDS)
        x, y = draw_batch(IDS, 16, 4, torch.Generator().manual_seed(step))
        model.zero_grad()
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters() if p.grad is not None))
        assert norm > 0.5  # so that clipping shows
        rate = settings.rate(step)
        with torch.no_grad():
            for name, p in model.named_parameters():
                assert p.grad is not None
                gradient = p.grad * (0.5 / norm)
                first, second = moments[name]
                first.mul_(0.9).add_(gradient, alpha=0.1)
                second.mul_(0.95).add_(gradient**2, alpha=0.05)
                p *= 1 - rate * (0.1 if p.ndim >= 2 else 0.0)
                corrected = (second / (1 - 0.95 ** (step + 1))).sqrt() + 1e-8
                p -= rate * first / (1 - 0.9 ** (step + 1)) / corrected
    for (name, ours), theirs in zip(trainer.model.named_parameters(), model.parameters(), strict=True):
        assert (ours - theirs).abs().max() < 2e-5, name


def test_training_learns_and_scores_are_what_they_say() -> None:
    tok = tokenizer.train(TEXT, 300)
    texts = Texts.of(*hold_out(TEXT), tok)
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=16, n_layer=2, n_head=2, n_embd=32))
    trainer = Trainer(model, replace(SETTINGS, steps=80))
    before = evaluate(model, texts.validation, texts.validation_bytes, trainer.settings)
    for _ in range(80):
        trainer.do_step(texts.train)
    after = evaluate(model, texts.validation, texts.validation_bytes, trainer.settings)
    assert abs(before.loss - math.log(tok.n_vocab)) < 0.5  # an untrained model knows nothing
    assert after.loss < 0.4 * before.loss
    n_tokens = len(texts.validation) - 1
    assert after.bits_per_byte == pytest.approx(after.loss * n_tokens / math.log(2) / texts.validation_bytes)


@pytest.mark.parametrize("n_tokens", [2, 16, 17, 18, 33, 100])
@torch.no_grad()
def test_evaluation_counts_every_token_once(n_tokens: int) -> None:
    model = tiny()
    scores = evaluate(model, IDS[:n_tokens], 1000, SETTINGS)
    nats = 0.0
    for start in range(0, n_tokens - 1, 16):
        block = IDS[:n_tokens][start : start + 17]
        if len(block) > 1:
            nats += F.cross_entropy(model(block[None, :-1])[0], block[1:], reduction="sum").item()
    assert scores.loss == pytest.approx(nats / (n_tokens - 1), abs=1e-5)
    assert not model.training


def test_dropout_is_on_in_training_and_off_in_evaluation() -> None:
    trainer = Trainer(tiny(dropout=0.5), SETTINGS)
    trainer.do_step(IDS)
    assert trainer.model.training
    first, second = (evaluate(trainer.model, IDS, 100, SETTINGS) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", -1),
        ("learning_rate", math.nan),
        ("clip", 0.0),
        ("precision", "fp8"),
        ("final_rate", 1.1),
        ("weight_decay", math.nan),
    ],
)
def test_senseless_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .* not {value!r}"):
        replace(SETTINGS, **{name: value})


def test_a_loss_that_is_no_number_stops_the_run_and_says_what_to_do() -> None:
    trainer = Trainer(tiny(), replace(SETTINGS, learning_rate=1e30, warmup=0))
    with pytest.raises(ValueError, match=r"the loss of step \d+ is (nan|inf): choose a smaller learning rate"):
        assert all(trainer.do_step(IDS) for _ in range(12))


def test_any_seed_will_do() -> None:
    assert Trainer(tiny(), replace(SETTINGS, seed=10**30)).do_step(IDS) > 0


# --- Runs that stop and go on -----------------------------------------------------------------------------------


def state(trainer: Trainer) -> list[Tensor]:
    moments = [m for s in trainer.optimizer.state_dict()["state"].values() for m in s.values()]
    return [*trainer.model.state_dict().values(), *moments]


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, stop: int) -> None:
    whole = Trainer(tiny(), SETTINGS)
    losses = [whole.do_step(IDS) for _ in range(12)]
    first = Trainer(tiny(), SETTINGS)
    for _ in range(stop):
        first.do_step(IDS)
    save(tmp_path, first, [])
    torch.manual_seed(999)  # whatever happened in between
    second, _log = resume(tmp_path)
    rest = [second.do_step(IDS) for _ in range(12 - stop)]
    assert rest == losses[stop:]
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(second), strict=True))


def test_a_crash_while_saving_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(tiny(), SETTINGS)
    save(tmp_path, trainer, [])

    def full_disk(_state: object, file: Path) -> None:
        file.write_bytes(b"half a checkpo")
        raise OSError(28, "No space left on device")

    trainer.do_step(IDS)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(OSError, match="No space left"):
            save(tmp_path, trainer, [])
    assert resume(tmp_path)[0].step == 0


@pytest.mark.parametrize("damage", [b"", b"junk", b"no checkpoint", b"<html>", b'{"a": 1}', None])
def test_a_broken_state_is_refused_in_one_line(tmp_path: Path, damage: bytes | None) -> None:
    file = tmp_path / "training.pt"
    if damage is None:
        save(tmp_path, Trainer(tiny(), SETTINGS), [])
        damage = file.read_bytes()[:-2000]
    file.write_bytes(damage)
    said = r"training\.pt is damaged or not a minigpt run .*restore it from a copy"
    with pytest.raises(ValueError, match=said) as info:
        resume(tmp_path)
    assert "\n" not in str(info.value)


# --- The command ------------------------------------------------------------------------------------------------


FLAGS = "--n-layer 1 --n-head 2 --n-embd 16 --batch-size 4 --block-size 16 --evaluate-every 5 --warmup 2 --device cpu"


def command(*arguments: object) -> int:
    return main(["train", *map(str, arguments), *FLAGS.split()])


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "my.txt"


def test_command_trains_a_model_that_generates(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert command("--text", text_file, "--steps", 12, "--out", out, "--precision", "float32") == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "step 10: loss" in shown.err
    assert "bits per byte" in shown.err
    lm = minigpt.load(str(out))
    assert lm.generate("The cat", max_new_tokens=3, temperature=0).ids
    assert lm.tokenizer.decode(lm.tokenizer.encode("unseen: 日本 😀")) == "unseen: 日本 😀"
    assert json.loads((out / "generation_config.json").read_text())["do_sample"] is True


@pytest.mark.usefixtures("interruptible")
def test_command_interrupted_goes_on_to_the_same_end(text_file: Path, tmp_path: Path) -> None:
    """A real process, a real Ctrl-C in the middle, and --resume: the same weights as the run that was left alone."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run = [sys.executable, "-m", "minigpt", "train", "--text", str(text_file), "--steps", "60", *FLAGS.split()]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    assert (
        subprocess.run([*run, "--out", str(whole)], env=environment, capture_output=True, check=False).returncode == 0
    )
    process = subprocess.Popen([*run, "--out", str(cut)], env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "step 10:" in line:
            process.send_signal(2)
            break
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "the same command with --resume goes on" in rest
    assert "Traceback" not in rest
    assert 10 <= resume(cut)[0].step < 60
    resumed = subprocess.run([*run, "--resume", "--out", str(cut)], env=environment, capture_output=True, check=False)
    assert resumed.returncode == 0
    ours, theirs = (resume(folder)[0] for folder in (cut, whole))
    assert all(torch.equal(a, b) for a, b in zip(state(ours), state(theirs), strict=True))


def test_command_refuses_to_overwrite_a_run(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert command("--text", text_file, "--steps", 5, "--out", out) == 0
    assert command("--text", text_file, "--steps", 5, "--out", out) == 1
    assert "holds a run already: --resume goes on with it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (b"too short", [], "a block of 16 needs at least 17"),
        (b"", [], "my.txt is empty, there is no text to train on"),
        ("caf\u00e9".encode("cp1252") * 100, [], "is not UTF-8 text: byte 0xe9 at offset 3"),
        (TEXT.encode(), ["--vocab-size", "100"], "argument --vocab-size: must be a whole number, 257 or more, not 100"),
        (TEXT.encode(), ["--n-embd", "15"], "--n-embd 15 does not divide into --n-head 2"),
        (TEXT.encode(), ["--finetune", "no/such/model"], "no/such/model"),
        (TEXT.encode(), ["--resume"], "no run to resume in"),
        (TEXT.encode(), ["--learning-rate", "0"], "argument --learning-rate: must be a number above 0, not 0"),
        (TEXT.encode(), ["--device", "cuda:99"], "cuda:99"),
        (TEXT.encode(), ["--warmup", "-3"], "argument --warmup: must be a whole number, 0 or more, not -3"),
        (None, [], "my.txt"),
    ],
)
def test_command_answers_bad_input_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, flags: list[str], message: str
) -> None:
    if content is not None:
        (tmp_path / "my.txt").write_bytes(content)
    arguments = [*FLAGS.split(), *flags]
    words = ["train", "--text", str(tmp_path / "my.txt"), "--out", str(tmp_path / "out"), "--steps", "5", *arguments]
    if message.startswith(("--", "argument --")):  # wrong use
        with pytest.raises(SystemExit, match=r"^2$"):
            main(words)
        error = capsys.readouterr().err
        assert error.startswith("minigpt train: ")
    else:
        assert main(words) == 1
        error = capsys.readouterr().err
        assert error.startswith("minigpt: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_finetuning_keeps_within_the_models_positions(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    assert command("--text", text_file, "--steps", 5, "--out", base) == 0
    tune = ["train", "--text", str(text_file), "--finetune", str(base), "--steps", "2", "--out", str(tmp_path / "t")]
    assert main([*tune, "--block-size", "17"]) == 1
    assert "--block-size 17 exceeds the 16 positions of" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()
    assert main(tune) == 0  # without the flag a block is what the model holds
    assert resume(tmp_path / "t")[0].settings.block_size == 16


def test_finetuning_starts_from_the_checkpoint_and_its_tokenizer(text_file: Path, tmp_path: Path) -> None:
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    assert command("--text", text_file, "--steps", 5, "--out", base) == 0
    before = {file.name: file.read_bytes() for file in base.iterdir()}
    assert command("--text", text_file, "--finetune", base, "--steps", 5, "--out", tuned) == 0
    assert {file.name: file.read_bytes() for file in base.iterdir()} == before  # mapped weights were not written to
    assert (tuned / "vocab.json").read_bytes() == before["vocab.json"]
    ours, theirs = minigpt.load(str(tuned)).model, minigpt.load(str(base)).model
    moved = [(a - b).abs().max().item() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
    assert 0 < max(moved) < 0.01
    assert isinstance(ours, nn.Module)
