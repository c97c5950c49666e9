"""The whole way by keys alone, from the prompt to a branch, the views and back; and a page that keeps still."""

from tests.playground.conftest import Playground
from tests.playground.visitor import BARS, DONE, VIEWED, WRITTEN, Visitor, generate, settle

AT = "document.activeElement"
SEEN = f"""(() => {{ const box = {AT}.getBoundingClientRect(), style = getComputedStyle({AT})
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight
        && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 }})()"""
CONTROLS = """[...document.querySelectorAll('button, input, select, textarea, summary, [tabindex="0"]')].filter(it =>
    it.checkVisibility() && !it.disabled && it.tabIndex === 0 && !(it.type === 'radio' && !it.checked))"""
MOVING = """[...document.querySelectorAll('*')].filter(it => { const style = getComputedStyle(it)
    return [style.transitionDuration, style.animationDuration].some(all => all.split(',').some(parseFloat))
        || style.scrollBehavior === 'smooth' }).map(it => it.className || it.id || it.tagName)"""


def reach(page: Visitor, selector: str, back: bool = False) -> None:
    """Tab after Tab, each of which shows where it is, until a control is reached."""
    for _ in range(80):
        page.key("Tab", shift=back)
        if page.evaluate(f"{AT} !== document.body"):
            assert page.evaluate(SEEN), f"not seen: {page.evaluate(f'{AT}.outerHTML')}"
            if page.evaluate(f"{AT}.matches({selector!r})"):
                return
    raise AssertionError(f"{selector} cannot be reached")


def write(page: Visitor, text: str) -> None:
    """A text, key by key, in the place of what is there."""
    page.key("a", control=True)
    for letter in text:
        page.key(letter)


def test_the_whole_way(page: Visitor) -> None:
    reach(page, "#prompt")
    write(page, "The king")
    reach(page, "#max_new_tokens")
    page.key("Home")
    for _ in range(7):
        page.key("ArrowRight")
    reach(page, "#prompt", back=True)
    page.key("Enter", control=True)
    page.wait(DONE)
    assert page.evaluate("document.querySelectorAll('#text .token').length") == 8
    first = page.evaluate(WRITTEN)
    reach(page, ".token")
    page.key("ArrowRight")
    page.key("ArrowRight")
    page.key("Enter")
    assert page.evaluate(f"document.querySelector('.alternatives').contains({AT})")
    page.key("ArrowDown")
    page.key("Enter")
    page.wait(f"document.querySelectorAll('#branches button').length === 2 && {DONE}")
    second = page.evaluate(WRITTEN)
    assert second != first
    reach(page, "#branches button")
    page.key("Enter")
    page.wait(f"{WRITTEN} === {first!r}")
    reach(page, "[role=tab]")
    for tab in page.evaluate("[...document.querySelectorAll('[role=tab]')].map(tab => tab.id)"):
        assert page.evaluate(f"{AT}.id") == tab
        page.wait(f"{AT}.getAttribute('aria-selected') === 'true' && {VIEWED}")
        page.key("ArrowRight")
    page.wait(f"{AT}.id === 'tab-bars' && {BARS}.length")
    before = page.evaluate(BARS)
    reach(page, "#temperature", back=True)
    for _ in range(4):
        page.key("ArrowLeft")
    page.wait(f"{BARS}.join() !== {','.join(before)!r}")
    reach(page, "#generate", back=True)
    page.key("Enter")
    page.wait(f"document.querySelectorAll('#branches button').length === 3 && {DONE}")


def test_every_control_is_reached_and_none_keeps_the_reader(page: Visitor) -> None:
    generate(page, max_new_tokens=3)
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); window.passed = new Set(); 0")
    n = page.evaluate(f"{CONTROLS}.length")
    assert n > 20
    for _ in range(n + 5):
        page.key("Tab")
        page.evaluate(f"passed.add({AT}); 0")
    assert page.evaluate(f"{CONTROLS}.filter(it => !passed.has(it)).map(it => it.outerHTML)") == []


def test_nothing_moves_for_who_wants_less_motion(chromium: Visitor, playground: Playground) -> None:
    for calm in (False, True):
        chromium.visit(playground.address, calm=calm)
        generate(chromium, max_new_tokens=3)
        chromium.click('#text [data-n="1"]')
        chromium.wait(f"{BARS}.length")
        assert bool(chromium.evaluate(MOVING)) != calm
        chromium.evaluate("addEventListener('transitionrun', () => { window.ran = true }); 0")
        before = chromium.evaluate(BARS)
        settle(chromium, temperature=0.2)
        chromium.wait(f"{BARS}.join() !== {','.join(before)!r}")
        if not calm:
            chromium.wait("window.ran")
        assert bool(chromium.evaluate("window.ran")) != calm
