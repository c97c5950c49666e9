"""`minigpt xray`: a screen on a terminal, else text, or a page; what it cannot show is refused in a line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import minigpt
from minigpt.cli import main
from minigpt.lecture import xray_view
from minigpt.pictures.xray_steps import Xray


@pytest.fixture(autouse=True, scope="module")
def loaded_once() -> Iterator[list[dict[str, object]]]:
    lm, asked = minigpt.load("storyteller", device="cpu"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minigpt.language_model.load", lambda _, **named: (asked.append(named), lm)[1])
        patch.setattr(xray_view.XrayApp, "run", lambda _: pytest.fail("a screen was opened"))  # none in a pipe
        yield asked


def test_in_a_pipe_all_steps_come_as_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, loaded_once: list[dict[str, object]]
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["xray", "softmax", "The cat sat", "--layer", "2"]) == 0
    out = capsys.readouterr().out
    wanted = minigpt.xray(minigpt.load("storyteller"), "softmax", "The cat sat", 2)
    assert isinstance(wanted, Xray)
    assert out == wanted.text(70) + "\n"
    assert "recorded as h.2.attn.weights" in " ".join(out.split())
    assert loaded_once[0]["plain"] is True  # the plain form alone has these lines


def test_the_decode_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xray", "cache", "The cat sat", "--cache"]) == 0
    out = capsys.readouterr().out
    assert 'cache, decode step on "The cat sat"' in out
    assert "self.k: (B, H, S, D) = (1, 8, 3, 32)" in out


def test_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.html"
    assert main(["xray", "mlp", "The cat sat", "--html", str(file)]) == 0
    assert capsys.readouterr() == ("", f"wrote {file}\n")
    assert file.read_text("utf-8") == minigpt.xray(minigpt.load("storyteller"), "mlp", "The cat sat").html()


def test_on_a_terminal_it_is_a_screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    opened: list[xray_view.XrayApp] = []
    monkeypatch.setattr(xray_view.XrayApp, "run", lambda app: opened.append(app))
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(type(stream), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["xray", "block", "The cat sat"]) == 0
    assert [app.view.title for app in opened] == ['block on "The cat sat"']
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("TERM", "dumb")
    assert main(["xray", "block", "The cat sat"]) == 0
    assert len(opened) == 1
    assert "step 1 of 9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "minigpt xray: name a part to look into: attention, softmax, "),
        (["rms_norm", "a"], 1, "minigpt: rms_norm is a part of Llama models, this is a GPT2: there are gpt2, "),
        (
            ["cache", "a b"],
            1,
            "minigpt: cache does not run in this model's forward pass: it does with a KV cache, --cache\n",
        ),
        (["mlp", "a", "--cache"], 1, "give a longer text or leave out --cache\n"),
        (["mlp", "a", "--layer", "6"], 1, "minigpt: layer 6: the model has 6, 0 to 5\n"),
        (["mlp", "a", "--layer", "-1"], 2, "--layer: must be a whole number, 0 or more, not -1"),
    ],
)
def test_what_cannot_be_shown(words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        found = main(["xray", *words])
    except SystemExit as error:
        found = int(str(error.code))
    out, err = capsys.readouterr()
    assert (found, out) == (code, "")
    assert told in err
    assert err.count("\n") == 1
