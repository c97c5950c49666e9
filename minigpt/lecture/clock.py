"""The clock of a lecture: how far along it is compared with the plan."""

from __future__ import annotations

import time

from minigpt.lecture.history import History
from minigpt.lecture.plan import Lecture


def against_the_plan(lecture: Lecture, history: History) -> tuple[float, str, list[str]]:
    """How many minutes one is late, a line that says so, and a table of the steps: planned and reached, in minutes."""
    begun, step = beginning(history), history.present.step
    passed = (time.time() - begun) / 60
    planned = sum(each.minutes for each in lecture.steps[:step])
    following = lecture.steps[step].minutes if step < len(lecture.steps) else 0.0
    late = passed - (planned + following)  # the next step has its time
    early = planned - passed
    where = f"{late:.0f} min behind" if late >= 1 else f"{early:.0f} min ahead" if early >= 1 else "on time"
    reached: dict[int, float] = {}
    for state in history.states:
        if state.time >= begun:
            reached.setdefault(state.step, (state.time - begun) / 60)
    lines, so_far = ["plan   held  step"], 0.0
    for each in lecture.steps:
        so_far += each.minutes
        at = reached.get(each.number) if each.number <= step else None
        lines.append(f"{so_far:4.0f}  {'    –' if at is None else f'{at:5.0f}'}  {each.number}. {each.title}")
    n, left = len(lecture.steps) - step, lecture.minutes - planned
    return late, f"{passed:.0f} min, {where}: {n} step{'s' * (n != 1)}, {left:.0f} min to go", lines


def beginning(history: History) -> float:
    """When the first step came, the time before it left out: a file may be laid down the evening before. A return to
    the beginning starts over. In seconds since 1970; now, if there is no step in the file."""
    started = time.time()
    for state in reversed(history.states[: history.present.number + 1]):
        if state.step == 0:
            return started
        started = state.time
    return started
