"""`minigpt lecture` in a shell: words, folders, exit codes; what needs no warm process."""

from pathlib import Path

import pytest

from minigpt.cli import main
from minigpt.commands.lecture import shown
from minigpt.lecture.moves import Answer
from minigpt.lecture.plan import NAMES, lecture


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        code = main(["lecture", *argv])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_lecture_in_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "next") == (
        1,
        "",
        f"minigpt: no lecture is held in {tmp_path}: begin with minigpt lecture start attention\n",
    )
    code, out, _ = run(capsys, "start", "attention")
    assert (code, out.split("\n")[0]) == (0, "attention.py: 5 steps, 20 minutes")
    code, out, _ = run(capsys, "show")
    assert code == 0
    assert "def softmax(scores: Tensor) -> Tensor:" in out
    code, out, _ = run(capsys, "next")
    assert (code, out) == (0, "✓ 1. Softmax: scores to weights: lines 9 to 19\n")
    assert Path("attention.py").read_text("utf-8") == lecture("attention").text(1)
    assert run(capsys, "goto", "4")[0] == 0
    code, out, _ = run(capsys, "break", "mask")
    assert (code, out.split(": ")[1].split("\n")[0]) == (0, "each token sees those after it")
    assert run(capsys, "undo")[0] == 0
    assert Path("attention.py").read_text("utf-8") == lecture("attention").text(4)
    code, out, _ = run(capsys, "break")
    assert code == 0
    assert {each.name for each in lecture("attention").breaks} <= {*out.split()}
    assert run(capsys, "ask", "Why the root of D?")[1] == "✓ noted: Why the root of D?\n"
    assert "1 step, 3 min to go" in run(capsys, "time")[1]
    assert run(capsys, "next")[0] == 0
    assert run(capsys, "next")[:2] == (1, "✗ all 5 steps are in the file\n")


def test_a_folder_or_the_file_itself_may_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("attention", "bpe"):
        assert run(capsys, "start", name, "tonight")[0] == 0
    assert run(capsys, "next", "tonight/attention.py")[0] == 0
    assert Path("tonight/attention.py").read_text("utf-8") == lecture("attention").text(1)
    assert Path("tonight/bpe.py").read_text("utf-8") == lecture("bpe").text(0)
    assert run(capsys, "goto", "2", "tonight")[0] == 0  # the one touched last
    assert Path("tonight/attention.py").read_text("utf-8") == lecture("attention").text(2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["start"], "usage: minigpt lecture start LECTURE [FOLDER]"),
        (["next", "a", "b"], "usage: minigpt lecture next [FOLDER]"),
        (["goto"], "usage: minigpt lecture goto N [FOLDER]"),
        (["goto", "two"], "goto takes the number of a step, not two"),
        (["goto", "-1"], "goto takes the number of a step, not -1"),
        (["list", "x"], "usage: minigpt lecture list"),
        (["nxt"], "invalid choice: 'nxt'"),
    ],
)
def test_words_that_do_not_fit(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_lecture_that_there_is_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "start", "atention", str(tmp_path))
    assert (code, err) == (1, "minigpt: no lecture 'atention': did you mean 'attention'?\n")
    assert not [*tmp_path.iterdir()]


def test_the_list_has_every_lecture(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert {*NAMES} <= {*out.split()}


def test_two_versions_side_by_side_or_below_each_other() -> None:
    answer = Answer(False, "not the same", ["a line"], ["mine is this"], ["right is that"])
    assert shown(answer, 80) == [
        "✗ not the same",
        "  a line",
        "yours                                  │ the reference's",
        "mine is this                           │ right is that",
    ]
    assert shown(answer, 40) == [
        "✗ not the same",
        "  a line",
        "yours",
        "mine is this",
        "the reference's",
        "right is that",
    ]
