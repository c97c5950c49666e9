"""The beam tree, the architecture and the switched-off parts in a browser, by mouse and by keyboard."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

import minigpt
from minigpt.language_model import LanguageModel
from minigpt.playground import app, looking
from tests.pictures.browser import CHROMIUM
from tests.playground.conftest import Playground, until
from tests.playground.visitor import Visitor

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: on Debian, apt install chromium")
PROMPT = "Once upon a time"
DONE = "!document.querySelector('#tools').hidden && !document.querySelector('#generate').disabled"
TITLE = "document.querySelector('#drawn svg title')?.textContent"
CAPTION = "document.querySelector('#caption').textContent"
NUMBERS = (
    "[...document.querySelectorAll('#drawn .numbers tr')].slice(1).map(r => [...r.cells].map(cell => cell.textContent))"
)
SETTINGS = {"max_new_tokens": 12, "temperature": 0.9, "top_p": 1, "seed": 3}
TOLD = "document.querySelector('#knock [role=status]').textContent"
WRITTEN = "[...document.querySelectorAll('#text .token:not(.mark)')].map(t => t.textContent).join('')"


def generate(page: Visitor, **settings: object) -> None:
    for name, value in {**SETTINGS, **settings}.items():
        page.set(f"#{name}", value)
    page.click("#generate")
    page.wait(DONE)


def kept(page: Visitor) -> list[dict[str, Any]]:
    """The tree of texts as it is exported."""
    page.evaluate("import('./static/branches.js').then(it => { window.kept = JSON.stringify(it.exported()) }); 0")
    found: list[dict[str, Any]] = json.loads(page.wait("window.kept"))
    page.evaluate("delete window.kept")
    return found


def without(lm: LanguageModel, *names: str, prompt: str | list[int] = PROMPT) -> str:
    """The text of the settings by hand, without these activations."""
    with minigpt.patch(lm.model, dict.fromkeys(names, 0)):
        return lm.generate(prompt, **SETTINGS).text  # type: ignore[call-overload,no-any-return]


def test_the_beam_tree(page: Visitor, lm: LanguageModel) -> None:
    page.click("#tab-beams")
    page.wait(f"{TITLE} === '3 beams after \"{PROMPT}\"'")
    wanted = lm.show.beams(PROMPT, num_beams=3, max_new_tokens=8)
    assert page.evaluate(NUMBERS) == wanted.table[1]
    assert "8 new tokens (40 are too many to draw" in page.evaluate(CAPTION)
    page.set("#num_beams", 2)
    page.set("#max_new_tokens", 3)
    page.wait(f"{TITLE}.startsWith('2 beams')")
    page.wait(f"{NUMBERS}.at(-1)[0] === '3'")
    assert page.evaluate(NUMBERS) == lm.show.beams(PROMPT, num_beams=2, max_new_tokens=3).table[1]
    assert "too many" not in page.evaluate(CAPTION)
    generate(page)
    page.click('#text [data-n="2"]')
    ids = [*kept(page)[0]["promptIds"], *(token["id"] for token in kept(page)[0]["tokens"][:2])]
    assert lm.tokenizer
    words = lm.tokenizer.decode(ids)
    caption, title = f"2 beams after “{words}”", f'2 beams after "{words}"'
    page.wait(f"{CAPTION}.includes('clicked, not the text above. {caption}') && {TITLE} === '{title}'")
    assert page.evaluate(NUMBERS) == lm.show.beams(words, num_beams=2, max_new_tokens=8).table[1]


def test_a_tree_that_cannot_be_says_why(page: Visitor) -> None:
    page.set("#prompt", "a b " * 1000)
    page.click("#tab-beams")
    page.wait("document.querySelector('#drawn [role=alert]')?.textContent.includes('exceed the context')")
    assert page.evaluate(CAPTION) == ""
    page.errors.clear()  # the browser's own line about the status
    page.set("#prompt", PROMPT)
    page.wait("document.querySelector('#drawn svg')")
    page.errors.clear()


def test_another_tab_ends_a_search(page: Visitor, playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigpt.playground import beams

    rounds: list[int] = []
    search = beams.Search.search

    def slow(self: beams.Search) -> Iterator[Any]:
        for event in search(self):
            rounds.append(1)
            time.sleep(0.3)
            yield event

    monkeypatch.setattr(beams.Search, "search", slow)
    page.click("#tab-beams")
    page.wait("document.querySelector('#drawn').textContent.startsWith('Searching: round 2 of 8')")
    page.click("#tab-bars")
    page.wait("document.querySelector('.bars')")
    until(lambda: not playground.shelf.loaded["storyteller"].worker.jobs)
    time.sleep(0.3)
    assert len(rounds) < 8


def test_a_picture_that_takes_long_is_announced(page: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "picture", lambda *asked: (time.sleep(1), looking.picture(*asked))[1])
    page.click("#tab-lens")
    page.wait("document.querySelector('#drawn').textContent === 'Drawing …'")
    assert page.evaluate(CAPTION).startswith("What the model would say after each layer")
    page.wait("document.querySelector('#drawn svg')")


def test_the_architecture_has_the_texts_own_shapes(page: Visitor, lm: LanguageModel) -> None:
    n = len(lm.encode(PROMPT))
    page.click("#tab-architecture")
    page.wait(f"{TITLE}?.endsWith('ids (1, {n})')")
    generate(page)
    page.wait(f"{TITLE}?.endsWith('ids (1, {n + 12})')")
    assert page.evaluate(NUMBERS)[0][2] == f"(1, {n + 12}, 256)"


def test_heads_are_knocked_out(page: Visitor, lm: LanguageModel) -> None:
    page.click("#tab-knock")
    assert page.wait(TOLD).startswith("Generate a text first")
    page.click('#knock [data-key="1 mlp"]')
    assert page.evaluate("document.querySelector('#knock .main').disabled")
    generate(page)
    page.wait(f"{TOLD}.includes('is then written without the MLP of layer 1. Generate still uses the whole model.')")
    page.click('#knock [data-key="2 3"]')
    page.click('#knock [data-key="2 4"]')
    page.click('#knock [data-key="2 4"]')
    name = "without the MLP of layer 1 and head 3 of layer 2"
    assert f"is then written {name}." in page.evaluate(TOLD)
    page.set("#temperature", 0.3)  # of the next text, not of this one
    page.click("#knock .main")
    page.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 2")
    names = ["h.1.mlp.out", "h.2.attn.heads[:, 3]"]
    first, second = lm.generate(PROMPT, **SETTINGS).text, without(lm, *names)  # type: ignore[call-overload]
    assert page.evaluate(WRITTEN) == second != first
    page.wait("document.querySelector('#knock .both').getBoundingClientRect().bottom < innerHeight + 1")
    boxes = [f"#knock section:nth-child({n}) .text" for n in (1, 2)]
    texts = [page.evaluate(f"document.querySelector('{box}').textContent") for box in boxes]
    assert texts == [PROMPT + first, PROMPT + second]
    one, two = kept(page)
    same = next(
        n for n, pair in enumerate(zip(one["tokens"], two["tokens"], strict=False)) if pair[0]["id"] != pair[1]["id"]
    )
    marked = [page.evaluate(f"document.querySelector('{box} .differs').dataset.n") for box in boxes]
    assert marked == [str(same)] * 2
    assert page.evaluate(f"document.querySelectorAll('{boxes[1]} .shared').length") == same
    labels = [branch["tokens"][same]["text"].replace(" ", "·") for branch in (one, two)]
    told = page.evaluate(TOLD)
    assert told.startswith("The first token is the same; then " if same == 1 else f"The first {same} tokens are")
    assert told.endswith(f"the original has “{labels[0]}”, the other has “{labels[1]}”.")
    assert (two["name"], two["parent"], two["without"]) == (name, one["id"], [[1, "mlp"], [2, 3]])
    assert two["settings"] == one["settings"]
    assert "lm.generate" in page.evaluate("document.querySelector('#python').textContent")
    assert "leaves out" in page.evaluate("document.querySelector('#command').textContent")
    assert page.evaluate("document.querySelector('[data-copy=command]').hidden")


def test_what_comes_after_it_is_without_them_too(page: Visitor, lm: LanguageModel) -> None:
    """A branch of such a text, its bars, and the same grid again when it is chosen in the tree."""
    page.click("#tab-knock")
    generate(page)
    page.click('#knock [data-key="0 attention"]')
    page.click("#knock .main")
    page.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 2")
    page.click('#text [data-n="2"]')
    page.click(".alternative:not(:disabled)")
    page.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 3")
    _, two, three = kept(page)
    ids = [*two["promptIds"], *(token["id"] for token in three["tokens"][:3])]
    own = "".join(token["text"] for token in three["tokens"][3:])
    assert own == without(lm, "h.0.attn.out", prompt=ids)
    assert three["without"] == [[0, "attention"]]
    page.click("#tab-bars")
    page.wait(f"{CAPTION}.endsWith(' The model is without attention of layer 0.')")
    page.wait("document.querySelector('.bars td')")
    ids = [*two["promptIds"], *(token["id"] for token in three["tokens"])]
    with minigpt.patch(lm.model, {"h.0.attn.out": 0}):
        best = lm.next_tokens(ids, k=1)[0].probability
    assert page.evaluate("document.querySelector('.bars td').textContent") == f"{100 * best:.1f} %"
    page.click("#branches button")  # the first text: the whole model again
    page.wait(f"!{CAPTION}.includes('without')")
    page.click("#tab-knock")
    page.wait("document.querySelector('#knock .both').hidden")
    page.click("#knock .row button:last-child")
    assert page.evaluate(TOLD).startswith("All parts are on.")
    page.click("#branches li li button")
    page.wait("!document.querySelector('#knock .both').hidden")
    assert page.evaluate("[...document.querySelectorAll('#knock [aria-pressed=true]')].map(it => it.title)") == [
        "attention of layer 0"
    ]


def test_a_branch_is_written_again_from_where_it_branched(page: Visitor, lm: LanguageModel) -> None:
    generate(page)
    page.click('#text [data-n="2"]')
    page.click(".alternative:not(:disabled)")
    page.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 2")
    page.click("#tab-knock")
    page.click('#knock [data-key="1 mlp"]')
    page.click("#knock .main")
    page.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 3")
    _, two, three = kept(page)
    assert three["tokens"][:3] == two["tokens"][:3]
    ids = [*two["promptIds"], *(token["id"] for token in two["tokens"][:3])]
    assert "".join(token["text"] for token in three["tokens"][3:]) == without(lm, "h.1.mlp.out", prompt=ids)
    assert "12 tokens in" in page.evaluate("document.querySelector('#status').textContent")


def test_by_keyboard_alone(page: Visitor, lm: LanguageModel) -> None:
    generate(page)
    page.evaluate("document.querySelector('#tab-bars').focus()")
    for tab in ("surprise", "lens", "attention", "beams", "architecture", "knock"):
        page.key("ArrowRight")
        assert page.evaluate("document.activeElement.id") == f"tab-{tab}"
    page.wait("document.querySelector('#knock table')")
    page.key("Tab")  # the panel
    page.key("Tab")  # the link to its code
    page.key("Tab")  # its grid
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.key(key)
    assert page.evaluate("document.activeElement.title") == "head 0 of layer 2"
    page.key(" ")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.key("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Write it again without them"
    page.key("Tab", shift=True)
    assert page.evaluate("document.activeElement.title") == "head 0 of layer 2"
    page.key("Tab")
    page.key("Enter")
    page.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 2")
    assert page.evaluate(WRITTEN) == without(lm, "h.2.attn.heads[:, 0]")
    assert page.evaluate("document.activeElement.textContent") == "Write it again without them"


def test_on_a_phone_and_with_names(chromium: Visitor, playground: Playground) -> None:
    chromium.visit(playground.address, 360)
    generate(chromium)
    chromium.click("#tab-knock")
    chromium.click('#knock [data-key="5 mlp"]')
    chromium.click("#knock .main")
    chromium.wait(f"{DONE} && document.querySelectorAll('#branches button').length === 2")
    names = [name for role, name in chromium.accessible() if role in ("button", "ToggleButton", "toggleButton")]
    assert {"head 7 of layer 5", "attention of layer 0", "the MLP of layer 5"} <= set(names)
    for tab in ("beams", "architecture", "knock"):
        chromium.click(f"#tab-{tab}")
        chromium.wait("document.querySelector('#drawn').firstElementChild")
        assert chromium.evaluate("document.scrollingElement.scrollWidth") == 360
    assert not chromium.errors
