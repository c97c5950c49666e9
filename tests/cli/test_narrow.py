"""Forty columns: no table breaks, nothing is wider; colours only where they can be shown."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.analysis.scoring import NextToken
from minigpt.cli import main
from minigpt.commands.inspect import tree
from minigpt.commands.next import picture
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.terminal import bar, columns, plain, table
from tokenizer import display
from tokenizer.display import cells, clip

WIDE = "👨‍👩‍👧 🇩🇪 日本 e\u0301 antidisestablishmentarianism"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        *(("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("日本語", 6), ("ｶﾅ", 2), ("ＡＢ", 4), ("🚀", 2), ("한국", 4)),
        *(
            ("👨‍👩‍👧", 2),
            ("👩‍👩‍👧", 2),
            ("🇩🇪", 2),
            ("👍🏽", 2),
            ("❤\ufe0f", 2),
            ("1\ufe0f\u20e3", 2),
            ("שלום", 4),
            ("a\u200bb", 2),
        ),
        *(("·↵→␍", 4), ("\u0300", 0), ("日\n本", 4), ("…", 1), ("█▏", 2)),
    ],
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize("width", range(1, 30))
def test_what_is_clipped_fits_and_whole_characters_stay(width: int) -> None:
    assert cells(clip(WIDE, width)) <= width
    assert WIDE.startswith(clip(WIDE, width).removesuffix("…"))


def fits(text: str, width: int = 40) -> bool:
    return all(cells(line) <= width for line in text.split("\n"))


@pytest.mark.parametrize(
    "words",
    [
        ["models"],
        ["models", "--paths"],
        ["inspect", "storyteller"],
        ["next", "Once upon a"],
        ["next", "Once upon a", "--top-k", "2"],
        ["tokens", WIDE],
        ["tokens", WIDE, "--raw"],
        ["tokens", WIDE, "--trace"],
        ["tokens", WIDE, "--compare", "storyteller,storyteller"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("width", [40, 57, 80])
def test_tables_fit(
    words: list[str], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("\n") >= 3
    assert fits(out, width), [line for line in out.split("\n") if cells(line) > width]


def test_an_unknown_width_is_80_and_a_pipe_breaks_no_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "__stdout__", io.StringIO())
    assert (columns(), columns(unknown=500)) == (80, 500)
    assert main(["models"]) == 0
    assert {len(line.split()) >= 6 for line in capsys.readouterr().out.splitlines()[1:]} == {True}


@pytest.mark.parametrize("width", [28, 40, 60, 80, 200])
@pytest.mark.parametrize("changed", [False, True])
def test_next_fits_and_its_columns_are_straight(width: int, changed: bool) -> None:
    texts = ["a", " 日本日本日本日本日本日本日本", "👨‍👩‍👧", "e\u0301", "x" * 60, "\x1b[2J"]
    tokens = [NextToken(50_000 + i, text, 0.5, 0.25 if changed else 0.5, 9.0) for i, text in enumerate(texts)]
    lines = picture(tokens, width)
    assert fits("\n".join(lines), width)
    assert len({cells(line[: line.index("50.0 %")]) for line in lines[1:]}) == 1
    assert lines[0].split()[-1] == ("after" if changed else "probability")
    assert "\x1b" not in "".join(lines)


def test_a_tree_of_modules_in_forty_columns_keeps_its_numbers() -> None:
    model = GPT2(GPT2Config(vocab_size=50257, n_ctx=64, n_layer=2, n_head=2, n_embd=8))
    narrow, wide = tree(model, 40), tree(model)
    assert fits("\n".join(narrow))
    assert wide[0].split() == ["module", "parameters", "bytes"]
    numbers = [re.search(r"[\d,]+  +[\d.]+ k?M?B$", line) for line in wide[1:]]
    assert all(numbers)
    assert narrow[3::2] == [f"  {'  '.join(found[0].split(maxsplit=1))}" for found in numbers if found]


def test_a_table_pads_by_cells_and_shows_nothing_that_steers() -> None:
    assert table([("日本", "1"), ("a", "10")], 80, numbers=[1]) == ["日本   1", "a     10"]
    rows = [("token", "sum of log-probabilities"), ("·cat", "-3.15")]
    assert table(rows, 40, numbers=[1])[1] == "·cat                      -3.15"
    assert table(rows, 20, numbers=[1]) == ["token  sum …", "·cat   -3.15"], "a head is cut before rows are broken"
    assert table(rows, 10, numbers=[1]) == ["token", "  sum of l", "  og-proba", "  bilities", "·cat", "  -3.15"]
    assert table([("a\x1b[2J\n", "b")], 80) == ["a\ufffd[2J   b"]
    assert plain("\u200bx\u200f") == "\u200bx\ufffd"


def test_bars() -> None:
    assert [bar(share, 2) for share in (0, 0.0625, 0.5, 0.99, 1)] == ["  ", "▏ ", "█ ", "█▉", "██"]
    assert bar(0.5, 0) == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "xterm"}, True),
    ],
)
def test_colours_where_they_can_be_shown(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert display.use_color("auto", Terminal()) == coloured
    assert not display.use_color("auto", io.StringIO())
    assert display.use_color("always", io.StringIO())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_dumb_terminal_gets_no_escape(term: str) -> None:
    import pty

    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": term, "COLUMNS": "40"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "minigpt", "tokens", "Once upon a time"]
    subprocess.run(command, env=environment, stdout=follower, stderr=follower, check=True, timeout=60)
    os.close(follower)
    shown = os.read(leader, 10_000).decode()
    os.close(leader)
    assert "Once" in shown
    assert ("\x1b" in shown) == (term == "xterm")


def test_raw_shows_what_vocabulary_files_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens", "Once upon a\ntime", "--raw"]) == 0
    written = capsys.readouterr().out.splitlines()[1].split()
    known = set((Path(display.__file__).parents[1] / "weights/storyteller/merges.txt").read_text("utf-8").split())
    assert {"Ġup", "Ċ"} <= {word[:3] if word.startswith("Ġup") else word for word in written}
    assert all(word in known or len(word) == 1 or any(a + b == word for a in known for b in known) for word in written)
