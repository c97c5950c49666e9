"""What can be said about some lines of Python without running them."""

from __future__ import annotations

import ast
import textwrap
from difflib import SequenceMatcher

from minigpt.lecture.renaming import given, words

BLANK = "# next: "  # what a plan's blanks hold


def trouble(text: str) -> list[str]:
    """The line at which a text is not valid Python, and why; nothing if it is valid.

    >>> trouble("x = (1")
    ['line 1 does not run: x = (1', "'(' was never closed"]
    """
    try:
        ast.parse(text)
    except SyntaxError as error:
        return [f"line {error.lineno} does not run: {(error.text or '').strip()}", str(error.msg)]
    except ValueError as error:
        return [str(error)]
    return []


def harmless(own: list[str], rest: list[str]) -> bool:
    """Whether lines that were typed before the rest of a lecture do not affect it, like a print: no name that they give
    a value is given one there, and nothing ends with them.

    >>> harmless(["print(x.shape)"], ["y = x + 1"]), harmless(["y = x"], ["y = x + 1"]), harmless(["y = ("], [])
    (True, False, False)
    """
    try:
        nodes = [*ast.walk(ast.parse(textwrap.dedent("\n".join(own))))]
    except SyntaxError:
        return False
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    ends = (ast.Return, ast.Yield, ast.YieldFrom, ast.Raise, ast.FunctionDef, ast.ClassDef)
    return not names & {*given(rest)} and not any(isinstance(node, ends) for node in nodes)


def counts(own: list[str], rest: list[str]) -> bool:
    """Whether every value that some lines assign is read before its name gets another one: else the rest, which
    follows, would be right whatever they say.

    >>> counts(["y = x"], ["z = y + 1"]), counts(["y = x"], ["y = 2 * x", "return y"]), counts(["y = x"], ["return x"])
    (True, False, False)
    """
    lines = [*own, *rest]
    for i, line in enumerate(own):
        for name in given([line]):
            for later in lines[i + 1 :]:
                if name in words([later.partition("=")[2] if name in given([later]) else later]):
                    break  # it is read
                if name in given([later]):
                    return False
            else:
                return False
    return True


def new_lines(before: list[str], after: list[str]) -> str:
    """Where the second text has lines that the first does not, except empty ones and the blank for the next step.

    >>> new_lines(["a", "d"], ["a", "b", "c", "d"])
    'lines 2 to 3'
    """
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    numbers = [
        i + 1
        for tag, _, _, c, d in codes
        if tag != "equal"
        for i in range(c, d)
        if after[i].strip() and BLANK not in after[i]
    ]
    if not numbers:
        return ""
    return f"line {numbers[0]}" if numbers[0] == numbers[-1] else f"lines {numbers[0]} to {numbers[-1]}"
