"""What a pickle describes, read without running any of it: a call in it becomes a record of a call.

Python's own documentation of the operations: `pickletools`. Only those that make up a saved dict of tensors are read;
nothing is hashed, compared or built, so that no pickle can take time or memory out of proportion to its length.
"""

import pickletools
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

LONGEST = 1 << 21  # bytes of a pickle
MOST = 1 << 18  # operations: the names and shapes of 7,000 tensors
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT"}
LITERALS |= {"BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINSTRING", "SHORT_BINSTRING"}


class NotRead(ValueError):
    """What no dict of tensors contains, in words."""


@dataclass(eq=False, slots=True)
class Named:
    """A function or class that the pickle names."""

    name: str  # "torch._utils._rebuild_tensor_v2"


@dataclass(eq=False, slots=True)
class Call:
    """What a function of this name would have made from these arguments, then filled with these items."""

    name: str
    args: tuple[Any, ...]
    items: list[tuple[Any, Any]] = field(default_factory=list)  # of an OrderedDict


@dataclass(eq=False, slots=True)
class Dict:
    """A dict, as the list of its items: keys may be anything, and may occur twice."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Outside:
    """Something stored outside the pickle, under this id: a tensor's numbers."""

    id: Any


MARK = object()


def read_values(file: BytesIO) -> Any:
    """The next pickle's value: texts, numbers, tuples and lists as they are, the rest as the classes above.

    A `NotRead` for an operation that a dict of tensors has no use for; other errors for what is not a pickle.

    >>> import pickle
    >>> read_values(BytesIO(pickle.dumps({"a": (1, [2])}, protocol=2)))
    Dict(items=[('a', (1, [2]))])
    >>> read_values(BytesIO(pickle.dumps(len, protocol=4)))
    Named(name='builtins.len')
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for n, (operation, arg, _) in enumerate(pickletools.genops(file)):
        if n > MOST:
            raise NotRead(f"more than {MOST:,} operations")
        name = operation.name
        if name in CONSTANTS or name in LITERALS:
            stack.append(CONSTANTS.get(name, arg))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else arg] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[arg])
        elif name == "MARK":
            stack.append(MARK)
        elif name in ("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT"):
            stack.append({"EMPTY_TUPLE": (), "EMPTY_LIST": [], "EMPTY_DICT": Dict()}[name])
        elif name == "TUPLE":
            stack.append(tuple(since_mark(stack)))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(last(stack, int(name[-1]))))
        elif name in ("APPEND", "APPENDS"):
            values = last(stack, 1) if name == "APPEND" else since_mark(stack)
            top(stack, list).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = last(stack, 2) if name == "SETITEM" else since_mark(stack)
            top(stack, Dict, Call).items.extend(zip(values[::2], values[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            parts = last(stack, 2) if name == "STACK_GLOBAL" else str(arg).split(" ")
            stack.append(Named(".".join(map(str, parts))[:200]))
        elif name == "REDUCE":
            called, args = last(stack, 2)
            if not isinstance(called, Named) or not isinstance(args, tuple):
                raise ValueError("a call of something that is not a function")
            stack.append(Call(called.name, args))
        elif name == "BUILD":  # what state_dict notes of the modules' versions
            last(stack, 1)
            top(stack, Call)
        elif name == "BINPERSID":
            stack.append(Outside(*last(stack, 1)))
        elif name == "STOP":
            return stack[-1]
        elif name not in ("PROTO", "FRAME"):
            raise NotRead(f"the operation {name}")
    raise ValueError("no end")


def last(stack: list[Any], n: int) -> list[Any]:
    """The last n values, taken off the stack."""
    values = stack[len(stack) - n :]
    if len(values) < n or any(value is MARK for value in values):
        raise ValueError("too few values")
    del stack[len(stack) - n :]
    return values


def since_mark(stack: list[Any]) -> list[Any]:
    """The values after the last mark, taken off the stack with it."""
    at = next((i for i in range(len(stack) - 1, -1, -1) if stack[i] is MARK), None)
    if at is None:
        raise ValueError("no mark")
    values = stack[at + 1 :]
    del stack[at:]
    return values


def top(stack: list[Any], *kinds: type) -> Any:
    """The value on top, which stays there and must be of one of these kinds."""
    if not stack or not isinstance(stack[-1], kinds):
        raise ValueError(f"something else than {kinds[0].__name__}")
    return stack[-1]
