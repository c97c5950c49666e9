"""The names that the lecturer chose instead of the reference's, and the reference's lines with them.

A lecturer who writes `s` for `scores` wants the next steps to say `s` as well. A name local to a function is changed
in that function alone; the name of a function or class, everywhere.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from difflib import SequenceMatcher
from itertools import pairwise

Scopes = dict[int, str]  # the function that a line belongs to, "" at the top level
Renames = dict[tuple[str, str], str]  # (function, name in the reference) -> the lecturer's name


def renames(base: list[str], mine: list[str]) -> Renames:
    """The names that the lecturer changed, each everywhere in its function: what follows must use them, too.

    A line counts if it differs from the reference's in names alone.

    >>> renames(["def f(x):", "    y = x + 1", "    ..."], ["def f(x):", "    total = x + 1", "    ..."])
    {('f', 'y'): 'total'}
    """
    found: dict[tuple[str, str], set[str]] = {}
    where, own, present = scopes(base), local_names(base), words(mine)
    for old_line, new_line in changed_lines(base, mine):
        old, new = tokens(base[old_line]), tokens(mine[new_line])
        if [kind for kind, _ in old] != [kind for kind, _ in new]:
            continue
        for (kind, before), (_, after) in zip(old, new, strict=True):
            if kind == "name" and before != after:
                scope = where.get(old_line, "")
                found.setdefault((scope if before in own.get(scope, ()) else "", before), set()).add(after)
    once = {key: names.pop() for key, names in found.items() if len(names) == 1}
    return {key: name for key, name in once.items() if not keyword.iskeyword(name) and name in present}


def anchors(base: list[str], mine: list[str]) -> list[tuple[int, int]]:
    """Pairs of the numbers of lines that both have, in order; empty lines do not count."""
    matcher = SequenceMatcher(None, [line.rstrip() for line in base], [line.rstrip() for line in mine], autojunk=False)
    return [
        (block.a + i, block.b + i)
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
        if base[block.a + i].strip()
    ]


def composed(first: Renames, then: Renames) -> Renames:
    """Two changes of names, one after the other.

    >>> composed({("f", "scores"): "s"}, {("f", "s"): "z", ("f", "x"): "y"})
    {('f', 'scores'): 'z', ('f', 'x'): 'y'}
    """
    both = {(scope, old): then.get((scope, new), new) for (scope, old), new in first.items()}
    news = {(scope, new) for (scope, _), new in first.items()}
    return {**both, **{key: name for key, name in then.items() if key not in news}}


def paired(theirs: list[str], own: list[str], at: list[str], first: int) -> Renames:
    """The new names of a step, each with its counterpart in what the lecturer typed: in order, if both give values to
    equally many. `theirs` are lines of the reference `at`, from the line `first`.

    >>> paired(["    y = x"], ["    total = x  # mine"], ["def f(x):", "    y = x"], 1)
    {('f', 'y'): 'total'}
    """
    where = scopes(at)
    here = {where.get(first + i) for i, line in enumerate(theirs) if line.strip()}
    known = given([line for i, line in enumerate(at[:first]) if where.get(i) in here])
    old, new = [[name for name in given(lines) if name not in known] for lines in (theirs, own)]
    if len(old) != len(new):
        return {}
    places = {name: where.get(first + i, "") for i, line in reversed([*enumerate(theirs)]) for name in given([line])}
    return {(places[a], a): b for a, b in zip(old, new, strict=True) if a != b}


def given(lines: list[str]) -> list[str]:
    """The names that lines give a value, each once: those at the beginning of a line, before "=" or ", … =".

    >>> given(["a, b = f(c=1)", "for i in x:", "a = 2", "d: int = 3"])
    ['a', 'b', 'i', 'd']
    """
    found: list[str] = []
    for line in lines:
        text = line.strip().removeprefix("for ")
        match = re.match(r"[\w, ]+?(?=\s*(?::[^=]*)?=(?!=)|\s+in\s)", text)
        found += re.findall(r"\w+", match[0]) if match else []
    return [*dict.fromkeys(found)]


def changed_lines(base: list[str], mine: list[str]) -> list[tuple[int, int]]:
    """Lines that correspond to each other, between two that both have: if there are equally many, in order; else those
    that are alike except for their names."""
    ends = [(-1, -1), *anchors(base, mine), (len(base), len(mine))]
    found: list[tuple[int, int]] = []
    for (a, b), (c, d) in pairwise(ends):
        old = [i for i in range(a + 1, c) if base[i].strip()]
        new = [i for i in range(b + 1, d) if mine[i].strip()]
        if len(old) != len(new):
            kinds = (kinds_of(base, old), kinds_of(mine, new))
            blocks = SequenceMatcher(None, *kinds, autojunk=False).get_matching_blocks()
            same = [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
            old, new = [old[i] for i, _ in same], [new[i] for _, i in same]
        found += zip(old, new, strict=True)
    return found


def kinds_of(lines: list[str], numbers: list[int]) -> list[tuple[str, ...]]:
    """What lines are apart from the names in them."""
    return [tuple(kind for kind, _ in tokens(lines[i])) for i in numbers]


def tokens(line: str) -> list[tuple[str, str]]:
    """The words and signs of a line: names that may be changed as ("name", text), all else as themselves.

    >>> tokens("y = f(x, dim=-1)  # (B,)")[:4]
    [('name', 'y'), ('=', '='), ('name', 'f'), ('(', '(')]
    """
    found: list[tuple[str, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER):
                continue
            free = token.type == tokenize.NAME and not keyword.iskeyword(token.string)
            attribute = bool(found) and found[-1][0] == "."
            found.append(("name" if free and not attribute else token.string, token.string))
    except (tokenize.TokenError, IndentationError):
        pass  # a half-typed line: as much of it as there is
    return found


def words(lines: list[str]) -> set[str]:
    """All names in some lines."""
    return {text for line in lines for kind, text in tokens(line) if kind == "name"}


def scopes(lines: list[str]) -> Scopes:
    """The innermost function of each line, by its path ("Attention.forward"); the lines must be Python."""
    found: Scopes = {}

    def visit(node: ast.AST, path: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = path
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = f"{path}.{child.name}".lstrip(".")
            if isinstance(child, ast.FunctionDef):
                found.update(dict.fromkeys(range(child.lineno - 1, child.end_lineno or child.lineno), inner))
            visit(child, inner)

    visit(ast.parse("\n".join(lines)), "")
    return found


def local_names(lines: list[str]) -> dict[str, set[str]]:
    """The names that each function gives a value, including its parameters."""
    found: dict[str, set[str]] = {}
    where = scopes(lines)
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.arg):
            found.setdefault(where.get(node.lineno - 1, ""), set()).add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(where.get(node.lineno - 1, ""), set()).add(node.id)
    return found


def renamed(lines: list[str], changes: Renames) -> list[str]:
    """The reference's lines with the lecturer's names; attributes, keyword arguments, strings and comments stay.

    >>> renamed(["def f(x):", "    y = x + 1", "    return y  # y"], {("f", "y"): "total"})
    ['def f(x):', '    total = x + 1', '    return total  # y']
    """
    if not changes:
        return lines
    where, depth, out = scopes(lines), 0, [*lines]
    stream = [*tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline)]
    edits: list[tuple[int, int, int, str]] = []
    for previous, token, following in zip([None, *stream], stream, [*stream[1:], None], strict=False):
        depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
        row, column = token.start[0] - 1, token.start[1]
        new = changes.get((where.get(row, ""), token.string)) or changes.get(("", token.string))
        if token.type != tokenize.NAME or new is None or (previous and previous.string == "."):
            continue
        if depth and following and following.string == "=" and previous and previous.string in "(,":
            continue  # f(name=…)
        edits.append((row, column, token.end[1], new))
    for row, start, end, new in reversed(edits):
        out[row] = out[row][:start] + new + out[row][end:]
    return out
