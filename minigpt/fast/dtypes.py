"""`dtype="auto"`: the numbers in which a model writes fastest on this machine without writing another text.

Measured when a model is first loaded this way, and remembered in the cache: how long a token takes at batch 1 (many
texts at once may favour another dtype), and whether the greedy text is that of the checkpoint's dtype.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from minigpt.fast import remembered
from minigpt.fast.compared import say_once
from minigpt.generation.generate import run
from minigpt.generation.sequences import plan
from minigpt.generation.settings import Settings
from minigpt.models.interface import Model
from minigpt.prompts import as_prompt, start_of
from weights.adapter import adapter_in, load_adapted
from weights.checkpoint import Checkpoint, load_checkpoint
from weights.devices import pick_device
from weights.fetch import locate
from weights.report import size_text

OTHERS = {"cpu": ("int8", "float16", "bfloat16"), "cuda": ("bfloat16", "float16"), "mps": ("float16", "bfloat16")}
PROMPT = "Once upon a time, in a small town by the sea, there was"
N_TOKENS = 48  # of the greedy text that must stay the same
SPAN = 16  # tokens in a row that are timed together; the fastest span counts
FASTER = 1.1  # less is no reason to change the dtype, nor to mention it
SMALL = 50_000_000  # bytes of weights below which a start should not wait for measurements
LARGE = 500_000_000  # parameters above which a model is not loaded once more only to compare


@dataclass(frozen=True)
class Timed:
    """What was measured for a dtype."""

    seconds: float  # a token; infinite if the model does not run in it
    same: bool  # the whole greedy text is the own dtype's; False also where a slow one was given up


Found = dict[str, Timed]


def load_in(
    name: str | Path,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    force: bool = False,
    plain: bool = False,
) -> Checkpoint:
    """`weights.load_checkpoint` with two more dtypes: "int8", matrices rounded to 8 bits, and "auto"; and of LoRA's."""
    if (folder := adapter_in(name)) is not None:
        return load_adapted(folder, device, None if str(dtype) == "auto" else dtype, force)
    if str(dtype) == "auto":
        return load_fastest(name, pick_device(device), force, plain)
    if str(dtype).removeprefix("torch.") != "int8":
        return load_checkpoint(name, device, dtype, force)
    if (place := pick_device(device)).type != "cpu":
        raise ValueError(f"dtype int8 is for the CPU, not {place.type}: use dtype='float16', or device='cpu'")
    from minigpt.fast.int8 import quantized

    c = load_checkpoint(name, place, torch.float32, force)
    c.model, c.report.dtype = quantized(c.model), "int8"
    c.report.self_check += " (before rounding to int8)"
    c.report.n_bytes = sum(thing.nbytes for thing in (*c.model.parameters(), *c.model.buffers()))
    return c


def load_fastest(name: str | Path, device: torch.device, force: bool, plain: bool) -> Checkpoint:
    """The checkpoint in its fastest dtype; its report says which one and why.

    A small model, and the plain form, keep the checkpoint's own dtype, and nothing is measured.
    """
    path = locate.obtain(name).path
    if plain or remembered.size(path) < SMALL:
        c = load_checkpoint(name, device, None, force)
        because = "plain asks for it" if plain else f"{size_text(c.report.n_bytes)} of weights are soon read"
        c.report.chosen = f"{c.report.dtype}: the checkpoint's own, not measured, as {because}"
        return c
    note = remembered.place(path, device)
    own: Checkpoint | None = None
    own_dtype, found = recall(note)
    if not found.keys() >= set(OTHERS[device.type]):
        own = load_checkpoint(name, device, None, force)
        say_once(f"{name}: measuring in which dtype it writes fastest here; remembered in {note.parent}")
        own_dtype, found = own.report.dtype, found | measure(own, set(OTHERS[device.type]) - found.keys())
        keep(note, own_dtype, found)
    best = fastest(own_dtype, found)
    c = own if own and best == own_dtype else load_in(name, device, best, force)
    c.report.chosen = why(own_dtype, found)
    return c


def faster_than(name: str | Path, path: Path, device: torch.device, dtype: str, n_parameters: int) -> str:
    """Which dtypes are faster than the one that was asked for, in words; empty if none is, or is not known to be.

    If nothing is remembered, the checkpoint's own dtype is measured beside it, unless the model is small or very large.
    """
    if remembered.size(path) < SMALL:
        return ""
    note = remembered.place(path, device)
    own_dtype, found = recall(note)
    if dtype not in found and dtype in OTHERS[device.type] and n_parameters <= LARGE:
        own = load_checkpoint(name, device, None, force=True)
        own_dtype, found = own.report.dtype, found | measure(own, {dtype} - {own.report.dtype})
        keep(note, own_dtype, found)
    if dtype not in found:
        return ""
    better = {d: t for d, t in found.items() if t.same and FASTER * t.seconds < found[dtype].seconds}
    there = " and ".join(f"{d} {speed(t)}" for d, t in sorted(better.items(), key=lambda pair: pair[1].seconds))
    return f"{speed(found[dtype])} tokens/s on this machine, {there} with the same greedy text" if better else ""


def measure(own: Checkpoint, dtypes: Iterable[str]) -> Found:
    """The checkpoint's own dtype and these others on a short greedy text."""
    size, n_ctx = own.model.config.vocab_size, own.model.config.n_ctx
    ids = start_of(own.tokenizer, as_prompt(PROMPT)) if own.tokenizer else [7919 * i % size for i in range(1, 11)]
    ids = ids[: n_ctx // 2]
    device = next(own.model.parameters()).device
    seconds, text = write(own.model, ids)
    found = {own.report.dtype: Timed(seconds, True)}
    for dtype in sorted(dtypes, key=OTHERS[device.type].index):
        slowest = 1.5 * min(timed.seconds for timed in found.values())
        try:
            seconds, other = write(load_in(own.name, device, dtype).model, ids, slowest)
            found[dtype] = Timed(seconds, other == text)
        except (ValueError, RuntimeError, MemoryError, ImportError):  # no such operation here, numbers that overflow
            found[dtype] = Timed(math.inf, False)
    return found


def write(model: Model, ids: list[int], slowest: float = math.inf) -> tuple[float, list[int]]:
    """Seconds a token of a greedy text after these ids, and its tokens; given up soon if they are too slow."""
    settings = Settings(max_new_tokens=N_TOKENS, context="stop")
    (sequence,) = plan(model, [ids], settings)
    times: list[float] = []  # when each token came
    for _ in run(model, [sequence], settings):
        times += [perf_counter()] * (len(sequence.new_ids) - len(times))
        if len(times) > 4 and times[-1] - times[1] > slowest * (len(times) - 2):
            break
    span = max(1, min(SPAN, len(times) - 1))
    return min((b - a for a, b in zip(times, times[span:], strict=False)), default=math.inf) / span, sequence.new_ids


def fastest(own: str, found: Found) -> str:
    """The fastest dtype with the same text; the checkpoint's own unless another is clearly faster.

    >>> fastest("float32", {"float32": Timed(0.02, True), "float16": Timed(0.01, True), "int8": Timed(0.005, False)})
    'float16'
    """
    best = min((dtype for dtype, timed in found.items() if timed.same), key=lambda dtype: found[dtype].seconds)
    return best if FASTER * found[best].seconds < found[own].seconds else own


def why(own: str, found: Found) -> str:
    """The choice and its reasons in one line.

    >>> why("float32", {"float32": Timed(0.02, True), "float16": Timed(0.01, True), "int8": Timed(0.008, False)})
    'float16: 100 tokens/s here with the same greedy text; float32, the own, 50; int8 125 with another text'
    """
    best, limit = fastest(own, found), found[own].seconds
    said = [f"{best}: {speed(found[best])} tokens/s here" + ("" if best == own else " with the same greedy text")]
    for dtype, timed in found.items():
        if dtype != best:
            text = " with another text" if not timed.same and timed.seconds < limit else ""
            said.append(f"{dtype}{', the own,' if dtype == own else ''} {speed(timed)}{text}")
    return "; ".join(said)


def speed(timed: Timed) -> str:
    """Tokens a second, in words.

    >>> speed(Timed(0.0123, True)), speed(Timed(math.inf, False))
    ('81.3', 'does not run')
    """
    return f"{1 / timed.seconds:.3g}" if math.isfinite(timed.seconds) else "does not run"


def recall(note: Path) -> tuple[str, Found]:
    """The checkpoint's own dtype and what was measured; nothing if nothing is remembered, or a note is damaged."""
    data = remembered.read(note)
    try:
        found = {str(dtype): Timed(float(seconds), bool(same)) for dtype, (seconds, same) in data["found"].items()}
        return str(data["own"]), found if found[data["own"]].same else {}
    except (KeyError, TypeError, ValueError, AttributeError):
        return "", {}


def keep(note: Path, own: str, found: Found) -> None:
    """Remembers what was measured; a cache that cannot be written costs time at every start, and a line says so."""
    data = {"own": own, "found": {dtype: (timed.seconds, timed.same) for dtype, timed in found.items()}}
    try:
        remembered.keep(note, data)
    except OSError as error:
        way = "name a --dtype, or set MINIGPT_CACHE to a folder that can be written"
        say_once(f"the fastest dtype cannot be remembered in {note.parent} ({error.strerror}): {way}")
