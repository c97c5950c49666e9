"""Pictures in a browser: they load nothing, are named, cut nothing off, and follow the light and the dark."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import minigpt
from minigpt.commands.show_flags import LOOKS
from minigpt.pictures.colors import COLORS
from minigpt.pictures.drawing import ADVANCE, Drawing, Line, Text
from tests.pictures.browser import MISSING, Browser
from tests.pictures.everywhere import a_run

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
PROMPT = 'The king said: <b> & "$x$".'
PAPER = "getComputedStyle(document.querySelectorAll('rect.paper')[{}]).fill"
TEXTS = """[...document.querySelectorAll("svg > text")].map(text => {
    const box = text.getBBox()
    return [text.textContent, box.x, box.y, box.x + box.width, box.y + box.height, text.getComputedTextLength()] })"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawing]:
    lm = minigpt.load("storyteller", device="cpu")
    prompts = {"model": [], "training": [str(a_run(tmp_path_factory.mktemp("run")))]}
    return {look: getattr(lm.show, look)(*prompts.get(look, [PROMPT])) for look in LOOKS}


def css(color: str) -> str:
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize("look", [*LOOKS])
def test_a_page_loads_nothing_and_can_be_read_aloud(
    look: str, browser: Browser, drawings: dict[str, Drawing], tmp_path: Path
) -> None:
    page = tmp_path / "a.html"
    page.write_text(drawings[look].html(), encoding="utf-8")
    browser.open(page)
    assert browser.requests == [page.resolve().as_uri()]
    assert browser.errors == []
    found = browser.accessible()
    assert ("image", drawings[look].title) in found
    assert ("DisclosureTriangle", "The numbers") in found
    assert "row" not in [role for role, _ in found]
    browser.evaluate("document.querySelector('summary').click()")
    found = browser.accessible()
    head, rows = drawings[look].table
    assert [role for role, _ in found].count("row") == len(rows) + 1
    names = [" ".join(name.split()) for role, name in found if role == "columnheader"]
    assert names == [" ".join(name.split()) for name in head]


@pytest.mark.parametrize("look", [*LOOKS])
def test_an_svg_alone_has_room_for_every_text(
    look: str, browser: Browser, drawings: dict[str, Drawing], tmp_path: Path
) -> None:
    drawing, file = drawings[look], tmp_path / "a.svg"
    file.write_text(drawing.svg(), encoding="utf-8")
    browser.open(file)
    assert browser.requests == [file.resolve().as_uri()]
    assert browser.errors == []
    labels = [shape for shape in drawing.shapes if isinstance(shape, Text)]
    drawn = browser.evaluate(TEXTS)
    assert [text for text, *_ in drawn] == [label.text for label in labels]
    for label, (text, left, top, right, bottom, width) in zip(labels, drawn, strict=True):
        assert left >= 0, text
        assert top >= 0, text
        assert right <= drawing.width, text
        assert bottom <= drawing.height, text
        if text.isascii():
            assert width == pytest.approx(len(text) * ADVANCE * label.size, rel=0.03), text


def test_a_phone_scrolls_the_picture_and_a_projector_enlarges_it(
    browser: Browser, drawings: dict[str, Drawing], tmp_path: Path
) -> None:
    page, drawing = tmp_path / "a.html", drawings["surprise"]
    page.write_text(drawing.html(), encoding="utf-8")
    width = "document.querySelector('svg').getBoundingClientRect().width"
    browser.open(page, 360, phone=True)
    assert browser.evaluate(width) == pytest.approx(0.75 * drawing.width, abs=1)
    assert browser.evaluate("document.scrollingElement.scrollWidth") <= 360
    browser.open(page, 1280)
    assert 1.2 * drawing.width < browser.evaluate(width) <= 2 * drawing.width


@pytest.mark.parametrize(
    ("host", "dark"),
    [
        ("<html><body>", None),
        ("<html><body data-jp-theme-light=true>", False),
        ("<html><body data-jp-theme-light=false>", True),
        ("<html><body class=vscode-light>", False),
        ("<html><body class=vscode-dark>", True),
        ("<html><body class=vscode-high-contrast>", True),
        ('<html><body class="vscode-high-contrast vscode-high-contrast-light">', False),
        ("<html theme=dark><body>", True),
    ],
)
def test_two_pictures_in_a_notebook_follow_its_theme(
    host: str, dark: bool | None, browser: Browser, drawings: dict[str, Drawing], tmp_path: Path
) -> None:
    """A notebook's theme counts; where it names none, the system's."""
    page = tmp_path / "a.html"
    outputs = "".join(f"<div>{drawings[look]._repr_html_()}</div>" for look in ("bars", "lens"))
    page.write_text(f"<!doctype html>{host}{outputs}", encoding="utf-8")
    for system in (False, True):
        browser.open(page, dark=system)
        wanted = css(COLORS["paper"][system if dark is None else dark])
        assert [browser.evaluate(PAPER.format(n)) for n in (0, 1)] == [wanted, wanted]


def test_an_image_follows_the_system(browser: Browser, drawings: dict[str, Drawing], tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    (tmp_path / "a.svg").write_text(drawings["bars"].svg(), encoding="utf-8")
    page = tmp_path / "a.html"
    page.write_text("<!doctype html><body style=margin:0><img src=a.svg>", encoding="utf-8")
    for dark in (False, True):
        browser.open(page, 600, dark)
        browser.screenshot(tmp_path / "a.png", 600)
        corner = [round(float(part) * 255) for part in image.imread(tmp_path / "a.png")[2, 2, :3]]
        assert "#" + "".join(f"{part:02x}" for part in corner) == COLORS["paper"][dark]


@pytest.mark.parametrize("look", ["beams", "attention"])
@pytest.mark.parametrize("styled", [True, False])
def test_without_style_sheets_the_colours_are_the_light_ones(
    look: str, styled: bool, browser: Browser, drawings: dict[str, Drawing], tmp_path: Path
) -> None:
    """As in converters and slides that know attributes alone; in a browser all are those of the dark."""
    svg = drawings[look].svg() if styled else re.sub(r"<style>.*?</style>", "", drawings[look].svg(), flags=re.DOTALL)
    page = tmp_path / "a.html"
    page.write_text(f"<!doctype html><body>{svg}", encoding="utf-8")
    browser.open(page, dark=True)
    colors = {name: css(pair[styled]) for name, pair in COLORS.items()} | {None: "none"}
    script = """[...document.querySelectorAll('svg > rect, svg > polyline, svg > text')].map(shape => {
        const look = getComputedStyle(shape); return [look.fill, look.stroke] })"""
    wanted = [
        ("none", colors[s.color]) if isinstance(s, Line) else (colors[s.color], colors[getattr(s, "edge", None)])
        for s in drawings[look].shapes
    ]
    assert [tuple(pair) for pair in browser.evaluate(script)[1:]] == wanted  # the first rectangle is the paper
