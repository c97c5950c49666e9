"""Where a lecture's body is cut: lines are counted from 0, and a step begins with the blank lines before it."""

import ast
from collections.abc import Sequence
from typing import Any

from minigpt.lecture.form import begin, end, used_names


def step_starts(planned: Sequence[dict[str, Any]], body: Sequence[str]) -> list[int]:
    """Where each step begins in the body, counted from 0, the blank lines before it included."""
    statements = {begin(node) - 1 for node in ast.walk(ast.parse("\n".join(body))) if isinstance(node, ast.stmt)}
    found: list[int] = []
    for number, step in enumerate(planned, start=1):
        after = found[-1] + 1 if found else 0
        places = [i for i in range(after, len(body)) if body[i].strip() == step["starts"]]
        if not places:
            raise ValueError(f"step {number}, {step['title']}: no line {step['starts']!r} after the step before")
        if places[0] not in statements:
            raise ValueError(f"step {number}, {step['title']}: {step['starts']!r} does not begin a statement")
        found.append(places[0])
    return [before_blanks(body, start) for start in found]


def before_blanks(body: Sequence[str], start: int) -> int:
    """The line at which the blank lines before a line begin."""
    while start and not body[start - 1]:
        start -= 1
    return start


def step_at(line: int, starts: Sequence[int]) -> int:
    """The number of the step that holds a line, counted from 0; 0 for what is given."""
    return sum(start <= line for start in starts)


def complete(part: str, body: Sequence[str], starts: Sequence[int]) -> int:
    """The step after which everything that an expression names is typed."""
    ends: dict[str, int] = {}
    for node in ast.parse("\n".join(body)).body:
        name = getattr(node, "name", None) or next(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
        ends[name] = step_at(end(node) - 1, starts)
    return max(ends[name] for name in used_names(ast.parse(part)) & ends.keys())
