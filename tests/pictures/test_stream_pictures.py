"""The residual stream, the heads and the parts of a logit as they are drawn: the model's own numbers."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import minigpt
from minigpt.analysis.activations import record
from minigpt.analysis.heads import ablation_scores, attention_maps
from minigpt.analysis.lens import logit_attribution
from minigpt.cli import main
from minigpt.commands import show_flags
from minigpt.pictures.attribution import attribution_bars
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.heads import SCORES, head_table
from minigpt.pictures.stream import NOTE, RIVER, stream_rivers
from tests.pictures.everywhere import SVG, boxes, nothing_overlaps, same_as_figure, stands_alone, texts

PROMPT = "The old king had a daughter, and 日本"
SIGNED = re.compile(r"[+-]\d+\.\d+")


@pytest.fixture(scope="module")
def lm() -> minigpt.LanguageModel:
    return minigpt.load("storyteller", device="cpu")


@pytest.fixture(scope="module")
def drawings(lm: minigpt.LanguageModel) -> dict[str, Drawing]:
    flood = [[3000.0, 3.0, 4.0]] * 6 + [[70.0, 50.0, 60.0]]
    many = [[math.sin(7 * i + j * j) / 9 for j in range(32)] for i in range(3)]
    return {
        "stream": lm.show.stream(PROMPT),
        "one token": lm.show.stream("The"),
        "flood": stream_rivers([" internationalization", "二", "三"], flood, flood, "A flood"),
        "ablation": lm.show.heads(PROMPT, "ablation"),
        "entropy": lm.show.heads("The king", "entropy"),
        "many heads": head_table(many, "ablation", "a text"),
        "attribution": lm.show.attribution(PROMPT),
        "against": lm.show.attribution("The old king", token=" was", against=" had"),
        "one part": attribution_bars({"wte": -1234.5}, "One"),
    }


NAMES = ("stream", "one token", "flood", "ablation", "entropy", "many heads", "attribution", "against", "one part")


def widths(drawing: Drawing) -> torch.Tensor:
    """How wide each row of each river is, from the embeddings up."""
    found = []
    for area in ElementTree.fromstring(drawing.svg()).iter(f"{SVG}polygon"):
        points = [[float(number) for number in point.split(",")] for point in area.attrib["points"].split()]
        top = min(y for _, y in points)
        edge = [x for x, y in points if y == top]
        found.append(max(edge) - min(edge))
    return torch.tensor(found)


def test_rivers_are_as_wide_as_the_norms(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    n_layer = lm.model.config.n_layer
    with record(lm.model) as seen, torch.no_grad():  # type: ignore[arg-type]
        lm.model.hidden(torch.tensor([lm.encode(PROMPT)]))
    flow = [seen["h.0.in"], *(seen[f"h.{i}.{at}"] for i in range(n_layer) for at in ("mid", "out"))]
    adds = [seen["h.0.in"], *(seen[f"h.{i}.{part}.out"] for i in range(n_layer) for part in ("attn", "mlp"))]
    norms, added = (torch.stack([x[0].square().sum(-1).sqrt() for x in parts]) for parts in (flow, adds))  # (2L+1, T)
    wanted, lengths = (torch.cat((x[:, -1], x[:, 1:].mean(1), x[:, 0])) for x in (norms, added))
    drawn = widths(drawings["stream"])
    torch.testing.assert_close(drawn / RIVER * wanted.max(), wanted, rtol=0, atol=0.02)
    bars = torch.tensor([float(box.attrib["width"]) for box in boxes(drawings["stream"])])
    torch.testing.assert_close(bars / RIVER * wanted.max(), lengths, rtol=0, atol=0.02)
    printed = texts(drawings["stream"])
    assert [text for text in printed if re.fullmatch(r"\d+\.\d", text)] == [f"{x:.1f}" for x in wanted.tolist()]
    assert [text for text in printed if re.fullmatch(r"\+\d+\.\d", text)] == [f"+{x:.1f}" for x in lengths.tolist()]
    columns = torch.tensor([[float(cell) for cell in row[1:]] for row in drawings["stream"].table[1][::-1]]).T
    torch.testing.assert_close(columns[1::2].flatten(), wanted, rtol=0, atol=0.051)
    torch.testing.assert_close(columns[0::2].flatten(), lengths, rtol=0, atol=0.051)


def test_a_first_token_whose_norm_explodes_leaves_the_others_wide(drawings: dict[str, Drawing]) -> None:
    last, mean, first = widths(drawings["flood"]).unflatten(0, (3, 7))
    assert last.max() == RIVER
    assert mean.max() == pytest.approx(RIVER * 55 / 60, abs=0.02)
    assert first.max() == RIVER
    assert [text for text in texts(drawings["flood"]) if "narrower" in text] == ["drawn 50.0 times narrower", NOTE]
    assert not [text for text in texts(drawings["stream"]) if "drawn" in text]
    assert len(widths(drawings["one token"])) == 13, "one token is one river"


def test_the_table_of_heads_shows_the_scores(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    scores = ablation_scores(lm.model, torch.tensor([lm.encode(PROMPT)]))  # type: ignore[arg-type]
    assert [text for text in texts(drawings["ablation"]) if SIGNED.fullmatch(text)] == [
        f"{x:+z.3f}" for x in scores.flatten().tolist()
    ]
    drawn = boxes(drawings["ablation"])
    shades = torch.tensor([float(box.attrib["fill-opacity"]) for box in drawn]).view_as(scores)
    torch.testing.assert_close(shades, scores.abs() / scores.abs().max(), rtol=0, atol=6e-4)
    assert [box.attrib["class"] for box in drawn] == ["second" if x < 0 else "tint" for x in scores.flatten()]
    best = divmod(int(scores.argmax()), scores.shape[1])
    assert f"highest: layer {best[0]} head {best[1]} ({scores.max():+.3f})" in texts(drawings["ablation"])[-1]


def test_a_sign_is_more_than_a_colour(drawings: dict[str, Drawing]) -> None:
    """Where there are too many heads for numbers a minus stands in every cell of the second colour."""
    drawn = boxes(drawings["many heads"])
    assert texts(drawings["many heads"]).count("-") == sum(box.attrib["class"] == "second" for box in drawn) > 40
    assert not [text for text in texts(drawings["many heads"]) if SIGNED.fullmatch(text)]


@pytest.mark.parametrize("score", ["previous", "first", "entropy"])
def test_scores_are_of_the_prompts_own_attention(lm: minigpt.LanguageModel, score: str) -> None:
    maps = attention_maps(lm.model, torch.tensor([lm.encode(PROMPT)]))  # type: ignore[arg-type]
    n = maps.shape[-1]
    wanted = torch.zeros(maps.shape[:2])
    for t in range(1, n):
        row = maps[:, :, t]  # (L, H, T)
        bits = -(row * row.clamp_min(1e-30).log2()).sum(-1)
        wanted += {"previous": row[..., t - 1], "first": row[..., 0], "entropy": bits}[score] / (n - 1)
    drawing = lm.show.heads(PROMPT, score)
    torch.testing.assert_close(numbers(drawing), wanted, rtol=0, atol=0.0051)
    assert drawing.title == f'{SCORES[score][0]}: "{PROMPT}"'
    full = wanted.max() if score == "entropy" else 1
    torch.testing.assert_close(torch.tensor(drawing.shades), wanted / full, rtol=0, atol=1e-4)


def numbers(drawing: Drawing) -> torch.Tensor:
    """The table's numbers."""
    return torch.tensor([[float(cell) for cell in row[1:]] for row in drawing.table[1]])


def test_bars_are_the_parts_of_the_logit(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    best = lm.next_tokens(PROMPT, k=1)[0]
    parts = logit_attribution(lm.model, torch.tensor([lm.encode(PROMPT)]), best.id)  # type: ignore[arg-type]
    drawing = drawings["attribution"]
    strongest = sorted(sorted(parts.values(), key=abs)[-16:], reverse=True)
    values = [*strongest, sum(parts.values()) - sum(strongest)]
    rows = drawing.table[1]
    assert [float(row[1]) for row in rows[:-1]] == pytest.approx(values, abs=0.0051)
    assert float(rows[-1][1]) == pytest.approx(best.logit, abs=0.0051), "all parts together are the logit"
    assert rows[-2][0] == f"{len(parts) - 16} other parts"
    drawn = boxes(drawing)
    left, long = ([float(box.attrib[name]) for box in drawn] for name in ("x", "width"))
    zero = left[0]
    scale = long[0] / values[0]
    ends = [x if value < 0 else x + width for x, width, value in zip(left, long, values, strict=True)]
    assert [(end - zero) / scale for end in ends] == pytest.approx(values, abs=0.01)
    assert [box.attrib["class"] for box in drawn] == ["second" if value < 0 else "tint" for value in values]
    assert [text for text in texts(drawing) if SIGNED.fullmatch(text)] == [row[1] for row in rows]


def test_one_token_against_another(lm: minigpt.LanguageModel, drawings: dict[str, Drawing]) -> None:
    every = {token.text: token.logit for token in lm.next_tokens("The old king", k=500)}
    total = float(drawings["against"].table[1][-1][1])
    assert total == pytest.approx(every[" was"] - every[" had"], abs=0.0051)
    assert drawings["against"].title == 'The logit of "·was" less that of "·had" after "The old king"'
    drawing = lm.show.attribution("The old king", token=" had")
    assert float(drawing.table[1][-1][1]) == pytest.approx(every[" had"], abs=0.0051)


@pytest.mark.parametrize("name", NAMES)
def test_they_can_be_read_by_everyone(name: str, drawings: dict[str, Drawing], tmp_path: Path) -> None:
    stands_alone(drawings[name])
    nothing_overlaps(drawings[name])
    same_as_figure(drawings[name], tmp_path / "a.png")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["attribution", "a", "--token", " old king"], "' old king' is not 1 token but [' old', ' king']: give one"),
        (["attribution", "a", "--against", ""], "'' is not 1 token but []"),
        (["heads", "a"], "a text of 1 token leaves a head no choice where to look"),
        (["heads", "a b", "--score", "induktion"], "invalid choice: 'induktion'"),
        (["lens", "a", "--score", "first"], "--score is for heads, not for lens"),
        (["heads", "a b", "--token", "x"], "--token is for attribution, not for heads"),
    ],
)
def test_what_cannot_be_measured_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["show", *words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert code in (1, 2)
    assert told in err
    assert err.count("\n") == 1
    assert not out


def test_what_the_flags_say_is_what_is_drawn(lm: minigpt.LanguageModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "heads", "The king", "--score", "induction"]) == 0
    assert capsys.readouterr().out.startswith("Induction score: random tokens, twice\n")
    assert main(["show", "attribution", "The old king", "--token", " was", "--against", " had"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].split() == ["sum", lm.show.attribution("The old king", " was", " had").table[1][-1][1]]


def test_the_command_offers_every_score() -> None:
    assert tuple(SCORES) == show_flags.SCORES
