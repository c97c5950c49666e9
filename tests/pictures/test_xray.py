"""The X-ray as text, on a screen and as a page: it fits, it says what it shows, and its numbers are the tensor's."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import minigpt
from minigpt.analysis.xray import Line
from minigpt.analysis.xray_source import Source
from minigpt.lecture.xray_view import XrayApp, leap
from minigpt.pictures.xray import step_text
from minigpt.pictures.xray_cells import corner
from minigpt.pictures.xray_steps import Xray
from tests.pictures.browser import MISSING, Browser
from tokenizer.display import cells


@pytest.fixture(scope="module")
def attention() -> Xray:
    return minigpt.xray(minigpt.load("storyteller"), "attention", "The cat sat on the mat")


def one(value: Tensor, letters: tuple[str, ...], before: Tensor | None = None) -> Line:
    source = Source("f.py", "f", ((1, "def f(x):"), (2, "    return x + 1  # (B, T)")))
    return Line(source, 2, (11, 16), "x + 1", "return", value, letters, (), before, "")


@pytest.mark.parametrize(("width", "height"), [(80, 23), (40, 19), (24, 12), (80, 6), (200, 60)])
@pytest.mark.parametrize("color", [False, True])
def test_a_step_fits_and_its_line_is_there(attention: Xray, width: int, height: int, color: bool) -> None:
    for at, line in enumerate(attention):
        rows = step_text(attention.lines, at, attention.tokens, attention.title, width, height, color)
        bare = [re.sub(r"\x1b\[[\d;]*m", "", row) for row in rows]
        assert len(rows) <= height
        assert max(map(cells, bare)) <= width
        assert any(row.startswith(f">{line.number:>5} ") for row in bare)
        assert (rows != bare) == color
        if height >= 19 and isinstance(line.value, Tensor):
            told = re.sub(r"\s+", " ", " ".join(bare))
            assert f"{line.name or 'on the way'}: {line.shape} " in told
            assert all(name in told for name in line.activations)
            assert line.changed.split(";")[0][:50] in told  # a long one is cut


def test_all_that_a_small_screen_shows(attention: Xray) -> None:
    at = next(n for n, line in enumerate(attention) if line.activations == ("h.0.attn.scores",))
    value = attention[at].value
    assert isinstance(value, Tensor)
    numbers = [" ".join(f"{number:5.2f}" if number > -9 else " -inf" for number in row) for row in value[0, 0].tolist()]
    rows = step_text(attention.lines, at, attention.tokens, attention.title, 40, 19)
    assert rows[0] == f'step {at + 1} of {len(attention)}  attention on "The cat sa…'
    assert rows[1] == "Attention.forward  minigpt/models/atten…"
    assert rows[-11:] == [
        *(
            "scores: (B, H, T, S) = (1, 8, 6, 6)",
            "  float32, recorded as h.0.attn.scores",
            "120 of 288 numbers changed",
        ),
        "       The  ·cat  ·sat   ·on  ·the  ·mat",
        *(f"{name:4} {row}" for name, row in zip(["The", "·cat", "·sat", "·on", "·the", "·mat"], numbers, strict=True)),
        "[0, 0, :, :]: the first of 8 heads",
    ]


def test_a_part_is_said_to_be_one() -> None:
    value = torch.arange(2 * 3 * 20 * 30).view(2, 3, 20, 30)
    part = corner(one(value, ("B", "H", "T", "")), ["a"] * 20, 5, 7)
    assert part.shown == "[0, 0, :5, :7]: the first of 2 sequences, the first of 3 heads, 5 of 20 rows, 7 of 30 columns"
    assert part.texts[1][:2] == ("30", "31")
    assert (part.rows, part.columns) == (("a",) * 5, tuple("0123456"))
    assert corner(one(torch.ones(1, 2), ("B", "T")), []).shown == ""
    assert corner(one(torch.ones(14), ("C",)), []).shown == "[:12]: 12 of 14 columns"
    assert corner(one(torch.tensor(3.5), ()), []).texts == (("3.50",),)


def test_shades_and_marks_are_the_numbers() -> None:
    value, before = torch.tensor([[2.0, -1.0], [-torch.inf, 0.0]]), torch.tensor([[2.0, -1.0], [5.0, 0.0]])
    part = corner(one(value, ("", ""), before), [])
    assert part.shades == ((1.0, -0.5), (0.0, 0.0))
    assert part.changed == ((False, False), (True, False))
    assert not any(map(any, corner(one(value, ("", ""), before - 9), []).changed))  # all: there is nothing to point out
    nothing = torch.tensor([[torch.nan, torch.inf]], dtype=torch.bfloat16)
    assert corner(one(nothing, ("", "")), []).texts == (("nan", "inf"),)


def test_the_expression_is_marked() -> None:
    rows = step_text([one(torch.ones(1), ("B",))], 0, width=60)
    at = next(n for n, row in enumerate(rows) if row.startswith(">"))
    start, stop = rows[at + 1].index("^"), len(rows[at + 1])
    assert rows[at][start:stop] == "x + 1"
    colored = step_text([one(torch.ones(1), ("B",))], 0, width=60, color=True)
    assert any("\x1b[7mx + 1\x1b[0m" in row for row in colored)


def test_all_steps_as_text(attention: Xray) -> None:
    text = attention.text(60)
    assert text.count("\nstep ") + 1 == len(attention) == text.count("\n> ")
    assert max(map(cells, text.splitlines())) <= 60
    assert repr(attention) == f"Xray('attention on \"The cat sat on the mat\"', {len(attention)} steps)"


def test_a_page_asks_for_nothing_and_has_all(attention: Xray) -> None:
    """What GitHub leaves of it, without styles and scripts, has every step with its line and numbers."""
    page = attention.html()
    assert not re.findall(r"(?:href|src|url|import)\b", page)
    assert page.count("<details") == len(attention)
    bare = re.sub(r"<(style|script)>.*?</\1>", "", attention._repr_html_(), flags=re.DOTALL)
    for line in attention:
        assert f"line {line.number}: " in bare
        assert line.shape in bare
    tables = sum(isinstance(line.value, Tensor) for line in attention)
    assert bare.count("<table>") == tables
    assert bare.count("scope=row") > tables


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_keys_and_buttons_walk_through_the_page(attention: Xray, tmp_path: Path) -> None:
    file = tmp_path / "xray.html"
    file.write_text(attention.html(), encoding="utf-8")
    n = len(attention)

    def said() -> Any:
        open_now = browser.evaluate("[...document.querySelectorAll('details')].map((d, i) => d.open ? i : -1)")
        (at,) = [i for i in open_now if i >= 0]
        assert browser.evaluate("document.querySelector('output').textContent") == f"step {at + 1} of {n}"
        return at

    def press(key: str) -> Any:
        browser.do(lambda page: page.keyboard.press(key))
        return said()

    with Browser() as browser:
        for width, dark in ((1280, True), (400, False)):
            browser.open(file, width, dark)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            paper = browser.evaluate("getComputedStyle(document.querySelector('.xray')).backgroundColor")
            assert paper == ("rgb(0, 0, 0)" if dark else "rgb(255, 255, 255)")
        assert browser.requests == [file.resolve().as_uri()]
        assert browser.errors == []
        assert said() == 0
        assert [press(key) for key in ("ArrowRight", "Space", "ArrowLeft", "b", "b", "End", "ArrowRight")] == [
            *(1, 2, 1, 0, 0, n - 1, n - 1)
        ]
        assert press("Home") == 0
        assert [press("ArrowDown"), press("ArrowDown"), press("ArrowUp")] == [
            *(leap(attention.lines, 0, 1), leap(attention.lines, leap(attention.lines, 0, 1), 1)),
            leap(attention.lines, 0, 1),
        ]
        browser.do(lambda page: page.click("text=⇥"))
        assert said() == n - 1
        names = [name for role, name in browser.accessible() if role == "button"]
        assert names == ["first step", "step back", "next step", "last step"]
        assert browser.evaluate("document.querySelectorAll('details[open] .c').length") == 0
        assert browser.errors == []


def test_a_screen_obeys_its_keys(attention: Xray) -> None:
    """Also where it is too small for anything, and when its size changes."""
    asyncio.run(keys(attention))


async def keys(attention: Xray) -> None:
    app = XrayApp(attention.lines, attention.tokens, attention.title)
    view, n = app.view, len(attention)
    async with app.run_test(size=(80, 24)) as pilot:

        async def press(*names: str) -> int:
            await pilot.press(*names)
            await pilot.pause()
            return view.at

        def text() -> str:
            return view.render().plain

        assert text().splitlines()[:24][-1].startswith("← → a step")
        assert len(text().splitlines()) == 24
        assert f"step 1 of {n}" in text()
        assert [await press(key) for key in ("right", "space", "left", "b", "b")] == [1, 2, 1, 0, 0]
        assert [await press(key) for key in ("end", "right", "home")] == [n - 1, n - 1, 0]
        assert await press("g", "1", "3", "enter") == 12
        assert await press("g", "9", "9", "9", "enter") == n - 1
        assert await press("g", "1", "backspace", "5", "enter") == 4
        assert await press("g", "1", "right") == 5  # another key takes it back
        assert view.asked is None
        assert await press("g", "7", "escape") == 5
        assert app.is_running
        assert await press("down") == leap(attention.lines, 5, 1)
        await press("question_mark")
        assert "g, a number, enter" in text()
        await press("question_mark")
        assert f"step {view.at + 1} of {n}" in text()
        for size in ((40, 20), (10, 3), (1, 1)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(text().split("\n")) <= size[1]
    for end in ("q", "escape", "ctrl+c"):
        app = XrayApp(attention.lines)
        async with app.run_test(size=(40, 20)) as pilot:
            await pilot.press(end)
            await pilot.pause()
            assert not app.is_running
        assert app.return_code == 0


def test_lines_are_leapt_over(attention: Xray) -> None:
    numbers = [(line.source.name, line.number) for line in attention]
    at = 0
    while at < len(attention) - 1:
        after = leap(attention.lines, at, 1)
        assert len(set(numbers[at:after])) == 1 or after == len(attention) - 1
        at = after
    assert leap(attention.lines, 0, -1) == 0
    assert leap(attention.lines, 5, -1) == 1


@pytest.mark.parametrize(("width", "height"), [(80, 23), (40, 19), (40, 13)])
def test_what_is_said_to_be_shown_is_shown(width: int, height: int) -> None:
    line = one(torch.full((1, 8, 20, 30), 0.5), ("B", "H", "T", "S"))
    rows = step_text([line], 0, [f" t{n:02}" for n in range(30)], "a title", width, height)
    found = re.search(r"first of 8 heads, (\d+) of 20 rows, (\d+) of 30 columns$", re.sub(r"\s+", " ", " ".join(rows)))
    assert found, rows
    shown = [row.split() for row in rows if re.match(r"·t\d\d +0\.\d", row)]
    assert len(shown) == int(found[1])
    assert {len(row) - 1 for row in shown} == {int(found[2])}
