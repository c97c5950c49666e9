"""What an exercise is: a solution in plain code, its likeliest bugs as edits of that code, and cases to run it on."""

import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

from torch import Tensor

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
_numbers = count()


@dataclass(frozen=True)
class Bug:
    """A mistake that many make: its name, what it does ("leaves out 1/√D"), and the edits that put it in."""

    name: str
    does: str
    edits: tuple[tuple[str, str], ...]
    endless: bool = False  # on some case it does not end


def bug(name: str, does: str, *edits: str, endless: bool = False) -> Bug:
    """A bug by pairs of texts: one that occurs in the solution, once, and its replacement."""
    return Bug(name, does, tuple(zip(edits[::2], edits[1::2], strict=True)), endless)


@dataclass
class Case:
    """One input of a part: its arguments and, for a module, what it is built from and the values of its parameters."""

    args: tuple[Any, ...]
    build: tuple[Any, ...] = ()
    state: dict[str, Tensor] | None = None
    crafted: bool = False  # made to tell bugs apart, not real numbers: in float32 it says nothing
    grad: bool = False  # the gradients must be right, too


def call(part: Callable[..., Any], *args: Any) -> Any:
    """The way most parts are used."""
    return part(*args)


def configured(_module: Any, config: Any) -> tuple[Any, ...]:
    """What most modules are built from."""
    return (config,)


@dataclass
class Exercise:
    """A part of the project that a learner writes: a function, a class, or a module of a model.

    `part` is the solution; `make_cases` gives its cases, the smallest first, and is run once. `use` says what to do
    with the part for a case; the default is to call it. `others` are the functions of the solution that `part` calls.
    """

    lesson: str
    part: Callable[..., Any]
    make_cases: Callable[[], Sequence[Case]]
    hints: tuple[str, str, str]
    bugs: Sequence[Bug] = ()
    use: Callable[..., Any] = call
    others: Sequence[Callable[..., Any]] = ()
    built_from: Callable[..., tuple[Any, ...]] = configured  # a model's own module, its config: what it is built from
    acts: Callable[..., None] | None = None  # puts a function into the place of a step of `play.Writer`
    made: dict[tuple[str, ...], Callable[..., Any]] = field(default_factory=dict, repr=False)  # solutions with bugs
    built: dict[int, Any] = field(default_factory=dict, repr=False)  # right modules, by the id of a case's state
    known: dict[tuple[tuple[str, ...], int], Any] = field(default_factory=dict, repr=False)  # outcomes, once computed

    @property
    def name(self) -> str:
        """The name of the function or class that the learner writes."""
        return str(self.part.__name__)

    @cached_property
    def cases(self) -> list[Case]:
        """The cases, made when first needed."""
        return list(self.make_cases())

    @cached_property
    def source(self) -> str:
        """The solution, with the marks around what a learner writes."""
        return "\n\n\n".join(textwrap.dedent(inspect.getsource(part)).rstrip() for part in (*self.others, self.part))

    def solution(self) -> str:
        """The solution as learners see it."""
        return "\n".join(line for line in self.source.split("\n") if line.strip() not in (BEGIN, END)) + "\n"

    def blank(self) -> str:
        """The exercise as the learner gets it: what is to be written raises NotImplementedError."""
        lines: list[str] = []
        hidden = False
        for line in self.source.split("\n"):
            if line.strip() == BEGIN:
                hidden = True
                indent = line[: len(line) - len(line.lstrip())]
                lines.append(f'{indent}raise NotImplementedError("your turn")')
            elif line.strip() == END:
                hidden = False
            elif not hidden:
                lines.append(line)
        return "\n".join(lines) + "\n"

    def with_bugs(self, *names: str) -> Callable[..., Any]:
        """The solution with bugs in it. Raises ValueError if two bugs change the same place, or a text does not occur
        exactly once."""
        if names in self.made:
            return self.made[names]
        source = self.solution()
        for name in names:
            for old, new in next(bug for bug in self.bugs if bug.name == name).edits:
                if source.count(old) != 1:
                    raise ValueError(f"{self.name}, bug {name}: {old!r} stands {source.count(old)} times in the code")
                source = source.replace(old, new)
        self.made[names] = compiled(source, self.part)[self.part.__name__]
        return self.made[names]


def compiled(source: str, like: Callable[..., Any]) -> dict[str, Any]:
    """What a source defines when it is run where a function was defined; its lines can be shown."""
    file = f"<exercise {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = sys.modules[like.__module__]
    space = {**vars(module)}
    exec(compile(source, file, "exec"), space)
    return space
