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
from minigpt.exercises.checker import report_on
from minigpt.exercises.report import Report
from minigpt.exercises.sandbox import TooLong, limited, shielded
from minigpt.exercises.trace import own_line
from tokenizer.fetch.atomic import write_text

SECONDS = 10.0  # that one statement of the file may take; a lesson's longer work is left out
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


@dataclass
class Found:
    """What a file defines that is an exercise, and the lines that could not be run."""

    parts: dict[str, Any] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
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
        raise ValueError(f"{path}: this is no notebook: {type(error).__name__}: {error}") from None
    for n, source in enumerate(sources, start=1):
        lines = "".join(source).split("\n")
        code = "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
        yield f"{path.name}, cell {n}", code


def read(path: Path) -> Found:
    """Runs what a file imports, defines and assigns, nothing else, and collects the exercises among it."""
    found, space = Found(), {"__name__": "learner", "__file__": str(path)}
    known = {plain(name) for name in TASKS}
    for name, code in cells(path):
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            tree = ast.parse(code, name)
        except SyntaxError as error:
            found.trouble.append(f"{name}, line {error.lineno}: {error.msg}")
            continue
        for node in tree.body:
            if isinstance(node, KEPT):
                run(node, name, space, found)
            part = defined(node)
            if plain(part) in known and part in space:
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
    """Runs one statement; what goes wrong is noted, but for what a blank brings about, and the rest still read."""
    code = compile(ast.Module([node], []), name, "exec")
    try:
        limited(lambda: exec(code, space), SECONDS)
    except TooLong:
        found.trouble.append(f"line {node.lineno} takes more than {SECONDS:.0f} seconds: left out")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, NotImplementedError) or (isinstance(error, NameError) and error.name in found.missing):
            found.missing.update(
                n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            )
            return
        cell = name.rpartition(", ")[2] + ", " if ".ipynb, cell " in name else ""
        found.trouble.append(cell + "; ".join(own_line(error)[:2]))


def check_file(path: Path) -> tuple[list[Report], list[str]]:
    """A report for each exercise in a file, and what in it could not be run. Raises ValueError and OSError."""
    with shielded():
        found = read(path)
    return [report_on(part, name) for name, part in found.parts.items()], found.trouble


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
