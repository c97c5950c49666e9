"""minigpt.terminal: widths, line breaks and what must not reach a terminal."""

import random

import pytest
from wcwidth import iter_graphemes

from minigpt.terminal import plain, side_by_side, wrap
from tokenizer.display import cells, fitting, pad


@pytest.mark.parametrize(
    ("text", "width"),
    [
        *(("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("日本語", 6), ("ｶﾅ", 2), ("ＡＢ", 4), ("🚀", 2)),
        *(("❤\ufe0f", 2), ("한국", 4), ("שלום", 4), ("a\u200bb", 2), ("👍🏽", 2), ("🇩🇪x", 3)),
    ],
)
def test_width_in_cells(text: str, width: int) -> None:
    assert cells(text) == width


def test_lines_fit_and_nothing_but_blanks_is_lost() -> None:
    rng = random.Random(2)
    parts = [
        "word",
        "antidisestablishmentarianism",
        "日本語日本語",
        "e\u0301",
        "👩‍👩‍👧",
        " ",
        "   ",
        "\n",
        "a",
        "🚀",
        "\n\n",
        "-",
    ]
    for _ in range(300):
        text = "".join(rng.choices(parts, k=rng.randrange(30)))
        for width in (2, 3, 7, 20, 80):
            lines = wrap(text, width)
            assert all(cells(line) <= width for line in lines), (text, width)
            assert "".join("".join(lines).split()) == "".join(text.split())
            assert all(line == line.rstrip() for line in lines)


def test_line_breaks_and_beginnings_of_lines_stay() -> None:
    assert wrap("a\n\n  b c", 9) == ["a", "", "  b c"]
    assert wrap("", 5) == [""]
    assert wrap("日本語", 1) == ["日", "本", "語"]  # too narrow for even one: one a line


def test_a_character_is_never_cut() -> None:
    assert fitting("👩‍👩‍👧👩‍👩‍👧", 3) == "👩‍👩‍👧"
    assert [list(iter_graphemes(line)) for line in wrap("e\u0301" * 4, 2)] == [["e\u0301"] * 2] * 2


def test_what_steers_a_terminal_is_not_shown() -> None:
    evil = "\x1b]0;title\x07\x1b[2J\r\x08\x7f\x9b1m\u202egnp.exe\u2066"
    assert not set(plain(evil)) & set("\x1b\x07\r\x08\x7f\x9b\u202e\u2066")
    assert plain("line\nнет 日本 🚀\u200d") == "line\nнет 日本 🚀\u200d"


def test_columns_line_up() -> None:
    rows = side_by_side([["日本", "a", ""], ["x"], ["1", "2", "3"]], 5)
    assert rows == ["日本  │ x     │ 1", "a     │       │ 2", "      │       │ 3"]
    assert pad("日", 4) == "日  "
