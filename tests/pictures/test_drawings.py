"""Pictures hold the model's own numbers: what is drawn is read back from the SVG, and from the figure."""

import math
import re
from pathlib import Path

import pytest
import torch

import minigpt
from minigpt import beam_tree, logit_lens
from minigpt.analysis.heads import attention_maps
from minigpt.models.config import GPT2Config
from minigpt.models.llama_config import LlamaConfig
from minigpt.pictures.architecture import architecture
from minigpt.pictures.attention import attention_grid, attention_head
from minigpt.pictures.bars import next_token_bars
from minigpt.pictures.colors import COLORS, on_tint
from minigpt.pictures.drawing import Area, Box, Drawing, Line, Text
from minigpt.pictures.lens import lens_table
from minigpt.pictures.strip import token_strip
from tests.pictures.everywhere import (
    boxes,
    contrast,
    faint,
    laid_on,
    nothing_overlaps,
    rgb,
    same_as_figure,
    stands_alone,
    texts,
    within,
)

PROMPT = 'Once upon a time there <was> a cat & a "$mouse$".'


@pytest.fixture(scope="module")
def lm() -> minigpt.LanguageModel:
    return minigpt.load("storyteller", device="cpu")


@pytest.fixture(scope="module")
def tokens(lm: minigpt.LanguageModel) -> list[str]:
    assert lm.tokenizer
    return [lm.tokenizer.decode([id]) for id in lm.tokenizer.encode(PROMPT)]


@pytest.fixture(scope="module")
def maps(lm: minigpt.LanguageModel) -> torch.Tensor:
    assert lm.tokenizer
    return attention_maps(lm.model, torch.tensor([lm.tokenizer.encode(PROMPT)]))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def drawings(lm: minigpt.LanguageModel, tokens: list[str], maps: torch.Tensor) -> dict[str, Drawing]:
    assert lm.tokenizer
    lens = logit_lens(lm.model, torch.tensor([lm.tokenizer.encode(PROMPT)]))[:, 0].softmax(-1)  # type: ignore[arg-type]
    sure, best = lens.max(-1)
    words = [[lm.tokenizer.decode([id]) for id in row] for row in best.tolist()]
    surprise = [None, *(-logprob / math.log(2) for logprob in lm.score(PROMPT).logprobs[1:])]
    return {
        "head": attention_head(tokens, maps[1, 2].tolist(), "Layer 1, head 2"),
        "few": attention_head(tokens[:5], maps[1, 2, :5, :5].tolist(), "Layer 1, head 2"),
        "grid": attention_grid(maps.tolist(), "All heads"),
        "lens": lens_table(tokens, words, sure.tolist(), "The lens"),
        "bars": next_token_bars(tokens[:3], [("softmax", [0.5, 0.3, 0.2]), ("top-k 2", [0.625, 0.375, 0.0])], "Next"),
        "beams": lm.show.beams("Once upon a", num_beams=3, max_new_tokens=4),
        "model": lm.show.model(),
        "strip": token_strip(tokens, surprise, "Surprise", "bits", 12.0),
    }


NAMES = ("head", "few", "grid", "lens", "bars", "beams", "model", "strip")


@pytest.mark.parametrize(("n_rows", "n_columns"), [(2, 3), (5, 2), (14, 3)])
def test_in_cross_attention_rows_and_columns_are_two_texts(n_rows: int, n_columns: int) -> None:
    weights = torch.rand(n_rows, n_columns).softmax(-1)
    weights[0, 1] = 0.0  # no mask: a cell that is 0 is drawn, also above the diagonal
    read, written = [f"r{i}" for i in range(n_columns)], [f"w{i}" for i in range(n_rows)]
    drawing = attention_head(written, weights.tolist(), "Cross", keys=read)
    assert drawing.table[0] == ["token", *read]
    assert [row[0] for row in drawing.table[1]] == written
    seen = [float(box.attrib["fill-opacity"]) for box in boxes(drawing)]
    assert seen == pytest.approx((weights if n_rows < 13 else weights.sqrt()).flatten().tolist(), abs=6e-4)
    nothing_overlaps(drawing)


def test_a_head_shows_its_weights(drawings: dict[str, Drawing], maps: torch.Tensor) -> None:
    for name, n in (("head", maps.shape[-1]), ("few", 5)):
        seen = [float(box.attrib["fill-opacity"]) for box in boxes(drawings[name])]
        rows, columns = torch.tril_indices(n, n)
        weights = maps[1, 2, :n, :n][rows, columns]
        wanted = weights if name == "few" else weights.sqrt()
        torch.testing.assert_close(torch.tensor(seen), wanted, rtol=0, atol=6e-4)
    assert ("square root" in drawings["head"].svg(), "square root" in drawings["few"].svg()) == (True, False)
    printed = [text for text in texts(drawings["few"]) if re.fullmatch(r"\d\.\d\d", text)]
    assert printed == [f"{maps[1, 2, i, j]:.2f}" for i in range(5) for j in range(i + 1)]
    assert not [text for text in texts(drawings["head"]) if re.fullmatch(r"\d\.\d\d", text)], "17 tokens: too small"


def test_the_grid_shows_every_head(drawings: dict[str, Drawing], maps: torch.Tensor) -> None:
    drawn = boxes(drawings["grid"])
    frames = [i for i, box in enumerate(drawn) if box.attrib["class"] == "paper"]
    assert len(frames) == maps.shape[0] * maps.shape[1]
    for head, (start, end) in zip(maps.flatten(0, 1), zip(frames, [*frames[1:], len(drawn)], strict=True), strict=True):
        cell = 76 / head.shape[-1]
        x, y = (float(drawn[start].attrib[name]) for name in "xy")
        found = torch.zeros_like(head)
        for box in drawn[start + 1 : end]:
            i, j = (round((float(box.attrib[name]) - at) / cell) for name, at in (("y", y), ("x", x)))
            found[i, j] = float(box.attrib["fill-opacity"])
        torch.testing.assert_close(found, torch.where(head > 0.01, head.sqrt(), 0.0), rtol=0, atol=6e-4)


def test_bars_are_as_long_as_the_probabilities(drawings: dict[str, Drawing]) -> None:
    widths = [float(box.attrib["width"]) for box in boxes(drawings["bars"])]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.6, 0.4, 1.25, 0.75], abs=1e-3)
    assert [text for text in texts(drawings["bars"]) if "%" in text] == [
        *("50.0 %", "30.0 %", "20.0 %"),
        *("62.5 %", "37.5 %"),
    ]
    assert texts(drawings["bars"]).count("—") == 1


def test_the_lens_ends_with_what_the_model_says(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    head, rows = drawings["lens"].table
    assert len(rows) == lm.model.config.n_layer + 1
    best = lm.next_tokens(PROMPT, k=1)[0]
    token, sure = rows[0][-1].rsplit(" ", 1)
    assert (token, float(sure)) == (best.text.replace(" ", "·").replace("\n", "↵"), round(best.probability, 2))
    assert len(boxes(drawings["lens"])) == len(rows) * (len(head) - 1)


def test_the_tree_shows_the_search(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    assert lm.tokenizer
    nodes = beam_tree(lm.model, lm.encode("Once upon a"), num_beams=3, max_new_tokens=4)
    rows = drawings["beams"].table[1]
    assert [(row[0], row[2]) for row in rows] == [(str(node.depth), f"{node.total:.2f}") for node in nodes]
    won = [row[1].replace("·", " ") for row in rows if row[3].endswith("wins")]
    assert "".join(won) == lm.generate("Once upon a", num_beams=3, max_new_tokens=4).text
    strong = [shape for shape in drawings["beams"].shapes if isinstance(shape, Line) and shape.color == "tint"]
    assert len(strong) == len(won) - 1


def test_the_strip_shows_the_surprise(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    bits = [-logprob / math.log(2) for logprob in lm.score(PROMPT).logprobs]
    seen = [float(box.attrib["fill-opacity"]) for box in boxes(drawings["strip"])]
    assert seen[0] == 0
    assert seen[1:] == pytest.approx([min(1, value / 12) for value in bits[1:]], abs=6e-4)
    assert [row[1] for row in drawings["strip"].table[1]] == ["", *(f"{value:.1f}" for value in bits[1:])]


@pytest.mark.parametrize("name", NAMES)
def test_they_can_be_read_by_everyone(name: str, drawings: dict[str, Drawing], tmp_path: Path) -> None:
    stands_alone(drawings[name])
    nothing_overlaps(drawings[name])
    same_as_figure(drawings[name], tmp_path / "a.png")


def test_an_area_is_a_polygon(tmp_path: Path) -> None:
    corner = Area(((10, 10), (70, 10), (10, 50)), "second", 0.5, "rule", "a corner & more")
    drawing = Drawing(80, 60, "One", "One: a corner.", (["what"], [["corner"]]), [corner])
    assert '<polygon points="10,10 70,10 10,50" class="second" fill-opacity="0.5"' in drawing.svg()
    assert "<title>a corner &amp; more</title></polygon>" in drawing.svg()
    stands_alone(drawing)
    same_as_figure(drawing, tmp_path / "a.png")


def test_every_text_has_the_contrast_that_wcag_asks_for() -> None:
    """On each shade that a picture can have, where the colour of the text turns over above all; and on bare paper."""
    assert contrast(rgb("#000000"), rgb("#ffffff")) == pytest.approx(21)
    assert contrast(rgb("#777777"), rgb("#ffffff")) == pytest.approx(4.48, abs=0.005)  # the usual example of too little
    for dark in (False, True):
        color = {name: rgb(pair[dark]) for name, pair in COLORS.items()}
        for shade in (*(n / 1000 for n in range(1001)), math.nextafter(0.7, 1)):
            for name in ("tint", "second"):
                ground = laid_on(COLORS[name][dark], shade, color["paper"])
                assert contrast(color[on_tint(shade)], ground) >= 4.5, (dark, name, shade)
        for name in ("ink", "soft", "tint", "second"):
            assert contrast(color[name], color["paper"]) >= 4.5, (dark, name)


def test_a_faint_text_is_found() -> None:
    wheel = Area(((0, 0), (80, 0), (80, 40)), "tint", 0.6)
    assert within(wheel, 60, 15)
    assert not within(wheel, 10, 30)
    for below in (wheel, Box(0, 0, 80, 40, shade=0.6)):
        for color in ("ink", "paper"):
            drawing = Drawing(80, 40, "One", "One.", (["a"], []), [below, Text(60, 24, "word", color, "middle")])
            assert [text for text, _ in faint(drawing, dark=False)] == (["word"] if color == "paper" else [])


def test_a_label_across_an_edge_is_found() -> None:
    for x in (20.0, 44.0):
        shapes = [Box(10, 10, 60, 20, "tint", 0.1, "rule"), Text(x, 24, "word")]
        drawing = Drawing(90, 40, "One", "One.", (["a"], []), shapes)
        if x == 20:
            nothing_overlaps(drawing)
        else:
            with pytest.raises(AssertionError, match="'word' crosses the edge"):
                nothing_overlaps(drawing)


def test_an_architecture_has_room_for_its_names() -> None:
    sizes = {"vocab_size": 128256, "n_ctx": 131072, "n_layer": 32, "n_head": 32, "n_embd": 16384}
    for config in (GPT2Config(**sizes), LlamaConfig(**sizes, n_kv_head=8, n_inner=53248, qk_norm=True)):  # type: ignore[arg-type]
        drawing = architecture(config, "A model of a rather long name")
        stands_alone(drawing)
        nothing_overlaps(drawing)


def test_part_of_a_character_is_shown_as_its_bytes(lm: minigpt.LanguageModel) -> None:
    shown = [row[0] for row in lm.show.surprise("日").table[1]]
    assert shown == [f"<{byte:x}>" for byte in "日".encode()]


def test_a_sheet_has_room_for_its_title() -> None:
    title = "A long title, 日本語 in it, over a picture of one token"
    drawing = attention_head(["a"], [[1.0]], title)
    nothing_overlaps(drawing)
    assert drawing.width > 300


def test_many_heads_and_many_tokens_find_room() -> None:
    for n in (1, 2, 12, 13, 16, 40):
        weights = [[1 / (i + 1) if j <= i else 0.0 for j in range(n)] for i in range(n)]
        names = [(" extraordinarily", "日本語の王様", "a", "\n")[i % 4] for i in range(n)]
        drawing = attention_head(names, weights, "Layer 0, head 0")
        stands_alone(drawing)
        nothing_overlaps(drawing)
    for layers, heads in ((12, 12), (24, 16)):
        drawing = attention_grid([[[[1.0]]] * heads] * layers, "Every head")
        stands_alone(drawing)
        nothing_overlaps(drawing)
