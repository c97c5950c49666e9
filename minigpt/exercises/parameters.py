"""Builds a learner's module and compares its parameters with the checkpoint's, strictly, with a reason for each."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

OTHER_NAMES = {"gamma": "weight", "beta": "bias", "g": "weight", "b": "bias", "scale": "weight", "shift": "bias"}
OTHER_NAMES |= {"W": "weight", "w": "weight"}


class Unbuilt(Exception):
    """The part cannot be made into a module that has the checkpoint's parameters: a sentence, then a line for each."""

    def __init__(self, says: str, *lines: str) -> None:
        super().__init__(says)
        self.says, self.lines = says, list(lines)


def build(part: Any, args: tuple[Any, ...], state: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """A private module in eval mode, with the values of `state`; what the learner holds is left alone.

    Raises `Unbuilt` for what is no module, for a constructor with other arguments and for parameters with other names
    or shapes; whatever the constructor raises comes through.
    """
    part_is_object = isinstance(part, nn.Module)
    if part_is_object:
        module = copy.deepcopy(part)
    else:
        check_constructor(part, args)
        module = part(*args)
    if not isinstance(module, nn.Module):
        raise Unbuilt(f"it is not a torch.nn.Module but {kind(module)}: write class {name_of(part)}(nn.Module)")
    if "_parameters" not in vars(module):
        raise Unbuilt("its __init__ does not call super().__init__(), so that it cannot hold parameters")
    module.to(dtype).eval()
    own = parameters_of(module, state)
    lines = [line for name in dict.fromkeys([*state, *own]) if (line := difference(name, own, state, module))]
    if lines:
        way = f": give the class itself, as in check({name_of(part)}), no object of it" if part_is_object else ""
        raise Unbuilt(f"its parameters are not the checkpoint's{way}", *lines)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(state[name])
    return module


def parameters_of(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    """A module's parameters; one with two names counts once, under the checkpoint's, as a tied lm_head under wte's."""
    found: dict[int, tuple[str, nn.Parameter]] = {}
    named = module.named_parameters(remove_duplicate=False)
    for name, parameter in sorted(named, key=lambda item: item[0] not in state):
        found.setdefault(id(parameter), (name, parameter))
    return dict(found.values())


def check_constructor(part: Any, args: tuple[Any, ...]) -> None:
    """Raises `Unbuilt` if a class cannot take the arguments that the reference takes."""
    try:
        inspect.signature(part).bind(*args)
    except TypeError as error:
        shown = ", ".join(short(arg) for arg in args)
        raise Unbuilt(f"it cannot be built as {name_of(part)}({shown}): {error}") from None
    except ValueError:  # it has no signature
        pass


def difference(name: str, own: Mapping[str, Tensor], state: Mapping[str, Tensor], module: nn.Module) -> str:
    """What is wrong with one parameter, or nothing."""
    if name in own and name in state and own[name].shape == state[name].shape:
        return ""
    yours = str(tuple(own[name].shape)) if name in own else "none"
    theirs = str(tuple(state[name].shape)) if name in state else "none"
    return f"{name}: yours {yours}, the checkpoint's {theirs}: {reason(name, own, state, module)}"


def reason(name: str, own: Mapping[str, Tensor], state: Mapping[str, Tensor], module: nn.Module) -> str:
    """Why a parameter is not as it should be."""
    if name in own and name in state:
        if own[name].shape != state[name].shape[::-1]:
            return "another size"
        table = name.startswith(("wte", "wpe"))
        return "a table has a row for each id or place" if table else "(in, out), where torch has (out, in)"
    *path, last = name.split(".")
    if name in state:
        at: Any = module
        for part in path:
            at = getattr(at, part, None)
        held = getattr(at, last, None)
        twin = next((o for o, p in own.items() if p is held), None)
        if twin:
            return f"the same parameter as {twin}"
        if isinstance(held, Tensor):
            return "a plain tensor or a buffer: wrap it in nn.Parameter"
        other = next((o for o, usual in OTHER_NAMES.items() if usual == last and ".".join([*path, o]) in own), None)
        if other:
            return f"you call it {other}"
        if "c_attn" in name and any(k in n for n in own for k in ("q_proj", "query", "W_q", "wq")):
            return "query, key and value are one matrix here, c_attn"
        return "missing" if last != "bias" else "missing: this layer has a bias"
    if path == ["lm_head"]:
        return "not in the checkpoint: the output matrix is wte"
    last = OTHER_NAMES.get(last, last)
    return f"its name is {'.'.join([*path, last])}" if ".".join([*path, last]) in state else "not in the checkpoint"


def name_of(part: Callable[..., Any]) -> str:
    """The name of a function or class, or of an object's class."""
    return str(getattr(part, "__name__", type(part).__name__))


def kind(value: object) -> str:
    """A value's kind, in words."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def short(arg: object) -> str:
    """An argument for a sentence: a configuration by its name."""
    text = repr(arg)
    return text if len(text) < 24 else "config" if text.split("(")[0].endswith("Config") else kind(arg)
