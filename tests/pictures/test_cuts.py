"""One text cut in several ways: the tokens and ids are read back from the SVG."""

from pathlib import Path

import pytest

from minigpt.exercises.official import official
from minigpt.pictures.cuts import Cut, text_cuts
from minigpt.pictures.drawing import Text
from tests.pictures.everywhere import SVG, boxes, nothing_overlaps, same_as_figure, stands_alone
from tokenizer import CharTokenizer
from tokenizer.display import label

TEXTS = (
    "unbelievable",
    "Unbelievable tokenization powers! 🚀",
    "人人生而自由，在尊严和权利上一律平等。",
    "LLM LLMs LLM's",
)


def cuts_of(text: str) -> list[Cut]:
    """Characters, GPT-2's tokens, nothing at all."""
    chars, gpt2 = CharTokenizer(), official("gpt2")
    letters, ids = chars.encode(text), gpt2.encode(text)
    return [
        ("characters", [chars.decode([i]) for i in letters], letters),
        ("GPT-2", [gpt2.decode_bytes([i]) for i in ids], ids),
        ("signs", ["<br", b"<f0>", "🌟".encode()[:2]], [1, 2, 3]),
        ("nothing", [], []),
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_each_token_has_its_id_below_it_and_all_stand_in_order(text: str) -> None:
    cuts = cuts_of(text)
    drawing = text_cuts(cuts, "Cuts")
    tokens = [
        (t if isinstance(t, bytes) else t.encode(), i) for _, some, ids in cuts for t, i in zip(some, ids, strict=True)
    ]
    drawn = [(float(b.attrib["y"]), float(b.attrib["x"]), b) for b in boxes(drawing)]
    assert [(y, x) for y, x, _ in drawn] == sorted((y, x) for y, x, _ in drawn), "read as a text is read"
    assert len(drawn) == len(tokens)
    labels = [shape for shape in drawing.shapes if isinstance(shape, Text) and shape.align == "middle"]
    for (token, id), (y, x, box) in zip(tokens, drawn, strict=True):
        middle = x + float(box.attrib["width"]) / 2
        inside, below = sorted((t for t in labels if abs(t.x - middle) < 0.1 and y < t.y < y + 44), key=lambda t: t.y)
        assert (inside.text, below.text) == (label(token), str(id))
        title = box.find(f"{SVG}title")
        assert title is not None
        assert title.text == f"{label(token)}: id {id}"
        whole = token.decode(errors="ignore").encode() == token
        assert box.attrib["class"] == ("tint" if whole else "second"), "bytes that are no character look another way"
    assert [row[1] for row in drawing.table[1]] == [str(len(ids)) for _, _, ids in cuts]


@pytest.mark.parametrize("text", TEXTS)
def test_it_reads_well(text: str, tmp_path: Path) -> None:
    drawing = text_cuts(cuts_of(text), f"{text!r} cut two ways")
    stands_alone(drawing)
    nothing_overlaps(drawing)
    same_as_figure(drawing, tmp_path / "cuts.png")
