"""What a new run chooses by itself, when it ends by itself, and what it leaves in the folder."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.cli import main
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train import plan
from minigpt.train.checkpoint import load_run, resume
from minigpt.train.data import Texts, hold_out
from minigpt.train.losses import read_log
from minigpt.train.run import sample
from minigpt.train.trainer import Trainer, TrainSettings, evaluate
from tokenizer import train as train_tokenizer
from weights import load_checkpoint

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 60
SMALL = [
    *("--vocab-size", 280, "--n-layer", 1, "--n-head", 2, "--n-embd", 16),
    *("--block-size", 8, "--batch-size", 2, "--device", "cpu"),
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "my.txt").write_text(TEXT, "utf-8")
    return tmp_path / "my.txt"


def command(out: Path, *words: object) -> int:
    return main(["train", "--out", str(out), "--precision", "float32", *map(str, words)])


# --- Sizes and steps ----------------------------------------------------------------------------------------------


def test_more_text_has_a_larger_model_and_what_is_given_goes_first() -> None:
    largest = [plan.sizes_for(n, {})[-1] for n in (10**3, 10**5, 10**6, 5 * 10**6, 10**9)]
    widths = [sizes["n_embd"] for sizes in largest]
    assert widths == sorted(set(widths))
    assert all(sizes["n_embd"] % sizes["n_head"] == 0 for sizes in largest)
    asked = {"n_layer": 7, "n_head": 3, "n_embd": 33}
    assert plan.sizes_for(10**9, asked) == [asked]
    assert plan.sizes_for(10**5, {"n_embd": 50})[-1] == {"n_layer": 4, "n_head": 2, "n_embd": 50}
    with pytest.raises(ValueError, match=r"--n-head 5 does not divide the \d+ channels that suit the text"):
        plan.sizes_for(10**5, {"n_head": 5})


def test_measuring_leaves_a_trainer_as_it_was() -> None:
    tok = train_tokenizer(TEXT, 280)
    texts = Texts.of(*hold_out(TEXT), tok)

    def begin() -> Trainer:
        torch.manual_seed(0)
        model = GPT2(GPT2Config(vocab_size=280, n_ctx=8, n_layer=1, n_head=2, n_embd=8, dropout=0.1))
        return Trainer(model, TrainSettings(steps=9, batch_size=2, block_size=8, warmup=0))

    measured, other = begin(), begin()
    speed = plan.measure(measured, texts, seconds=0.02)
    assert speed.step > 0 < speed.evaluation
    assert [measured.do_step(texts.train) for _ in range(4)] == [other.do_step(texts.train) for _ in range(4)]


def test_the_minutes_decide_on_the_steps_by_this_machines_speed(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is the one that the same number of steps gives."""
    every = ["--evaluate-every", 15]
    monkeypatch.setattr(plan, "measure", lambda *_: plan.Speed(step=0.1, evaluation=0.0))
    assert command(tmp_path / "a", "--text", text, "--minutes", 0.05, *every, *SMALL) == 0
    told = capsys.readouterr().err
    assert "0.0 M parameters, 30 steps, about 0.05 minutes\n" in told
    trainer, log, record = load_run(tmp_path / "a")
    assert (trainer.step, trainer.settings.warmup, len(log)) == (30, 3, 2)
    assert (record.asked["steps"], record.asked["minutes"]) == (30, 0.05)
    assert command(tmp_path / "b", "--text", text, "--steps", 30, *every, *SMALL) == 0
    other = resume(tmp_path / "b")[0].model.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in trainer.model.state_dict().items())


def test_a_short_text_is_not_passed_through_for_ever(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text.write_text(TEXT[:1000], "utf-8")
    monkeypatch.setattr(plan, "measure", lambda *_: plan.Speed(step=1e-4, evaluation=0.0))
    monkeypatch.setattr("minigpt.commands.train.train", lambda *_: iter_nothing())
    command(tmp_path / "a", "--text", text, *SMALL)
    told = capsys.readouterr().err
    assert re.search(r" 1,\d00 steps, about .* minutes: 4\d passes; more would only memorise so short a text", told)


def iter_nothing() -> Any:
    """A run that has no steps."""
    yield from ()


@pytest.mark.parametrize("n_bytes", [300, 3000])
def test_very_short_texts_have_short_blocks(n_bytes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.txt").write_text(TEXT[:n_bytes], "utf-8")
    assert command(tmp_path / "m", "--text", tmp_path / "my.txt", "--steps", 2) == 0
    assert "bytes is little text: about 100,000 are needed for readable words" in capsys.readouterr().err
    assert resume(tmp_path / "m")[0].settings.block_size == {300: 8, 3000: 64}[n_bytes]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "5", "--minutes", "2"], "--steps 5 and --minutes 2 both say how long: give one"),
        (["--minutes", "0"], "argument --minutes: must be a number above 0, not 0"),
        (["--patience", "-1"], "argument --patience: must be a whole number, 0 or more, not -1"),
    ],
)
def test_what_does_not_go_together_is_refused(
    flags: list[str], message: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path / "m", "--text", text, *flags)
    assert message in capsys.readouterr().err


# --- The end of a run ---------------------------------------------------------------------------------------------


def test_a_run_ends_where_it_overfits_and_keeps_its_best(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is validated on has nothing to do with what is learned, so its loss soon rises."""
    (tmp_path / "val.txt").write_text("zqxj kvwp 0918 " * 9, "utf-8")
    out, flags = tmp_path / "m", ["--steps", 60, "--evaluate-every", 5, "--learning-rate", 0.05, "--patience", 2]
    assert command(out, "--text", text, "--val", tmp_path / "val.txt", *flags, *SMALL) == 0
    told = capsys.readouterr().err
    trainer, log, record = load_run(out)
    losses = [entry["validation"] for entry in log]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 12
    texts = Texts.of(TEXT, "zqxj kvwp 0918 " * 9, record.tokenizer())
    kept = load_checkpoint(out, "cpu").model
    assert isinstance(kept, GPT2)
    scores = evaluate(kept, texts.validation, texts.validation_bytes, trainer.settings)
    assert scores.loss == pytest.approx(min(losses), abs=1e-6)
    why = "2 evaluations were no better than the one after step"
    assert f"stopped at step {trainer.step}: {why} {log[best]['step']}, the model overfits" in told
    assert command(out, "--resume") == 0  # by its own patience there is nothing left to do
    assert resume(out)[0].step == trainer.step
    assert f"stopped at step {trainer.step}" in capsys.readouterr().err
    assert command(out, "--resume", "--patience", 0) == 0
    assert resume(out)[0].step == 60


def test_every_evaluation_shows_what_the_model_writes(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--text", text, "--steps", 40, "--evaluate-every", 20, *SMALL, "--learning-rate", 0.02]
    assert command(tmp_path / "a", *flags) == 0
    shown = [line for line in re.split(r"[\r\n]", capsys.readouterr().err) if line.startswith("  ") and line.strip()]
    assert len(shown) >= 2
    assert re.search(r"cat|dog|bird|sat|the", shown[-1])
    assert "<|endoftext|>" not in "".join(shown)
    trainer, _, record = load_run(tmp_path / "a")
    words = text.read_text("utf-8")
    texts = Texts.of(words, words, record.tokenizer())
    assert sample(trainer, record.tokenizer(), texts) == sample(trainer, record.tokenizer(), texts)
    monkeypatch.setattr("minigpt.train.run.sample", lambda *_: "")
    assert command(tmp_path / "b", *flags) == 0  # and draws no number that the training draws
    assert (tmp_path / "a" / "training.jsonl").read_bytes() == (tmp_path / "b" / "training.jsonl").read_bytes()


# --- What is left in the folder -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("with_picture")
def test_the_folder_has_curves_and_a_card_and_loads_in_transformers(text: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "my-model"
    flags = ["--steps", 6, "--evaluate-every", 3, "--tokenizer", "char", *SMALL[2:]]
    assert command(out, "--text", text, *flags) == 0
    table = list(csv.DictReader((out / "training.csv").open(encoding="utf-8")))
    log = read_log(out)
    assert [float(row["train"]) for row in table] == [entry["train"] for entry in log]
    assert [row["validation"] != "" for row in table] == [False, False, True, False, False, True]
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    card = (out / "README.md").read_text("utf-8")
    best = min((entry for entry in log if "validation" in entry), key=lambda entry: entry["validation"])
    assert card.startswith("---\n")
    for part in ("# my-model", "my.txt", f"{best['validation']:.4f}", f"{best['bpb']:.4f}", "-m my-model"):
        assert part in card
    assert str(tmp_path) not in card
    model, _, _ = load_run(out)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(out)
    tok = transformers.AutoTokenizer.from_pretrained(out)
    ids = torch.tensor([tok("The cat").input_ids])
    assert tok.decode(ids[0]) == "The cat"
    assert ids.shape == (1, 7)
    with torch.no_grad():
        assert (model.model.eval()(ids) - theirs(ids).logits).abs().max() < 1e-5
    assert json.loads((out / "generation_config.json").read_text())["temperature"] == 0.7


def test_a_card_of_ones_own_stays(text: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "README.md").write_text("mine", "utf-8")
    assert command(tmp_path / "m", "--text", text, "--steps", 2, *SMALL) == 0
    assert (tmp_path / "m" / "README.md").read_text("utf-8") == "mine"


def test_without_matplotlib_a_line_says_how_to_get_it(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_matplotlib(*_: object) -> None:
        raise ImportError('pictures as PNG need matplotlib: pip install "minigpt[pictures]"; SVG needs nothing')

    monkeypatch.setattr("minigpt.pictures.figure.save_png", no_matplotlib)
    assert command(tmp_path / "m", "--text", text, "--steps", 2, *SMALL) == 0
    told = capsys.readouterr().err
    assert 'no picture of the losses (pictures as PNG need matplotlib: pip install "minigpt[pictures]"' in told
    assert {"training.csv", "model.safetensors"} <= {file.name for file in (tmp_path / "m").iterdir()}
    assert "training.png" not in {file.name for file in (tmp_path / "m").iterdir()}


def test_a_disk_that_is_full_at_the_end_leaves_the_model(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("minigpt.pictures.figure.save_png", full)
    assert command(tmp_path / "m", "--text", text, "--steps", 2, *SMALL) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"minigpt: .*training\.png.*: No space left on device", last)
    assert resume(tmp_path / "m")[0].step == 2
