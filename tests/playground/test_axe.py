"""Every state of the page by axe-core's rules: WCAG 2.1 A and AA, and its best practice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.playground.conftest import Playground
from tests.playground.visitor import BARS, DONE, VIEWED, Visitor, generate

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
COLORS = {"type": "rule", "values": ["color-contrast"]}
SCRIPT = """axe.run(document, {runOnly: %s}).then(({violations, passes}) => [passes.length,
    violations.flatMap(({id, nodes}) => nodes.map(({html, any}) => `${id}: ${html} ${any[0]?.message ?? ""}`))])"""
TABS = "[...document.querySelectorAll('[role=tab]')].map(tab => tab.id)"


def states(page: Visitor) -> Iterator[str]:
    """Goes from state to state, and says which it is."""
    page.wait(f"{BARS}.length > 0")
    yield "empty"
    generate(page, max_new_tokens=8)
    yield "a text"
    page.hover('#text [data-n="1"]')
    page.click('#text [data-n="2"]')
    page.wait("document.querySelector('.alternatives')")
    yield "the alternatives of a token"
    page.click(".alternative:not(:disabled)")
    page.wait(f"document.querySelectorAll('#branches button').length === 2 && {DONE}")
    yield "a branch"
    page.set("#other", 1, "change")
    page.click("#same summary")
    yield "a comparison, and the code"
    page.set("#prompt", "a b " * 1000)
    page.click("#generate")
    page.wait("document.querySelector('#error').textContent")
    yield "an error"
    for tab in page.evaluate(TABS):
        page.click(f"#{tab}")
        page.wait(VIEWED)
        yield tab


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark", "rules"), [(1280, False, TAGS), (1280, True, COLORS), (360, False, TAGS)])
def test_axe_finds_nothing(width: int, dark: bool, rules: object, chromium: Visitor, playground: Playground) -> None:
    """Of the dark only its colours are new."""
    chromium.visit(playground.address, width, dark, calm=True)
    chromium.evaluate(AXE)
    found = {}
    for state in states(chromium):
        passes, violations = chromium.evaluate(SCRIPT % json.dumps(rules))
        assert passes > 20 or rules is COLORS, state
        found |= {state: violations} if violations else {}
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


def test_axe_finds_what_is_wrong(page: Visitor) -> None:
    """What would be said of a page with grey on grey, a control without a name and a picture without a text."""
    page.evaluate(AXE)
    page.evaluate("""(() => {
        const make = (tag) => document.querySelector('main').appendChild(document.createElement(tag))
        make('input'); make('img').src = 'data:,'; Object.assign(make('p'), {textContent: 'grey'}).style.color = '#999'
    })()""")
    _, violations = page.evaluate(SCRIPT % json.dumps(TAGS))
    assert {line.split(":")[0] for line in violations} >= {"label", "image-alt", "color-contrast"}
    page.errors.clear()
