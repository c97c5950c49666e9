"""The curve of a training run: loss by step on the text that is learned and on one that is not, and the best model."""

import math
from collections.abc import Callable, Sequence

from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text
from minigpt.train.losses import Entry

WIDTH, LEFT, RIGHT = 900.0, 70.0, 30.0
TOP, HIGH, LOW = 112.0, 330.0, 70.0  # where the losses begin, how high they are, and the learning rates below
LETTERS = 13.0
POINTS = 600  # at most in a line: more steps are drawn as means of several
Place = Callable[[float], float]


def training_curve(entries: Sequence[Entry], title: str, vocab_size: int | None = None) -> Drawing:
    """The losses of a run's log (see `minigpt.train.losses`), in nats per token, and its learning rates below.

    The dashed line is ln(vocab_size): the loss of a model that knows nothing and gives every token the same
    probability. A frame marks the lowest validation loss, that of the model that is kept.
    Raises ValueError for a log without entries.

    >>> log = [{"step": 1, "train": 5.5, "rate": 0.1}, {"step": 2, "train": 4.5, "rate": 0.2, "validation": 4.75}]
    >>> training_curve(log, "Run", 256).table[1]
    [['1', '5.500', '', '0.1'], ['2', '4.500', '4.750, best', '0.2']]
    """
    if not entries:
        raise ValueError("the log has no steps: train first")
    steps = [entry["step"] for entry in entries]
    evaluated = [entry for entry in entries if "validation" in entry]
    best = min(evaluated, key=lambda entry: entry["validation"], default=None)
    blank = math.log(vocab_size) if vocab_size else 0.0
    losses = [entry[name] for entry in entries for name in ("train", "validation") if name in entry]
    x = scale(0, max(steps), LEFT, WIDTH - RIGHT)
    highest = 1.05 * max(*losses, blank) or 1.0
    y = scale(0, highest, TOP + HIGH, TOP)
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True), *legend(len(steps), best, blank, vocab_size)]
    shapes += axes(x, y, max(steps), highest)
    if blank:
        shapes.append(Line(((LEFT, y(blank)), (WIDTH - RIGHT, y(blank))), "second", 2, dashed=True))
    shapes.append(Line(line(entries, "train", x, y), "soft", 1.2))
    if evaluated:
        shapes.append(Line(line(evaluated, "validation", x, y), "tint", 3))
        shapes += [square(x(entry["step"]), y(entry["validation"]), 7) for entry in thinned(evaluated)]
    if best:
        shapes += best_mark(x(best["step"]), y(best["validation"]))
    rated = [entry for entry in entries if "rate" in entry]
    bottom = TOP + HIGH + 52
    if rated:
        shapes += rates(rated, x, bottom + 20)
        bottom += LOW + 44
    told = f"{title}: the loss in nats per token by step, on each step's batch and on the validation text; the lower "
    told += "the better the model predicts." + (f" Knowing nothing would be {blank:.2f}." if blank else "")
    shown = [entry for entry in entries if entry is entries[0] or entry is entries[-1] or "validation" in entry]
    head = ["step", "training loss", "validation loss", "learning rate"]
    return Drawing(WIDTH, bottom, title, told, (head, [row(entry, best) for entry in shown]), shapes)


def row(entry: Entry, best: Entry | None) -> list[str]:
    """One step of the log in the table."""
    validation = f"{entry['validation']:.3f}{', best' if entry is best else ''}" if "validation" in entry else ""
    return [
        f"{entry['step']:.0f}",
        f"{entry['train']:.3f}",
        validation,
        brief(entry["rate"]) if "rate" in entry else "",
    ]


def brief(rate: float) -> str:
    """A learning rate as people write it.

    >>> brief(0.001), brief(0.00098), brief(0.25), brief(0)
    ('1e-3', '9.8e-4', '0.25', '0')
    """
    return f"{rate:.1e}".replace(".0e", "e").replace("e-0", "e-") if 0 < rate < 0.01 else f"{rate:.2g}"


def scale(low: float, high: float, start: float, end: float) -> Place:
    """Where a value is on the sheet: `low` at `start`, `high` at `end`.

    >>> scale(0, 10, 100, 200)(5)
    150.0
    """
    return lambda value: start + (value - low) / (high - low) * (end - start)


def round_values(high: float, n: int = 5) -> list[float]:
    """About n round values from 0 to `high`: steps of 1, 2 or 5 times a power of ten.

    >>> round_values(8.4), round_values(1000), round_values(0.3)
    ([0, 2, 4, 6, 8], [0, 200, 400, 600, 800, 1000], [0.0, 0.1, 0.2, 0.3])
    """
    power = 10 ** math.floor(math.log10(high / n))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= high / n * 0.999)
    return [round(k * step, 9) for k in range(math.floor(high / step * 1.001) + 1)]


def axes(x: Place, y: Place, last: float, highest: float) -> list[Shape]:
    """A few round numbers, with a thin line for each loss."""
    shapes: list[Shape] = []
    for value in round_values(highest, 5):
        shapes.append(Line(((LEFT, y(value)), (WIDTH - RIGHT, y(value))), "rule", 1))
        shapes.append(Text(LEFT - 10, y(value) + 5, f"{value:g}", align="end"))
    for value in round_values(last, 5):
        if value == int(value):
            shapes.append(Line(((x(value), y(0)), (x(value), y(0) + 6)), "soft", 1.5))
            shapes.append(Text(x(value), y(0) + 22, f"{value:,.0f}", align="middle"))
    shapes.append(Text(LEFT, TOP - 8, "loss, nats per token", size=LETTERS))
    shapes.append(Text((LEFT + WIDTH - RIGHT) / 2, y(0) + 42, "step", align="middle", size=LETTERS))
    return shapes


def thinned(entries: Sequence[Entry], most: int = 40) -> list[Entry]:
    """At most `most` of them, evenly spaced: marks that overlap would say no more."""
    return list(entries[:: math.ceil(len(entries) / most)])


def per_point(n_steps: int) -> int:
    """How many steps a point of a curve stands for.

    >>> per_point(600), per_point(601)
    (1, 2)
    """
    return math.ceil(n_steps / POINTS)


def line(entries: Sequence[Entry], name: str, x: Place, y: Place) -> tuple[tuple[float, float], ...]:
    """The points of a curve; in a long run each is the mean of several steps."""
    n = per_point(len(entries))
    groups = [entries[i : i + n] for i in range(0, len(entries), n)]
    return tuple(
        (x(sum(entry["step"] for entry in group) / len(group)), y(sum(entry[name] for entry in group) / len(group)))
        for group in groups
    )


def square(x: float, y: float, side: float) -> Box:
    """The mark of an evaluation."""
    return Box(x - side / 2, y - side / 2, side, side, "tint")


def best_mark(x: float, y: float) -> list[Shape]:
    """A frame around the lowest validation loss, and a line from it to its step."""
    return [
        Line(((x, y + 9), (x, TOP + HIGH)), "ink", 1.5, dashed=True),
        Line(((x - 9, y - 9), (x + 9, y - 9), (x + 9, y + 9), (x - 9, y + 9), (x - 9, y - 9)), "ink", 2.5),
    ]


def legend(n_steps: int, best: Entry | None, blank: float, vocab_size: int | None) -> list[Shape]:
    """Which line is which, with its sign, in two columns above the curve."""
    first, second = 3.0 * SIZE, 4.5 * SIZE
    columns = (SIZE, 470.0)
    shapes: list[Shape] = [Line(((columns[0], first), (columns[0] + 34, first)), "soft", 1.2)]
    n = per_point(n_steps)
    said = [(columns[0], first, "training loss, " + (f"means of {n} steps" if n > 1 else "of each step's batch"))]
    if best:
        shapes.append(Line(((columns[0], second), (columns[0] + 34, second)), "tint", 3))
        shapes.append(square(columns[0] + 17, second, 7))
        shapes += [*best_mark(columns[1] + 17, first)[1:]]
        said.append((columns[0], second, "validation loss, on text that is not trained on"))
        said.append((columns[1], first, f"best: {best['validation']:.3f} after step {best['step']:,.0f}"))
    if blank:
        shapes.append(Line(((columns[1], second), (columns[1] + 34, second)), "second", 2, dashed=True))
        said.append((columns[1], second, f"knows nothing: ln {vocab_size:,} = {blank:.2f}"))
    return [*shapes, *(Text(x + 42, y + 5, text, size=LETTERS) for x, y, text in said)]


def rates(entries: Sequence[Entry], x: Place, top: float) -> list[Shape]:
    """The learning rates, small below, with the highest as a number."""
    peak = max(entry["rate"] for entry in entries)
    y = scale(0, peak or 1, top + LOW, top)
    name = "learning rate"
    return [
        Line(((LEFT, top + LOW), (WIDTH - RIGHT, top + LOW)), "rule", 1),
        Line(line(entries, "rate", x, y), "ink", 1.5),
        Text(LEFT - 10, top + 5, brief(peak), align="end", size=LETTERS),
        Text(LEFT - 10, top + LOW + 5, "0", align="end", size=LETTERS),
        Text(WIDTH - RIGHT - len(name) * ADVANCE * LETTERS, top - 6, name, size=LETTERS),
    ]
