"""Where a lesson can be opened in a browser: a line in its first cell, and what Colab needs to run it. Only where
pyproject.toml says where the project is on GitHub; otherwise there is nothing true to say."""

import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
BRANCH = "main"


def repository(text: str) -> str | None:
    """OWNER/REPO, where the Repository among a pyproject.toml's addresses is one on GitHub.

    >>> repository('[project.urls]\\nRepository = "https://github.com/someone/minigpt.git"')
    'someone/minigpt'
    """
    url = tomllib.loads(text).get("project", {}).get("urls", {}).get("Repository", "")
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", url)
    return found[1] if found else None


def add(cells: list[Any], stem: str) -> list[Any]:
    """The cells of a lesson, with links below its title and a cell for Colab, or as they are."""
    repo = repository(PYPROJECT.read_text("utf-8"))
    if repo is None:
        return cells
    title, *rest = cells[0].source.split("\n")
    cells[0].source = "\n".join([title, "", buttons(repo, stem), *rest])
    install = nbformat.v4.new_code_cell(setup(repo), id=f"{stem[:2]}-colab")
    return [cells[0], install, *cells[1:]]


def buttons(repo: str, stem: str) -> str:
    """The lesson in Colab, where it runs, and in nbviewer with its solutions, to be read."""
    place = f"github/{repo}/blob/{BRANCH}/tutorials"
    colab = f"[Open in Colab](https://colab.research.google.com/{place}/{stem}.ipynb)"
    return (
        f"**{colab}** · [read it solved in nbviewer](https://nbviewer.org/{place}/solved/{stem}.ipynb)"
    )


def setup(repo: str) -> str:
    """Installs the project where it is missing, and nothing else: Colab's own torch and notebook packages stay."""
    return f"""from importlib.util import find_spec

if find_spec("minigpt") is None:  # in Colab
    %pip install --quiet git+https://github.com/{repo}"""
