"""The page in a browser: what a person does there, by mouse and by keyboard, on a screen and on a phone."""

import json

import pytest

from minigpt.language_model import LanguageModel
from minigpt.pictures.colors import COLORS
from minigpt.playground import app
from minigpt.playground.shelf import Shelf
from tests.playground.conftest import Playground, until
from tests.playground.visitor import BARS, DONE, WRITTEN, Visitor, generate, settle
from weights import STORYTELLER

OPEN = "document.querySelector('.alternatives')"


def kept(page: Visitor) -> list[dict[str, object]]:
    """The tree as it is exported."""
    page.evaluate("import('./static/branches.js').then(it => { window.kept = JSON.stringify(it.exported()) }); 0")
    found: list[dict[str, object]] = json.loads(page.wait("window.kept"))
    page.evaluate("delete window.kept")
    return found


def test_a_text_a_hover_a_branch_a_name_a_comparison(page: Visitor, lm: LanguageModel) -> None:
    settings = {"max_new_tokens": 12, "temperature": 0.9, "top_p": 1.0, "seed": 3}
    first = lm.generate("Once upon a time", **settings)  # type: ignore[call-overload]
    assert generate(page) == first.text
    assert "12 tokens in" in page.evaluate("document.querySelector('#status').textContent")
    page.hover('#text [data-n="2"]')
    info = page.wait("document.querySelector('#info').textContent")
    assert f"id {first.ids[2]} · bytes " in info
    assert all(word in info for word in (" %", "rank" if "rank" in info else "the likeliest", "surprise "))
    page.click('#text [data-n="2"]')
    rows = page.evaluate("[...document.querySelectorAll('.alternative')].map(row => row.textContent)")
    assert len(rows) == 10
    assert all("%" in row for row in rows)
    page.click(".alternative:not(:disabled)")
    page.wait(f"document.querySelectorAll('#branches button').length === 2 && {DONE}")
    one, two = kept(page)
    ids = [*one["promptIds"], *(token["id"] for token in two["tokens"][:3])]  # type: ignore[misc, index]
    again = lm.generate(ids, **settings)  # type: ignore[call-overload]
    assert [token["id"] for token in two["tokens"][3:]] == again.ids  # type: ignore[index]
    assert two["text"] == page.evaluate(WRITTEN)
    assert (two["parent"], two["at"], two["finish_reason"]) == (one["id"], 2, "length")
    assert page.evaluate("document.querySelectorAll('#branches li li').length") == 1
    page.set("#name", "another way")
    assert "2: another way" in page.evaluate("document.querySelector('#branches [aria-current]').textContent")
    page.set("#other", 1, "change")
    assert "The first 2 tokens" in page.evaluate("document.querySelector('#difference').textContent")
    assert page.evaluate("document.querySelectorAll('#second .shared').length") == 2
    page.click("#branches button")  # the first text again
    assert page.evaluate(WRITTEN) == first.text


def test_a_branch_to_the_end_of_the_text_ends_there(page: Visitor) -> None:
    page.set("#prompt", "And they lived happily ever after.")
    page.evaluate("document.querySelector('#fresh').checked = false")
    generate(page, max_new_tokens=1, temperature=2, seed=1)
    page.click('#text [data-n="0"]')
    ends = "[...document.querySelectorAll('.alternative')].find(row => row.textContent.includes('endoftext'))"
    page.wait(ends)
    page.evaluate(f"{ends}.click()")
    page.wait("document.querySelectorAll('#branches button').length === 2")
    _, two = kept(page)
    assert (two["finish_reason"], two["text"]) == ("eos", "")
    assert page.evaluate("document.querySelector('#text .picked').textContent") == "<|endoftext|>"


def test_stop_ends_the_work_and_keeps_what_has_come(page: Visitor, playground: Playground) -> None:
    settle(page, max_new_tokens=200, repetition_penalty=1.3)
    left = "document.querySelector('#stop').offsetLeft"
    before = page.evaluate(left)
    page.click("#generate")
    page.wait("document.querySelectorAll('#text .token').length > 3")
    assert page.evaluate(left) == before
    page.click("#stop")
    page.wait("document.querySelector('#status').textContent.startsWith('stopped after ')")
    until(lambda: not playground.shelf.loaded["storyteller"].worker.jobs)
    (one,) = kept(page)
    assert one["finish_reason"] == "stopped"
    assert 3 < len(one["tokens"]) < 200  # type: ignore[arg-type]


def test_each_text_keeps_its_name_and_what_was_told_of_it(page: Visitor) -> None:
    status, name = "document.querySelector('#status').textContent", "document.querySelector('#name').value"
    generate(page, max_new_tokens=1)
    first = page.evaluate(status)
    assert first.startswith("1 token in ")
    assert first.endswith(": stopped at the limit of 1")
    generate(page, max_new_tokens=3, temperature=2)
    assert page.evaluate(status).startswith("3 tokens in ")
    assert page.evaluate(name) == "Once upon a time · T 2, length 3"
    page.click("#branches button")
    assert (page.evaluate(status), page.evaluate(name)) == (first, "Once upon a time")


def test_a_slider_moves_the_bars_without_the_model(page: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "next_logits", None)  # from here on only what is kept
    before = page.evaluate(BARS)
    page.set("#temperature", 0.3)
    page.wait(f"JSON.stringify({BARS}) !== {json.dumps(json.dumps(before, ensure_ascii=False, separators=(',', ':')))}")
    page.set("#top_k", 2)
    columns = "[...document.querySelectorAll('#drawn th[scope=col] > span')].map(e => e.textContent).join()"
    page.wait(f"{columns} === 'model,temperature 0.3,top-k 2,top-p 0.9'")
    page.wait(f"{BARS}.filter(cell => cell === 'dropped').length >= 8")
    assert page.evaluate("getComputedStyle(document.querySelector('.dropped .bar')).visibility") == "hidden"
    monkeypatch.undo()
    generate(page, max_new_tokens=4)
    page.click('#text [data-n="1"]')
    page.wait("document.querySelector('#caption').textContent.startsWith('What could have come')")
    page.wait("document.querySelectorAll('#drawn tr.chosen').length === 1")


@pytest.mark.parametrize("tab", ["surprise", "lens", "attention"])
def test_pictures(tab: str, page: Visitor) -> None:
    generate(page, max_new_tokens=3)
    page.click(f"#tab-{tab}")
    page.wait("document.querySelector('#drawn svg rect')")
    assert page.evaluate("getComputedStyle(document.querySelector('#drawn svg .ink')).fill") == "rgb(0, 0, 0)"
    if tab == "attention":
        assert page.evaluate("document.querySelector('#layer').disabled")
        squares = "[...document.querySelectorAll('#drawn rect > title')]"
        page.evaluate(f"{squares}.find(it => it.textContent === 'layer 2, head 5').parentElement.id = 'square'")
        page.click("#square")
        page.wait("document.querySelector('#drawn svg title').textContent.startsWith('Layer 2, head 5')")
        assert page.evaluate("document.querySelector('#layer').value + document.querySelector('#head').value") == "25"
        assert not page.evaluate("document.querySelector('#layer').disabled")
        page.set("#head", "", "change")
        page.wait("document.querySelector('#drawn svg title').textContent.startsWith('Every head')")


def test_by_keyboard_alone(page: Visitor) -> None:
    settle(page, max_new_tokens=6)
    page.evaluate("document.querySelector('#prompt').focus()")
    page.key("Enter", control=True)
    page.wait(DONE)
    page.key("Tab")  # Generate
    assert page.evaluate("document.activeElement.id") == "generate"
    page.key("Tab")  # Stop is off: the first token
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.n") == "2"
    page.key("Enter")
    assert page.evaluate(f"{OPEN}.contains(document.activeElement)")
    page.key("Escape")
    assert page.evaluate(f"!{OPEN} && document.activeElement.dataset.n") == "2"
    page.key(" ")
    page.key("ArrowDown")
    wanted = page.evaluate("document.activeElement.querySelector('code').textContent")
    page.key("Enter")
    page.wait(f"document.querySelectorAll('#branches button').length === 2 && {DONE}")
    assert kept(page)[1]["name"].startswith(f"{wanted} instead of ")  # type: ignore[attr-defined]
    page.evaluate("document.querySelector('#tab-bars').focus()")
    page.key("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-surprise"
    page.wait("document.querySelector('#drawn svg')")


def test_a_screen_reader_finds_names(page: Visitor) -> None:
    generate(page, max_new_tokens=3)
    page.click('#text [data-n="1"]')
    found = page.accessible()
    controls = [
        (role, name) for role, name in found if role in ("button", "slider", "textbox", "combobox", "radio", "tab")
    ]
    assert len(controls) > 25
    assert not [role for role, name in controls if not name.strip()]
    assert any(role == "dialog" and name.startswith("Instead of ") for role, name in found)


def test_a_phone_shows_all_of_it(chromium: Visitor, playground: Playground) -> None:
    chromium.visit(playground.address, 360)
    assert not chromium.evaluate("document.querySelector('#settings').open")
    text = generate(chromium, max_new_tokens=20)
    assert len(text) > 60
    preview = "document.querySelector('#branches .quiet')"
    assert chromium.evaluate(f"{preview}.textContent") == text.strip()  # the style sheet cuts it, with …
    assert chromium.evaluate(f"{preview}.scrollWidth > {preview}.clientWidth")
    chromium.click('#text [data-n="9"]')
    left, right = chromium.evaluate(
        f"(() => {{ const r = {OPEN}.getBoundingClientRect(); return [r.left, r.right] }})()"
    )
    assert 0 <= left < right <= 360
    chromium.key("Escape")  # the alternatives lie over the tabs
    for tab in ("bars", "attention"):
        chromium.click(f"#tab-{tab}")
        chromium.wait("document.querySelector('#drawn').firstElementChild")
        assert chromium.evaluate("document.scrollingElement.scrollWidth") == 360
    assert not chromium.errors


def test_the_dark_and_less_motion(chromium: Visitor, playground: Playground) -> None:
    colors = "(() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color] })()"
    moves = "getComputedStyle(document.querySelector('.bar')).transitionDuration"
    rgb = {
        name: [f"rgb({int(c[1:3], 16)}, {int(c[3:5], 16)}, {int(c[5:], 16)})" for c in COLORS[name]] for name in COLORS
    }
    for dark in (False, True):
        chromium.visit(playground.address, dark=dark, calm=dark)
        assert chromium.evaluate(colors) == [rgb["paper"][dark], rgb["ink"][dark]]
        assert chromium.wait(f"document.querySelector('.bar') && {moves}") == ("0s" if dark else "0.15s")
    assert not chromium.errors


def test_what_a_model_or_a_person_writes_is_text(page: Visitor, lm: LanguageModel) -> None:
    prompt = "<img src=x onerror=alert(1)> 🌟 <b>"
    page.set("#prompt", prompt)
    page.click("[value=greedy]")
    assert generate(page, max_new_tokens=3) == lm.generate(prompt, temperature=0, max_new_tokens=3).text
    assert page.evaluate("document.querySelector('#text .prompt').textContent") == prompt
    assert page.evaluate("document.querySelectorAll('#text img, #text b, #branches b').length") == 0


def test_beams(page: Visitor, lm: LanguageModel) -> None:
    page.click("[value=beams]")
    assert page.evaluate("document.querySelector('#temperature-row').hidden")
    wanted = lm.generate("Once upon a time", temperature=0, num_beams=3, max_new_tokens=5).text
    assert generate(page, max_new_tokens=5) == wanted
    assert page.evaluate("document.querySelector('#text .draft')") is None
    assert "--num-beams 3" in page.evaluate("document.querySelector('#command').textContent")


def test_what_is_wrong_is_said_in_a_line(page: Visitor) -> None:
    page.set("#prompt", "a b " * 1000)
    page.click("#generate")
    error = page.wait("document.querySelector('#error').textContent")
    assert "exceed the context of" in error
    page.errors.clear()  # the browser's own line about the status
    page.set("#prompt", "Once")
    generate(page, max_new_tokens=2)
    assert page.evaluate("document.querySelector('#error').hidden")


def test_a_model_that_is_not_loaded_says_its_cost_first(
    chromium: Visitor, lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minigpt.playground.shelf.load", lambda *_, **__: lm)
    monkeypatch.setattr("minigpt.playground.shelf.found", lambda name: STORYTELLER if name == "gpt2" else None)
    playground = Playground(Shelf(lm))
    chromium.visit(playground.address)
    chromium.set("#model", "gpt2", "change")
    assert "gpt2 is not loaded yet: " in chromium.evaluate("document.querySelector('#cost').textContent")
    assert "about 497.8 MB of memory" in chromium.evaluate("document.querySelector('#cost').textContent")
    assert chromium.evaluate("document.querySelector('#generate').disabled")
    chromium.click("#load")
    chromium.wait("document.querySelector('#loading').hidden")
    assert chromium.evaluate("document.querySelector('#model').selectedOptions[0].textContent") == "gpt2"
    assert generate(chromium, max_new_tokens=2)
    assert kept(chromium)[0]["model"] == "gpt2"
    playground.stop()


def test_behind_a_proxy_with_a_token(chromium: Visitor, lm: LanguageModel) -> None:
    """Such as JupyterHub's: the page lies deep in another host's addresses."""
    prefix = "/user/me/proxy/8000"
    playground = Playground(Shelf(lm), "secret", prefix)
    address = f"http://localhost:{playground.port}{prefix}/"
    chromium.visit(f"{address}?token=secret")
    assert generate(chromium, max_new_tokens=2)
    assert not [url for url in chromium.requests if not url.startswith((address, "data:,"))]
    playground.stop()
