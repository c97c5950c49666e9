"""A function's source for the X-ray: its lines, the statement that each belongs to, the expression that just ran."""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

COMPOUND = (ast.If, ast.For, ast.While, ast.With)


@dataclass(frozen=True)
class Place:
    """An expression in a source: its line, its columns there where it is on one line, its text."""

    line: int
    columns: tuple[int, int] | None
    text: str


@dataclass(frozen=True)
class Source:
    """The lines of a function as its file has them, without the docstring and their common indentation."""

    file: str  # from the package on, "minigpt/models/attention.py"
    name: str  # "Attention.forward"
    lines: tuple[tuple[int, str], ...]  # with their numbers

    def comment(self, line: int) -> str:
        """The comment at a line's end, "" where there is none."""
        return next((text.partition("  # ")[2] for number, text in self.lines if number == line), "")


class Parsed:
    """A function's source together with the statements in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        function = inspect.unwrap(function)
        code: CodeType = function.__code__
        first = code.co_firstlineno
        file = linecache.getlines(code.co_filename, function.__globals__)
        if not file:
            raise ValueError(f"{code.co_qualname} has no source that can be read: {code.co_filename}")
        raw = inspect.getblock(file[first - 1 :])
        text = textwrap.dedent("".join(raw))
        self.indent = len(raw[0]) - len(raw[0].lstrip())
        tree = ast.increment_lineno(ast.parse(text), first - 1)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        self.key = key_of(code)
        self.statements: dict[int, ast.stmt] = {}
        body = definition.body
        documented = body[0] if ast.get_docstring(definition) is not None else None
        hidden = range(documented.lineno, (documented.end_lineno or 0) + 1) if documented else range(0)
        for statement in ast.walk(definition):
            if isinstance(statement, ast.stmt) and statement not in (definition, documented):
                self.statements |= dict.fromkeys(lines_of(statement), statement)
        self.head = Place(definition.lineno, None, signature(definition))
        numbered = [(n, line) for n, line in enumerate(text.splitlines(), first) if n not in hidden]
        self.source = Source(f"{function.__module__.replace('.', '/')}.py", code.co_qualname, tuple(numbered))

    def expression(self, frame: FrameType) -> Place:
        """The expression that runs in a frame of the function."""
        line, end, start, stop = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        line = line or frame.f_lineno
        text = dict(self.source.lines).get(line, "")
        if start is None or stop is None or end != line:
            return Place(line, None, self.words(line))
        start, stop = (len((" " * self.indent + text).encode()[:at].decode()) - self.indent for at in (start, stop))
        return Place(line, (start, stop), text[start:stop])

    def place(self, statement: ast.stmt, part: ast.AST | None = None) -> Place:
        """Where a statement is; the text is that of a part of it, if one is given."""
        return Place(statement.lineno, None, ast.unparse(part) if part else self.words(statement.lineno))

    def words(self, line: int) -> str:
        """A line without its comment."""
        return dict(self.source.lines).get(line, "").partition("  # ")[0].strip()


def key_of(code: CodeType) -> tuple[str, int, str]:
    """What identifies a function's code, even if a tool has rewritten its instructions."""
    return code.co_filename, code.co_firstlineno, code.co_qualname


def lines_of(statement: ast.stmt) -> range:
    """The lines of a statement; of a compound one, those of its head."""
    end = statement.end_lineno or statement.lineno
    if isinstance(statement, COMPOUND):
        end = statement.body[0].lineno - 1
    return range(statement.lineno, max(statement.lineno, end) + 1)


def signature(definition: ast.FunctionDef) -> str:
    """A function's head as one line.

    >>> signature(ast.parse("def f(x: int,  y=2) -> int: return x").body[0])
    'def f(x: int, y=2) -> int'
    """
    returns = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
    return f"def {definition.name}({ast.unparse(definition.args)}){returns}"


def bound(statement: ast.stmt) -> list[str]:
    """The names that a statement gives a value, in order.

    >>> bound(ast.parse("q, k = f(t for t in x)").body[0]), bound(ast.parse("for a, b in c: d = a").body[0])
    (['q', 'k', 't'], ['a', 'b'])
    """
    root: ast.AST = statement.target if isinstance(statement, ast.For) else statement
    if isinstance(statement, (ast.If, ast.While, ast.With)):
        return []
    found = [node.id for node in ast.walk(root) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return list(dict.fromkeys(found))
