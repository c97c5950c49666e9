"""The exercises in a script or a notebook: what it defines is run, cell by cell, and each part checked."""

import ast
import json
import linecache
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minigpt.exercises.catalog import TASKS, plain
from minigpt.exercises.checked import is_blank
from minigpt.exercises.checker import report_on
from minigpt.exercises.own import own_line
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import TooLong, limited, shielded
from tokenizer.fetch.atomic import write_text

SECONDS = 10.0  # that one statement of the file may take; a lesson's longer work is left out
KNOWN = {plain(name) for name in TASKS}
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


@dataclass
class Found:
    """What a file defines that is an exercise, and the statements that could not be run."""

    parts: dict[str, Any] = field(default_factory=dict)
    trouble: list[tuple[str, set[str]]] = field(default_factory=list)  # what is wrong, and what the statement gives
    uses: dict[str, set[str]] = field(default_factory=dict)  # per name, the names read by the statements that define it
    missing: set[str] = field(default_factory=set)  # names that a blank has left without a value


def cells(path: Path) -> Iterator[tuple[str, str]]:
    """The code of a file with a name for each piece. Raises ValueError for a file that is neither kind."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix != ".ipynb":
        yield str(path), text
        return
    try:
        notebook = json.loads(text)
        sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: this is not a notebook: {type(error).__name__}: {error}") from None
    for n, source in enumerate(sources, start=1):
        lines = "".join(source).split("\n")
        code = "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
        yield f"{path.name}, cell {n}", code


def read(path: Path) -> Found:
    """Runs what a file imports, defines and assigns, nothing else, and collects the exercises in it."""
    found, space = Found(), {"__name__": "learner", "__file__": str(path)}
    for name, code in cells(path):
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            tree = ast.parse(code, name)
        except SyntaxError as error:
            found.trouble.append((f"{name}, line {error.lineno}: {error.msg}", set()))
            continue
        for node in tree.body:
            if isinstance(node, KEPT):
                for given in names_in(node, ast.Store):
                    found.uses.setdefault(given, set()).update(names_in(node, ast.Load))
                run(node, name, space, found)
            part = defined(node)
            if plain(part) in KNOWN and part in space:
                found.parts[part] = space[part]
    return found


def defined(node: ast.stmt) -> str:
    """The name that a statement gives to a function or class, a lambda too; empty for any other."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def run(node: ast.stmt, name: str, space: dict[str, Any], found: Found) -> None:
    """Runs one statement; what goes wrong is noted, unless a blank causes it, and the rest is still read."""
    code = compile(ast.Module([node], []), name, "exec")
    try:
        limited(lambda: exec(code, space), SECONDS)
    except TooLong:
        late = f"line {node.lineno} takes more than {SECONDS:.0f} seconds: left out"
        found.trouble.append((late, names_in(node, ast.Store)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if is_blank(error) or (isinstance(error, NameError) and error.name in found.missing):
            found.missing.update(names_in(node, ast.Store))
            return
        cell = name.rpartition(", ")[2] + ", " if ".ipynb, cell " in name else ""
        found.trouble.append((cell + "; ".join(own_line(error)[:2]), names_in(node, ast.Store)))


def names_in(node: ast.stmt, kind: type[ast.expr_context]) -> set[str]:
    """The names that a statement reads (ast.Load) or binds (ast.Store), without those local to a function.

    >>> sorted(names_in(ast.parse("a, b = c + 1").body[0], ast.Store))
    ['a', 'b']
    >>> function = ast.parse("def f(x): y = x + 1; return g(y)").body[0]
    >>> names_in(function, ast.Load), names_in(function, ast.Store)
    ({'g'}, {'f'})
    """
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names} - {"*"}
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return found
    if kind is ast.Store:
        return {node.name}
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found - own - {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def that_matters(found: Found) -> list[str]:
    """The trouble in an exercise, in what it reads, and so on; the other statements are counted."""
    needed: set[str] = set()
    todo = {name for name in found.uses if plain(name) in KNOWN}
    while todo:
        needed |= todo
        todo = set().union(*(found.uses.get(name, set()) for name in todo)) - needed
    said = [text for text, given in found.trouble if not given or given & needed]
    n = len(found.trouble) - len(said)
    return [*said, *([f"{n} statement{'s' * (n > 1)} that no exercise needs"] if n else [])]


def check_file(path: Path) -> tuple[list[Report], list[str]]:
    """A report for each exercise in a file, and what in it could not be run. Raises ValueError and OSError."""
    with shielded():
        found = read(path)
    return [report_on(part, name) for name, part in found.parts.items()], that_matters(found)


def note_progress(path: Path, reports: list[Report]) -> dict[str, int]:
    """Writes beside the file how often each exercise was tried, and whether it is right; returns the tries."""
    beside = path.with_name(path.name + ".progress.json")
    before: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        before = json.loads(beside.read_text("utf-8"))
    tries = {}
    for report in reports:
        entry = before.get(report.name)
        old: dict[str, Any] = entry if isinstance(entry, dict) else {}
        known = report.blank or (report.ok and old.get("ok"))
        count = int(old.get("tries", 0)) + (not known)
        before[report.name] = {"ok": report.ok, "bug": report.bug, "tries": count}
        tries[report.name] = count
    write_text(beside, json.dumps(before, indent=1, ensure_ascii=False) + "\n")
    return tries
