"""Which words the command line takes: exit codes, what was probably meant, ways out in the words of the command."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import minigpt
import tokenizer
import weights
from minigpt import language_model
from minigpt.cli import main
from minigpt.commands import COMMANDS, declarations
from minigpt.commands.parser import Parser, in_flags
from tokenizer.suggest import did_you_mean


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        code = main(argv)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_help_imports_next_to_nothing() -> None:
    """A fact instead of a time: which modules are there after --help, beside those of `python -c pass`."""
    code = "import sys; before = set(sys.modules); from minigpt.cli import main; main(['--help']); "
    code += "print(*(set(sys.modules) - before), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    heavy = ("torch", "rich", "regex", "wcwidth", "tokenizer", "weights", "dataclasses", "argparse", "difflib", "json")
    assert not set(heavy) & set(loaded)
    assert len(loaded) <= 35, sorted(loaded)


def test_a_commands_help_imports_argparse_and_no_more() -> None:
    for name in COMMANDS:
        code = f"import sys; from minigpt.commands.parser import Parser; Parser({name!r}).format_help(); "
        code += "print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not {"torch", "regex", "wcwidth", "tokenizer", "weights", "dataclasses"} & set(done.stdout.split())


def test_without_words_there_is_help(capsys: Any) -> None:
    assert run(capsys) == run(capsys, "--help") == run(capsys, "-h")
    assert run(capsys)[0] == 0


def test_version(capsys: Any) -> None:
    assert run(capsys, "--version") == (0, f"minigpt {minigpt.__version__}\n", "")
    assert minigpt.__version__ == "0.1.0"


def test_version_of_files_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert minigpt.__version__ == "0+unknown"


def test_every_command_is_declared_with_a_line_of_help() -> None:
    assert set(declarations.DECLARED) < set(COMMANDS)
    for name in COMMANDS:
        assert (Path(declarations.__file__).parent / f"{name}.py").exists()
        assert Parser(name).format_help().startswith(f"usage: minigpt {name}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("genrate x", "there is no command 'genrate': did you mean 'generate'?"),
        ("modles", "did you mean 'models'?"),
        ("--versoin", "did you mean '--version'?"),
        ("fly", "there is no command 'fly' (see"),
        ("generate x --temprature 1", "unrecognized arguments: --temprature 1: did you mean '--temperature'?"),
        ("generate x --temprature=1", "did you mean '--temperature'?"),
        ("generate x --num_samples 3", "did you mean '--num-return-sequences'?"),
        ("generate x --num-samples 3", "did you mean '--num-return-sequences'?"),
        ("generate x --max_length 3", "did you mean '--max-new-tokens'?"),
        ("generate x --top_q 3", "did you mean '--top-p'?"),
        ("chat --sytem x", "did you mean '--system'?"),
        ("models --zzz", "unrecognized arguments: --zzz (see"),
        ("models --max-length 3", "unrecognized arguments: --max-length 3 (see"),  # it has no --max-new-tokens
        ("next x --context slide", "unrecognized arguments: --context slide"),
        ("inspect gpt2 -m gpt2-xl", "two models were given, gpt2 and gpt2-xl: name one"),
        ("export FOLDER", "the following arguments are required: MODEL"),
        ("download", "the following arguments are required: MODEL"),
        ("generate x --prompts file", "give PROMPT or --prompts FILE, not both"),
        ("compare --top-k 3", "give a PROMPT to choose by flags"),
        ("tokens x --compare a,,b", "--compare 'a,,b' has an empty name"),
    ],
)
def test_wrong_words_are_one_line_and_code_2(
    words: str, message: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, out, err = run(capsys, *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


BAD_VALUES = {
    **dict.fromkeys(("generate x", "next x", "compare x"), ("-t -1", "--top-p 2", "--min-p -1", "--top-k -3")),
    "generate y": ("-n -1", "-n x", "--seed 1.5", "--context x", "--num-beams 0", "--num-return-sequences 0", "-t nan"),
    "generate z": ("--early-stopping maybe", "--num-beams 3 -t 0.9", "--num-beams 2 --num-return-sequences 3"),
    **{f"{name} x": ("--device nowhere", "--dtype int3") for name in ("generate", "next", "compare", "inspect")},
    "eval --text x": ("--device cuda:x", "--dtype int3"),
    "chat": ("-t -1", "-n -5", "--device 7", "--dtype float7", "--seed x"),
    "next q": ("-k 0", "-k -1", "-k 2.5"),
    "parity": ("--dtype float16",),
    "export a b": ("--dtype int8", "--dtype auto"),
    "tokens x": ("--color sometimes", "--ids --json"),
    "train --text x": (
        *("--steps 0", "--evaluate-every 0", "--batch-size 0", "--block-size 0", "--warmup -1", "--learning-rate 0"),
        *("--learning-rate nan", "--dropout 1", "--dropout x", "--vocab-size 256", "--n-layer 0", "--n-head 0"),
        *("--n-embd 0", "--encoding utf-99", "--precision int3", "--device nowhere", "--seed x"),
    ),
}


@pytest.mark.parametrize("words", [f"{head} {flag}" for head, bad in BAD_VALUES.items() for flag in bad])
def test_a_bad_value_is_refused_before_anything_is_loaded(
    words: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr("importlib.import_module", never)  # what `run` would import the command by
    code, out, err = run(capsys, *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"minigpt {words.split()[0]}: ")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "5 exceed the context of 4: choose fewer, or context='stop' (end early), or context='slide' (forget it)",
            {
                "generate": "5 exceed the context of 4: choose fewer, or --context stop (end early), "
                "or --context slide (forget it)",
                "next": "5 exceed the context of 4: choose fewer",
            },
        ),
        ("shorten the prompt, or context='slide' (forget it)", {"next": "shorten the prompt", "models": None}),
        ("top_k must be 0 (off) or more", {"next": "--top-k must be 0 (off) or more", "models": None}),
        ("seed must be a whole number", {"generate": "--seed must be a whole number"}),
        ("the context must be longer; stop here", {"generate": "the context must be longer; stop here"}),
        ("--max-new-tokens is fine", {"generate": "--max-new-tokens is fine"}),
    ],
)
def test_messages_speak_in_the_flags_of_the_command(message: str, words: dict[str, str | None]) -> None:
    for name, wanted in words.items():
        found = in_flags(message, Parser(name).flags)
        if wanted is None:
            assert "context" not in found
        else:
            assert found == wanted


def test_what_writes_text_takes_the_fastest_dtype_and_what_looks_keeps_the_files() -> None:
    rest = {"eval": ["--text", "f"], "export": ["gpt2", "folder"], "show": ["bars", "x"], "lecture": ["list"]}
    usual = {
        name: Parser(name).read(rest.get(name, [])) for name in COMMANDS if name not in ("download", "train", "check")
    }
    found = {name: args.dtype for name, args in usual.items() if "dtype" in args}
    writes = dict.fromkeys(("generate", "chat", "compare", "play"), "auto")
    assert found == writes | dict.fromkeys(("next", "show", "inspect", "eval", "export")) | {"parity": "float32"}
    for name in ("generate", "eval", "next"):
        assert Parser(name).read([*rest.get(name, []), "--dtype", "int8"]).dtype == "int8"


@pytest.mark.parametrize("name", ["inspect", "parity", "eval", "export", "download"])
def test_a_model_by_position_or_by_flag(name: str) -> None:
    rest = {"eval": ["--text", "f"], "export": ["folder"]}.get(name, [])
    for words in (["gpt2", *rest], [*rest, "-m", "gpt2"], ["--model", "gpt2", *rest], ["gpt2", *rest, "-m", "gpt2"]):
        assert Parser(name).read(words).model == "gpt2", words
    if name not in ("export", "download"):
        assert Parser(name).read(rest).model == "storyteller"
    if name == "export":
        assert Parser(name).read(["gpt2", "--dtype", "float16", "folder"]).folder == "folder"


def test_a_prompt_may_begin_with_a_dash() -> None:
    assert Parser("generate").read(["-n", "3", "--", "-x"]).prompt == "-x"


PLAIN = ("generate", "next", "chat", "compare", "eval", "train", "tokens", "show", "play")


@pytest.mark.parametrize("name", COMMANDS)
def test_plain_is_a_flag_of_what_has_a_fast_form(name: str) -> None:
    assert ("--plain" in Parser(name).format_help()) == (name in PLAIN)


@pytest.mark.parametrize("words", ["generate x -n 1", "next x", "eval --text {}", "chat", "compare x", "show bars x"])
def test_plain_arrives_where_the_model_is_loaded(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def load(_name: str, **named: object) -> None:
        asked.append(named)
        raise ValueError("enough")

    monkeypatch.setattr(language_model, "load", load)
    (tmp_path / "text").write_text("Wolf")
    words = words.format(tmp_path / "text")
    assert main([*words.split(), "--plain"]) == main(words.split()) == 1
    assert asked[0] == asked[1] | {"plain": True}
    assert asked[1]["plain"] is False


def test_plain_arrives_at_the_tokenizer(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    asked: list[dict[str, object]] = []
    load: Callable[..., tokenizer.Tokenizer] = tokenizer.Tokenizer.load
    monkeypatch.setattr(tokenizer.Tokenizer, "load", lambda name, **named: (asked.append(named), load(name))[1])
    assert main(["tokens", "Wolf", "--plain", "--json"]) == main(["tokens", "Wolf", "--json"]) == 0
    assert asked == [{"plain": True}, {"plain": False}]
    assert json.loads(capsys.readouterr().out.splitlines()[0])["n_tokens"]


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("gtp2", ["storyteller", "gpt2", "gpt2-xl"], "did you mean 'gpt2'?"),
        ("storytelller", ["storyteller", "gpt2"], "did you mean 'storyteller'?"),
        ("bert", ["gpt2"], ""),
        ("", ["gpt2"], ""),
    ],
)
def test_did_you_mean(word: str, known: list[str], hint: str) -> None:
    assert did_you_mean(word, known) == hint


def test_attributes_of_the_packages() -> None:
    for module, names in (
        (minigpt, ("load", "generate", "LanguageModel", "Completion", "__version__")),
        (weights, ("load_checkpoint", "save_checkpoint", "Checkpoint", "STORYTELLER")),
    ):
        assert set(names) <= set(dir(module))
        for name in names:
            assert getattr(module, name)
        with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no attribute 'zzz'$"):
            getattr(module, "zzz")  # noqa: B009 - mypy knows that there is none
    with pytest.raises(AttributeError, match="has no attribute 'genrate': did you mean 'generate'"):
        getattr(minigpt, "genrate")  # noqa: B009
