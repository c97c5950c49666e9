"""A learner's part beside the solution, line by line."""

import ast
import difflib
import inspect
import linecache
import textwrap
from types import CodeType, FunctionType
from typing import Any

SIGNS = '"- " is what you wrote, "+ " what the solution has instead; lines without a sign are in both'
UNKNOWN = "# your own code could not be found to compare line by line: this is the solution"


def difference(part: Any, solution: str, blank: str = "") -> str:
    """What is only in the part ("-"), only in the solution ("+"), in both (" "); the solution alone if nothing is
    written yet and, with a note, if the part's source is not known.

    >>> print(difference(print, "x = 1\\n"), end="")
    # your own code could not be found to compare line by line: this is the solution
    x = 1
    """
    own = written(part)
    if own is None:
        return f"{UNKNOWN}\n{solution}"
    if own.strip() in blank:
        return solution
    yours, right = own.rstrip().split("\n"), solution.rstrip().split("\n")
    lines = [line.rstrip() for line in difflib.ndiff(yours, right) if not line.startswith("?")]
    return "\n".join([SIGNS, *lines]) + "\n"


def written(part: Any) -> str | None:
    """The source of a function or class, in a notebook's cell too, where `inspect` finds no class.

    >>> print(str(written(written)).split("\\n")[0])
    def written(part: Any) -> str | None:
    """
    code = first_code(part)
    if code is None:
        return None
    text = "".join(linecache.getlines(code.co_filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    kinds = (ast.ClassDef,) if inspect.isclass(part) else (ast.FunctionDef,)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and node.name == part.__name__ and holds(node, code.co_firstlineno):
            return textwrap.dedent("\n".join(text.split("\n")[node.lineno - 1 : node.end_lineno]))
    return None


def holds(node: ast.ClassDef | ast.FunctionDef, line: int) -> bool:
    """Whether a line belongs to a definition, its decorators included."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return node.end_lineno is not None and first <= line <= node.end_lineno


def first_code(part: Any) -> CodeType | None:
    """The compiled code of a function, or of a class's first method."""
    functions = [part] if isinstance(part, FunctionType) else list(vars(part).values()) if inspect.isclass(part) else []
    return next((found.__code__ for found in functions if isinstance(found, FunctionType)), None)
