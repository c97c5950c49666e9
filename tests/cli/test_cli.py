"""The command line from outside: real processes, what they print and where, how they end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.cli import main
from minigpt.commands import COMMANDS

HEAVY = ("torch", "transformers", "huggingface_hub", "numpy", "jinja2", "gguf", "tokenizers", "tiktoken")


def minigpt(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    command = [sys.executable, "-m", "minigpt", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_says_what_it_does_and_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from minigpt.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        f"print('heavy:', *(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("heavy:"), done.stdout[-200:]
    assert "usage: minigpt" in done.stdout
    assert len(done.stdout.splitlines()) > 5


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        ("--help", ("argparse", "typing", "re", "pathlib", "tokenizer")),
        *((f"{name} --help", ("typing", "pathlib", "tokenizer")) for name in ("generate", "train", "tokens")),
        ("generate --help", ("minigpt.commands.show_flags", "minigpt.commands.train_flags")),
        (
            "tokens Wolf",
            ("tokenizer.simple", "tokenizer.training", "tokenizer.fast.training", "minigpt.commands.common"),
        ),
    ],
)
def test_a_start_imports_what_it_needs(words: str, needless: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"  # what Python itself and what is installed beside it have imported
        "from minigpt.cli import main\n"
        "try: main(sys.argv[2:])\n"
        "except SystemExit: pass\n"
        "print('needless:', *sorted((set(sys.modules) - before) & set(sys.argv[1].split(','))))"
    )
    command = [sys.executable, "-S", "-c", code, ",".join(needless), *words.split()]
    root = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])}
    done = subprocess.run(command, env=os.environ | root, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["needless:"], done.stderr


def test_help_lists_every_command() -> None:
    listing = minigpt("--help").stdout
    for name in COMMANDS:
        assert f"\n    {name} " in listing


def test_tokens_needs_no_torch() -> None:
    code = "import sys\nfrom minigpt.cli import main\nmain(['tokens', 'Hello my name', '--tokenizer', sys.argv[1]])\n"
    code += "assert 'torch' not in sys.modules"
    folder = Path(__file__).parents[2] / "weights" / "storyteller"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "·name" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "there is no command 'fly'"),
        (["generate", "x", "--top-q", "1"], "unrecognized arguments: --top-q 1"),
        (["generate", "x", "-n", "many"], "invalid int value: 'many'"),
        (["train"], "the following arguments are required: --text"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert "--help" in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "x", "-m", "no-such-model"], "no-such-model"),
        (["generate", "x " * 3000], "exceed the context of"),
        (["next", "x", "-m", "/no/such/folder"], "/no/such/folder"),
        (["inspect", "no-such-model"], "no-such-model"),
        (["train", "--text", "/no/such/file"], "/no/such/file"),
        (["tokens", "x", "--tokenizer", "no-such-tokenizer"], "no-such-tokenizer"),
    ],
)
def test_bad_values_are_named_in_one_line_with_code_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.startswith("minigpt: ")
    assert shown.err.count("\n") == 1


def test_an_error_reaches_the_shell_as_a_line_and_a_code() -> None:
    done = minigpt("generate", "x", "-t", "-1")
    assert (done.returncode, done.stdout) == (2, "")
    message = "--temperature must be a finite number from 0 (greedy) up, not -1.0 (see minigpt generate --help)"
    assert done.stderr == f"minigpt generate: {message}\n"


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["generate Wolf -n 2 -t 0", "generate", "tokens"])
def test_closed_streams_give_no_traceback(command: str, redirect: str) -> None:
    line = f"{sys.executable} -m minigpt {command} {redirect}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, input="Wolf", timeout=120, check=False)
    assert "Traceback" not in done.stderr
    if redirect == "2>&-" and command != "tokens":
        assert done.stdout.startswith("Wolf")


@pytest.mark.parametrize(("wish", "bar"), [({}, "█".encode()), ({"PYTHONIOENCODING": "ascii"}, b"?")])
def test_any_text_goes_into_a_pipe_whatever_the_systems_encoding(wish: dict[str, str], bar: bytes) -> None:
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} | wish
    command = [sys.executable, "-m", "minigpt", "next", "Once upon a", "-k", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert bar in done.stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m minigpt --help | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("usage: minigpt")
    assert done.stderr == ""


def test_interrupted_is_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import minigpt.commands.models

    def interrupt(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(minigpt.commands.models, "run", interrupt)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "\n"
