"""Traces plain functions line by line while they run: Python's own line events, with every call of torch among them.

The functions contain no marks, and nothing that they compute is touched: values are copied as they pass by.
"""

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from minigpt.analysis.xray_source import Parsed, Place, bound, key_of
from minigpt.analysis.xray_values import NOTHING, Step, copied, mate_of, worded


@dataclass
class Running:
    """A frame that is traced."""

    parsed: Parsed
    statement: ast.stmt | None = None
    made: list[Step] = field(default_factory=list)  # by the statement so far
    last: dict[str, Tensor] = field(default_factory=dict)  # what each name, or expression, stands for

    def remember(self, name: str, value: object) -> None:
        """Notes what a name now stands for; a returned value has no name."""
        if isinstance(value, Tensor) and name != "return":
            self.last[name] = value


class Tracer(TorchFunctionMode):
    """Inside it `steps` gets every value that the functions bind, return or compute along the way, at their first call.

    As a TorchFunctionMode it turns every call of torch into a call of Python, which the line events show.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        super().__init__()
        self.functions = {parsed.key: parsed for parsed in map(Parsed, functions)}
        self.calls: Counter[tuple[str, int, str]] = Counter()
        self.running: dict[FrameType, Running] = {}  # and the generator expressions in them
        self.steps: list[Step] = []
        self.entries: list[tuple[Step, tuple[str, int, str]]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> "Tracer":
        super().__enter__()
        self.other = sys.gettrace()  # a debugger's
        sys.settrace(self.on_call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self.other)
        super().__exit__(*error)
        self.running.clear()

    def on_call(self, frame: FrameType, _event: str, _arg: object) -> Callable[..., Any] | None:
        """A frame begins: one of the functions, or what one of them calls; all others are left alone."""
        key, caller = key_of(frame.f_code), frame.f_back
        if key in self.functions:
            self.calls[key] += 1
            if self.calls[key] == 1:
                self.begin(frame, self.functions[key])
                return self.on_line
        if caller not in self.running:
            return None
        if frame.f_code in caller.f_code.co_consts:  # a generator expression: its lines are the function's
            self.running[frame] = self.running[caller]
            return None
        frame.f_trace_lines = False
        changed = in_place(frame)
        before = changed.detach().clone() if changed is not None else None

        def on_return(_frame: FrameType, event: str, value: object) -> Any:
            if event == "return":
                self.computed(caller, value if changed is None else changed, before)
            return on_return

        return on_return

    def begin(self, frame: FrameType, parsed: Parsed) -> None:
        """The arguments of a call."""
        run = self.running[frame] = Running(parsed)
        n = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        for name in frame.f_code.co_varnames[:n]:
            value = frame.f_locals[name]
            if isinstance(value, Tensor):
                step = self.add(run, parsed.head, value, name)
                self.entries.append((step, parsed.key))

    def on_line(self, frame: FrameType, event: str, value: object) -> Callable[..., Any]:
        """A line of the functions is about to run, or a function returns: the line before has done its work."""
        run = self.running[frame]
        if event == "line":
            statement = run.parsed.statements.get(frame.f_lineno)
            if statement is not run.statement:
                self.end(frame, run, frame.f_lineno, None)
                run.statement, run.made = statement, []
        elif event == "return":
            self.end(frame, run, None, value)
            caller = frame.f_back
            del self.running[frame]
            if caller in self.running:
                self.computed(caller, value)
        return self.on_line

    def computed(self, frame: FrameType, value: object, before: Tensor | None = None) -> None:
        """An expression of a function has been evaluated."""
        run = self.running[frame]
        if not isinstance(value, Tensor) or run.statement is None:
            return
        place = run.parsed.expression(frame)
        if isinstance(value, nn.Parameter) and place.text in run.last:  # once is enough
            return
        name = place.text.partition("[")[0].partition(" = ")[0] if before is not None else ""
        run.made.append(self.add(run, place, value, name, before))

    def end(self, frame: FrameType, run: Running, line: int | None, value: object) -> None:
        """A statement is done: the names that it bound, or what it returned. `line` is the next one."""
        statement = run.statement
        if isinstance(statement, ast.Return):
            self.returned(run, statement, value)
        elif isinstance(statement, (ast.If, ast.While)):
            inside = line is not None and statement.body[0].lineno <= line <= (statement.body[-1].end_lineno or 0)
            self.add(run, run.parsed.place(statement, statement.test), inside, whole=True)
        elif isinstance(statement, ast.For) and not (
            line is not None and statement.body[0].lineno <= line <= (statement.body[-1].end_lineno or 0)
        ):
            return  # there is nothing more to go through
        elif statement is not None:
            self.assigned(frame, run, statement)

    def assigned(self, frame: FrameType, run: Running, statement: ast.stmt) -> None:
        """The names that a statement has bound."""
        values = {name: frame.f_locals[name] for name in bound(statement) if name in frame.f_locals}
        others = {name: value for name, value in values.items() if not isinstance(value, Tensor)}
        for name, value in values.items():
            if isinstance(value, Tensor):
                self.give(run, run.parsed.place(statement), name, value)
        if others:
            text = ", ".join(worded(value) for value in others.values())
            self.add(run, run.parsed.place(statement), text, ", ".join(others), whole=True)
        if not values and not run.made:
            self.add(run, run.parsed.place(statement), NOTHING, whole=True)

    def returned(self, run: Running, statement: ast.Return, value: object) -> None:
        """What a function returns, each part of it if there are several."""
        if isinstance(value, tuple):
            written = statement.value.elts if isinstance(statement.value, ast.Tuple) else [statement.value] * len(value)
            for part, element in zip(value, written, strict=True):
                self.give(run, run.parsed.place(statement, element), "return", part)
        else:
            self.give(run, run.parsed.place(statement, statement.value), "return", value)

    def give(self, run: Running, place: Place, name: str, value: object) -> None:
        """A name for a value: the expression that gave it, if there was one, else a step of its own."""
        made = next((step for step in run.made if step.original is value and not step.name), None)
        if made is None:
            self.add(run, place, value, name, whole=True)
            return
        made.name, made.whole, made.before = name, True, run.last.get(name)
        run.remember(name, made.value)

    def add(
        self, run: Running, place: Place, value: object, name: str = "", before: Tensor | None = None,
        whole: bool = False,
    ) -> Step:  # fmt: skip
        """A step, with a copy of its value."""
        kept = copied(value) if isinstance(value, Tensor) else value
        before = run.last.get(name) if before is None else before
        mate = mate_of(value, self.steps) if isinstance(value, Tensor) else None
        step = Step(run.parsed.source, place, name, value, kept, before, whole, mate)
        run.remember(name or place.text, kept)
        self.steps.append(step)
        return step


def in_place(frame: FrameType) -> Tensor | None:
    """The tensor that the torch call beginning in a frame will write into, if it writes into one."""
    if frame.f_code is not Tracer.__torch_function__.__code__:
        return None
    func, args = frame.f_locals["func"], frame.f_locals["args"]
    return args[0] if func is Tensor.__setitem__ else None
