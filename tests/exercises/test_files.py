"""`minigpt check FILE`, progress beside the file, and a learner's part at work in a model."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minigpt
from minigpt import check
from minigpt.cli import main
from minigpt.exercises.catalog import exercise
from minigpt.exercises.tasks.causal_self_attention import CausalSelfAttention

MERGE = exercise("merge").solution()
SCRIPT = f"""import math
print("never printed")
while True:
    pass
{MERGE}
def top_p(scores, p):
    raise NotImplementedError

class LayerNorm(Missing):
    pass
"""


def test_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SCRIPT, encoding="utf-8")
    assert main(["check", str(file)]) == 1
    out = capsys.readouterr().out
    assert "✓ merge: right" in out
    assert "○ top_p: not implemented yet" in out
    assert "not run: line" in out
    assert "name 'Missing' is not defined" in " ".join(out.split())
    assert "never printed" not in out
    assert out.endswith("1 of 2 right\n")
    assert json.loads((tmp_path / "mine.py.progress.json").read_text("utf-8"))["merge"] == {
        "ok": True,
        "bug": None,
        "tries": 1,
    }


def test_a_notebook_with_magics_and_a_broken_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = ["%matplotlib inline\nimport math", "def merge(ids pair):", MERGE.replace("i += 2", "i += 1")]
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True)} for source in sources]
    file = tmp_path / "mine.ipynb"
    file.write_text(json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": "# text"}]}), encoding="utf-8")
    for tries in (1, 2):
        assert main(["check", str(file)]) == 1
        out = capsys.readouterr().out
        assert "it keeps the second id of the pair as well" in out
        assert "cell 2, line 1" in out
        assert ("(try 2)" in out) == (tries == 2)


def test_a_file_without_exercises_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n", encoding="utf-8")
    assert main(["check", str(file)]) == 1
    assert "no exercise in it" in capsys.readouterr().out
    assert not (tmp_path / "empty.py.progress.json").exists()
    assert main(["check", str(tmp_path / "none.py")]) == 1
    assert "none.py" in capsys.readouterr().err
    (tmp_path / "odd.ipynb").write_text("{", encoding="utf-8")
    assert main(["check", str(tmp_path / "odd.ipynb")]) == 1
    assert "this is no notebook" in capsys.readouterr().err


def test_watching_checks_again_after_a_save(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MERGE.replace("i += 2", "i += 1"), encoding="utf-8")
    command = [sys.executable, "-u", "-m", "minigpt", "check", "--watch", str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    ) as run:
        assert run.stdout
        seen = ""
        for line in run.stdout:
            seen += line
            if line == "0 of 1 right\n":
                time.sleep(0.5)
                file.write_text(MERGE, encoding="utf-8")
            if line == "1 of 1 right\n":
                break
        run.kill()
    assert "✓ merge: right" in seen


def test_a_part_writes_inside_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    """A right one writes what the model itself writes, a wrong one something else."""
    prompt = "Once upon a time"
    check.play(CausalSelfAttention, prompt, n=12)
    right = capsys.readouterr().out
    assert right.startswith(prompt)
    check.play(exercise("attention").part, prompt, "attention", n=12)
    assert capsys.readouterr().out == right
    check.play(exercise("LayerNorm").part, prompt, n=12)
    assert capsys.readouterr().out == right
    check.play(exercise("attention").with_bugs("no_mask"), prompt, "attention", n=12)
    assert capsys.readouterr().out != right
    check.play(exercise("top_p").part, prompt, n=12)
    assert capsys.readouterr().out.startswith(prompt)
    check.play(exercise("attention").with_bugs("softmax_axis"), prompt, "attention", n=12)
    wrong = capsys.readouterr().out
    assert wrong != right
    check.play(lambda q, k, v: q @ k @ v, prompt, "attention")
    assert "it fails inside the model" in capsys.readouterr().out
    check.play(exercise("merge").part, prompt)
    assert "no place in a model" in capsys.readouterr().out


def test_importing_minigpt_imports_none_of_this() -> None:
    code = "import minigpt, sys; print([name for name in sys.modules if name.startswith('minigpt.exercises')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert minigpt.check is check
