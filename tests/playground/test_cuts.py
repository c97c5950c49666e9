"""The tokens view: what it says of a text is what the tokenizer's own `encode` says."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tokenizer
from minigpt.language_model import LanguageModel
from minigpt.playground import vocabularies
from minigpt.playground.cuts import SHOWN, cut
from minigpt.playground.shelf import Shelf
from minigpt.playground.vocabularies import Vocabularies, official
from minigpt.playground.wire import Refused
from tests.pictures.browser import CHROMIUM
from tests.playground.conftest import Playground
from tests.playground.visitor import Visitor
from tokenizer import Tokenizer
from tokenizer.display import label
from tokenizer.fetch.official import Source
from tokenizer.fetch.verify import sha256_of
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import WordPiece
from weights.fetch.registry import ENTRIES

TEXTS = [
    "Once upon a time",
    "The 🌟 star-player\n\tscored  40 points! هل 漢字 \x00 e\u0301",
    "<|endoftext|>antidisestablishmentarianism<|endoftext|>",
    "",
]
ALL_BYTES = {bytes([n]): n for n in range(256)}
WIDE = f"<|{50 * 'wide'}|>"
BYTES = Tokenizer(ALL_BYTES, special_tokens={"<|endoftext|>": 256, WIDE: 257})
BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: on Debian, apt install chromium")
CHIPS = "[...document.querySelectorAll('#cuts .column:nth-child({}) .cut')].map(chip => chip.textContent)"
TOLD = "document.querySelector('#cuts .column:nth-child({}) .told').textContent"
FACTS = "document.querySelector('#cuts .column:nth-child({}) .facts').textContent"


def cut_by(playground: Playground, name: str, text: str, special: bool = False) -> dict[str, Any]:
    status, told = playground.ask("/tokens", {"model": name, "prompt": text, "special": special})
    assert status == 200, told
    return dict(told)


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_ids_and_bytes_are_those_of_encode(text: str, special: bool, playground: Playground, lm: LanguageModel) -> None:
    told, tok = cut_by(playground, "storyteller", text, special), lm.tokenizer
    assert tok
    ids = tok.encode(text, "all" if special else ())
    assert [token["id"] for token in told["tokens"]] == ids
    assert [bytes.fromhex(token["bytes"]) for token in told["tokens"]] == [tok.decode_bytes([id]) for id in ids]
    assert [token["label"] for token in told["tokens"]] == [label(tok.decode_bytes([id])) for id in ids]
    n_special = sum(token["special"] for token in told["tokens"])
    assert n_special == (text.count("<|endoftext|>") if special else 0)
    n_bytes = len(text.encode())
    each = f", {n_bytes / len(ids):.2f} bytes a token" if ids else ""
    counts = f"{len(ids)} tokens, {len(text)} characters, {n_bytes} bytes"
    assert told["told"] == f"{counts}{each}; vocabulary of {tok.n_vocab:,}"
    assert told["n_tokens"] == len(ids)


def test_every_vocabulary_here_cuts_as_it_encodes(playground: Playground) -> None:
    status, names = playground.ask("/vocabularies")
    assert status == 200
    assert names[0] == "storyteller"
    for name in names:
        tok = playground.server.config.app.state.vocabularies.get(name)  # type: ignore[union-attr]
        for text in TEXTS:
            assert [t["id"] for t in cut_by(playground, name, text, True)["tokens"]] == tok.encode(text, "all"), name


def test_only_the_first_are_shown_and_all_are_counted() -> None:
    text = "a" * (SHOWN - 1) + "🌟" + "b" * 500
    told = cut(BYTES, text, special=False)
    assert [token["id"] for token in told["tokens"]] == BYTES.encode(text)[:SHOWN]
    assert told["n_tokens"] == SHOWN + 503
    assert told["told"].startswith("1,503 tokens, 1,500 characters, 1,503 bytes, 1.00 bytes a token")
    assert told["tokens"][-1]["part_of"] == "🌟"  # whose other bytes are not shown


def test_a_token_of_part_of_a_character_says_of_which() -> None:
    star = "🌟".encode()
    tok = Tokenizer(ALL_BYTES | {b" " + star[:1]: 256, b" " + star[:2]: 257, star[2:]: 258})
    told = cut(tok, "a 🌟é!", special=False)["tokens"]
    names = [(token["label"], token["part_of"]) for token in told]
    assert names == [("a", ""), ("<20 f0 9f>", " 🌟"), ("<8c 9f>", "🌟"), ("<c3>", "é"), ("<a9>", "é"), ("!", "")]


def test_merges_are_those_that_made_the_token_in_its_text() -> None:
    """All merges of all tokens are those that the tokenizer's own trace of the text tells, and each makes its token."""
    tok = tokenizer.train("the cat sat on the mat, the hat that the cat had " * 3 + "banana bandana 🌟🌟", 300)
    text = "that banana sat on the 🌟 hats"
    told = cut(tok, text, special=False)
    merges = {int(id): steps for id, steps in told["merges"].items()}
    own = Counter(rank for token in told["tokens"] for _, _, rank in merges.get(token["id"], []))
    assert own == Counter(rank for _, steps in tok.trace(text) for rank, _ in steps)
    assert len(own) > 5
    for id, steps in merges.items():
        left, right, rank = steps[-1]
        assert rank == id
        if "<" not in left + right:
            assert left + right == label(tok.tokens[id])


def test_a_token_that_no_merge_makes_has_none(lm: LanguageModel) -> None:
    assert lm.tokenizer
    own = lm.tokenizer.vocabulary
    whole = Tokenizer.of(type(own)({b"a": 0, b"b": 1, b"ab": 2}, own.pattern, unmerged={b"abb": 3}))
    assert cut(whole, "abb", special=False)["merges"] == {3: []}
    assert cut(BYTES, "<|endoftext|>", special=True)["merges"] == {}


def test_wordpiece_and_unigram_have_pieces_of_text() -> None:
    pieces = WordPiece({"[UNK]": 0, "[SEP]": 4, "un": 1, "##aff": 2, "##able": 3})
    told = cut(pieces, "Unaffable 🌟[SEP]", special=True)
    names = [(token["id"], token["label"], token["bytes"], token["special"]) for token in told["tokens"]]
    assert names[:3] == [(1, "un", "", False), (2, "##aff", "", False), (3, "##able", "", False)]
    assert names[3:] == [(0, "[UNK]", "", True), (4, "[SEP]", "", True)]
    assert (told["code"], told["merges"]) == ("wordpiece", {})
    unigram = Unigram([("<unk>", 0.0), ("▁hug", -2.0), ("s", -1.5)])
    told = cut(unigram, "hugs", special=False)
    assert [(token["id"], token["label"]) for token in told["tokens"]] == [(1, "▁hug"), (2, "s")]
    assert told["code"] == "unigram"


def test_what_a_vocabulary_cannot_encode_is_said_in_a_line() -> None:
    with pytest.raises(Refused, match="no token for the byte 62 of 'ab': take it out of the text") as error:
        cut(Tokenizer({b"a": 0}), "ab", special=False)
    assert error.value.status == 422


GOOD: dict[str, Any] = {"model": "storyteller", "prompt": "Once", "special": False}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (GOOD | {"special": 1}, 422, "special must be true or false, not 1"),
        (GOOD | {"special": None}, 422, "special must be true or false, not None"),
        (GOOD | {"model": 1}, 422, "model must be a text, not 1"),
        (GOOD | {"prompt": ["a"]}, 422, "prompt must be a text, not ['a']"),
        (GOOD | {"prompt": "\ud800"}, 422, "prompt is not Unicode text: half a character at place 0"),
        (GOOD | {"prompt": "a" * 200_001}, 422, "the prompt is 200,001 long: 200,000 is the most"),
        (GOOD | {"other": "gpt2"}, 422, "unknown field 'other': there are model, prompt, ids, settings, special"),
        (GOOD | {"settings": {"seed": 1}}, 422, "no settings change how a text is cut"),
        ({"model": "storyteller", "ids": [1]}, 422, "give prompt, a text: ids are tokens already"),
        (GOOD | {"model": "gpt-5"}, 404, "there is no vocabulary 'gpt-5' on this machine: storyteller"),
        (GOOD | {"model": "../../etc"}, 404, "there is no vocabulary '../../etc' on this machine"),
        (GOOD | {"model": "."}, 404, "there is no vocabulary '.' on this machine"),
        (GOOD | {"model": ""}, 404, "there is no vocabulary '' on this machine"),
        (b"[", 400, "the body is not JSON"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_wrong_with_a_request(body: object, status: int, reason: str, playground: Playground) -> None:
    got, told = playground.ask("/tokens", body)
    assert got == status
    assert reason in told["error"]
    assert "\n" not in told["error"]


def test_a_foreign_page_and_a_form_may_not_ask(playground: Playground) -> None:
    assert playground.ask("/tokens", GOOD, {"Origin": "http://evil.example"})[0] == 403
    assert playground.ask("/tokens", b"a=1", {"Content-Type": "text/plain"})[0] == 415


@pytest.fixture
def bare(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vocabularies:
    """A machine with the embedded model and nothing else."""
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(vocabularies, "found", lambda _: None)
    monkeypatch.setattr("tokenizer.fetch.official.obtain", None)  # whatever asks a network fails
    return Vocabularies(Shelf(lm))


def test_an_official_vocabulary_counts_where_it_is_here_and_whole(
    bare: Vocabularies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert bare.names() == ["storyteller"]
    file = tmp_path / "vocabularies" / "cl100k_base" / "cl100k_base.tiktoken"
    file.parent.mkdir(parents=True)
    file.write_text("YQ== 0\nYg== 1\nYWI= 2\n")
    assert bare.names() == ["storyteller"]  # it is not what it should be
    known = {"cl100k_base": (Source(file.name, sha256_of(file), None, ("", "", "")),)}
    monkeypatch.setattr(vocabularies, "VOCABULARIES", known)
    assert bare.names() == ["storyteller", "cl100k_base"]
    assert official("cl100k_base") == file
    assert cut(bare.get("cl100k_base"), "abb", special=False)["merges"] == {2: [["a", "b", 2]]}
    file.write_text("YQ== 0")
    assert bare.names() == ["storyteller"]
    assert bare.get("cl100k_base").encode("ab") == [2]  # what was read stays


def test_the_vocabularies_of_models_that_are_here(
    bare: Vocabularies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lm: LanguageModel
) -> None:
    assert lm.tokenizer
    lm.tokenizer.save(tmp_path / "bpe")
    WordPiece({"[UNK]": 0, "a": 1}).save(tmp_path / "wordpiece")
    Unigram([("<unk>", 0.0), ("▁a", -1.0)]).save(tmp_path / "unigram")
    (tmp_path / "broken").mkdir()
    names = {"gpt2": "bpe", "bert-base-uncased": "wordpiece", "t5-small": "unigram", "qwen3-0.6b": "broken"}
    monkeypatch.setattr(vocabularies, "found", lambda name: tmp_path / names[name] if name in names else None)
    monkeypatch.setattr(vocabularies, "official", lambda _: None)
    assert bare.names() == ["storyteller", *(entry.name for entry in ENTRIES if entry.name in names)]
    assert bare.get("gpt2").encode("Once upon") == lm.tokenizer.encode("Once upon")
    assert bare.get("gpt2") is bare.get("gpt2")
    assert isinstance(bare.get("bert-base-uncased"), WordPiece)
    assert isinstance(bare.get("t5-small"), Unigram)
    with pytest.raises(Refused, match="broken holds no vocabulary") as error:
        bare.get("qwen3-0.6b")
    assert error.value.status == 422


def test_a_plain_model_keeps_nobody_waiting(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand the merges of a long word take hours."""
    assert lm.tokenizer
    monkeypatch.setattr(lm, "tokenizer", Tokenizer.of(lm.tokenizer.vocabulary, plain=True))
    tok = Vocabularies(Shelf(lm)).get("storyteller")
    assert isinstance(tok, Tokenizer)
    assert not tok.plain
    assert tok.vocabulary is lm.tokenizer.vocabulary


@pytest.fixture
def two(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> Playground:
    """Two vocabularies, wherever the test runs."""
    kept = playground.server.config.app.state.vocabularies  # type: ignore[union-attr]
    monkeypatch.setattr(kept, "names", lambda: ["storyteller", "bytes", "letters"])
    monkeypatch.setitem(kept.kept, "bytes", BYTES)
    monkeypatch.setitem(kept.kept, "letters", Tokenizer({b"a": 0, b"b": 1, b"ab": 2}))
    return playground


@pytest.fixture
def page(chromium: Visitor, two: Playground) -> Iterator[Visitor]:
    """The page with the tokens of its prompt."""
    chromium.visit(two.address)
    chromium.click("#tab-tokens")
    chromium.wait(f"{CHIPS.format(2)}.length")
    yield chromium
    assert not chromium.errors


def labels(text: str, tok: Any, special: bool = False) -> list[str]:
    return [label(tok.decode_bytes([id])) for id in tok.encode(text, "all" if special else ())]


def same(page: Visitor, text: str, lm: LanguageModel, special: bool = False) -> None:
    """Waits until both columns show the tokens of the text."""
    for n, tok in ((1, lm.tokenizer), (2, BYTES)):
        wanted = labels(text, tok, special)
        page.wait(f"JSON.stringify({CHIPS.format(n)}) === JSON.stringify({wanted!r})")


@BROWSER
def test_the_prompt_ones_own_text_and_the_whole_text(page: Visitor, lm: LanguageModel) -> None:
    same(page, "Once upon a time", lm)
    page.set("#prompt", "An old king 🌟")
    same(page, "An old king 🌟", lm)
    page.set("#cut-text", "ein Töpfer")
    same(page, "ein Töpfer", lm)
    assert page.evaluate("document.querySelector('#cut-from').value") == "own"
    page.set("#prompt", "Once")  # what was typed stays
    page.set("#max_new_tokens", 4)
    page.click("[value=greedy]")
    page.click("#generate")
    page.wait("!document.querySelector('#tools').hidden")
    assert page.evaluate("document.querySelector('#cut-text').value") == "ein Töpfer"
    page.set("#cut-from", "text", "change")
    same(page, "Once" + lm.generate("Once", temperature=0, max_new_tokens=4).text, lm)
    page.set("#cut-from", "prompt", "change")
    same(page, "Once", lm)
    page.set("#prompt", "Twice")  # while another text is on the page
    same(page, "Twice", lm)


@BROWSER
def test_special_tokens_are_read_where_one_wants_it(page: Visitor, lm: LanguageModel) -> None:
    page.set("#cut-text", "a<|endoftext|>\nb")
    same(page, "a<|endoftext|>\nb", lm)
    assert page.evaluate("document.querySelectorAll('.cut.special').length") == 0
    page.click("#cut-special")
    same(page, "a<|endoftext|>\nb", lm, special=True)
    assert page.evaluate("document.querySelectorAll('.cut.special').length") == 2
    page.hover("#cuts .column:nth-child(2) .cut.special")
    page.wait(f"{FACTS.format(2)}.endsWith('id 256 · bytes {b'<|endoftext|>'.hex(' ')} · special token')")


@BROWSER
def test_the_facts_of_a_token_by_mouse_by_tap_and_by_keys(page: Visitor, lm: LanguageModel) -> None:
    assert lm.tokenizer
    page.set("#cut-text", "Once 🌟")
    same(page, "Once 🌟", lm)
    first = lm.tokenizer.encode("Once 🌟")[0]
    *_, (rank, _) = lm.tokenizer.trace("Once")[0][1]
    page.hover("#cuts .column:nth-child(1) .cut")
    facts = page.wait(f"{FACTS.format(1)}.includes('merged') && {FACTS.format(1)}")
    assert facts.startswith(f"Once id {first} · bytes 4f 6e 63 65 · merged ")
    assert facts.endswith(f"(rank {rank})")
    page.click("#cuts .column:nth-child(2) .cut[data-n='5']")
    page.wait(f"{FACTS.format(2)} === '<f0> id 240 · bytes f0 · part of 🌟 · a single byte, no merge'")
    page.key("ArrowRight")
    page.wait(f"{FACTS.format(2)}.startsWith('<9f> id 159')")
    assert page.evaluate("document.querySelector('.column:nth-child(2) [aria-selected=true]').textContent") == "<9f>"
    page.key("ArrowLeft")
    page.key("ArrowLeft")
    page.wait(f"{FACTS.format(2)} === '· id 32 · bytes 20 · a single byte, no merge'")


@BROWSER
def test_another_vocabulary_and_what_it_cannot_cut(page: Visitor) -> None:
    page.set("#cut-text", "abb")
    page.set("#cuts .column:nth-child(2) .vocabulary", "letters", "change")
    page.wait(f"{CHIPS.format(2)}.join() === 'ab,b'")
    assert page.evaluate(TOLD.format(2)) == "2 tokens, 3 characters, 3 bytes, 1.50 bytes a token; vocabulary of 3."
    page.set("#cut-text", "abc")
    page.wait(f"{TOLD.format(2)}.startsWith('no token for the byte 63')")
    assert page.evaluate(f"{CHIPS.format(2)}.length") == 0
    assert page.evaluate(f"{CHIPS.format(1)}.join('')") == "abc"  # the other column goes on
    page.errors.clear()  # the browser's own line about the status
    page.set("#cut-text", "ab" * 1500)
    page.wait(f"{TOLD.format(2)}.endsWith('vocabulary of 3. Shown are the first 1,000 tokens.')")
    assert page.evaluate(f"{CHIPS.format(2)}.length") == 1000


@BROWSER
def test_where_there_is_one_vocabulary_the_page_says_how_to_have_another(
    chromium: Visitor, playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = playground.server.config.app.state.vocabularies  # type: ignore[union-attr]
    monkeypatch.setattr(kept, "names", lambda: ["storyteller"])
    chromium.visit(playground.address)
    assert chromium.evaluate("document.querySelector('#cut-alone').hidden")
    chromium.click("#tab-tokens")
    chromium.wait(f"{CHIPS.format(1)}.length")
    assert not chromium.evaluate("document.querySelector('#cut-alone').hidden")
    assert chromium.evaluate("document.querySelectorAll('#cuts .column')[1].hidden")
    assert not chromium.errors


@BROWSER
def test_on_a_phone(chromium: Visitor, two: Playground) -> None:
    chromium.visit(two.address, 360)
    chromium.click("#tab-tokens")
    chromium.wait(f"{CHIPS.format(2)}.length")
    chromium.click("#cut-special")
    chromium.set("#cut-text", f"{WIDE} Donaudampfschifffahrt\n🌟")
    chromium.wait(f"{CHIPS.format(2)}.includes({WIDE!r})")
    assert chromium.evaluate("document.scrollingElement.scrollWidth") == 360
    wide = "[...document.querySelectorAll('.cut')].filter(it => it.getBoundingClientRect().right > 360).length"
    assert chromium.evaluate(wide) == 0
