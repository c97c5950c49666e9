"""The lecture form of a source: its own lines, each docstring cut to its first paragraph, and the imports they need.

What it means to Python stays the same: the syntax tree is the source's except for the docstrings.
"""

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOOLS = re.compile(r" *# (?:noqa|type: ignore|fmt:).*")  # notes for linters, which would only puzzle the audience
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """A module, its text, and the names of it that a lecture types."""

    module: str
    text: str
    names: tuple[str, ...]

    def definitions(self) -> dict[str, ast.stmt]:
        """What the module defines at its top level, by name: functions, classes and assignments to a single name."""
        found: dict[str, ast.stmt] = {}
        for node in ast.parse(self.text).body:
            if isinstance(node, Definition):
                found[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = node
        return found

    def body(self) -> list[list[str]]:
        """The lines of each name in lecture form. Raises ValueError for a name that the module does not define."""
        known = self.definitions()
        for name in self.names:
            if name not in known:
                raise ValueError(f"{self.module} does not define {name}")
        return [self.shortened(known[name]) for name in self.names]

    def shortened(self, definition: ast.stmt) -> list[str]:
        """The lines of a definition, each docstring in it cut to its first paragraph."""
        lines = self.text.split("\n")
        first, last = begin(definition), end(definition)
        docs = [docstring(node) for node in ast.walk(definition) if isinstance(node, Definition)]
        for doc in sorted(filter(None, docs), key=lambda doc: -doc.lineno):
            kept = lines[doc.lineno - 1 : end(doc)]
            kept[-1] = kept[-1].rstrip().removesuffix('"""')
            blank = next((i for i, line in enumerate(kept) if not line.strip()), len(kept))
            kept = [*kept[: blank - 1], kept[blank - 1] + '"""']
            last -= end(doc) - doc.lineno + 1 - len(kept)
            lines[doc.lineno - 1 : end(doc)] = kept
        return [TOOLS.sub("", line) for line in lines[first - 1 : last]]


def begin(node: ast.stmt) -> int:
    """The line on which a statement begins, its decorators included, counted from 1."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


def end(node: ast.stmt) -> int:
    """The line on which a statement ends, counted from 1."""
    assert node.end_lineno is not None  # what was parsed from a text has one
    return node.end_lineno


def docstring(node: Definition) -> ast.stmt | None:
    """The statement that is a definition's docstring."""
    return node.body[0] if ast.get_docstring(node) is not None else None


def used_names(tree: ast.AST) -> set[str]:
    """The names that code reads.

    >>> sorted(used_names(ast.parse("x: Tensor = torch.zeros(n)")))
    ['Tensor', 'n', 'torch']
    """
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def imports(sources: Sequence[Source], body: Sequence[str]) -> list[str]:
    """The import lines that the body needs: the sources' own, only the names used, in groups as usual; what a source
    defines and the body does not is imported from there."""
    tree = ast.parse("\n".join(body))
    typed = {name for source in sources for name in source.names}
    used = used_names(tree) - typed
    whole: set[str] = set()
    parts: dict[str, set[str]] = {}
    for source in sources:
        for node in ast.parse(source.text).body:
            if isinstance(node, ast.Import):
                whole |= {alias.name for alias in node.names if alias.name in used}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {alias.name for alias in node.names if node.module == "__future__" or alias.name in used}
                parts.setdefault(node.module, set()).update(names)
        parts.setdefault(source.module, set()).update(used & source.definitions().keys())
    lines = [(name, f"import {name}") for name in sorted(whole)]
    lines += [(name, f"from {name} import {listed(parts[name])}") for name in sorted(parts) if parts[name]]
    return grouped(lines)


def listed(names: Iterable[str]) -> str:
    """Names as an import lists them: constants, classes, functions.

    >>> listed({"split", "Tensor", "Device", "STEP"})
    'STEP, Device, Tensor, split'
    """
    return ", ".join(sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name)))


def grouped(lines: Sequence[tuple[str, str]]) -> list[str]:
    """Import lines, each with its module, in groups: the future, Python's own, others', ours."""

    def group(module: str) -> int:
        top = module.split(".")[0]
        if top == "__future__":
            return 0
        return 1 if top in sys.stdlib_module_names else 3 if top in ("minigpt", "tokenizer", "weights") else 2

    groups = [[line for module, line in lines if group(module) == number] for number in range(4)]
    return [line for lines in filter(None, groups) for line in ["", *lines]][1:]
