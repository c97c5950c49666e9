"""README and CONTRIBUTING say only what is true: every command in them is run, every path named exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from weights.fetch.locate import local

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    found = [block for page in PAGES for block in FENCE.findall((ROOT / page).read_text("utf-8"))]
    return [body for name, body in found if name == language]


def commands() -> list[str]:
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return list(dict.fromkeys(line.split("  #")[0].strip() for line in lines if line.strip()))


NEEDS = {"chat": "smollm2-135m-instruct", "compare": "smollm2-135m-instruct", "gpt2": "gpt2"}  # beside the embedded one


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands run one after the other, with the text of which they speak."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "my.txt").write_text("The cat sat on the mat. " * 400, encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("minigpt ")])
def test_command_of_the_docs_runs(command: str, desk: Path) -> None:
    for word, name in NEEDS.items():
        if word in command.split() and local(name) is None:
            pytest.skip(f"{name} is not on this machine: minigpt download {name}")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=desk,
        env=environment,
        input="",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or "train" in command or "chat" in command


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("make")])
def test_target_of_the_docs_exists(command: str) -> None:
    done = subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_installing_by_hand_is_what_make_does() -> None:
    """The venv and pip lines of the README are those of the Makefile, with its variables filled in."""
    wanted = [line for line in commands() if "-m venv" in line or "pip install" in line]
    done = subprocess.run(
        ["make", "-n", "story", "test", "VENV=elsewhere"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ours = done.stdout.replace("elsewhere/bin/python -m ", "").replace("elsewhere", ".venv")
    ours = ours.replace(" --disable-pip-version-check", "")
    assert len(wanted) == 3
    for line in wanted:
        assert line in ours, (line, ours)


def test_nothing_else_is_called_a_command() -> None:
    known = ("minigpt ", "make ", "python3 -m venv", "pip install", "source .venv")
    assert [line for line in commands() if not line.startswith(known)] == []


@pytest.mark.parametrize("example", blocks("python"))
def test_python_of_the_docs_runs(example: str) -> None:
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_every_path_and_link_exists() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        links = re.findall(r"\]\((?!http)([^)#]+)", text)
        paths = re.findall(r"`((?:minigpt|tokenizer|weights|tests|benchmarks)/[\w./-]*)`", text)
        assert links or paths
        for path in (*links, *paths):
            assert (ROOT / path).exists(), f"{page} names {path}"
