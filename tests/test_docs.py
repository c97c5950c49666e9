"""README, CONTRIBUTING and docs/ say only what is true: every command in them is run, every path named exists."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.commands.show_flags import LOOKS
from weights.fetch.locate import local

ROOT = Path(__file__).parents[1]
DOCS = sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS)
PUBLIC = {  # the names of the contract, by the page that shows them
    "minigpt": "load generate LanguageModel.generate LanguageModel.stream LanguageModel.chat LanguageModel.model "
    "LanguageModel.tokenizer Completion.text Completion.ids Completion.finish_reason Completion.logprobs",
    "tokenizer": "train GPT2_PATTERN Tokenizer.load Tokenizer.encode Tokenizer.decode Tokenizer.decode_bytes "
    "Tokenizer.save Tokenizer.ranks Tokenizer.special_tokens Tokenizer.n_vocab WordTokenizer CharTokenizer",
    "weights": "load_checkpoint save_checkpoint Checkpoint",
}
PATH = re.compile(r"`((?:minigpt|tokenizer|weights|tests|benchmarks|examples|docs)/[\w./-]*)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    found = [block for page in PAGES for block in FENCE.findall((ROOT / page).read_text("utf-8"))]
    return [body for name, body in found if name == language]


def commands() -> list[str]:
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return list(dict.fromkeys(line.split("  #")[0].strip() for line in lines if line.strip()))


NEEDS = ("smollm2-135m-instruct", "gpt2")  # beside the embedded ones


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands run one after the other, with the text of which they speak."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "my.txt").write_text("The cat sat on the mat. " * 100, encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("minigpt ")])
def test_command_of_the_docs_runs(command: str, desk: Path) -> None:
    for name in NEEDS:
        if name in command.split() and local(name) is None:
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
        links = [ROOT / page / ".." / link for link in re.findall(r"\]\((?!http)([^)#]+)", text)]
        paths = [ROOT / path for path in re.findall(PATH, text)]
        assert links or paths
        for path in (*links, *paths):
            assert path.resolve().exists(), f"{page} names {path}"


def test_every_picture_is_listed() -> None:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    text = (ROOT / "docs" / "pictures.md").read_text("utf-8")
    assert text == pictures.page(), "make pictures"
    assert re.findall(r"^\| `(\w+)` \| \w", text, re.MULTILINE) == [*LOOKS]


def test_ten_decisions_in_five_lines_each() -> None:
    _, *entries = (ROOT / "docs" / "decisions.md").read_text("utf-8").split("\n## ")
    assert [entry.split(".")[0] for entry in entries] == [str(number) for number in range(1, 11)]
    for entry in entries:
        lines = entry.strip().splitlines()[2:]
        assert [line.split(":**")[0] for line in lines] == [
            f"- **{word}" for word in ("Context", "Decision", "Why", "Cost", "Where")
        ]
        assert re.search(PATH, lines[-1]), entry


def test_api_pages_show_the_public_names_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="the docs extra brings pdoc")
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "api.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for page, names in PUBLIC.items():
        text = (tmp_path / f"{page}.html").read_text("utf-8")
        assert [name for name in names.split() if f'id="{name}"' not in text] == []
    elsewhere = r"""["']?(https?:)?//"""
    places = (r"<(script|link|img|iframe)[^>]*(src|href)=", r"url\(", r"\b(from|import)\s*\(?\s*(?=[\"'])")
    loads = re.compile(f"({'|'.join(places)}){elsewhere}|@import")
    for text in ('<script async src="https://cdn.example/x.js">', 'import mermaid from "https://cdn.example/x.mjs"'):
        assert loads.search(text)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 10
    assert [page.name for page in pages if loads.search(page.read_text("utf-8"))] == []


def test_the_issue_form_asks_for_what_finds_a_bug() -> None:
    yaml = pytest.importorskip("yaml")
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8"))
    labels = [field["attributes"]["label"] for field in form["body"] if field["validations"]["required"]]
    assert any("minigpt doctor" in label for label in labels)
    assert any("smallest command" in label for label in labels)


def test_hooks_run_what_make_lint_runs() -> None:
    yaml = pytest.importorskip("yaml")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    lint = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for hook in hooks:
        assert " ".join(hook["entry"].split()[:2]).removesuffix(" check") in lint, hook
