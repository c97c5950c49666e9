"""A learner's own code: its files and functions, the line at which an error arose, and what it takes from outside."""

import dis
import inspect
import linecache
import math
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import torch
from torch import Tensor

import minigpt
import tokenizer
import weights

LIBRARIES = (
    str(Path(torch.__file__).parent),
    *(str(Path(sysconfig.get_path(name))) for name in ("stdlib", "purelib") if sysconfig.get_path(name)),
)
PROJECT = tuple(str(Path(str(package.__file__)).parent) for package in (minigpt, tokenizer, weights))
NUMBERS = "going through bytes gives numbers, and so does piece[i]: piece[i : i + 1] is one byte as bytes"


def own_file(file: str) -> bool:
    """Whether a learner wrote a file, a notebook's cell or the code of a solution."""
    if file.startswith("<exercise"):
        return True
    return not file.startswith((*LIBRARIES, *PROJECT, "<frozen"))


def functions_of(part: Any) -> list[FunctionType]:
    """A function as it was written, without its decorators; the methods of a class, or of an object's class."""
    if isinstance(part, FunctionType):
        return [inspect.unwrap(part)]
    classes = (part if inspect.isclass(part) else type(part)).__mro__
    methods = [getattr(method, "__func__", method) for one in classes for method in vars(one).values()]
    return [inspect.unwrap(method) for method in methods if isinstance(method, FunctionType)]


def with_inner(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions and comprehensions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from with_inner(constant)


def is_in(code: CodeType, part: Any) -> bool:
    """Whether code is a part's own, not that of another function that it calls."""
    return any(code is one for function in functions_of(part) for one in with_inner(function.__code__))


def named(code: CodeType) -> str:
    """The function that code belongs to; a method with its class.

    >>> def f():
    ...     return [lambda: x for x in "a"][0]
    >>> named(f().__code__), named(named.__code__)
    ('f', 'named')
    """
    names = [name for name in re.split(r"(?:^|\.)<locals>\.", code.co_qualname) if not name.startswith("<")]
    return names[-1] if names else "a lambda"


def place(line: int, code: CodeType | None, part: Any) -> str:
    """A line; that of another function with its name, since each cell of a notebook counts its lines anew."""
    other = code is not None and part is not None and not is_in(code, part)
    return f"line {line} of {named(code)}" if other and code is not None else f"line {line}"


def own_frame_of(error: BaseException) -> tuple[FrameType, int] | None:
    """The innermost frame of the learner's that an error came through, and its line there."""
    tb, own = error.__traceback__, None
    while tb:
        own = (tb.tb_frame, tb.tb_lineno) if own_file(tb.tb_frame.f_code.co_filename) else own
        tb = tb.tb_next
    return own


def own_line(error: BaseException, part: Any = None) -> list[str]:
    """The learner's line where an error arose, with what it says and the shapes of the tensors there."""
    message = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    own = own_frame_of(error)
    if isinstance(error, SyntaxError) or own is None:
        return [message]
    frame, line = own
    shapes = {n: tuple(v.shape) for n, v in frame.f_locals.items() if isinstance(v, Tensor)}
    text = linecache.getline(frame.f_code.co_filename, line).strip()
    lines = [f"{place(line, frame.f_code, part)}: {text}", message]
    if shapes:
        lines.append("shapes there: " + ", ".join(f"{n} {s}" for n, s in shapes.items()))
    return [*lines, NUMBERS] if numbers_for_bytes(error, frame) else lines


def numbers_for_bytes(error: BaseException, frame: FrameType) -> bool:
    """Whether an error says that there is a number where bytes are expected."""
    if isinstance(error, TypeError):
        return any(words in str(error) for words in ("expected a bytes-like object, int found", "concat int to bytes"))
    key = error.args[0] if isinstance(error, KeyError) and error.args else None
    keys = {type(key) for value in frame.f_locals.values() if isinstance(value, dict) for key in value}
    return type(key) is int and 0 <= key < 256 and bytes in keys and int not in keys


def outside(part: Any) -> list[str]:
    """A line for each number and tensor that a part reads from outside, where it may not be the one that is meant.

    A name in capitals is a constant, and intended.
    """
    noun = "function" if isinstance(part, FunctionType) else "class"
    found: dict[str, str] = {}
    todo, seen = own_functions(part), set[Callable[..., Any]]()
    kept = {name for function in todo for name in names_in(function, "STORE_ATTR")}
    while todo:
        function = todo.pop(0)
        if function in seen:
            continue
        seen.add(function)
        for name in names_in(function, "LOAD_GLOBAL"):
            value = function.__globals__.get(name)
            if isinstance(value, (FunctionType, type)):
                todo += own_functions(value)
            elif is_number(value) and not hasattr(math, name) and not (len(name) > 1 and name.isupper()):
                file = str(function.__globals__.get("__file__", "")).endswith(".py")
                says = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else str(value)
                owner = f"your {noun}" if is_in(function.__code__, part) else named(function.__code__)
                own = f"; your class's is self.{name}" if name in kept else f", not {owner}'s"
                found[name] = f"{name} is {'the file' if file else 'the notebook'}'s, {says}{own}"
    return list(found.values())


def own_functions(part: Any) -> list[FunctionType]:
    """Those functions of a part that a learner wrote."""
    return [function for function in functions_of(part) if own_file(function.__code__.co_filename)]


def is_number(value: Any) -> bool:
    """Whether a value is a number, or a tensor of numbers."""
    return isinstance(value, (int, float, Tensor)) and not isinstance(value, bool)


def names_in(function: FunctionType, step: str) -> list[str]:
    """The names that a function, or one inside it, uses in steps of one kind."""
    codes = with_inner(function.__code__)
    steps = (one for code in codes for one in dis.get_instructions(code) if one.opname == step)
    return list(dict.fromkeys(str(one.argval) for one in steps))
