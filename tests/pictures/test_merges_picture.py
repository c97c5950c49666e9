"""The merge tree holds the tokenizer's own merges: read back from the SVG, box by box."""

import re
from pathlib import Path

import pytest

import minigpt
from minigpt.analysis.merges import derivation
from minigpt.pictures.drawing import Drawing, Line, Text
from minigpt.pictures.merges import BYTE, HEIGHT, LEFT, ROW, WIDTH, merge_tree
from tests.pictures.everywhere import SVG, boxes, nothing_overlaps, same_as_figure, stands_alone, texts
from tokenizer import Tokenizer, train
from tokenizer.display import label
from tokenizer.vocabulary import Vocabulary

WORDS = ("unbelievable", "a", "The king's daughter said: 日本 🌟", "antidisestablishmentarianism", " \n\x00e\u0301")

CASES = (("unbelievable", ""), ("a", ""), ("né日本日本", "né日本 日本 日 é né"))  # the last one with merges of its own


@pytest.fixture(scope="module")
def lm() -> minigpt.LanguageModel:
    return minigpt.load("storyteller", device="cpu")


@pytest.fixture(scope="module")
def tok(lm: minigpt.LanguageModel) -> Tokenizer:
    assert lm.tokenizer
    return lm.tokenizer


def seen(drawing: Drawing) -> list[tuple[str, float, float, int]]:
    """What the mouse reads over each box, and where it lies: left edge, top edge, bytes that it spans."""
    found = []
    for box in boxes(drawing):
        title = box.find(f"{SVG}title")
        if title is not None:
            x, y, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
            assert height == HEIGHT
            found.append((title.text or "", x, y, round((width + 4) / BYTE)))
    return found


@pytest.mark.parametrize(("word", "trained_on"), CASES)
def test_each_merge_spans_its_bytes_and_lies_on_its_step(word: str, trained_on: str, tok: Tokenizer) -> None:
    """Found without the drawing's own bookkeeping: a merge is the token that the step before did not have."""
    tok = train(trained_on, 264) if trained_on else tok
    drawing = merge_tree(derivation(tok, word), tok.whole, "Merges")
    drawn = seen(drawing)
    [(_, merges)] = tok.trace(word)
    data = word.encode()
    left, bottom = min(x for _, x, _, _ in drawn), max(y for _, _, y, _ in drawn)
    before = [data[i : i + 1] for i in range(len(data))]
    wanted = {(label(byte), i, 1, 0, "") for i, byte in enumerate(before)}
    for step, (rank, tokens) in enumerate(merges, 1):
        n = next(i for i, token in enumerate(tokens) if token != before[i])
        wanted.add((label(tokens[n]), len(b"".join(tokens[:n])), len(tokens[n]), step, str(rank)))
        before = tokens
    found = set()
    for hint, x, y, size in drawn:
        name, _, what = hint.partition(": ")
        if what != "a token":
            row, rank = round((bottom - y) / ROW), (re.findall(r"rank (\d+)", what) or [""])[0]
            written = [
                shape.text
                for shape in drawing.shapes
                if isinstance(shape, Text) and x < shape.x < x + BYTE * size - 4 and y < shape.y < y + HEIGHT
            ]
            assert written == ([name, rank] if rank else [name.strip("<>")]), "what is read is what the mouse reads"
            found.add((name, round((x - left) / BYTE), size, row, rank))
    assert found == wanted


@pytest.mark.parametrize("word", WORDS)
def test_the_top_row_is_what_encode_gives(word: str, tok: Tokenizer, lm: minigpt.LanguageModel) -> None:
    drawing = lm.show.merges(word)
    tokens = [hint.removesuffix(": a token") for hint, *_ in seen(drawing) if hint.endswith(": a token")]
    ids = tok.encode(word)
    assert tokens == [label(tok.decode_bytes([id])) for id in ids]
    assert f"become {len(ids)} token{'s' * (len(ids) > 1)} at" in drawing.description
    written = texts(drawing)
    for id in ids:
        assert str(id) in written
    last = {row[0]: row[3] for row in drawing.table[1]}
    assert [part for piece, _ in tok.trace(word) for part in last[label(piece.encode())].split(" ")] == tokens


def test_a_node_hangs_on_what_it_joins(tok: Tokenizer, lm: minigpt.LanguageModel) -> None:
    """Each line goes from the middle of a box up to the bottom of the one above that spans it."""
    drawing = lm.show.merges("unbelievable")
    spans = [(x - 2, x - 2 + BYTE * size, y) for _, x, y, size in seen(drawing)]
    lines = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.color != "rule"]
    n_merges = len(tok.trace("unbelievable")[0][1])
    assert len(lines) == 2 * n_merges + len(tok.encode("unbelievable"))
    for line in lines:
        (x, below), (_, above) = line.points
        [(start, end)] = [(s, e) for s, e, y in spans if y == below and (s + e) / 2 == x]
        parents = [(s, e) for s, e, y in spans if y + HEIGHT == above and s <= start and end <= e]
        assert len(parents) == 1
        between = [(s, e) for s, e, y in spans if above < y < below and s < x < e]
        assert not between, "the line runs through a box"


def test_pieces_stand_side_by_side_on_a_sheet_as_wide_as_a_page(lm: minigpt.LanguageModel) -> None:
    words = "the old king and his three daughters lived"
    drawing = lm.show.merges(words)
    assert drawing.width < WIDTH + 20
    bottom = [(y, x, size) for hint, x, y, size in seen(drawing) if hint.endswith("a byte")]
    assert len(bottom) == len(words)
    rows = sorted({y for y, _, _ in bottom})
    assert [sorted(x for y, x, _ in bottom if y == row)[0] for row in rows] == [LEFT + 2] * 2
    assert texts(drawing).count("bytes") == 2


def test_characters_of_several_bytes_stand_under_them(lm: minigpt.LanguageModel) -> None:
    written = texts(lm.show.merges("né 日🌟"))
    assert [text for text in written if text in ("n", "é", "日", "🌟")] == ["n", "n", "é", "日", "🌟"]
    assert {"c3", "a9", "e6", "97", "a5", "f0", "9f", "8c"} <= set(written)


def test_a_token_that_no_merge_makes_is_still_what_encode_gives() -> None:
    ranks = {bytes([i]): i for i in range(256)} | {b"an": 256}
    tok = Tokenizer.of(Vocabulary(ranks, unmerged={b"banana": 300}))
    assert tok.encode("banana") == [300]
    assert [merges[-1] for _, merges in derivation(tok, "banana")] == [(300, [b"banana"])]
    drawing = merge_tree(derivation(tok, "banana"), tok.whole, "Banana")
    assert "banana: step 3: b + an + an + a, rank 300" in drawing.svg()
    assert derivation(tok, "ban") == tok.trace("ban")


def test_what_is_too_long_is_said_in_one_sentence(lm: minigpt.LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"^a text of 61 bytes: a merge tree has room for 60, show a shorter one$"):
        lm.show.merges("é" + "a" * 59)
    assert lm.show.merges("é" + "a" * 58).width < 60 * BYTE + 120
    with pytest.raises(ValueError, match="nothing to merge: give a word"):
        lm.show.merges("")


@pytest.mark.parametrize("word", WORDS[1:])
def test_it_can_be_read_by_everyone(word: str, lm: minigpt.LanguageModel, tmp_path: Path) -> None:
    drawing = lm.show.merges(word)
    stands_alone(drawing)
    nothing_overlaps(drawing)
    same_as_figure(drawing, tmp_path / "a.png")
