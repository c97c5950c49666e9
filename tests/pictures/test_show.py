"""`minigpt show`: the numbers of the model in the terminal and in files; wrong words are refused in one line."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import minigpt
from minigpt.analysis.filters import filter_steps
from minigpt.cli import main
from minigpt.commands.show_flags import LOOKS
from minigpt.generation.sampling import filter_candidates
from minigpt.generation.settings import resolve
from minigpt.models.config import GPT2Config
from minigpt.models.llama_config import LlamaConfig
from minigpt.pictures.architecture import architecture
from minigpt.pictures.terminal import terminal_lines
from tests.pictures.everywhere import a_run
from tokenizer.display import cells

SETTINGS = (
    *({"temperature": 0.7, "top_k": 5}, {"temperature": 1.3, "top_p": 0.5, "min_p": 0.1}, {"temperature": 0}),
    *({"top_k": 3, "repetition_penalty": 1.4}, {"temperature": 2.0, "typical_p": 0.6, "top_h": 0.5}),
    {"suppress_tokens": [3, 4], "temperature": 1.0, "epsilon_cutoff": 0.01, "eta_cutoff": 0.02},
)


def test_bars_are_next_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    """The last column is what `minigpt next` says that the filters leave; no filter is dropped or put elsewhere."""
    assert main(["show", "bars", "Once upon a", "-k", "5", "-t", "0.7", "--top-k", "3"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert main(["next", "Once upon a", "-k", "5", "-t", "0.7", "--top-k", "3", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for words, token in zip(shown, told, strict=True):
        last = "dropped" if not token["filtered"] else f"{100 * token['filtered']:.1f}"
        assert words[0].replace("·", " ") == token["text"]
        assert words[1] == f"{100 * token['probability']:.1f}"
        assert (words[-1] if last == "dropped" else words[-2]) == last


@pytest.mark.parametrize("given", SETTINGS)
def test_the_last_step_is_what_is_sampled_from(given: dict[str, object]) -> None:
    settings = resolve(given)
    logits = torch.randn(40, generator=torch.Generator().manual_seed(1)).double() * 3
    steps = filter_steps(logits, [1, 2, 3], settings)
    assert steps[0][1].equal(logits.softmax(-1))
    for name, probs in steps:
        assert probs.sum().item() == pytest.approx(1), name
    if "suppress_tokens" in given:
        assert not steps[1][1][[3, 4]].any()
    if settings.samples and not settings.constrains and settings.repetition_penalty == 1:
        assert steps[-1][1].equal(filter_candidates(logits[None], settings).softmax(-1)[0])
    on = [name for name in given if name not in ("suppress_tokens", "repetition_penalty")]
    if settings.samples:
        assert [name.split()[0] for name, _ in steps if name.split()[0] in on] == [
            n for n in ORDER if n in on and given[n] != 1.0
        ]
    else:
        assert steps[-1][0] == "greedy"
        assert steps[-1][1][logits.argmax()] == 1


ORDER = ("temperature", "top_h", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")


@pytest.mark.parametrize("what", [*LOOKS])
def test_every_look_fits_the_terminal_and_writes_files(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = {"model": [], "training": [str(a_run(tmp_path / "run"))]}.get(what, ["The king's daughter said: 日本 🌟"])
    for width in ("40", "80"):
        monkeypatch.setenv("COLUMNS", width)
        assert main(["show", what, *prompt]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 2
        assert max(map(cells, lines)) <= int(width)
    svg, html, png = (tmp_path / f"a.{kind}" for kind in ("svg", "html", "png"))
    pytest.importorskip("matplotlib")
    assert main(["show", what, *prompt, "--svg", str(svg), "--html", str(html), "--png", str(png), "--dark"]) == 0
    out, err = capsys.readouterr()
    assert not out
    assert str(svg) in err
    assert ElementTree.fromstring(svg.read_text("utf-8")).attrib["role"] == "img"
    assert svg.read_text("utf-8").strip() in html.read_text("utf-8")
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lens", "a", "--layer", "1"], "--layer is for attention"),
        (["attention", "a", "--head", "99"], "head 99: the model has 8, 0 to 7"),
        (["model", "a"], "model needs no prompt"),
        (["model", "--svg", "/nowhere/a.svg"], "/nowhere: there is no such folder: make it, or name another"),
        (["model", "--svg", "/"], "/: this is a folder: name a file"),
        (["model", "--png", "/nowhere/a.png"], "/nowhere: there is no such folder: make it, or name another"),
        (["lens", "a", "--num-beams", "3"], "--num-beams is for beams"),
        (["beams", "a", "--num-beams", "1"], "must be a whole number, 2 or more"),
        (["beams", "a", "--top-k", "5"], "--top-k is for bars"),
        (["surprise", "a", "-t", "0.5"], "--temperature is for bars"),
        (["lens", "a", "--dark"], "--dark is for --png"),
        (["lens", "a " * 600], "exceed the model's 512 positions"),
        (["attentoin", "a"], "invalid choice: 'attentoin'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["show", *words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert code in (1, 2)
    assert told in err
    assert err.count("\n") == 1
    assert not out


def test_the_architecture_is_the_configurations() -> None:
    for config in (
        GPT2Config(vocab_size=50257, n_ctx=1024, n_layer=12, n_head=12, n_embd=768),
        LlamaConfig(vocab_size=99, n_ctx=64, n_layer=3, n_head=4, n_kv_head=2, n_embd=32, n_inner=48, tied=False),
    ):
        drawing = architecture(config)
        told = json.dumps(drawing.table)
        for size in (
            config.n_embd,
            config.n_inner,
            f"{config.vocab_size:,}",
            f", {config.n_head}, T, {config.head_dim}",
        ):
            assert str(size) in told
        assert f"× {config.n_layer}" in drawing.svg()


def test_color_says_what_the_numbers_say() -> None:
    lm = minigpt.load("storyteller", device="cpu")
    drawing = lm.show.attention("The old king", layer=0, head=1)
    plain, colored = terminal_lines(drawing, 80), terminal_lines(drawing, 80, color=True)
    assert len(plain) == len(colored)
    assert "\033[48;5;26" in colored[2], "the first token looks at itself alone"
    assert "\033" not in "".join(plain)


def test_importing_minigpt_imports_none_of_this() -> None:
    unwanted = ("minigpt.pictures", "minigpt.analysis", "matplotlib")
    code = f"import minigpt, sys; print([name for name in sys.modules if name.startswith({unwanted})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
