"""Peaks of memory, each in a process of its own: python -m minigpt.bench.peaks WHAT … prints a line of JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS, REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(key: str) -> int:
    """Bytes of this process that are resident in memory: VmRSS is the number now, VmHWM the most so far. A ValueError
    if the system does not say."""
    if not STATUS.exists():
        raise ValueError("peaks of memory are read from /proc, which only Linux has")
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def load(folder: str, dtype: str) -> int:
    """Load a checkpoint, after a small one, so that no import counts."""
    import minigpt

    minigpt.load("storyteller", device="cpu")
    start()
    return minigpt.load(folder, device="cpu", dtype=dtype).model.config.n_layer


def two_tokens(model: str, batch: str, max_new_tokens: str) -> list[int]:
    """Write two tokens of many; the model is loaded before the count begins."""
    import minigpt
    from minigpt.bench import material
    from minigpt.generation.generate import run
    from minigpt.generation.sequences import plan
    from minigpt.generation.settings import resolve

    lm = minigpt.load(material.folder(model), device="cpu")
    minigpt.generate(lm.model, [1, 2, 3], max_new_tokens=2, temperature=0.0)
    prompts = material.prompts(model, 8, int(batch))
    settings = resolve({"temperature": 0.0, "max_new_tokens": int(max_new_tokens)})
    start()
    sequences = plan(lm.model, prompts, settings)
    steps = run(lm.model, sequences, settings)
    while len(sequences[0].new_ids) < 2:
        next(steps)
    return sequences[0].new_ids


def training(who: str, model: str, precision: str) -> list[float]:
    """Six steps; the first two losses."""
    from minigpt.bench.contestants import training as contestants

    contestants.step(who, "tiny", precision)()  # so that no import counts
    start()
    once = contestants.step(who, model, precision)
    outputs: list[Any] = [once()[1]["output"] for _ in range(3)]
    return outputs[0]


BEFORE: list[int] = []  # the bytes when the count began


def start() -> None:
    """From here on only memory above the present amount counts."""
    if REFS.exists():
        REFS.write_text("5")  # forget the peak so far
    BEFORE.append(resident("VmRSS"))


TASKS: dict[str, Callable[..., object]] = {"load": load, "two_tokens": two_tokens, "training": training}

if __name__ == "__main__":
    output = TASKS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"bytes": resident("VmHWM") - BEFORE[-1], "output": output}))
