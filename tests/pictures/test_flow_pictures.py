"""Masks, the KV cache and the training curve: what is drawn is what the model and the run did."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

import minigpt
from minigpt import record
from minigpt.analysis.activations import patch
from minigpt.analysis.passes import CachePass, allowed, cache_passes
from minigpt.cli import main
from minigpt.commands import show
from minigpt.generation.settings import resolve
from minigpt.models.attention import causal_mask
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.pictures.cache import cache_filling
from minigpt.pictures.drawing import Box, Drawing, Line
from minigpt.pictures.masks import MASKED
from minigpt.pictures.training import HIGH, LEFT, RIGHT, TOP, WIDTH, round_values, training_curve
from minigpt.train.losses import FILE, Entry, log_lines
from tests.pictures.everywhere import SVG, boxes, nothing_overlaps, same_as_figure, stands_alone, texts

PROMPT = "Once upon a time there"
LONG = 'The extraordinarily compassionate <grandmother> & the "$king$" said: 日本 🌟, and went home again.'


@pytest.fixture(scope="module")
def lm() -> minigpt.LanguageModel:
    return minigpt.load("storyteller", device="cpu")


def log_of(steps: int, every: int) -> list[Entry]:
    """A log as a run writes it, of a loss that falls and a validation loss that rises again in the end."""
    log: list[Entry] = []
    for step in range(1, steps + 1):
        entry = {"step": step, "train": 2 + 6 * 0.5 ** (8 * step / steps) + 0.1 * math.sin(step), "rate": 1e-3 / step}
        if step % every == 0:
            entry |= {"validation": entry["train"] + 3 * (step / steps) ** 4, "bpb": 1.0}
        log.append(entry)
    return log


# --- Masks ------------------------------------------------------------------------------------------------------


def cells_of(drawing: Drawing) -> list[bool]:
    """Which cells of the masks are filled, the two boxes of the legend left out."""
    return [box.attrib["class"] == "tint" for box in boxes(drawing)[2:]]


def test_the_causal_mask_is_the_models_own(lm: minigpt.LanguageModel) -> None:
    """Where any head of any layer has a weight above 0 a cell is filled, and nowhere else."""
    ids = torch.tensor([lm.encode(PROMPT)])
    with record(lm.model, "h.*.attn.weights") as seen:  # type: ignore[arg-type]
        lm.model.hidden(ids)
    looks = (torch.stack([*seen.values()]) > 0).any(0).any(1)[0]  # (T, T)
    drawing = lm.show.masks(PROMPT)
    n = looks.shape[0]
    assert cells_of(drawing)[: n * n] == looks.flatten().tolist()
    assert texts(drawing).count("×") == 1 + cells_of(drawing).count(False), "a sign of its own, not a colour alone"
    rows = {row[0]: row[1:] for row in drawing.table[1]}
    assert rows["causal: ·upon"] == ["1", "1", "0", "0", "0", "", ""]
    assert rows["bidirectional: Once"] == rows["cross-attention: start"] == [*"1111100"]


def test_a_mask_that_is_broken_is_drawn_broken(lm: minigpt.LanguageModel) -> None:
    n = len(lm.encode(PROMPT))
    whole = cells_of(lm.show.masks(PROMPT))
    with patch(lm.model, {"h.0.attn.scores[:, :, 1, 3]": 0.0}):  # type: ignore[arg-type]
        broken = cells_of(lm.show.masks(PROMPT))
    assert [place for place, (one, other) in enumerate(zip(whole, broken, strict=True)) if one != other] == [n + 3]


def test_with_a_cache_new_tokens_see_the_slots_up_to_their_own(lm: minigpt.LanguageModel) -> None:
    n = len(lm.encode(PROMPT))
    cached = causal_mask(torch.tensor([[n - 2, n - 1]]), n + 2)[0, 0]
    assert cells_of(lm.show.masks(PROMPT))[n * n + (n + 2) ** 2 :][: 2 * (n + 2)] == cached.flatten().tolist()
    config = LlamaConfig(vocab_size=9, n_ctx=8, n_layer=1, n_head=2, n_kv_head=1, n_embd=8, n_inner=8, tied=True)
    ids = torch.tensor([[1, 2, 3, 4]])
    assert allowed(Llama(config), ids, 2).equal(causal_mask(torch.tensor([[2, 3]]), 6)[0, 0])
    assert allowed(Llama(config), ids).equal(torch.ones(4, 4, dtype=torch.bool).tril())


def test_a_long_text_shows_its_beginning(lm: minigpt.LanguageModel) -> None:
    drawing = lm.show.masks(LONG)
    assert f"the first {MASKED} tokens of" in drawing.title
    assert len([row for row in drawing.table[1] if row[0].startswith("causal")]) == MASKED


# --- The cache --------------------------------------------------------------------------------------------------


def test_the_passes_are_those_of_a_generation(lm: minigpt.LanguageModel) -> None:
    """Compared with what `generate` does: its tokens, its passes, the keys and values that it held."""
    drawing = lm.show.cache(PROMPT, max_new_tokens=5)
    start = len(lm.encode(PROMPT))
    with record(lm.model, ["wte", "h.*.attn.[kv]"], every=True) as seen:  # type: ignore[arg-type]
        text = lm.generate(PROMPT, max_new_tokens=5, temperature=0, plain=True)
    assert len(seen.passes) == 5
    filled = [found["h.0.attn.k"].shape[2] for found in seen.passes]
    rows = drawing.table[1]
    assert [int(row[1]) for row in rows[:-1]] == [found["wte"].shape[1] for found in seen.passes]
    assert [int(row[2]) for row in rows[:-1]] == filled, "without a cache the whole text goes through every time"
    assert rows[-1][1:3] == [str(start + 4), str(sum(filled))]
    n_bytes = [sum(found[name].nbytes for name in found if name != "wte") for found in seen.passes]
    assert [row[3] for row in rows[:-1]] == [f"{n / 1000:.1f} kB" for n in n_bytes]
    config = lm.model.config
    assert n_bytes[0] == start * 2 * config.n_layer * config.n_kv_head * config.head_dim * 4
    passes = list(cache_passes(lm.model, lm.encode(PROMPT), 5, resolve({})))  # type: ignore[arg-type]
    assert lm.tokenizer
    assert text.text.startswith(lm.tokenizer.decode(passes[-1].ids[start:]))
    for one, other in pairwise(seen.passes):
        old, new = (found["h.0.attn.k"][0] for found in (one, other))
        assert old.equal(new[:, : old.shape[1]]), "what was written stays"


def test_the_cells_show_what_was_written_and_read(lm: minigpt.LanguageModel) -> None:
    drawing = lm.show.cache(PROMPT, max_new_tokens=4)
    start = len(lm.encode(PROMPT))
    shades = [float(box.attrib["fill-opacity"]) for box in boxes(drawing)[:-3]]  # without the legend
    n_slots = start + 3
    rows = [shades[i : i + n_slots] for i in range(0, len(shades), n_slots)]
    assert rows[0] == [1.0] * start + [0.0] * 3
    assert rows[1:] == [[0.25] * (start + i) + [1.0] + [0.0] * (2 - i) for i in range(3)]
    assert texts(drawing).count("+") == n_slots + 1, "a sign of its own, not a colour alone"
    assert [row[4:] for row in drawing.table[1][:2]] == [["0-4", "0-4"], ["5", "0-5"]]


def test_slots_that_are_overwritten_or_unread_are_seen(lm: minigpt.LanguageModel) -> None:
    """The cells follow the tensors: heads that are kept from a slot do not read it, a key that changes was written."""
    ids = lm.encode(PROMPT)
    with patch(lm.model, {"h.0.attn.scores": unread}):  # type: ignore[arg-type]
        passes = list(cache_passes(lm.model, ids, 2, resolve({})))  # type: ignore[arg-type]
    assert passes[1].read == (0, 2, 3, 4, 5)
    noise = iter(range(9))
    with patch(lm.model, {"h.0.attn.k[:, :, 2]": lambda k: k + next(noise)}):  # type: ignore[arg-type]
        passes = list(cache_passes(lm.model, ids, 2, resolve({})))  # type: ignore[arg-type]
    assert passes[1].written == (2, 5)


def unread(scores: torch.Tensor) -> torch.Tensor:
    """The scores without slot 1."""
    return scores.index_fill(3, torch.tensor([1]), -math.inf)


def test_an_end_token_ends_it(lm: minigpt.LanguageModel) -> None:
    ids = lm.encode(PROMPT)
    whole = list(cache_passes(lm.model, ids, 4, resolve({})))  # type: ignore[arg-type]
    second = whole[2].ids[-1]
    ended = list(cache_passes(lm.model, ids, 4, resolve({"eos_token_id": second})))  # type: ignore[arg-type]
    assert ended == whole[:2]
    with pytest.raises(ValueError, match="max_new_tokens 0: there is no forward pass"):
        lm.show.cache(PROMPT, max_new_tokens=0)


# --- The training curve -----------------------------------------------------------------------------------------


def curves(drawing: Drawing) -> dict[str, list[tuple[float, float]]]:
    """The lines of the SVG by their colour and width, each as (step, loss) pairs, the legend's left out."""
    found = {}
    for line in ElementTree.fromstring(drawing.svg()).iter(f"{SVG}polyline"):
        points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        if points[0][1] >= TOP:
            found[f"{line.attrib['class'].split()[0]} {line.attrib['stroke-width']}"] = points
    return found  # type: ignore[return-value]


def test_the_curve_is_the_log() -> None:
    log = log_of(60, 10)
    drawing = training_curve(log, "A run", 300)
    found, highest = curves(drawing), 1.05 * max(max(entry["train"] for entry in log), math.log(300))

    def read(name: str) -> list[tuple[float, float]]:
        width = WIDTH - LEFT - RIGHT
        return [((x - LEFT) / width * 60, (TOP + HIGH - y) / HIGH * highest) for x, y in found[name]]

    evaluated = [entry for entry in log if "validation" in entry]
    for name, key, entries in (("soft 1.2", "train", log), ("tint 3", "validation", evaluated)):
        assert [step for step, _ in read(name)] == pytest.approx([entry["step"] for entry in entries], abs=1e-3)
        assert [loss for _, loss in read(name)] == pytest.approx([entry[key] for entry in entries], abs=3e-4)
    assert [loss for _, loss in read("second 2")] == pytest.approx([math.log(300)] * 2, abs=3e-4)
    best = min(evaluated, key=lambda entry: entry["validation"])
    assert best["step"] not in (10, 60), "it is neither the first nor the last"
    frame = read("ink 2.5")
    assert sum(step for step, _ in frame[:-1]) / 4 == pytest.approx(best["step"], abs=1e-3)
    assert sum(loss for _, loss in frame[:-1]) / 4 == pytest.approx(best["validation"], abs=3e-4)
    assert f"best: {best['validation']:.3f} after step {best['step']}" in texts(drawing)
    assert [row[2] for row in drawing.table[1] if "best" in row[2]] == [f"{best['validation']:.3f}, best"]
    rates = found["ink 1.5"]
    assert rates[-1][1] - rates[0][1] == pytest.approx(70 * (1 - 1 / 60), abs=0.02)
    marks = [box for box in drawing.shapes if isinstance(box, Box)]
    assert len(marks) == len(evaluated) + 1, "each evaluation has a square, and the legend"
    assert [line.color for line in drawing.shapes if isinstance(line, Line) and line.dashed].count("second") == 2


def test_a_long_run_is_drawn_as_means() -> None:
    log = log_of(1500, 100)
    points = curves(training_curve(log, "A run"))["soft 1.2"]
    assert len(points) == 500
    highest = 1.05 * max(entry["train"] for entry in log)
    for n in (0, 250, 499):
        mean = sum(entry["train"] for entry in log[3 * n : 3 * n + 3]) / 3
        assert (TOP + HIGH - points[n][1]) / HIGH * highest == pytest.approx(mean, abs=3e-4)
    assert "training loss, means of 3 steps" in texts(training_curve(log, "A run"))


@pytest.mark.parametrize("high", [0.004, 0.9, 1, 3, 8.7, 11.4, 20, 999, 60_000])
def test_axes_have_few_round_numbers(high: float) -> None:
    values = round_values(high)
    assert 2 <= len(values) <= 6
    assert values[0] == 0
    assert high / 2 < values[-1] <= high * 1.001
    assert f"{values[1]:.0e}"[0] in "125"


def test_the_command_needs_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(show, "load_model", refuse)
    (tmp_path / FILE).write_text(log_lines(log_of(20, 10)), encoding="utf-8")
    assert main(["show", "training", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["1", "10", "20"]
    assert main(["show", "training", str(tmp_path), "--svg", str(tmp_path / "a.svg")]) == 0
    assert "knows nothing" not in (tmp_path / "a.svg").read_text("utf-8"), "no config.json says how many tokens"
    (tmp_path / "config.json").write_text('{"vocab_size": 300}', encoding="utf-8")
    assert main(["show", "training", str(tmp_path), "--svg", str(tmp_path / "a.svg")]) == 0
    assert f"knows nothing: ln 300 = {math.log(300):.2f}" in (tmp_path / "a.svg").read_text("utf-8")
    capsys.readouterr()
    assert main(["show", "training", str(tmp_path / "none")]) == 1
    assert "no log of a run in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["show", "training", str(tmp_path), "-m", "gpt2"])
    assert "-m gpt2: training needs no model" in capsys.readouterr().err
    with pytest.raises(ValueError, match="the log has no steps"):
        training_curve([], "A run")


# --- All of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "given"),
    [
        *((what, prompt) for what in ("masks", "cache") for prompt in ("the", LONG)),
        ("cache", "the king " * 30),
        *(("training", steps) for steps in (1, 20, 1500)),
    ],
)
def test_they_can_be_read_by_everyone(what: str, given: Any, lm: minigpt.LanguageModel, tmp_path: Path) -> None:
    drawing = getattr(lm.show, what)(given) if what != "training" else training_curve(log_of(given, 10), "A run", 512)
    stands_alone(drawing)
    nothing_overlaps(drawing)
    same_as_figure(drawing, tmp_path / "a.png")


@pytest.mark.parametrize("n_slots", [5, 9, 10, 11, 17, 30])
def test_long_names_of_slots_leave_the_headings_alone(n_slots: int) -> None:
    passes = [CachePass(tuple(range(n_slots)), tuple(range(n_slots)), tuple(range(n_slots)), n_slots, n_slots, 64)]
    nothing_overlaps(cache_filling(["wonderfully"] * n_slots, passes, "The KV cache"))
