"""The table of a run, and what became slower since another."""

from collections.abc import Sequence
from typing import Any

from minigpt.bench.ratios import Interval, holds
from minigpt.bench.rows import Row

HEAD = ("row", "ours", "against", "ratio", "95 %", "target", "")


def cells(row: Row, record: dict[str, Any] | None) -> list[str]:
    """A line of the table: what was found, or why there is nothing."""
    start = [row.name, row.what, row.against]
    if record is None:
        return [*start, "", "", row.goal, "not measured"]
    if "ratio" not in record:
        return [*start, "", "", row.goal, record.get("absent") or record["failed"]]
    numbers = [f"{figure(record['ratio'])}×", f"{figure(record['low'])} to {figure(record['high'])}"]
    return [*start, *numbers, row.goal, verdict(row, record)]


def verdict(row: Row, record: dict[str, Any]) -> str:
    """Hit or missed; nothing where a row has no target."""
    if row.target is None:
        return ""
    return "hit" if holds(interval_of(record), row.target, row.at_most) else "missed"


def interval_of(record: dict[str, Any]) -> Interval:
    """A record's ratio with its interval."""
    return Interval(record["ratio"], record["low"], record["high"])


def figure(value: float) -> str:
    """A ratio with as many digits as matter.

    >>> figure(1.694), figure(12.34), figure(0.0567)
    ('1.69', '12.3', '0.06')
    """
    return f"{value:.3g}" if value >= 10 else f"{value:.2f}"


def compare(rows: Sequence[Row], now: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each row that became slower or faster beyond noise: where the two intervals do not touch.

    Rows that only one run measured are named too, so that none vanishes.
    """
    measured = {record["row"]: record for record in now if "ratio" in record}
    earlier = {record["row"]: record for record in before if "ratio" in record}
    lines = []
    for row in rows:
        new, old = measured.get(row.name), earlier.get(row.name)
        if new and old:
            change = changed(interval_of(new), interval_of(old), row.at_most)
            if change:
                lines.append(f"{row.name}: {change}, {figure(old['ratio'])}× then, {figure(new['ratio'])}× now")
        elif old:
            lines.append(f"{row.name}: measured then, not now")
    return lines


def changed(new: Interval, old: Interval, at_most: bool) -> str:
    """Slower or faster beyond noise, else nothing.

    >>> changed(Interval(1.0, 0.9, 1.1), Interval(1.5, 1.4, 1.6), at_most=False)
    'slower'
    """
    if new.low <= old.high and old.low <= new.high:
        return ""
    return "slower" if (new.middle < old.middle) != at_most else "faster"
