"""Calls and values in a sentence."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from minigpt.exercises.exercise import Case, Exercise, call
from minigpt.exercises.outcomes import EXACT, Outcome, Reordered, same
from tokenizer.display import clip

FEW = 8  # numbers of a tensor that are printed
LONGEST = 60  # characters of a value


def called(exercise: Exercise, n: int) -> str:
    """How a case calls the part: small values are printed, tensors given by their shapes.

    If the part is a class but not a module, the last two arguments of a case are a method and what it is given.

    >>> from minigpt.exercises.catalog import exercise
    >>> called(exercise("WordTokenizer"), 0), called(exercise("merge"), 1)
    ("WordTokenizer(['low']).encode('low')", 'merge([], (1, 1), 9)')
    >>> called(exercise("embed"), 0)
    'embed([[3, 1]], wte (7, 3), wpe (9, 3))'
    """
    case, part = exercise.cases[n], exercise.part
    if inspect.isclass(part) and not issubclass(part, nn.Module):
        *build, method, arg = case.args
        return f"{exercise.name}({', '.join(map(value, build))}).{method}({value(arg)})"
    args = ", ".join(f"{name} {tuple(arg.shape)}" if wide(arg) else value(arg) for name, arg in names(exercise, case))
    built = f"({', '.join(value(arg) for arg in case.build)})" if case.state is not None else ""
    return f"{exercise.name}{built}({args})"


def names(exercise: Exercise, case: Case) -> list[tuple[str, Any]]:
    """A case's arguments, each with the name that it has in the solution."""
    part = getattr(exercise.part, "forward", exercise.part)
    own = [name for name in inspect.signature(part).parameters if name != "self"] if exercise.use is call else []
    return [(own[n] if n < len(own) else "a tensor", arg) for n, arg in enumerate(case.args)]


def wide(arg: Any) -> bool:
    """Whether an argument is a tensor with more numbers than are printed."""
    return isinstance(arg, Tensor) and arg.numel() > FEW


def value(arg: Any, longest: int = LONGEST) -> str:
    """A value in short.

    >>> import torch
    >>> value({"a": torch.ones(2), "b": 3})
    "{'a': [1, 1], 'b': 3}"
    >>> value([1, 2]), value(torch.zeros(2, 30)), value(torch.tensor([1.0, -torch.inf])), value("a" * 99)[-3:]
    ('[1, 2]', 'a tensor (2, 30)', '[1, -inf]', "a…'")
    """
    if isinstance(arg, Tensor):
        return f"a tensor {tuple(arg.shape)}" if wide(arg) else clip(numbers(arg.tolist()), longest)
    if isinstance(arg, nn.Module):
        return type(arg).__name__
    if isinstance(arg, str):
        return repr(clip(arg, longest))
    if isinstance(arg, Mapping) and len(arg) > FEW and longest <= LONGEST:
        return f"a dict of {len(arg)}"
    if isinstance(arg, Mapping):
        return clip(f"{{{', '.join(f'{key!r}: {value(item)}' for key, item in arg.items())}}}", longest)
    if callable(arg):
        return str(getattr(arg, "__name__", "f"))
    text = repr(arg)
    return "config" if text.split("(")[0].endswith("Config") else clip(text, longest)


def numbers(values: Any) -> str:
    """Numbers, or lists of them, with four digits.

    >>> numbers([[0.123456, 2.0], [True, 7]])
    '[[0.1235, 2], [True, 7]]'
    """
    if isinstance(values, list):
        return f"[{', '.join(map(numbers, values))}]"
    return f"{values:.4g}" if isinstance(values, float) else str(values)


def place_of(n: int, shape: Sequence[int]) -> list[int]:
    """Where the n-th number of a tensor is (torch.unravel_index needs a second of imports).

    >>> place_of(7, (2, 3, 4))
    [0, 1, 3]
    """
    place: list[int] = []
    for size in reversed(shape):
        n, i = divmod(n, size)
        place.insert(0, i)
    return place


def difference_of(exercise: Exercise, n: int, found: Outcome, wanted: Outcome | None) -> list[str]:
    """What a part gave on a case, and what is right."""
    if wanted is None or found.failed or wanted.failed:
        return []
    a, b = (one.value.given if isinstance(one.value, Reordered) else one.value for one in (found, wanted))
    if large(a, b):
        return [f"on {called(exercise, n)} {farthest(a, b)}"]
    if isinstance(a, Mapping) and isinstance(b, Mapping) and (a.keys() & b.keys() or not a or not b):
        keys = [key for key in dict.fromkeys([*b, *a]) if key not in a or key not in b or not same(a[key], b[key])]
        if keys and large(a.get(keys[0]), b.get(keys[0])):
            return [f"on {called(exercise, n)}, in {keys[0]!r}, {farthest(a[keys[0]], b[keys[0]])}"]
        yours, right = (value(m[keys[0]], 200) if keys[0] in m else "nothing" for m in (a, b))
        return [f"{called(exercise, n)}: at {keys[0]!r} you have {yours}", f"right is {right}"] if keys else []
    return [f"{called(exercise, n)} gives {value(a, 200)}", f"right is {value(b, 200)}"]


def large(a: Any, b: Any) -> bool:
    """Whether two values are tensors of one shape, with more numbers than are printed."""
    return isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and b.numel() > FEW


def farthest(a: Tensor, b: Tensor) -> str:
    """Where two tensors of one shape differ most.

    >>> import torch
    >>> farthest(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    '1 of 2 numbers are wrong: at [1] 2, right is 4'
    """
    gap = (a.double() - b.double()).abs().nan_to_num(nan=math.inf)
    gap = gap.masked_fill((a == b) | (a.isnan() & b.isnan()), 0.0)
    place = place_of(int(gap.argmax()), gap.shape)
    yours, right = (numbers(t[*place].item()) for t in (a, b))
    if yours == right:
        yours, right = (f"{t[*place].item():.12g}" for t in (a, b))
    return f"{int((gap > EXACT).sum())} of {gap.numel()} numbers are wrong: at {place} {yours}, right is {right}"
