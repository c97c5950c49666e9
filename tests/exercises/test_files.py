"""`minigpt check FILE`, progress beside the file, and a learner's part at work in a model."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt
from minigpt import check
from minigpt.cli import main
from minigpt.exercises.catalog import exercise
from minigpt.exercises.play import Writer

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


def test_what_follows_from_a_blank_is_no_trouble_and_a_lambda_is_a_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = exercise("merge").blank() + "out = merge([1], (1, 1), 2)\nn: int = len(out)\nm = n + 1\n"
    sources = [blank, "gelu = lambda x: rate * x", "good = 1\nrate = good / 0", "bad = good / 0\nworse = 1 / 0"]
    file = tmp_path / "mine.ipynb"
    cells = [{"cell_type": "code", "source": source} for source in sources]
    file.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert main(["check", str(file)]) == 1
    out = capsys.readouterr().out
    assert "○ merge: not implemented yet" in out
    assert "✗ gelu: it " in out
    assert out.count("not run: ") == 2
    assert "not run: cell 3, line 2: rate = good / 0; ZeroDivisionError" in " ".join(out.split())
    assert "not run: 2 statements that no exercise needs\n" in out


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
    assert "this is not a notebook" in capsys.readouterr().err


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


PROMPT = "Once upon a time"
SAME = {  # right ones write what the model itself writes; with this bug they do not
    "Linear": "no_bias",
    "embed": "positions_missing",
    "attention": "no_scale",
    "CausalSelfAttention": "no_scale",
    "LayerNorm": "no_sqrt",
    "gelu": "relu",
    "MLP": "relu",
    "Block": "no_residual",
    "GPT2": "no_ln_f",
    "cached_attention": "position_from_0",
    "encode": "one_pass",
    "split": "strip",
    "temperature": "multiplied",
}
OTHER = {  # right ones draw otherwise, or not at all
    "next_probs": "first_position",
    "top_k": "zero_for_inf",
    "top_p": "ascending",
    "min_p": "no_softmax",
    "sample": "argmax",
    "greedy": "only_newest",
    "beam": "logits_for_logprobs",
    "generate_cached": "forgets",
}


def played(part: Any, name: str, capsys: pytest.CaptureFixture[str], n: int = 6) -> str:
    check.play(part, PROMPT, name, n=n)
    return capsys.readouterr().out.rstrip("\n")


@pytest.mark.parametrize("name", SAME)
def test_a_right_part_writes_what_the_model_writes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lm = minigpt.load("storyteller", device="cpu", plain=True)
    own = Writer(lm, seed=0).write(lm.encode(PROMPT), 6)
    assert lm.tokenizer
    assert played(exercise(name).part, name, capsys) == PROMPT + lm.tokenizer.decode(own)


@pytest.mark.parametrize(("name", "bug"), [*SAME.items(), *OTHER.items()])
def test_a_wrong_part_writes_something_else(name: str, bug: str, capsys: pytest.CaptureFixture[str]) -> None:
    right = played(exercise(name).part, name, capsys, n=20)  # a few tokens may be the same by chance
    wrong = played(exercise(name).with_bugs(bug), name, capsys, n=20)
    assert right.startswith(PROMPT)
    assert right != wrong
    assert "✗" not in wrong


@pytest.mark.parametrize("name", ["greedy", "generate_cached"])
def test_the_likeliest_text_is_that_of_the_project(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lm = minigpt.load("storyteller", device="cpu")
    settings = {"temperature": 0, "repetition_penalty": 1.0, "max_new_tokens": 6}
    assert played(exercise(name).part, name, capsys) == PROMPT + lm.generate(PROMPT, **settings).text


def test_what_cannot_write_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    check.play(lambda q, k, v: q @ k @ v, PROMPT, "attention")
    assert "it fails inside the model" in capsys.readouterr().out
    check.play(lambda scores, _t: torch.full_like(scores, math.nan), PROMPT, "temperature")
    assert capsys.readouterr().out.startswith("✗ temperature: after 0 new tokens it leaves none to draw")
    check.play(lambda probs, _u: torch.tensor([probs.shape[-1]]), PROMPT, "sample")
    assert "✗ sample: it draws the id 4096; ids are 0 to 4095" in capsys.readouterr().out
    check.play(lambda *_: (0.5, [3]), PROMPT, "beam")
    out = capsys.readouterr().out
    assert "it fails inside the model" in out
    assert "line " not in out, "the line is the project's own"
    space: dict[str, Any] = {}
    exec(exercise("gelu").blank(), {"Tensor": torch.Tensor}, space)
    check.play(space["gelu"], PROMPT)
    assert capsys.readouterr().out == "○ gelu: not implemented yet\n"
    check.play(exercise("greedy").part, "")
    assert capsys.readouterr().out.startswith("<|endoftext|>")
    for call in (check, lambda part: check.play(part, PROMPT)):
        with pytest.raises(ValueError, match="'gelu' is a text: give the part itself, as in check"):
            call("gelu")
    check.play(exercise("merge").part, PROMPT)
    assert capsys.readouterr().out.startswith("✗ merge: it has no place in a model that writes")


def test_importing_minigpt_imports_none_of_this() -> None:
    code = "import minigpt, sys; print([name for name in sys.modules if name.startswith('minigpt.exercises')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert minigpt.check is check
