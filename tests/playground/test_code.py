"""Every view names the code that computes it, and the page shows that code as it stands in its file."""

import re
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minigpt.language_model import LanguageModel
from minigpt.playground.app import PAGE
from minigpt.playground.code import CODE, TABS, parted, source, where
from minigpt.playground.shelf import Shelf
from minigpt.playground.work import Job
from tests.pictures.browser import CHROMIUM
from tests.playground.conftest import Playground, opened
from tests.playground.visitor import Visitor

ROOT = Path(__file__).parents[2]
DONE = "!document.querySelector('#tools').hidden && !document.querySelector('#generate').disabled"
LINES = "[...document.querySelectorAll('#code-text .line')].map(row => [row.dataset.n, row.textContent])"
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: on Debian, apt install chromium")


def test_every_tab_has_its_code_and_every_link_leads_somewhere() -> None:
    html = (PAGE / "index.html").read_text("utf-8")
    tabs = re.findall(r'role="tab" [^>]*id="tab-(\w+)"', html)
    assert sorted(tabs) == sorted(TABS)
    assert set(re.findall(r'data-code="(\w+)"', html)) <= CODE.keys()


@pytest.mark.parametrize("name", CODE)
def test_what_is_shown_is_what_the_file_says(name: str) -> None:
    file, line, lines = source(name)
    written = (ROOT / file).read_text("utf-8").splitlines()[line - 1 : line - 1 + len(lines)]
    assert ["".join(parts) for parts in lines] == textwrap.dedent("\n".join(written)).splitlines()
    word = "class" if isinstance(CODE[name], type) else "def"
    assert any(f"{word} {CODE[name].__name__}" in code for code, _ in lines[:3])
    assert where(name) == f"{file}:{line}"


def test_a_comment_is_told_from_a_string() -> None:
    assert parted('x = "# no"  # (B, T)\n"""\n# no\n"""') == [
        ('x = "# no"  ', "# (B, T)"),
        ('"""', ""),
        ("# no", ""),
        ('"""', ""),
    ]
    assert "# (B, H, T, D)" in [comment for _, comment in source("attention")[2]]


def test_the_routes(playground: Playground) -> None:
    assert playground.ask("/code") == (200, {name: where(name) for name in CODE})
    file, line, lines = source("attention")
    assert playground.ask("/code/attention") == (200, {"file": file, "line": line, "lines": [*map(list, lines)]})


@pytest.mark.parametrize(
    "path", ["app.py", "CODE", "__init__", "..%2f..%2fapp.py", "%2Fetc%2Fpasswd", "../app.py", "a" * 5000, "%00", ""]
)
def test_only_names_of_the_table(path: str, playground: Playground) -> None:
    with playground.open(f"/code/{path}") as answer:
        assert answer.status in ((404, 307) if not path else (404,))
        told = answer.read()
    assert b"\n" not in told
    assert len(told) < 150


def test_the_code_wants_the_token_too(lm: LanguageModel) -> None:
    playground = Playground(Shelf(lm), token="secret")
    for path in ("/code", "/code/bars", "/vocabularies"):
        assert playground.ask(path)[0] == 401
        assert playground.ask(path, headers={"Authorization": "Bearer secret"})[0] == 200
    playground.stop()


@pytest.fixture
def page(chromium: Visitor, playground: Playground) -> Iterator[Visitor]:
    with opened(chromium, playground.address) as page:
        page.wait("document.querySelector('#computed button')")
        yield page


def shown(page: Visitor) -> tuple[str, list[list[str]]]:
    """The panel's file and its numbered lines."""
    page.wait("document.querySelector('#code').open")
    return page.evaluate("document.querySelector('#code-file').textContent"), page.evaluate(LINES)


def wanted(name: str) -> tuple[str, list[list[str]]]:
    """What the panel must show."""
    file, line, lines = source(name)
    return file, [[str(n), f"{code}{comment}\n"] for n, (code, comment) in enumerate(lines, start=line)]


@browser
@pytest.mark.parametrize("tab", TABS)
def test_a_click_shows_the_code_of_a_view(tab: str, page: Visitor) -> None:
    page.click(f"#tab-{tab}")
    link = "document.querySelector('#computed button').textContent"
    page.wait(f"{link} === '{where(tab)}'")
    page.click("#computed button")
    assert shown(page) == wanted(tab)
    page.click("#code-shut")
    assert not page.evaluate("document.querySelector('#code').open")


@browser
def test_a_filter_and_the_facts_of_a_token_link_to_their_code(page: Visitor) -> None:
    page.set("#top_k", 3)
    link = "[...document.querySelectorAll('#drawn th button')].find(it => it.title === '{}')"
    page.wait(link.format(where("top_k")))
    page.evaluate(f"{link.format(where('top_k'))}.click()")
    assert shown(page) == wanted("top_k")
    page.click("#code-shut")
    page.click("#hint button")
    assert shown(page) == wanted("token")


@browser
def test_by_keyboard_alone_while_a_text_is_written(page: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Job.step
    monkeypatch.setattr(Job, "step", lambda job: (time.sleep(0.1), step(job))[1])  # else it ends before the keys do
    page.set("#max_new_tokens", 200)
    page.set("#repetition_penalty", 1.3)
    page.click("#generate")
    page.evaluate("document.querySelector('#computed button').focus()")
    page.key("Enter")
    shown(page)
    assert page.evaluate("document.activeElement.id") == "code-text"  # which the arrow keys scroll
    page.wait("document.querySelectorAll('#text .token').length > 2")
    page.key("Escape")
    page.wait("!document.querySelector('#code').open")
    assert page.evaluate("document.activeElement.closest('#computed') !== null")
    assert page.evaluate("document.querySelector('#status').textContent").startswith("writing")
    page.key("Escape")
    page.wait("document.querySelector('#status').textContent.startsWith('stopped after ')")


@browser
def test_the_panel_fits_a_phone_and_scrolls_inside_itself(chromium: Visitor, playground: Playground) -> None:
    chromium.visit(playground.address, 360)
    chromium.wait("document.querySelector('#computed button')")
    chromium.click("#computed button")
    shown(chromium)
    assert chromium.evaluate(
        "(it => { it.scrollLeft = 50; return it.scrollLeft })(document.querySelector('#code-text'))"
    )
    left, top, right, bottom, height = chromium.evaluate(
        "(() => { const r = document.querySelector('#code').getBoundingClientRect(); "
        "return [r.left, r.top, r.right, r.bottom, innerHeight] })()"
    )
    assert 0 <= left < right <= 360
    assert 0 <= top < bottom <= height
    assert chromium.evaluate("document.scrollingElement.scrollWidth") == 360


@browser
def test_a_server_that_has_ended_is_said_in_the_panel(chromium: Visitor, lm: LanguageModel) -> None:
    playground = Playground(Shelf(lm))
    chromium.visit(playground.address)
    chromium.wait("document.querySelector('#computed button')")
    playground.stop()
    chromium.click("#computed button")
    chromium.wait("document.querySelector('#code').open")
    told = chromium.evaluate("document.querySelector('#code-told').textContent")
    assert told == "the playground does not answer: is minigpt play still running?"
    assert chromium.evaluate("document.querySelector('#code-text').hidden")
