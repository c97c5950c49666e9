"""Peaks of memory, each in a process of its own: python -m minigpt.bench.peaks WHAT … prints a line of JSON."""

import json
import sys
from pathlib import Path
from typing import Any

STATUS, REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(key: str) -> int:
    """Bytes of this process that lie in memory: VmRSS are those of now, VmHWM the most so far. A ValueError where the
    system does not say."""
    if not STATUS.exists():
        raise ValueError("peaks of memory are read from /proc, which only Linux has")
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def load(folder: str, dtype: str) -> Any:
    """Load a checkpoint."""
    import minigpt

    start()
    return minigpt.load(folder, device="cpu", dtype=dtype).model.config.n_layer


def two_tokens(model: str, batch: str, max_new_tokens: str) -> Any:
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
    return [next(steps) and None, next(steps) and sequences[0].new_ids][1]


def training(who: str, model: str, precision: str) -> Any:
    """Three steps."""
    from minigpt.bench.contestants import training as contestants

    start()
    once = contestants.step(who, model, precision)
    return [once()[1]["output"] for _ in range(3)][-1]


def start() -> None:
    """From here on counts what lies above what there is now."""
    global before
    if REFS.exists():
        REFS.write_text("5")  # forget the peak so far
    before = resident("VmRSS")


before = 0
TASKS = {"load": load, "two_tokens": two_tokens, "training": training}

if __name__ == "__main__":
    output = TASKS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"bytes": resident("VmHWM") - before, "output": output}))
