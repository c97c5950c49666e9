"""generate, next and eval as a user runs them: what goes to stdout, what to stderr, and what an error looks like."""

import copy
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minigpt import language_model
from minigpt.analysis.scoring import NextToken
from minigpt.cli import main
from minigpt.commands.next import picture
from minigpt.language_model import LanguageModel
from tokenizer.display import cells as width


@pytest.fixture(autouse=True)
def loaded(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whatever is to be loaded, it is the random model; the arguments are kept."""
    calls: list[Any] = []
    monkeypatch.setattr(language_model, "load", lambda *args, **named: calls.append((args, named)) or lm)
    return calls


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        code = main(list(argv))
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def pipe_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_generate_writes_prompt_and_continuation(capsys: Any, lm: LanguageModel, loaded: list[Any]) -> None:
    text = lm.generate("abc", max_new_tokens=9).text
    assert run(capsys, "generate", "abc", "-n", "9") == (0, f"abc{text}\n", "")
    assert loaded == [(("storyteller",), {"device": "auto", "dtype": "auto", "plain": False})]


def test_generate_reads_standard_input(capsys: Any, lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, "abc\n")
    assert run(capsys, "generate", "-n", "9")[1] == f"abc{lm.generate('abc', max_new_tokens=9).text}\n"
    monkeypatch.setattr(sys, "stdin", None)
    code, out, err = run(capsys, "generate")
    assert (code, out) == (1, "")
    assert err == 'minigpt: no prompt: give one, as in "Once upon a time", or pipe one in\n'


def test_every_flag_arrives(capsys: Any, lm: LanguageModel) -> None:
    flags = "-n 12 -t 0.9 --top-k 30 --top-p 0.95 --min-p 0.01 --repetition-penalty 1.1 --seed 4 --context stop"
    found = lm.generate(
        "abc",
        max_new_tokens=12,
        temperature=0.9,
        top_k=30,
        top_p=0.95,
        min_p=0.01,
        repetition_penalty=1.1,
        seed=4,
        context="stop",
        stop=["e", "\x00"],
    )
    assert run(capsys, "generate", "abc", *flags.split(), "--stop", "e", "--stop", "\x00")[1] == f"abc{found.text}\n"
    assert run(capsys, "generate", "abc", "-n", "9", "--prompt-lookup-num-tokens", "3")[1] == (
        f"abc{lm.generate('abc', max_new_tokens=9).text}\n"
    )
    beams = "--num-beams 3 --length-penalty 0.5 --early-stopping never --num-return-sequences 2"
    data = [
        json.loads(line) for line in run(capsys, "generate", "a", "-n", "5", "--json", *beams.split())[1].splitlines()
    ]
    settings = {"num_beams": 3, "length_penalty": 0.5, "early_stopping": "never", "num_return_sequences": 2}
    assert [d["ids"] for d in data] == [c.ids for c in lm.generate("a", max_new_tokens=5, **settings)]
    assert data[0]["score"] >= data[1]["score"]


def test_json(capsys: Any, lm: LanguageModel) -> None:
    code, out, err = run(capsys, "generate", "abc", "-n", "4", "--json", "--top-logprobs", "2")
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    data, expected = json.loads(out), lm.generate("abc", max_new_tokens=4, top_logprobs=2)
    assert (data["prompt"], data["text"], data["ids"]) == ("abc", expected.text, expected.ids)
    assert (data["finish_reason"], data["n_prompt"]) == ("length", 3)
    assert data["logprobs"] == pytest.approx(expected.logprobs)
    assert [[id for id, _ in best] for best in data["top_logprobs"]] == [
        [i for i, _ in b] for b in expected.top_logprobs
    ]
    assert data["seconds"] >= 0


def test_a_file_of_prompts_is_a_batch(capsys: Any, lm: LanguageModel, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("abc\n\nxy\n", encoding="utf-8")
    lines = run(capsys, "generate", "--prompts", str(file), "-n", "4", "--json")[1].splitlines()
    expected = lm.generate(["abc", "", "xy"], max_new_tokens=4)
    assert [json.loads(line)["ids"] for line in lines] == [c.ids for c in expected]
    file.write_bytes(b"\xef\xbb\xbfabc\r\n\r\nxy\r\n")  # as Windows writes it
    lines = run(capsys, "generate", "--prompts", str(file), "-n", "4", "--json")[1].splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == ["abc", "", "xy"]
    assert run(capsys, "generate", "a", "--prompts", str(file))[::2] == (
        2,
        "minigpt generate: give PROMPT or --prompts FILE, not both (see minigpt generate --help)\n",
    )
    file.write_text("")
    assert "is empty" in run(capsys, "generate", "--prompts", str(file))[2]
    assert run(capsys, "generate", "--prompts", str(tmp_path / "none"))[0] == 1


def test_statistics_go_to_stderr(capsys: Any) -> None:
    code, out, err = run(capsys, "generate", "abc", "-n", "4", "-v")
    assert code == 0
    assert out.startswith("abc")
    assert "3 + 4 tokens, length" in err
    assert "tokens/s" in err


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["generate", "a", "-t", "-1"], 2, "--temperature must be a finite number from 0 (greedy) up, not -1.0"),
        (["generate", "a", "-t", "nan"], 2, "--temperature must be a finite number from 0 (greedy) up, not nan"),
        (["generate", "a", "-n", "99"], 1, "1 tokens of prompt and 99 new ones exceed the context of 64"),
        (["generate", "a", "--top-p", "2"], 2, "--top-p must be from 0 (the best token only) to 1 (off), not 2.0"),
        (["generate", "a", "-n", "many"], 2, "invalid int value: 'many'"),
        (["generate", "a", "--context", "x"], 2, "invalid choice: 'x'"),
        (["next", "a", "-k", "0"], 2, "argument -k: must be a whole number, 1 or more, not 0"),
        (["eval", "storyteller", "--text", "/none/at/all"], 1, "/none/at/all"),
    ],
)
def test_errors_are_one_line(capsys: Any, argv: list[str], code: int, message: str) -> None:
    found, out, err = run(capsys, *argv)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


def test_next(capsys: Any, lm: LanguageModel) -> None:
    out = run(capsys, "next", "abc", "-k", "4")[1]
    assert [int(line.split()[0]) for line in out.splitlines()[1:]] == [t.id for t in lm.next_tokens("abc", 4)]
    assert "\033" not in out
    lines = run(capsys, "next", "abc", "-k", "4", "--top-k", "2")[1].splitlines()
    assert lines[0].split() == ["id", "token", "before", "after"]
    assert [line.count("%") for line in lines[1:]] == [2, 2, 1, 1]
    assert lines[3].split()[-1] == "dropped"
    data = [json.loads(line) for line in run(capsys, "next", "abc", "-k", "2", "--json")[1].splitlines()]
    assert set(data[0]) == {"id", "text", "probability", "filtered", "logit"}


@pytest.mark.parametrize("changed", [False, True])
def test_the_picture_is_80_columns_wide(changed: bool) -> None:
    texts = ["a", "\n", " 龍龍龍龍", "é", "x" * 60, "�", "👑"]
    tokens = [NextToken(50_000 + i, text, 1.0, 1.0 if i or not changed else 0.0, 9.0) for i, text in enumerate(texts)]
    lines = picture(tokens)
    assert max(map(width, lines)) <= 80
    assert max(map(width, lines)) > 60
    assert len({width(line[: line.index("100.0 %")]) for line in lines[1:]}) == 1  # the columns are straight
    assert any("\033" in line for line in picture(tokens, color=True))


def test_no_color(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in run(capsys, "next", "abc")[1]
    monkeypatch.delenv("NO_COLOR")
    assert "\033" in run(capsys, "next", "abc")[1]
    monkeypatch.setenv("TERM", "dumb")
    assert "\033" not in run(capsys, "next", "abc")[1]


def fail(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_eval(capsys: Any, lm: LanguageModel, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("hello there" * 20, encoding="utf-8")
    data = json.loads(run(capsys, "eval", "storyteller", "--text", str(file), "--json")[1])
    score = lm.score("hello there" * 20)
    assert data["bits_per_byte"] == pytest.approx(score.bits_per_byte)
    assert (data["perplexity"], data["tokens"]) == (pytest.approx(score.perplexity), 220)
    assert f"{score.bits_per_byte:.4f}" in run(capsys, "eval", "storyteller", "--text", str(file))[1]
    file.write_text("<|endoftext|>", encoding="utf-8")  # no byte of text: nothing per byte, and JSON has no NaN
    assert json.loads(run(capsys, "eval", "storyteller", "--text", str(file), "--json")[1], parse_constant=fail) == {
        "bits_per_byte": None,
        "perplexity": None,
        "tokens": 0,
        "bytes": 0,
        "window": 64,
        "seconds": pytest.approx(0, abs=60),
    }
    file.write_bytes(b"caf\xe9")
    assert "is not UTF-8 text: byte 0xe9 at offset 3" in run(capsys, "eval", "storyteller", "--text", str(file))[2]
    file.write_text("")
    assert "is empty" in run(capsys, "eval", "storyteller", "--text", str(file))[2]


def test_json_of_a_damaged_model_is_a_line(capsys: Any, lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = copy.deepcopy(lm)
    bad.model.ln_f.bias.data[0] = float("nan")  # type: ignore[union-attr, operator]
    monkeypatch.setattr(language_model, "load", lambda *_, **__: bad)
    for command in ("generate", "next"):
        code, out, err = run(capsys, command, "abc", "--json")
        assert (code, out) == (1, "")
        assert "weights are damaged" in err.splitlines()[-1]


def test_help_needs_no_torch() -> None:
    code = "import sys; from minigpt.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
