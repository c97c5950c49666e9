"""What the X-ray shows of a tensor: a corner of at most 12 x 12 numbers, each with its shade."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.analysis.xray import Line
from tokenizer.display import label

NUMBERED = 12  # rows and columns at most: nobody reads more numbers
FORMS = ((1e-3, ".0e"), (1e-2, ".4f"), (1e-1, ".3f"), (1e2, ".2f"), (1e3, ".1f"), (1e5, ".0f"))  # below each size
THINGS = {"B": "sequence", "H": "head", "H_kv": "head", "T": "token", "S": "slot", "L": "layer"}


@dataclass(frozen=True)
class Corner:
    """A part of a tensor as a table."""

    rows: tuple[str, ...]  # their labels
    columns: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[float, ...], ...]  # from -1 to 1: a number as a share of the largest one shown
    changed: tuple[tuple[bool, ...], ...]
    shown: str  # which part it is, "" if all is shown


def corner(line: Line, tokens: Sequence[str], n_rows: int = NUMBERED, n_columns: int = NUMBERED) -> Corner:
    """The first matrix of a line's tensor, as much of it as fits: the first head of the first sequence, say."""
    assert isinstance(line.value, Tensor)
    value, names = matrix(line.value), ("", "", *line.letters)
    before = matrix(line.before) if line.before is not None else value
    part, old = value[:n_rows, :n_columns].cpu(), before[:n_rows, :n_columns].cpu()
    partly = bool((value != before).any()) and not bool((value != before).all())
    wide = part.double()
    shades = torch.where(wide.isfinite(), wide / (largest_of(wide) or 1.0), 0.0)
    row_name, column_name = names[-2] if line.value.ndim > 1 else "", names[-1]
    return Corner(
        tuple(labels(row_name, tokens, len(value))[: len(part)]),
        tuple(labels(column_name, tokens, value.shape[1])[: part.shape[1]]),
        tuple(tuple(row) for row in texts(part)),
        tuple(tuple(row) for row in shades.tolist()),
        tuple(tuple(row) for row in ((part != old) & partly).tolist()),
        shown(line, part.shape),
    )


def matrix(value: Tensor) -> Tensor:
    """The first matrix in a tensor; a vector is one row."""
    value = value[(0,) * (value.ndim - 2)] if value.ndim > 2 else value
    return value.reshape(1, -1) if value.ndim < 2 else value


def labels(name: str, tokens: Sequence[str], n: int) -> list[str]:
    """The labels of a dimension's rows or columns: its tokens if it has some, else numbers.

    >>> labels("S", ["The", " cat"], 2), labels("T", ["The", " cat"], 1), labels("D", ["The"], 2)
    (['The', '·cat'], ['·cat'], ['0', '1'])
    """
    if name in ("T", "S") and len(tokens) >= n:
        return [label(token.encode()) for token in (tokens[-n:] if name == "T" else tokens[:n])]
    return [str(i) for i in range(n)]


def shown(line: Line, size: Sequence[int]) -> str:
    """Which part of its tensor a line shows, as an index and in words; "" if all is shown."""
    assert isinstance(line.value, Tensor)
    shape, n_lead = line.value.shape, max(0, line.value.ndim - 2)
    words = [
        f"the first of {n} {THINGS.get(name, 'part')}s"
        for name, n in zip(line.letters[:n_lead], shape[:n_lead], strict=True)
        if n > 1
    ]
    index = ["0"] * n_lead
    rest = len(shape) - n_lead  # 2, or 1 for a vector
    for n, part, what in zip(shape[n_lead:], size[2 - rest :], ("rows", "columns")[2 - rest :], strict=True):
        index.append(f":{part}" if part < n else ":")
        words += [f"{part} of {n} {what}"] if part < n else []
    return f"[{', '.join(index)}]: {', '.join(words)}" if words else ""


def texts(part: Tensor) -> list[list[str]]:
    """Numbers with enough digits to tell them apart, all with equally many.

    >>> texts(torch.tensor([[0.5, -torch.inf]])), texts(torch.tensor([[0.0123, 0.001]])), texts(torch.tensor([[True]]))
    ([['0.50', '-inf']], [['0.012', '0.001']], [['True']])
    """
    if not part.is_floating_point():
        return [[str(number) for number in row] for row in part.tolist()]
    wide = part.double()
    largest = largest_of(wide) or 1.0
    form = next((form for limit, form in FORMS if largest < limit), ".0e")
    return [[f"{number:{form}}" for number in row] for row in wide.tolist()]


def largest_of(part: Tensor) -> float:
    """The largest magnitude of a finite number, 0 if there is none."""
    finite = part[part.isfinite()]
    return finite.abs().max().item() if len(finite) else 0.0
