"""A lecturer who improvises: random edits of a working file before each step, and what must be true after it.

python -m tests.lecture.improvising 20 SEED   holds every lecture 20 times
"""

import ast
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from minigpt.lecture.held import Answer, Held
from minigpt.lecture.kernel import Kernel
from minigpt.lecture.lines import trouble
from minigpt.lecture.merging import BLANK
from minigpt.lecture.plan import NAMES
from minigpt.lecture.working_file import WorkingFile

Lines = list[str]
Edit = Callable[[Lines, Random, Held], None]  # changes the lines


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def blank_in(lines: Lines) -> int:
    return next((i for i, line in enumerate(lines) if BLANK in line), -1)


def statements(lines: Lines) -> list[ast.stmt]:
    """The simple statements of one line inside functions; none in a file that is no Python."""
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found = {id(s): s for f in functions for s in f.body if isinstance(s, (ast.Assign, ast.Expr, ast.AugAssign))}
    return [s for s in found.values() if s.lineno == s.end_lineno and BLANK not in lines[s.lineno - 1]]


def printing(lines: Lines, random: Random, _: Held) -> None:
    """A print after some statement."""
    places = statements(lines)
    if not places:
        return
    at = random.choice(places).lineno
    typed = f'{indent_of(lines[at - 1])}print("here {random.randrange(1000)}")'
    lines.insert(at, typed)


def renaming(lines: Lines, random: Random, _: Held) -> None:
    """Another name for a variable, everywhere in its function."""
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return
    choices = []
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        own = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        params = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
        choices += [(function, name) for name in sorted(own - params)]
    if not choices:
        return
    function, old = random.choice(choices)
    new = f"{old}_{random.choice('abc')}"
    assert function.end_lineno
    for i in range(function.lineno - 1, function.end_lineno):
        code, mark, comment = lines[i].partition("  # ")
        lines[i] = re.sub(rf"(?<![.\w\"']){old}\b(?!\w|=(?!=))", new, code) + mark + comment


def reordering(lines: Lines, random: Random, _: Held) -> None:
    """Two neighbours that have no name in common change places."""
    simple = {s.lineno: s for s in statements(lines)}
    names = {n: {x.id for x in ast.walk(s) if isinstance(x, ast.Name)} for n, s in simple.items()}
    pairs = [n for n in simple if n + 1 in simple and not names[n] & names[n + 1]]
    pairs = [n for n in pairs if indent_of(lines[n - 1]) == indent_of(lines[n])]
    if not pairs:
        return
    n = random.choice(pairs)
    lines[n - 1], lines[n] = lines[n], lines[n - 1]


def half_typed(lines: Lines, random: Random, held: Held) -> None:
    """The beginning of the next step, cut off within a line."""
    at = blank_in(lines)
    if at < 0:
        return
    code = [line for line in held.lecture.steps[held.step].lines if line.strip()]
    n = random.randrange(min(3, len(code)))
    cut = random.randrange(len(code[n].strip()) // 2 + 1, len(code[n].strip()) + 1)
    typed = [*code[:n], indent_of(code[n]) + code[n].strip()[:cut]]
    lines[at : at + random.randrange(2)] = typed


def typed_whole(lines: Lines, _: Random, held: Held) -> None:
    """The next step, typed as it is in the reference, over the blank."""
    at = blank_in(lines)
    if at < 0:
        return
    step = held.lecture.steps[held.step].lines
    typed = list(step[next(i for i, line in enumerate(step) if line.strip()) :])
    lines[at : at + 1] = typed


def remarking(lines: Lines, random: Random, _: Held) -> None:
    """A comment anywhere."""
    at = random.randrange(len(lines))
    typed = f"{indent_of(lines[at])}# remark {random.randrange(1000)}"
    lines.insert(at, typed)


def own_function(lines: Lines, random: Random, _: Held) -> None:
    """A function of the lecturer's own, above the footer."""
    at = next((i for i, line in enumerate(lines) if line.startswith("if __name__")), len(lines))
    typed = [f"def mine_{random.randrange(1000)}(x):", "    return x"]
    lines[at:at] = [*typed, "", ""]


EDITS: tuple[Edit, ...] = (
    printing,
    renaming,
    reordering,
    half_typed,
    typed_whole,
    remarking,
    own_function,
)


def kept(laid: str, before: str, after: str) -> bool:
    """Whether every line that the lecturer wrote still stands in the file, as code or as a comment."""
    known, lines = {*laid.split("\n")}, after.split("\n")
    typed = [line.strip() for line in before.split("\n") if line.strip() and line not in known and BLANK not in line]
    return all(any(mine in line for line in lines) for mine in typed)


def improvise(held: Held, random: Random) -> None:
    """Some edits of the file."""
    lines = held.file.path.read_text("utf-8").split("\n")
    for edit in random.sample(EDITS, random.randrange(3)):
        edit(lines, random, held)
    held.file.path.write_text("\n".join(lines), "utf-8")


def hold(name: str, folder: Path, random: Random, kernel: Kernel) -> None:
    """Holds a lecture from the first step to the last; an AssertionError says what was lost."""
    held = Held(WorkingFile.start(name, folder), kernel)
    path = held.file.path
    while held.step < held.n_steps:
        laid = path.read_text("utf-8")
        improvise(held, random)
        before = path.read_text("utf-8")
        answer = held.next()
        after = path.read_text("utf-8")
        assert any(state.text == before for state in held.history.states), "a state is not in the history"
        assert said_if_broken(answer, after), (answer, after)
        assert kept(laid, before, after), (answer, before, after)
    answer = held.fix()
    text = path.read_text("utf-8")
    assert not trouble(text), (answer, text)
    assert held.check().ok, (answer, held.check(), text)


def said_if_broken(answer: Answer, text: str) -> bool:
    """Whether the file is Python, or the answer names the line that is not."""
    wrong = trouble(text)
    return not wrong or any(wrong[0] in line for line in answer.lines)


def main() -> None:
    times, seed = int(sys.argv[1]), int(sys.argv[2])
    kernel = Kernel()
    for n in range(times):
        for name in NAMES:
            with tempfile.TemporaryDirectory() as folder:
                hold(name, Path(folder), Random(f"{seed} {n} {name}"), kernel)
        print(n + 1, "times", flush=True)
    kernel.close()


if __name__ == "__main__":
    main()
