"""The log of a run: a line for every step, as far as the saved state, the same whether the run was cut off or not."""

import json
import math
import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import resume
from minigpt.train.data import Texts, hold_out
from minigpt.train.losses import FILE, log_lines, read_log
from minigpt.train.run import Progress, run
from minigpt.train.trainer import Trainer, TrainSettings
from tokenizer import train as train_tokenizer
from tokenizer.fetch.atomic import exclusive

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 40
TOKENIZER = train_tokenizer(TEXT, 280)
TEXTS = Texts.of(*hold_out(TEXT), TOKENIZER)
SETTINGS = TrainSettings(steps=7, batch_size=2, block_size=8, warmup=3, learning_rate=3e-3)


def begin() -> Trainer:
    torch.manual_seed(0)
    return Trainer(GPT2(GPT2Config(vocab_size=280, n_ctx=8, n_layer=1, n_head=2, n_embd=8)), SETTINGS)


def go(trainer: Trainer, folder: Path, log: list[dict[str, float]], n: int | None = None) -> list[Progress]:
    """Up to n steps more, evaluated after every third; closing the run saves its state."""
    with exclusive(folder):
        steps = run(trainer, TOKENIZER, TEXTS, folder, log, 3)
        found = list(islice(steps, n))
        steps.close()
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Progress]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, go(begin(), folder, [])


def test_the_log_holds_every_step(whole: tuple[Path, list[Progress]]) -> None:
    folder, told = whole
    log = read_log(folder)
    assert [entry["step"] for entry in log] == [*range(1, 8)]
    assert [entry["train"] for entry in log] == [progress.loss for progress in told]
    assert [entry["rate"] for entry in log] == [SETTINGS.rate(step) for step in range(7)]
    scores = {progress.step: progress.scores for progress in told if progress.scores}
    assert [*scores] == [3, 6, 7]
    assert {entry["step"]: entry["validation"] for entry in log if "validation" in entry} == {
        step: score.loss for step, score in scores.items()
    }
    assert log[2]["bpb"] == scores[3].bits_per_byte
    assert math.log(280) == pytest.approx(log[0]["train"], abs=0.2)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_run_that_was_cut_off_has_the_same_log(stop: int, whole: tuple[Path, list[Progress]], tmp_path: Path) -> None:
    go(begin(), tmp_path, [], stop)
    assert len(read_log(tmp_path)) == stop
    trainer, log = resume(tmp_path)
    go(trainer, tmp_path, log)
    assert (tmp_path / FILE).read_bytes() == (whole[0] / FILE).read_bytes()


def test_steps_after_the_saved_state_are_done_again(whole: tuple[Path, list[Progress]], tmp_path: Path) -> None:
    go(begin(), tmp_path, [], 3)
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write(log_lines([{"step": 4, "train": 99.0}]))
    trainer, log = resume(tmp_path)
    go(trainer, tmp_path, log)
    assert (tmp_path / FILE).read_bytes() == (whole[0] / FILE).read_bytes()


def test_a_run_of_an_earlier_version_has_its_evaluations(tmp_path: Path) -> None:
    go(begin(), tmp_path, [], 4)
    (tmp_path / FILE).unlink()
    trainer, log = resume(tmp_path)
    go(trainer, tmp_path, log)
    assert [entry["step"] for entry in read_log(tmp_path)] == [3, 5, 6, 7]


def test_a_new_run_forgets_another_ones_log(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(log_lines([{"step": 1, "train": 99.0}]), encoding="utf-8")
    go(begin(), tmp_path, [], 1)
    assert [entry["train"] < 9 for entry in read_log(tmp_path)] == [True]


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"step": 1}', '{"train": 1}', '{"step": 1, "train": "high"}'])
def test_a_line_that_is_none_of_ours_is_named(line: str, whole: tuple[Path, list[Progress]], tmp_path: Path) -> None:
    shutil.copy(whole[0] / FILE, tmp_path)
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=r"training\.jsonl, line 8 is no entry of a run's log"):
        read_log(tmp_path)
    assert json.loads((tmp_path / FILE).read_text("utf-8").splitlines()[0])["step"] == 1


def test_a_folder_without_a_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no log of a run in"):
        read_log(tmp_path)
