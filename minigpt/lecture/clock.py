"""The clock of a lecture: where one is against the plan."""

from __future__ import annotations

import time

from minigpt.lecture.history import History, State
from minigpt.lecture.plan import Lecture


def begun(history: History, state: State | None = None) -> State:
    """The state with which the lecture began that led to a state, the present one if none is given: the start, or the
    last `goto 0` before it, as after a rehearsal."""
    state = state or history.present
    while state.how != "goto 0" and state.parent != state.number:
        state = history.states[state.parent]
    return state


def against_the_plan(lecture: Lecture, history: History) -> tuple[float, str, list[str]]:
    """How many minutes one is late, a line that says so, and a table of the steps: planned and reached, in minutes."""
    first, step = begun(history), history.present.step
    passed = (time.time() - first.time) / 60
    planned = sum(each.minutes for each in lecture.steps[:step])
    following = lecture.steps[step].minutes if step < len(lecture.steps) else 0.0
    late = passed - (planned + following)  # the next step has its time
    early = planned - passed
    where = f"{late:.0f} min behind" if late >= 1 else f"{early:.0f} min ahead" if early >= 1 else "on time"
    reached: dict[int, float] = {}
    for state in history.states[first.number :]:
        reached.setdefault(state.step, (state.time - first.time) / 60)
    lines, so_far = ["plan   held  step"], 0.0
    for each in lecture.steps:
        so_far += each.minutes
        at = reached.get(each.number) if each.number <= step else None
        lines.append(f"{so_far:4.0f}  {'   –' if at is None else f'{at:5.0f}'}  {each.number}. {each.title}")
    n, left = len(lecture.steps) - step, lecture.minutes - planned
    return late, f"{passed:.0f} min, {where}: {n} step{'s' * (n != 1)}, {left:.0f} min to go", lines
