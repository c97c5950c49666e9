"""What is done with a working file, in a process that may die: it is run, tried beside the reference, checked part by
part, and put in place of its source in the whole program.
"""

from __future__ import annotations

import linecache
import math
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises.own import own_line
from minigpt.exercises.sandbox import Printed, TooLong, limited

Job = dict[str, Any]
SECONDS, RUN_SECONDS = 3.0, 10.0  # that a file, or one try, may compute, and a run
SHOWN = 60  # characters of a value
OURS = ("minigpt", "tokenizer", "weights")


class Failed(Exception):
    """The file does not run: where, and why, in lines for the lecturer."""

    def __init__(self, lines: Sequence[str], line: int = 0) -> None:
        super().__init__(" ".join(lines))
        self.lines, self.line = [*lines], line


def execute(text: str, name: str) -> dict[str, Any]:
    """The definitions of a file. Raises `Failed` if it does not run."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = types.ModuleType("lecture_file")
    module.__file__ = name
    sys.modules[module.__name__] = module
    done(lambda: exec(compile(text, name, "exec"), module.__dict__), name)
    return module.__dict__


def done(work: Any, name: str, seconds: float = SECONDS) -> Any:
    """What some of the lecturer's code gives. Raises `Failed` with the line of the file where it fails."""
    try:
        return limited(work, seconds)
    except SyntaxError as error:
        source = (error.text or "").strip()
        raise Failed([f"line {error.lineno}: {source}", f"{error.msg}"], error.lineno or 0) from None
    except TooLong as error:
        line = line_in(error, name)
        where = f"line {line}: {linecache.getline(name, line).strip()}" if line else name
        raise Failed([where, f"still running after {seconds:.0f} seconds: does this loop end?"], line) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Failed(own_line(error), line_in(error, name)) from None


def line_in(error: BaseException, name: str) -> int:
    """The last line of a file that an error passed through, 0 for none."""
    tb, line = error.__traceback__, 0
    while tb:
        line = tb.tb_lineno if tb.tb_frame.f_code.co_filename == name else line
        tb = tb.tb_next
    return line


def prepared(job: Job, text: str, name: str) -> dict[str, Any]:
    """A file's definitions, and what its tries need."""
    own = execute(text, name)
    space = {**base_names(), **own}
    exec(compile(job["setup"], "<setup>", "exec"), space)
    space.update(own)
    return space


def base_names() -> dict[str, Any]:
    """The packages that tries and runs may use."""
    import minigpt
    import tokenizer

    return {"minigpt": minigpt, "tokenizer": tokenizer, "torch": torch}


def try_out(job: Job) -> Job:
    """Every try of the steps in the file and in the reference: {"right": …}, or the first that differs."""
    return compared(job, job["text"], expected(job))


def first_right(job: Job) -> Job:
    """The number of the first of several files that is right, -1 where none is."""
    values = expected(job)
    answers = (compared(job, text, values)["right"] for text in job["texts"])
    return {"right": True, "first": next((i for i, right in enumerate(answers) if right), -1)}


def expected(job: Job) -> list[Any]:
    """What the tries give in the reference."""
    space = prepared(job, job["reference"], "<reference>")
    return [value_of(source, space) for _, source in job["tries"]]


def compared(job: Job, text: str, values: Sequence[Any]) -> Job:
    """What the tries give in a file, beside what they should."""
    try:
        space = prepared(job, text, job["name"])
    except Failed as error:
        return {"right": False, "lines": error.lines, "line": error.line}
    for (step, source), right in zip(job["tries"], values, strict=True):
        head = {"right": False, "step": step, "line": 0}
        try:
            gives = done(lambda source=source: value_of(source, space), job["name"])
        except Failed as error:
            return {**head, "lines": [f"step {step}: {source}", *error.lines], "line": error.line}
        if not same(gives, right):
            return {**head, "lines": [f"step {step}: {source}", f"gives {short(gives)}", f"right is {short(right)}"]}
    return {"right": True, "lines": [], "line": 0}


def value_of(source: str, space: Mapping[str, Any]) -> Any:
    """What an expression gives, with the same random numbers each time; an iterator's values are collected."""
    torch.manual_seed(0)
    value = eval(compile(source, "<try>", "eval"), {**space})
    return list(value) if hasattr(value, "__next__") else value


def same(a: Any, b: Any) -> bool:
    """Whether two values are alike, numbers up to rounding."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        alike = a.shape == b.shape and a.dtype == b.dtype
        return alike and torch.allclose(a.double(), b.double(), rtol=1e-5, atol=1e-6, equal_nan=True)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) or (a != a and b != b)
    return type(a) is type(b) and bool(a == b)


def short(value: Any) -> str:
    """A value on one line; for a tensor with many numbers, its shape."""
    if isinstance(value, Tensor) and value.numel() > 8:
        return f"a tensor {tuple(value.shape)}, the first numbers {short(value.flatten()[:4].tolist())}"
    text = " ".join(str(value.tolist() if isinstance(value, Tensor) else value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def examine(job: Job) -> Job:
    """The checker's verdict on each part of the file that is complete: the first that is wrong, by its name."""
    from minigpt.exercises.checker import report_on

    space = prepared(job, job["text"], job["name"])
    for check in job["checks"]:
        part = done(lambda check=check: eval(check["part"], space), job["name"])
        report = report_on(part, check["exercise"])
        if not report:
            return {"right": False, "bug": report.bug, "lines": str(report).split("\n")}
    return {"right": True, "bug": None, "lines": []}


def perform(job: Job) -> Job:
    """The lecture's `run` with the file's definitions in place of their sources'. What the run prints goes out as it
    comes; what the file itself prints is shortened, and comes with the answer."""
    answer: Job = {"right": True, "lines": [], "line": 0}
    out, own = sys.stdout, Printed()
    with redirect_stdout(own):
        try:
            space = execute(job["text"], job["name"])
            put_in_place(space, job["names"], job["renames"])
            names = {**base_names(), **space, "print": partial(print, file=out, flush=True)}
            done(lambda: exec(compile(job["run"], "<run>", "exec"), names), job["name"], RUN_SECONDS)
        except Failed as error:
            answer = {"right": False, "lines": error.lines, "line": error.line}
    printed = own.shown()
    return {**answer, "printed": printed.split("\n") if printed else []}


def put_in_place(space: Mapping[str, Any], names: Mapping[str, Iterable[str]], renames: Mapping[str, str]) -> None:
    """Everything that holds an object of a source module gets the file's object of that name, or of its new name."""
    for source, own in names.items():
        module = import_module(source)
        for name in own:
            new = space.get(renames.get(name, name))
            if new is not None:
                replace_everywhere(vars(module)[name], new)


def replace_everywhere(old: object, new: object) -> None:
    """Every name in our modules that refers to `old` refers to `new` from now on."""
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] in OURS:
            for key, value in [*vars(module).items()]:
                if value is old:
                    setattr(module, key, new)
