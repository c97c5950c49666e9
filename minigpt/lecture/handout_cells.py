"""A working file as cells of a notebook: one definition after the other, without what only a file needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from minigpt.lecture.merging import BLANK


def definitions(text: str) -> list[str]:
    """The statements at the top level of a file, each with the comments above it; not the docstring, and not what it
    does as a program. No statement if the text is not Python.

    >>> definitions("import os\\n\\n# two\\nx = 2\\n# next: 3. More\\n\\nif __name__ == '__main__':\\n    run()\\n")
    ['import os', '# two\\nx = 2']
    """
    try:
        nodes = ast.parse(text).body
    except (SyntaxError, ValueError):
        return []
    return [*cells(nodes, text.split("\n"))]


def cells(nodes: list[ast.stmt], lines: list[str]) -> Iterator[str]:
    """The statements' own lines."""
    end = 0
    for node in nodes:
        assert node.end_lineno is not None  # what was parsed from a text has one
        own = [line for line in lines[end : node.end_lineno] if not line.startswith(BLANK)]
        end = node.end_lineno
        text = "\n".join(own).strip("\n")
        if text and not is_docstring(node) and not is_program(node):
            yield text


def is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is nothing but a text."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_program(node: ast.stmt) -> bool:
    """Whether a statement is what the file does when it is run by itself."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
