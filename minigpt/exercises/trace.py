"""Where two computations diverge: every tensor that each line makes, in order, and the first that the other lacks.

A TorchFunctionMode sees each call of torch with the line that made it; co_positions gives the exact expression.
Values are compared by sums, which neither a reshape nor a transpose changes, so that another style is no difference.
"""

import linecache
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from minigpt.exercises.own import own_file, place

CHECK = str(Path(__file__).parent)
HUGE = -1e8  # what is below stands for -inf


class Step(NamedTuple):
    """A tensor that an expression made."""

    file: str
    line: int
    text: str  # of the expression
    print: tuple[float, ...]  # what no reshape changes
    dtype: torch.dtype
    code: CodeType | None = None  # of the function that contains it


class Trace(TorchFunctionMode):
    """Inside it `steps` gets an entry for every float tensor that lines of a learner's or the solution's make."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        frame = own_frame(sys._getframe(1))
        given = (*args, *kwargs.values())
        if frame is not None and any(isinstance(arg, Tensor) for arg in given):  # not a constant, such as a mask
            file, line, text = expression(frame)
            parts = [(text, part) for part in (out if isinstance(out, (tuple, list)) else [out])]
            if func is F.scaled_dot_product_attention:
                inside = opened(*args, **kwargs)
                parts = [*((f"the {name} in {text}", part) for name, part in inside.items()), *parts]
            for what, part in parts:
                if isinstance(part, Tensor) and part.is_floating_point() and not isinstance(part._base, nn.Parameter):
                    self.steps.append(Step(file, line, what, fingerprint(part), part.dtype, frame.f_code))
        return out


def own_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that is neither a library's nor the project's: a line of the learner's or the solution's.

    None if there is none within the check, which is itself called by a learner's line.
    """
    while frame and not own_file(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(CHECK):
            return None
        frame = frame.f_back
    return frame


def expression(frame: FrameType) -> tuple[str, int, str]:
    """The file, line and text of the exact expression that runs in a frame."""
    file, places = frame.f_code.co_filename, list(frame.f_code.co_positions())
    line, end, start, stop = places[frame.f_lasti // 2]
    if line is None:
        return file, frame.f_lineno, ""
    text = linecache.getline(file, line)
    if start is None or stop is None:
        return file, line, text.strip()
    return file, line, text.encode()[start : stop if end == line else None].decode(errors="replace").strip()


def opened(
    query: Tensor,
    key: Tensor,
    value: Tensor,  # noqa: ARG001  (the names and the order are torch's: learners use either)
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    scale: float | None = None,
    **_others: Any,
) -> dict[str, Tensor]:
    """What torch's scaled_dot_product_attention computes along the way, as its documentation writes it out."""
    raw = query @ key.transpose(-2, -1)
    scaled = raw * (query.shape[-1] ** -0.5 if scale is None else scale)
    mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril() if is_causal else attn_mask
    if mask is None:
        masked = scaled
    else:
        masked = scaled.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scaled + mask
    return {"scores": raw, "scaled scores": scaled, "masked scores": masked, "weights": masked.softmax(-1)}


def fingerprint(t: Tensor) -> tuple[float, ...]:
    """Sums over a tensor's numbers, without those that stand for -inf.

    >>> fingerprint(torch.tensor([[3.0, 4.0]])) == fingerprint(torch.tensor([[4.0], [3.0], [-torch.inf]]))
    True
    """
    t = t.detach().double().flatten()
    t = t[t > HUGE]
    return (t.sum().item(), t.square().sum().item(), t.abs().amax().item(), t.numel()) if t.numel() else (0.0,) * 4


def close(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two fingerprints are the same up to rounding."""
    return all(math.isclose(x, y, rel_tol=1e-8, abs_tol=1e-8) for x, y in zip(a, b, strict=True))


def steps_of(run: Callable[[], Any]) -> list[Step]:
    """The steps of a computation, as far as it gets."""
    trace = Trace()
    try:
        with torch.no_grad(), trace:
            run()
    except Exception:
        return trace.steps
    return trace.steps


def parting(yours: list[Step], reference: list[Step], part: Any = None) -> list[str]:
    """Lines that say up to where both have the same values, and the two expressions that diverge there; a line outside
    the part is given with its function."""
    stones: list[Step] = []
    for step in reference:  # views and repeats change nothing: the first of each value
        if not any(close(step.print, stone.print) for stone in stones):
            stones.append(step)
    last, at = -1, -1
    for n, stone in enumerate(stones):  # one may be skipped: others may use other steps
        found = next((i for i in range(at + 1, len(yours)) if close(yours[i].print, stone.print)), None)
        if found is not None:
            last, at = n, found
    if last < 0:
        first = [f"none of your values is one of the reference's; it begins with  {stones[0].text}"] if stones else []
        return [*first, *([f"and you with  {shown(yours[0], part)}"] if yours else [])]
    lines = [f"the same up to  {shown(yours[at], part)}", f"  in the reference  {stones[last].text}"]
    known = {stone.print for stone in stones[: last + 1]}
    after = next((s for s in yours[at + 1 :] if not any(close(s.print, one) for one in known)), None)
    theirs = stones[last + 1].text if last + 1 < len(stones) else ""
    if after and "".join(after.text.split()) == "".join(theirs.split()):
        lines.append(f"then both have  {shown(after, part)}")
        lines.append("  with a different value: its inputs are not the same")
    elif theirs or after:
        lines.append(f"then you have  {shown(after, part) if after else 'nothing more'}")
        lines.append(f"  and the reference  {theirs or 'nothing more: that is its result'}")
    return lines


def shown(step: Step, part: Any) -> str:
    """A step's line and expression."""
    line = place(step.line, step.code, part)
    return f"{line}: {step.text}" if step.text else line


def narrowing(steps: list[Step]) -> Step | None:
    """The first step that leaves float64."""
    return next((step for step in steps if step.dtype != torch.float64), None)
