"""A lecture: a plan in plans/NAME.toml, which cuts the tested source into steps to type, each with what to say and ask.

The working file is a cut of the source, in lecture form; after every step it compiles, imports and runs. If a plan no
longer fits the source there is no lecture, but an error that names the step.
"""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from minigpt.lecture.cuts import complete, step_at, step_starts
from minigpt.lecture.form import Source, imports
from tokenizer.suggest import did_you_mean

NAMES = ("attention", "layers", "block", "gpt2", "bpe", "sampling", "cache", "generate", "llama", "training")
ROOT = Path(__file__).parents[2]  # where minigpt, tokenizer and weights are side by side
FOOTER = ('if __name__ == "__main__":', "    from minigpt.lecture import run", "", "    run(__file__)")


@dataclass(frozen=True)
class Step:
    """What is typed in one go. `lines` have their indentation; blank lines between definitions belong to the step that
    follows them. `tries` are expressions whose values show the step, and tell a right file from a wrong one."""

    number: int  # from 1
    title: str
    lines: tuple[str, ...]
    minutes: float
    say: str
    ask: str
    tries: tuple[str, ...]


@dataclass(frozen=True)
class Break:
    """A mistake to plant: `find`, which occurs once in the lecture, becomes `put`."""

    name: str
    does: str  # "each token sees those after it"
    find: str
    put: str
    bug: str  # its name in the exercise's bank; "" if that has none
    step: int  # the step that holds `find`


@dataclass(frozen=True)
class Check:
    """What `minigpt.check` is given once all of it is typed: an expression, and the exercise's name."""

    exercise: str
    part: str
    step: int  # after which it is complete


@dataclass(frozen=True)
class Lecture:
    """A lecture, cut from its sources. `names` are what is typed, by module; `given` lines are there from the start."""

    name: str
    title: str
    about: str
    names: dict[str, tuple[str, ...]]
    header: tuple[str, ...]
    given: tuple[str, ...]
    steps: tuple[Step, ...]
    breaks: tuple[Break, ...]
    checks: tuple[Check, ...]
    setup: str  # Python, for the tries
    run: str  # Python: what to do with the file, in place of its sources
    footer: tuple[str, ...] = FOOTER

    @property
    def sources(self) -> tuple[str, ...]:
        """The modules that it is cut from."""
        return tuple(self.names)

    @property
    def minutes(self) -> float:
        """How long it takes."""
        return sum(step.minutes for step in self.steps)

    @cached_property
    def body(self) -> tuple[str, ...]:
        """Everything that is typed, and what is given."""
        return (*self.given, *(line for step in self.steps for line in step.lines))

    def blank(self, k: int) -> str:
        """The line that marks, after k steps, where the next one will begin; "" when all are typed."""
        if k == len(self.steps):
            return ""
        step = self.steps[k]
        first = next(line for line in step.lines if line)
        indent = first[: len(first) - len(first.lstrip())]
        return f"{indent}{'...  ' if indent else ''}# next: {step.number}. {step.title}"

    def text(self, k: int) -> str:
        """The working file after k steps."""
        typed = [*self.given, *(line for step in self.steps[:k] for line in step.lines)]
        if k < len(self.steps):
            lines = self.steps[k].lines
            typed += [*lines[: next(i for i, line in enumerate(lines) if line)], self.blank(k)]
        return "\n".join([*self.header, "", "", *trimmed(typed), "", "", *self.footer, ""])


def trimmed(lines: Sequence[str]) -> Sequence[str]:
    """Lines without leading blank ones."""
    return lines[next((i for i, line in enumerate(lines) if line), 0) :]


def lecture(name: str) -> Lecture:
    """The lecture of that name, cut from the source as it is.

    Raises ValueError for an unknown name, and if plan and source no longer fit each other, with the place.

    >>> lecture("attention").steps[0].title
    'Softmax: scores to weights'
    """
    if name not in NAMES:
        raise ValueError(f"no lecture {name!r}: {did_you_mean(name, NAMES) or 'there are ' + ', '.join(NAMES)}")
    return cut(name, (Path(__file__).parent / "plans" / f"{name}.toml").read_text("utf-8"))


def text_of(module: str) -> str:
    """The source of a module of ours, read without importing it."""
    return (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")


def cut(name: str, toml: str, read: Callable[[str], str] = text_of) -> Lecture:
    """A lecture from its plan and the sources that `read` gives for the modules' names. Raises ValueError, see
    `lecture`."""
    plan = tomllib.loads(toml)
    try:
        sources = [Source(part["source"], read(part["source"]), tuple(part["names"])) for part in plan["part"]]
        body: list[str] = []
        for lines in (lines for source in sources for lines in source.body()):
            body += ["", "", *lines] if body else lines
        starts = step_starts(plan["step"], body)
        steps = made_steps(plan["step"], body, starts)
        return Lecture(
            name=name,
            title=plan["title"],
            about=plan["about"],
            names=by_module(sources),
            header=(f'"""{plan["title"]}."""', "", *imports(sources, body)),
            given=tuple(body[: starts[0]]),
            steps=steps,
            breaks=tuple(made_break(planned, body, starts) for planned in plan["break"]),
            checks=tuple(Check(**planned, step=complete(planned["part"], body, starts)) for planned in plan["check"]),
            setup=plan["setup"],
            run=plan["run"],
        )
    except ValueError as error:
        raise ValueError(f"lecture {name}: {error}: plans/{name}.toml no longer fits the source") from None


def by_module(sources: Iterable[Source]) -> dict[str, tuple[str, ...]]:
    """The names of each module; a lecture may come back to one."""
    names: dict[str, tuple[str, ...]] = {}
    for source in sources:
        names[source.module] = (*names.get(source.module, ()), *source.names)
    return names


def made_steps(planned: Sequence[dict[str, Any]], body: Sequence[str], starts: Sequence[int]) -> tuple[Step, ...]:
    """The steps with their lines, each up to where the next one begins."""
    steps = []
    for number, (step, start, end) in enumerate(zip(planned, starts, [*starts[1:], len(body)], strict=True), start=1):
        rest = {key: step[key] for key in ("title", "minutes", "say", "ask")}
        steps.append(Step(number=number, lines=tuple(body[start:end]), tries=tuple(step["tries"]), **rest))
    return tuple(steps)


def made_break(planned: dict[str, str], body: Sequence[str], starts: Sequence[int]) -> Break:
    """A break, with the step that holds its text."""
    text = "\n".join(body)
    if text.count(planned["find"]) != 1:
        raise ValueError(f"break {planned['name']}: {planned['find']!r} stands {text.count(planned['find'])} times")
    return Break(**planned, step=step_at(text[: text.index(planned["find"])].count("\n"), starts))
