"""What comes of running a part on a case, and whether two such outcomes are the same."""

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from minigpt.exercises.exercise import Case, Exercise
from minigpt.exercises.sandbox import SECONDS, TooLong, limited

EXACT = 1e-9  # relative, in float64: the order of additions alone changes only a millionth of this
Gradients = dict[str, Tensor | None]  # by the names of parameters; None if none arrives
ROUNDED = 3e-5  # the same in float32


class Reordered(dict[str, Any]):
    """What a part gave, put into another order so that it can be compared; `given` is the original."""

    def __init__(self, given: Any, **comparable: Any) -> None:
        super().__init__(**comparable)
        self.given = given


@dataclass
class Outcome:
    """What a part returned, or how it failed."""

    value: Any = None
    error: BaseException | None = None
    endless: bool = False  # stopped after a second
    wrote: bool = False  # it changed its arguments

    @property
    def failed(self) -> bool:
        """Whether there is no value."""
        return self.endless or self.error is not None


def run(part: Callable[..., Any], exercise: Exercise, case: Case, seconds: float = SECONDS) -> Outcome:
    """Runs a part on a copy of a case's arguments; a module has been built already."""
    args = fresh(case.args)
    found = Outcome()
    try:
        with torch.no_grad():
            found.value = detached(limited(lambda: listed(exercise.use(part, *args)), seconds))
    except TooLong:
        return Outcome(endless=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and RecursionError, too: a learner's slip must not end the check
        found.error = error
    found.wrote = any(not same(a, b) for a, b in zip(args, case.args, strict=True) if not stateful(a))
    return found


def listed(value: Any) -> Any:
    """What a generator or another iterator gives, as a list: no two iterators are equal, and their errors come late."""
    return list(value) if isinstance(value, Iterator) else value


def fresh(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies of arguments, except models and functions."""
    return tuple(arg if stateful(arg) else copy.deepcopy(arg) for arg in args)


def stateful(arg: Any) -> bool:
    """Whether an argument is used as it is: a model, a function."""
    return isinstance(arg, nn.Module) or inspect.isroutine(arg) or inspect.isclass(arg)


def detached(value: Any) -> Any:
    """The value without its autograd history."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(detached(item) for item in value)
    return value


def gradients(part: Any, exercise: Exercise, case: Case) -> Gradients:
    """The gradients of a weighted sum over what a part returns for a case, of its parameters and its arguments.

    None stands for one that does not arrive. Raises whatever the part does.
    """
    args = fresh(case.args)
    wanted = {f"argument {n + 1}": arg for n, arg in enumerate(args) if isinstance(arg, Tensor)}
    wanted = {name: arg.requires_grad_() for name, arg in wanted.items() if arg.is_floating_point()}
    if isinstance(part, nn.Module):
        wanted |= dict(part.named_parameters(remove_duplicate=False))
    with torch.enable_grad():  # a part may write into its arguments, but not into a leaf
        given = [arg.clone() if isinstance(arg, Tensor) else arg for arg in args]
        value = limited(lambda: exercise.use(part, *given))
        if not isinstance(value, Tensor) or not value.requires_grad:
            return dict.fromkeys(wanted)
        noise = torch.linspace(0, 3, value.numel(), dtype=value.dtype).cos().reshape(value.shape)  # no two alike
        found = torch.autograd.grad((value * noise).sum(), list(wanted.values()), allow_unused=True)
    return dict(zip(wanted, found, strict=True))


def alike(a: Outcome, b: Outcome, tolerance: float = EXACT) -> bool:
    """Whether two parts did the same on a case."""
    if a.failed or b.failed:
        return a.endless == b.endless and (a.error is None) == (b.error is None)
    return a.wrote == b.wrote and same(a.value, b.value, tolerance)


def wrong_among(yours: Gradients, right: Gradients) -> Gradients:
    """Those of your gradients that differ by more than rounding; one that is 0 in theory is nothing but rounding.

    >>> wrong_among({"a": torch.tensor([1e-17]), "b": torch.ones(1)}, {"a": torch.zeros(1), "b": torch.ones(1)})
    {}
    """
    largest = max((g.abs().amax().item() for g in right.values() if g is not None and g.numel()), default=0.0)
    wrong: Gradients = {}
    for name, wanted in right.items():
        found = yours.get(name)
        if found is None or wanted is None:
            small = found is wanted
        else:
            small = same(found, wanted) or (found - wanted).abs().amax().item() <= EXACT * largest
        if not small:
            wrong[name] = found
    return wrong


def same(a: Any, b: Any, tolerance: float = EXACT) -> bool:
    """Equality; for tensors and floats up to rounding, for lists and dicts item by item.

    >>> same([1, 2.0], [1, 2.0 + 1e-12]), same([1], (1,)), same(True, 1)
    (True, True, False)
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return distance(a, b) <= tolerance
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        plain = (x.item() if isinstance(x, Tensor) and x.numel() == 1 and x.ndim == 0 else x for x in (a, b))
        a, b = plain
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            return False
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool) and a == b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or (a != a and b != b) or math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key], tolerance) for key in a)
    if sequence(a) and sequence(b):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and comparable(a) and bool(a == b)


def comparable(value: Any) -> bool:
    """Whether equality is meaningful for a value: numbers, texts, tensors and what holds them; a NumPy array or an
    object that equals only itself can be judged neither right nor unsteady.

    >>> comparable([1, {"a": "b"}]), comparable(object())
    (True, False)
    """
    if isinstance(value, Mapping):
        return all(map(comparable, value.values()))
    if sequence(value) or isinstance(value, (set, frozenset)):
        return all(map(comparable, value))
    return value is None or isinstance(value, (Tensor, int, float, str, bytes))


def sequence(value: Any) -> bool:
    """Whether a value is a list or the like, text not counted."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def distance(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest number of b; infinite where shapes or kinds differ.

    >>> distance(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])), distance(torch.ones(1), torch.ones(2))
    (0.5, inf)
    """
    if a.shape != b.shape or a.is_floating_point() != b.is_floating_point():
        return math.inf
    if not a.is_floating_point():
        return 0.0 if torch.equal(a.long(), b.long()) else math.inf
    if not a.numel():
        return 0.0
    a, b = a.double(), b.double()
    gap, largest = (a - b).abs().amax().item(), b.abs().amax().item()
    if math.isinf(largest) or math.isnan(gap):  # equal where both are, else infinitely far from each other
        equal, finite = (a == b) | (a.isnan() & b.isnan()), b[b.isfinite()]
        gap = (a - b).abs().masked_fill(equal, 0.0).nan_to_num(math.inf, math.inf).amax().item()
        largest = finite.abs().amax().item() if finite.numel() else 1.0
    return gap / max(largest, 1e-30)
