"""The pictures of sampling: what they show is what `generate` and its filters do, read back from the SVG."""

import math
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import minigpt
from minigpt.analysis.draws import draws, waiting_times
from minigpt.analysis.nucleus import Step, nucleus_steps
from minigpt.cli import main
from minigpt.pictures.drawing import Drawing, Text
from minigpt.pictures.staircase import TRACK, nucleus_staircase
from minigpt.pictures.terminal import terminal_lines
from minigpt.pictures.wheel import CENTRE, RADIUS
from tests.pictures.everywhere import SVG, boxes, nothing_overlaps, same_as_figure, stands_alone, texts
from tokenizer.display import cells, clip, label

PROMPT = "The king"
STRANGE = 'The king\'s "$daughter$" & <son>, 日本 🌟, went a long way through the deep dark wood until night'


@pytest.fixture(scope="module")
def lm() -> minigpt.LanguageModel:
    return minigpt.load("storyteller", device="cpu")


@pytest.fixture(scope="module")
def logits(lm: minigpt.LanguageModel) -> torch.Tensor:
    with torch.inference_mode():
        return lm.model.unembed(lm.model.hidden(torch.tensor([lm.encode(PROMPT)]))[0, -1]).double()


def percents(values: list[float]) -> list[str]:
    return [f"{100 * value:.1f} %" if value >= 0.0005 else "<0.1 %" for value in values]


def polygons(drawing: Drawing) -> list[list[tuple[float, float]]]:
    """The corners of the SVG's areas."""
    found = ElementTree.fromstring(drawing.svg()).iter(f"{SVG}polygon")
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in a.attrib["points"].split())] for a in found]


def turn(x: float, y: float) -> float:
    """Where a point lies, in turns clockwise from the wheel's top."""
    return math.atan2(x - CENTRE[0], CENTRE[1] - y) / (2 * math.pi) % 1


def test_bars_fall_as_the_temperature_rises(lm: minigpt.LanguageModel, logits: torch.Tensor) -> None:
    temperatures = (0.2, 0.5, 1, 1.5, 2)
    drawing = lm.show.temperature(PROMPT, k=5, temperatures=temperatures)
    drawn = boxes(drawing)
    tracks = [float(box.attrib["width"]) for box in drawn if box.attrib["fill-opacity"] == "0.08"]
    bars = [float(box.attrib["width"]) for box in drawn if box.attrib["fill-opacity"] == "1"]
    assert len(bars) == len(tracks) == len(temperatures) * 6
    shares = torch.tensor(bars).view(-1, 6) / tracks[0]
    best = logits.topk(5).indices
    for t, share in zip(temperatures, shares, strict=True):
        probs = (logits / t).softmax(-1)
        expected = torch.cat((probs[best], 1 - probs[best].sum(0, keepdim=True)))
        torch.testing.assert_close(share, expected.float(), rtol=0, atol=1e-4)
        told = lm.next_tokens(PROMPT, k=5, temperature=t, top_p=1.0)
        assert [token.filtered for token in told] == pytest.approx(probs[best].tolist(), abs=1e-6 / min(t, 1))
        column = drawing.table[0].index(f"{t:g}")
        *rows, last = [row[column] for row in drawing.table[1]]
        assert rows == percents(expected.tolist())
        assert last == f"{torch.distributions.Categorical(probs=probs).entropy() / math.log(2):.2f}"
    assert (shares[:, 0].diff() < 0).all(), "the best token's bar falls"
    assert (shares[:, -1].diff() > 0).all(), "and the others' grows"


def test_temperature_0_is_greedy_and_leaves_nothing(lm: minigpt.LanguageModel) -> None:
    drawing = lm.show.temperature(PROMPT, k=3, temperatures=[0])
    assert drawing.table[0] == ["token", "0, greedy"]
    assert [row[1] for row in drawing.table[1]] == ["100.0 %", "—", "—", "—", "0.00"]
    assert len([box for box in boxes(drawing) if box.attrib["fill-opacity"] == "1"]) == 1


def test_slices_are_as_large_as_the_probabilities(lm: minigpt.LanguageModel) -> None:
    drawing = lm.show.wheel(PROMPT, k=3, times=2, temperature=0.8, top_p=0.8)
    told = lm.next_tokens(PROMPT, k=300, temperature=0.8, top_p=0.8)
    named = {label(token.text.encode()): token.filtered for token in told if token.filtered}
    *slices, _, _ = polygons(drawing)
    rows = drawing.table[1]
    end = 0.0
    for points, row in zip(slices, rows, strict=True):
        assert points[0] == CENTRE
        assert turn(*points[1]) == pytest.approx(end, abs=1e-4) or end == 0
        share = (turn(*points[-1]) - end) % 1
        if row is not rows[-1]:
            assert share == pytest.approx(named.pop(row[0]), abs=1e-4)
            assert row[1] == percents([share])[0]
        end += share
    assert end == pytest.approx(1, abs=1e-4)
    assert rows[-1][0] == f"{len(named)} others"
    assert share == pytest.approx(sum(named.values()), abs=1e-4)
    assert "temperature 0.8, top-p 0.8" in texts(drawing)
    assert [texts(drawing).count(row[0]) for row in rows[:2]] == [2, 2], "a name at the wheel, one in the list"


@pytest.mark.parametrize("k", [1, 8])
def test_the_hand_points_to_what_generate_draws(lm: minigpt.LanguageModel, k: int) -> None:
    """Also where the token is none of the k best, which then gets a slice of its own."""
    beyond = 0
    for seed in range(6):
        drawing = lm.show.wheel(PROMPT, k=k, seed=seed, times=1, temperature=1.0)
        name = label(lm.generate(PROMPT, seed=seed, max_new_tokens=1, temperature=1.0).text.encode())
        *slices, head, _ = polygons(drawing)
        rows = drawing.table[1]
        pointed = [n for n, points in enumerate(slices) if turn(*points[1]) < turn(*head[0]) < end_of(points)]
        assert [rows[n][0] for n in pointed] == [name]
        assert math.dist(head[0], CENTRE) < RADIUS
        assert f'Seed {seed} draws "{name}" after' in drawing.title
        assert [row[0] for row in rows if row[2] == "1"] == [name]
        arrivals = [float(row[3].replace(">", "")) for row in rows]
        assert min(arrivals) == arrivals[pointed[0]]
        assert {s.text for s in drawing.shapes if isinstance(s, Text) and s.bold} >= {name, rows[pointed[0]][3]}
        beside = next(s for s in drawing.shapes if isinstance(s, Text) and s.text == clip(name, 9) and s.bold)
        assert turn(beside.x, beside.y - 5) == pytest.approx(turn(*head[0]), abs=1e-3), "its name beside its slice"
        beyond += pointed[0] == k
    assert beyond, "a seed whose token is none of the k best"


def end_of(points: list[tuple[float, float]]) -> float:
    return turn(*points[-1]) or 1.0


def test_counts_are_those_of_real_draws(lm: minigpt.LanguageModel) -> None:
    ids, seeds = lm.encode(PROMPT), range(3, 23)
    drawing = lm.show.wheel(PROMPT, k=4, seed=3, times=20, temperature=1.2, top_k=30)
    drawn = Counter(lm.generate(PROMPT, seed=s, max_new_tokens=1, temperature=1.2, top_k=30).text for s in seeds)
    names = {label(text.encode()): count for text, count in drawn.items()}
    *rows, rest = drawing.table[1]
    assert [row[2] for row in rows] == [str(names.pop(row[0], 0)) for row in rows]
    assert rest[2] == str(sum(names.values()))
    widths = [float(box.attrib["width"]) for box in boxes(drawing) if box.attrib["class"] == "second"][:-1]
    counts = [int(row[2]) for row in drawing.table[1]]
    assert [width / sum(widths) for width in widths] == pytest.approx([count / 20 for count in counts], abs=1e-3)
    probs = torch.tensor([0.6, 0.3, 0.0, 0.1], dtype=torch.float64)
    shares = draws(probs, ids, range(2000)).bincount(minlength=4) / 2000
    assert (shares - probs).abs().max() < 4 * math.sqrt(0.24 / 2000), "4 standard deviations"
    assert [waiting_times(probs, ids, s).argmin().item() for s in range(50)] == draws(probs, ids, range(50)).tolist()


def test_a_wheel_turns_only_where_something_is_drawn(lm: minigpt.LanguageModel) -> None:
    with pytest.raises(ValueError, match="greedy settings draw nothing"):
        lm.show.wheel(PROMPT, temperature=0)
    greedy = minigpt.LanguageModel(lm.model, lm.tokenizer)
    assert "temperature 1" in texts(greedy.show.wheel(PROMPT, times=1)), "a checkpoint without settings"
    assert "temperature 0.7, top-p 0.9" in texts(lm.show.wheel(PROMPT, times=1)), "the checkpoint's own"


@pytest.mark.parametrize(
    ("p", "temperature", "k"), [(0.9, 1.0, 9), (0.5, 1.0, 12), (0.9, 0.5, 6), (0.3, 1.5, 1), (1.0, 1.0, 5)]
)
def test_the_staircase_climbs_to_one(lm: minigpt.LanguageModel, p: float, temperature: float, k: int) -> None:
    drawing = lm.show.staircase(PROMPT, k=k, top_p=p, temperature=temperature)
    told = lm.next_tokens(PROMPT, k=4096, temperature=temperature, top_p=p)
    probs = torch.tensor([token.logit for token in told], dtype=torch.float64).div(temperature).softmax(-1)
    steps = nucleus_steps(torch.tensor([token.logit for token in told]), p, temperature, k)
    n_kept = sum(token.filtered > 0 for token in told)
    assert sum(step.n for step in steps if step.kept) == n_kept
    assert sum(step.n for step in steps) == len(told)
    stairs = [box for box in boxes(drawing) if box.attrib["class"] != "second"]
    left = float(stairs[0].attrib["x"])
    at = 0
    for stair, row, step in zip(stairs, drawing.table[1], steps, strict=True):
        before, after = probs[:at].sum().item(), probs[: at + step.n].sum().item()
        assert (float(stair.attrib["x"]) - left) / TRACK == pytest.approx(before, abs=2e-4)
        assert float(stair.attrib["width"]) / TRACK == pytest.approx(after - before, abs=2e-4)
        assert (stair.attrib["class"] == "tint") == (at < n_kept), "strong where it is kept"
        kept = sum(token.filtered for token in told[at : at + step.n])
        assert row[1:2] + row[3:] == [*percents([after - before]), percents([kept])[0] if kept else "dropped"]
        assert row[2] == percents([after])[0] or (
            after < p and float(row[2].rstrip(" %")) < 100 * p <= round(100 * after, 1)
        )
        assert step.n > 1 or row[0] == label(told[at].text.encode())
        at += step.n
    last = label(told[n_kept - 1].text.encode())
    assert f"Kept: {n_kept:,} of 4,096 tokens, the last is {last}." in drawing.description
    assert probs[: n_kept - 1].sum() < p <= probs[:n_kept].sum() + 1e-9, "the token that reaches p stays"
    lines = ElementTree.fromstring(drawing.svg()).findall(f"{SVG}polyline")
    assert len([line for line in lines if "stroke-dasharray" in line.attrib]) == sum(not step.kept for step in steps)
    marks = [line.attrib["points"].split(",")[0] for line in lines if line.attrib["class"] == "second line"]
    assert [(float(mark) - left) / TRACK for mark in marks] == pytest.approx([p], abs=1e-4)


def test_equal_tokens_and_sums_that_meet_p() -> None:
    even = nucleus_steps(torch.zeros(8), 0.5, 1.0, k=8)
    assert [step.kept for step in even] == [0.25] * 4 + [0.0] * 4, "those that are kept come first"
    exact = nucleus_steps(torch.tensor([0.2, 0.5, 0.3]).double().log(), 0.8, 1.0, k=3)
    assert [(step.id, round(step.kept, 3)) for step in exact] == [(1, 0.625), (2, 0.375), (0, 0.0)]
    assert [step.n for step in nucleus_steps(torch.arange(9.0), 0.9, 1.0, k=0)] == [3, 6], "never kept with dropped"
    assert [step.kept for step in nucleus_steps(torch.tensor([1.0, 2.0]), 0.9, 0.0, k=2)] == [1.0, 0.0], "greedy"


PICTURES = {
    "temperature": lambda show: show.temperature(PROMPT),
    "one temperature": lambda show: show.temperature(STRANGE, k=1, temperatures=[0.123456]),
    "many bars": lambda show: show.temperature("日", k=20, temperatures=[0.01, 1, 1e6]),
    "wheel": lambda show: show.wheel(PROMPT, times=20),
    "one slice": lambda show: show.wheel(STRANGE, times=20, top_k=1),
    "many slices": lambda show: show.wheel("日", k=40, times=20, temperature=5.0, top_p=1.0, seed=2**62),
    "sharp": lambda show: show.wheel(PROMPT, k=12, times=20, temperature=0.05, top_p=1.0),
    "staircase": lambda show: show.staircase(PROMPT),
    "one step": lambda show: show.staircase(STRANGE, k=1, top_p=0.01),
    "many steps": lambda show: show.staircase("日", k=30, top_p=0.9999, temperature=3.0),
    "all kept": lambda show: show.staircase(PROMPT, top_p=1.0),
}


@pytest.mark.parametrize("name", PICTURES)
def test_they_can_be_read_by_everyone(name: str, lm: minigpt.LanguageModel, tmp_path: Path) -> None:
    drawing = PICTURES[name](lm.show)
    stands_alone(drawing)
    nothing_overlaps(drawing)
    assert min(shape.size for shape in drawing.shapes if isinstance(shape, Text)) >= 12
    assert drawing.width <= 900
    for width in (40, 80):
        assert max(map(cells, terminal_lines(drawing, width))) <= max(width, 68)
    if name in ("temperature", "wheel", "one slice", "staircase"):
        same_as_figure(drawing, tmp_path / "a.png")


def test_a_long_token_is_cut_and_white_space_seen() -> None:
    steps = [Step(1, 1, 0.75, 1.0), Step(2, 1, 0.25, 0.0)]
    drawing = nucleus_staircase(steps, {1: "\n", 2: " antidisestablishmentarianism"}, 0.5, "Top-p")
    assert [row[0] for row in drawing.table[1]] == ["↵", "·antidisestab…"]
    nothing_overlaps(drawing)


def test_the_command_takes_their_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "wheel", PROMPT, "-k", "2", "--seed", "5", "-t", "1.5"]) == 0
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert main(["generate", PROMPT, "--seed", "5", "-t", "1.5", "-n", "1"]) == 0
    drawn = label(capsys.readouterr().out.rstrip("\n").removeprefix(PROMPT).encode())
    assert title == f'Seed 5 draws "{drawn}" after "{PROMPT}"'
    assert len(rows) in (3, 4)
    assert main(["show", "staircase", PROMPT, "-k", "4", "--top-p", "0.5", "-t", "0.5"]) == 0
    assert capsys.readouterr().out.startswith("Top-p 0.5 at temperature 0.5, after")
    assert main(["show", "temperature", PROMPT, "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert main(["show", "wheel", PROMPT, "-t", "0"]) == 1
    assert "greedy settings draw nothing" in capsys.readouterr().err
