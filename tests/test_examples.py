"""The examples run as a reader runs them, are short, and show what they promise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str | Path) -> str:
    """What an example prints."""
    command = [sys.executable, EXAMPLES / name, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # quicker where other tests run beside it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def losses(shown: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"loss ([\d.]+)", shown)]


def test_every_example_is_short_and_tested_here() -> None:
    files = sorted(EXAMPLES.iterdir())
    names = [file.name for file in files if file.name != "__pycache__"]
    assert names == ["generate.py", "logits.py", "parity.py", "train_tiny.py"]
    for name in names:
        assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 40, name


def test_logits_shows_the_five_most_likely_tokens_best_first() -> None:
    first, *rows = run("logits.py", "Once upon a").splitlines()
    assert "ids (1, 3) -> logits (1, 3, 4096)" in first
    shares = [float(row.split("%")[0]) for row in rows]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)


def test_generate_repeats_a_seed_and_streams_the_same_text() -> None:
    shown = run("generate.py", "The old king")
    greedy, first, second, again, stream = re.split(r"^(?:greedy|seed \d|stream): +", shown, flags=re.MULTILINE)[1:]
    assert first == again == stream
    assert len({greedy.split(" [")[0], first, second}) == 3


def test_train_tiny_learns_its_sentences() -> None:
    shown = run("train_tiny.py")
    assert losses(shown)[-1] < losses(shown)[0] / 4
    assert "The fox saw the" in shown.splitlines()[-1]


def test_train_tiny_takes_a_text_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text("A hen and a duck. A duck and a hen, 日本. " * 60, encoding="utf-8")
    shown = run("train_tiny.py", tmp_path / "my.txt")
    assert losses(shown)[-1] < losses(shown)[0] / 2


def test_parity_holds() -> None:
    pytest.importorskip("transformers")
    assert "largest difference" in run("parity.py")


def test_parity_says_what_to_install() -> None:
    hidden = f"import runpy, sys; sys.modules['transformers'] = None; runpy.run_path({str(EXAMPLES / 'parity.py')!r})"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install" in done.stderr
