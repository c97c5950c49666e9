"""Links to Colab and nbviewer: where the project's address is known they are right; else there are none."""

import ast
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

import build
import links

ROOT = Path(__file__).parents[2]
LESSONS = build.lessons([])


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project.urls]\nRepository = "https://github.com/someone/mini-gpt"\n', encoding="utf-8")
    monkeypatch.setattr(links, "PYPROJECT", file)


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_the_notebooks_name_no_address_but_the_projects(path: Path) -> None:
    repo = links.repository(links.PYPROJECT.read_text("utf-8"))
    for folder in ("tutorials", "tutorials/solved"):
        text = (ROOT / folder / f"{path.stem}.ipynb").read_text("utf-8")
        for host in ("colab.research.google.com", "nbviewer.org"):
            assert (host in text) == (repo is not None)
        assert repo is None or f"/{repo}/blob/main/{folder}/{path.stem}.ipynb" in text


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_with_an_address_a_lesson_says_where_it_can_be_opened(path: Path) -> None:
    cells = build.read(path, solved=False).cells
    title, _, line, *_ = cells[0].source.split("\n")
    assert title == path.read_text("utf-8").split("\n")[1].removeprefix("# ")
    place = "github/someone/mini-gpt/blob/main"
    assert f"(https://colab.research.google.com/{place}/tutorials/{path.stem}.ipynb)" in line
    assert f"(https://nbviewer.org/{place}/tutorials/solved/{path.stem}.ipynb)" in line
    for part in ("tutorials", "tutorials/solved"):
        assert (ROOT / part / f"{path.stem}.ipynb").is_file()


@pytest.mark.usefixtures("known")
def test_with_an_address_colab_installs_what_is_missing_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = build.read(LESSONS[0], solved=True).cells
    setup = cells[1]
    assert setup.id == "01-colab"
    code = TransformerManager().transform_cell(setup.source)
    ran: list[str] = []

    class Shell:
        def run_line_magic(self, name: str, line: str) -> None:
            ran.append(f"{name} {line}")

    ast.parse(code)
    exec(code, {"get_ipython": Shell})
    assert ran == [], "minigpt is here"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    exec(code, {"get_ipython": Shell})
    assert ran == ["pip install --quiet git+https://github.com/someone/mini-gpt"]
    monkeypatch.undo()
    links_off = build.read(LESSONS[0], solved=True).cells
    assert [cell.id for cell in links_off] == [cell.id for cell in cells if cell is not setup], "no other id changes"


@pytest.mark.parametrize(
    ("url", "repo"),
    [
        ("https://github.com/a/b", "a/b"),
        ("https://github.com/a/b.git", "a/b"),
        ("https://github.com/a/b/", "a/b"),
        ("https://gitlab.com/a/b", None),
        ("https://github.com/a", None),
        ("https://github.com.example.org/a/b", None),
    ],
)
def test_only_github_counts(url: str, repo: str | None) -> None:
    assert links.repository(f'[project.urls]\nRepository = "{url}"\n') == repo
    assert links.repository("[project]\n") is None
