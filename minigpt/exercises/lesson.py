"""What the cells of a lesson call: whether all is there, the project's own source, a question."""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

LETTERS = "ABCDE"


def ready() -> None:
    """Prints one line: the versions, and whether the official weights are on this machine; says what would mislead."""
    import torch

    import minigpt
    from weights.fetch.locate import local

    there = "are here" if local("gpt2") else "are not here: what needs them says so"
    print(f"minigpt {minigpt.__version__} on torch {torch.__version__.split('+')[0]}; GPT-2's official weights {there}")
    if os.environ.get("MINIGPT_PNG"):
        show_png()
    for name in ("tokenizer", "minigpt", "weights"):
        file = Path(str(sys.modules[name].__file__)) if name in sys.modules else None
        beside = Path.cwd() / f"{name}.py"
        if beside.is_file() and (file is None or file == beside):
            print(f"{beside} hides the project's own {name}: rename it")


def show_png() -> None:
    """From now on a notebook's pictures are shown as PNG, too, for pages that strip SVG, as GitHub does; for
    tutorials/build.py alone, since it is slow."""
    from IPython import get_ipython

    from minigpt.pictures.drawing import Drawing
    from minigpt.pictures.figure import png

    shell: Any = get_ipython()
    shell.display_formatter.formatters["image/png"].for_type(Drawing, png)


def source(part: Callable[..., Any]) -> None:
    """Prints the code of a function or class as it is installed, with its file and name: a line number would change
    with every edit above it."""
    print(f"# {part.__module__.replace('.', '/')}.py, {part.__qualname__}\n{inspect.getsource(part).rstrip()}")


@dataclass
class Quiz:
    """A question with its options; the answer is folded away."""

    question: str
    options: Sequence[str]
    right: int
    why: str

    def __repr__(self) -> str:
        options = [f"  {LETTERS[n]}  {option}" for n, option in enumerate(self.options)]
        return "\n".join([self.question, *options])

    def _repr_html_(self) -> str:
        options = "".join(f"<div>{LETTERS[n]}&emsp;{escape(option)}</div>" for n, option in enumerate(self.options))
        options = f"<div style='white-space:pre-wrap'>{options}</div>"
        fold = f"<summary>the answer</summary>{LETTERS[self.right]}: {escape(self.why)}"
        return f"<p style='white-space:pre-wrap'><b>{escape(self.question)}</b></p>{options}<details>{fold}</details>"


def quiz(question: str, options: Sequence[Any], answer: Any, why: str) -> Quiz:
    """A question whose answer the cell computed: exactly one option must equal it.

    The order is shuffled, by the question's own hash, so that it is the same in every build.

    >>> quiz("What is 2 + 2?", [4, 5, 22], 2 + 2, "two and two").right in (0, 1, 2)
    True
    >>> quiz("What is 2 + 2?", [5, 22], 2 + 2, "")
    Traceback (most recent call last):
    ValueError: 'What is 2 + 2?': 0 of its options are 4, expected 1
    """
    n_right = sum(option == answer for option in options)
    if n_right != 1:
        raise ValueError(f"{question!r}: {n_right} of its options are {answer!r}, expected 1")
    order = sorted(options, key=lambda option: sha256(f"{question}{option}".encode()).digest())
    shown = [f"{option:,}" if type(option) is int else str(option) for option in order]
    return Quiz(question, shown, order.index(answer), why)
