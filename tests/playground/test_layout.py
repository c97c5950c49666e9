"""Where things are on the page: nothing jumps, nothing is cut, and what belongs together is in sight together."""

import time

import pytest

from tests.pictures.browser import CHROMIUM
from tests.playground.conftest import Playground
from tests.playground.visitor import BARS, VIEWED, Visitor, generate, settle

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: on Debian, apt install chromium")
TABS = ["surprise", "lens", "attention", "beams", "architecture", "knock", "tokens", "bars"]
COLUMNS = "[...document.querySelectorAll('#drawn th[scope=col] > span')]"
FILTERS = {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2}
SHADES = """[...document.querySelectorAll('.edge')].map(it =>
    [it.firstChild.scrollWidth > it.firstChild.clientWidth + 1, getComputedStyle(it, '::after').content !== 'none'])"""
LETTERS = """[...document.querySelectorAll('#drawn svg text')].map(it =>
    it.getAttribute('font-size') * it.ownerSVGElement.clientWidth / it.ownerSVGElement.viewBox.baseVal.width)"""
COMPUTED = "document.querySelector('#computed').getBoundingClientRect().top"
CELL = "document.querySelector('#cell').textContent"


def visit(browser: Visitor, playground: Playground, width: int, height: int) -> Visitor:
    """The page in a window of that size, with its bars."""
    browser.visit(playground.address, width)
    browser.do(lambda page: page.set_viewport_size({"width": width, "height": height}))
    browser.wait(f"{BARS}.length > 0")
    return browser


def edge(page: Visitor, selector: str, side: str) -> float:
    """Where an element begins or ends in the window."""
    return float(page.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().{side}"))


def reach(page: Visitor) -> None:
    """Scrolls to the tabs, and waits until all is drawn."""
    page.evaluate("document.querySelector('#views').scrollIntoView(); 0")
    page.wait("!document.querySelector('#view').style.minHeight")


def test_many_texts_leave_the_tabs_below_the_text(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 1280, 800)
    for seed in range(8):
        generate(page, max_new_tokens=2, seed=seed)
    assert edge(page, "#views", "top") - edge(page, "#writing", "bottom") < 25
    assert edge(page, "#tree", "bottom") <= edge(page, "aside", "bottom") + 1
    low, seen = edge(page, "#branches [aria-current]", "bottom"), edge(page, "#tree", "bottom")
    assert low <= seen + 1  # the eighth, to which it has scrolled
    assert page.evaluate("document.querySelector('#tree').scrollTop") > 0
    page.click("#branches li:nth-child(2) button")
    page.wait("document.querySelector('#branches li:nth-child(2) [aria-current]')")
    assert edge(page, "#branches [aria-current]", "top") >= edge(page, "#tree .row", "bottom") - 1


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 900), (390, 844)])
def test_a_tab_stays_under_the_mouse(width: int, height: int, chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, width, height)
    generate(page, max_new_tokens=12)
    reach(page)
    tops = page.evaluate("[...document.querySelectorAll('[role=tab]')].map(tab => tab.getBoundingClientRect().top)")
    assert len(set(tops)) == (1 if width > 390 else 2)
    page.evaluate(f"document.addEventListener('click', () => {{ window.computed = {COMPUTED} }})")
    for tab in TABS:
        before = edge(page, f"#tab-{tab}", "top"), edge(page, f"#tab-{tab}", "left")
        page.click(f"#tab-{tab}")
        page.wait(f"{VIEWED} && !document.querySelector('#view').style.minHeight")
        time.sleep(0.1)  # a jump would come with the next frame
        after = edge(page, f"#tab-{tab}", "top"), edge(page, f"#tab-{tab}", "left")
        assert after == pytest.approx(before, abs=1), tab
        assert edge(page, "#computed", "top") == pytest.approx(page.evaluate("window.computed"), abs=1), tab
        shades = page.evaluate(SHADES)
        assert all(more == shaded for more, shaded in shades), tab
        assert any(more for more, _ in shades) or width > 390 or tab in ("tokens", "bars"), tab
        assert min(page.evaluate(LETTERS), default=11) > 10.4, tab
        assert "dark" not in page.evaluate("document.querySelector('#caption').textContent"), tab


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_the_models_find_their_room(width: int, chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, width, 900)
    before = edge(page, "#writing", "top")
    page.evaluate("document.querySelectorAll('header select, #about').forEach(it => it.replaceChildren())")
    assert edge(page, "#writing", "top") == pytest.approx(before, abs=0.1)


def test_six_columns_of_bars_fit_beside_their_sliders(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 1280, 800)
    settle(page, **FILTERS)
    page.wait(f"{COLUMNS}.length === 6")
    assert page.evaluate("document.querySelector('.bars th').offsetWidth") >= 110  # for words of ten letters
    assert page.evaluate("(it => it.scrollWidth - it.clientWidth)(document.querySelector('#drawn'))") == 0
    cut = "[...document.querySelectorAll('.bars th, .bars td')].filter(it => it.scrollWidth > it.clientWidth + 1)"
    assert page.evaluate(f"{cut}.map(it => it.textContent)") == []
    links = page.evaluate("[...document.querySelectorAll('.bars button')].map(it => [it.textContent, it.title])")
    assert all(long.endswith(f"/{short}") and short.count("/") == 0 for short, long in links)
    reach(page)
    assert edge(page, ".bars", "bottom") <= 800
    for slider in FILTERS:
        assert 0 <= edge(page, f"#{slider}", "top") < edge(page, f"#{slider}", "bottom") <= 800, slider


def test_on_a_phone_three_columns_fit_and_the_tokens_stay(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 390, 844)
    page.wait(f"{COLUMNS}.length === 3")
    assert page.evaluate("(it => it.scrollWidth - it.clientWidth)(document.querySelector('#drawn'))") == 0
    settle(page, **FILTERS)
    page.wait(f"{COLUMNS}.length === 6")
    page.evaluate("document.querySelector('#drawn').scrollLeft = 200; 0")
    assert edge(page, ".bars tbody th", "left") == pytest.approx(edge(page, "#drawn", "left"), abs=1)


def test_the_end_of_the_first_text_moves_nothing(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 1280, 800)
    before = edge(page, "#views", "top")
    generate(page, max_new_tokens=3)
    assert edge(page, "#views", "top") == pytest.approx(before, abs=1)


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_nothing_jumps_while_two_texts_are_written(width: int, chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, width, 900)
    top = "document.querySelector('#views').getBoundingClientRect().top + scrollY"
    before = page.evaluate(top)
    page.set("#beside", "seed", "change")
    assert page.evaluate("document.querySelector('#later').textContent")
    assert page.evaluate(top) == before
    generate(page, max_new_tokens=12)
    before = page.evaluate(top)
    page.evaluate(f"window.tops = [], (function look() {{ tops.push({top}); requestAnimationFrame(look) }})(); 0")
    generate(page, max_new_tokens=12)  # the same two
    tops = page.evaluate("tops")
    assert (min(tops), max(tops)) == pytest.approx((before, before), abs=1)
    page.wait("document.querySelector('#first-name').offsetHeight < 30")  # one line, the legend below it
    outline = "getComputedStyle(document.querySelector('#text .differs')).outlineStyle"
    marked = page.evaluate(outline)
    page.key("Escape")  # the keyboard is at work
    page.evaluate("document.querySelector('#text .differs').focus()")
    assert page.evaluate(outline) != marked


@pytest.mark.parametrize(("width", "height"), [(1280, 600), (390, 844)])
def test_the_alternatives_are_in_the_window(width: int, height: int, chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, width, height)
    generate(page, max_new_tokens=12)
    page.click('#text [data-n="9"]')
    assert edge(page, ".alternatives", "top") >= 0
    assert edge(page, ".alternatives", "bottom") <= height + 1
    told = page.evaluate("document.querySelector('.alternatives p').textContent")
    assert "surprise " in told
    assert told.split(" · ", 1)[1] in page.evaluate("document.querySelector('#info').textContent")


def test_the_alternatives_open_below_a_word_that_wraps(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 1280, 800)
    generate(page, max_new_tokens=40)
    page.evaluate("[...document.querySelectorAll('#text .token')].find(it => it.getClientRects()[1]).click()")
    word = page.evaluate("[...document.querySelector('.token.open').getClientRects()].at(-1).toJSON()")
    assert edge(page, ".alternatives", "left") == pytest.approx(word["left"], abs=1)
    assert edge(page, ".alternatives", "top") == pytest.approx(word["bottom"] + 4, abs=1)


def test_sliders_in_a_row_are_level(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 800, 900)
    tops = {edge(page, f"#{slider}", "top") for slider in ("temperature", "top_k", "top_p")}
    assert len(tops) == 1
    assert edge(page, "#meaning", "bottom") - edge(page, "#meaning", "top") < 30


def test_a_cell_of_a_head_is_told_by_mouse_and_by_keys(chromium: Visitor, playground: Playground) -> None:
    page = visit(chromium, playground, 1280, 800)
    page.click("#tab-attention")
    page.wait("document.querySelector('#drawn svg')")
    assert page.evaluate("document.querySelector('#cell').hidden")
    page.set("#head", 3, "change")
    page.wait("!document.querySelector('#cell').hidden")
    cells = page.evaluate("[...document.querySelectorAll('#drawn rect > title')].map(it => it.textContent)")
    page.evaluate("document.querySelectorAll('#drawn rect > title')[1].parentElement.id = 'second-cell'; 0")
    page.do(lambda tab: tab.locator("#second-cell").hover(force=True))
    page.wait(f"{CELL} === {cells[1]!r}")
    page.evaluate("document.querySelector('#drawn').focus(); 0")
    for key, n in [
        ("ArrowRight", 2),
        ("ArrowDown", 4),
        ("ArrowLeft", 3),
        ("ArrowUp", 1),
        ("ArrowUp", 0),
        ("ArrowUp", 0),
    ]:
        page.key(key)
        assert page.evaluate(CELL) == cells[n], key
    page.click("#tab-lens")
    page.wait("document.querySelector('#cell').hidden")
