"""Write the API pages: python docs/api.py [FOLDER], by default build/docs. pdoc reads the docstrings.

minigpt and weights import their public names only when they are asked for, where pdoc would not look. So they are
asked for here, and each package says to pdoc what it has: its public names and its modules, the commands aside.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

import pdoc

ROOT = Path(__file__).parents[1]
INTERNAL = ("__main__", "commands")


def show_public_names(name: str) -> None:
    """Give a package an `__all__` of its public names and its modules."""
    package = importlib.import_module(name)
    public = list(getattr(package, "HOMES", getattr(package, "__all__", ())))
    for attribute in public:
        setattr(package, attribute, getattr(package, attribute))
    modules = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in INTERNAL]
    package.__all__ = [*public, *modules]  # type: ignore[attr-defined]


def main(folder: Path) -> None:
    """Write the pages; they load nothing from another host."""
    for name in ("minigpt", "tokenizer", "weights"):
        show_public_names(name)
    pdoc.render.configure(docformat="markdown", math=False, mermaid=False)
    pdoc.pdoc("minigpt", "tokenizer", "weights", output_directory=folder)
    print(folder / "index.html")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs")
