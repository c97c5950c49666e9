"""Lesson 14: a batch of windows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises.exercise import Case, Exercise, bug

Part = Callable[[Tensor, int, int], tuple[Tensor, Tensor]]
FIRST = 100  # the smallest id
DRAWS = 60  # batches of a check: that a place is missed by chance happens once in 10¹⁰ checks


def batch(data: Tensor, n: int, length: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (n, length) each, from one long row of ids: windows that begin anywhere,
    drawn at random.

    Each target is the id that comes after the input in the data, so that a window takes length + 1 ids.
    """
    # BEGIN SOLUTION
    starts = torch.randint(len(data) - length, (n,))
    x = torch.stack([data[i : i + length] for i in starts])
    y = torch.stack([data[i + 1 : i + length + 1] for i in starts])
    return x, y
    # END SOLUTION


def properties(part: Part, data: Tensor, n: int, length: int) -> Any:
    """What is true of many batches, whatever is drawn: how they are cut, and which windows there are, in one line."""
    drawn: list[Any] = []
    errors: list[Exception] = []
    for _ in range(DRAWS):
        try:
            drawn.append(part(data, n, length))
        except (RuntimeError, IndexError, ValueError) as error:  # a window too short for its row, a place too far
            errors.append(error)
    if errors and not drawn:
        raise errors[0]
    if any(found is None for found in drawn):
        return None
    batches = [[torch.as_tensor(part) for part in found] for found in drawn]
    whole = [batch for batch in batches if [tuple(part.shape) for part in batch] == [(n, length)] * 2]
    if not whole:
        shapes = max([tuple(part.shape) for part in batch] for batch in batches)
        return f"shapes {', '.join(map(str, shapes))}; asked for are two of {(n, length)}"
    x, y = (torch.stack(parts) for parts in zip(*whole, strict=True))  # (draws, n, length)
    added = few(y - x) == [1]
    x, y = places(x, data), places(y, data)
    if x.min() < 0:
        return "x has ids that are not in the data"
    if added or y.min() < 0:
        return f"y {'is x + 1' if added else 'has ids that are not in the data'}; steps in x are {few(x.diff())}"
    found = windows(x, y, len(data), failing=len(whole) < DRAWS)
    return "; ".join(f"{key} {value}" for key, value in found.items())


def places(ids: Tensor, data: Tensor) -> Tensor:
    """Where in the data each id stands, which is there once; -1 for one that is not."""
    hits = ids[..., None] == data
    return torch.where(hits.any(dim=-1), hits.int().argmax(dim=-1), -1)


def windows(x: Tensor, y: Tensor, n_data: int, failing: bool) -> dict[str, Any]:
    """How the windows x and y (draws, n, length) lie in the data; what matters most comes first, and alone."""
    steps = x.diff(dim=-1)  # (draws, n, length - 1)
    if few(steps) != [1]:
        shuffled = few(x.sort(dim=-1).values.diff(dim=-1)) == [1]
        wrapped = bool((steps % n_data == 1).all())
        kind = "are shuffled" if shuffled else "go on at the beginning" if wrapped else "are no pieces of the data"
        return {"windows": kind, "steps are": few(steps)}
    starts = x[:, :, 0]  # (draws, n)
    apart = starts[0].diff()
    between = few(starts.diff(dim=1), 1)
    found: dict[str, Any] = {"rows are apart by": between} if apart.numel() else {}
    if bool((starts == starts[0]).all()):
        ordered = bool((apart == apart[:1]).all() and (apart > 0).all())
        found = {"batches are": "the same each time" + (", in order" if ordered else "")}
    if few(y - x) != [1]:
        after = few(y - x)
        if after == "various" and few(y.diff(dim=-1)) == [1]:
            after = "various, y being other windows"
        return {"y comes after x by": after, **(found if apart.numel() else {})}
    if failing:
        return {"some batches": "fail, others do not", **found}
    random = "batches are" not in found and between in ([], "various")
    return {"windows begin at": starts.unique().tolist(), **found} if random else found


def few(values: Tensor, most: int = 2) -> list[int] | str:
    """The values that there are, where they are one or two."""
    found: list[int] = values.unique().tolist()
    return found if len(found) <= most else "various"


def cases() -> list[Case]:
    """Data that have three windows, then more; the ids are in no order, so that none tells which comes next."""
    sizes = [(7, 3, 1, 4), (9, 4, 3, 4)]
    return [Case((FIRST + torch.arange(m) * step % m, n, length)) for m, step, n, length in sizes]


STARTS = "torch.randint(len(data) - length, (n,))"
X, Y = "data[i : i + length]", "data[i + 1 : i + length + 1]"
BOTH = "[data[i : i + length] for i in starts]"

EXERCISE = Exercise(
    lesson="14",
    part=batch,
    make_cases=cases,
    use=properties,
    hints=(
        "Draw n places where windows begin. Which is the last one that still has a target for its last input?",
        "A window needs length + 1 ids: x is all but its last one, y all but its first one.",
        "starts = torch.randint(len(data) - length, (n,)); x: data[i : i + length]; y: data[i + 1 : i + length + 1].",
    ),
    bugs=(
        bug(
            *("crosses_end", "draws windows that go past the end of the data, and then fails"),
            *("len(data) - length,", "len(data) - length + 1,"),
        ),
        bug(
            *("wraps_round", "goes on at the beginning of the data where a window passes the end"),
            *(
                STARTS,
                "torch.randint(len(data), (n,))",
                X,
                "data.roll(-int(i))[:length]",
                Y,
                "data.roll(-int(i) - 1)[:length]",
            ),
        ),
        bug(
            *("last_target_first", "takes the first id of the data for the target of the last"),
            *(STARTS, "torch.randint(len(data) - length + 1, (n,))", Y, "data.roll(-1)[i : i + length]"),
        ),
        bug("last_missing", "never draws the last window", "len(data) - length,", "len(data) - length - 1,"),
        bug("first_missing", "never draws the first window", STARTS, STARTS.replace("randint(", "randint(1, ")),
        bug("same_window", "draws one window for all rows", "(n,)", "(1,)).expand(n"),
        bug(
            *("neighbours", "draws one window, and takes those right after it for the other rows"),
            *(STARTS, "torch.randint(len(data) - length - n + 1, (1,)) + torch.arange(n)"),
        ),
        bug("no_shuffle", "draws nothing: it gives the same windows each time, in order", STARTS, "torch.arange(n)"),
        bug(
            "fixed_seed",
            "seeds the draw, so that it gives the same windows each time",
            STARTS,
            STARTS.replace("(n,)", "(n,), generator=torch.Generator().manual_seed(1)"),
        ),
        bug(
            *("blocks", "cuts the data into blocks, so that windows begin at multiples of their length alone"),
            *(STARTS, "torch.randint(len(data) // length, (n,)) * length"),
        ),
        bug("plus_one", "adds 1 to the ids: the target is the next id of the text", Y, f"{X} + 1"),
        bug(
            *("drawn_twice", "draws x and y separately, so that they are different windows"),
            *(f"{Y} for i in starts", f"{Y} for i in {STARTS}"),
        ),
        bug("y_equals_x", "gives x for y: the targets come one place later", Y, X),
        bug("off_by_two", "takes what comes two places later for the target", Y, "data[i + 2 : i + length + 2]"),
        bug(
            "y_before_x",
            "takes what comes before for the target: are x and y swapped?",
            Y,
            "data[i - 1 : i + length - 1]",
        ),
        bug(
            "tokens",
            "draws single ids, not windows",
            f"torch.stack({BOTH})",
            "data[torch.randint(len(data) - 1, (n, length))]",
        ),
        bug("shuffled", "shuffles the ids within a window", X, "data[i : i + length][torch.randperm(length)]"),
        bug("x_too_long", "gives x the id that is its last target, too", X, "data[i : i + length + 1]"),
        bug("last_target_alone", "gives one target for each window, not for each of its tokens", Y, "data[i + length]"),
        bug("time_first", "gives (length, n), not (n, length)", "return x, y", "return x.T, y.T"),
    ),
)
