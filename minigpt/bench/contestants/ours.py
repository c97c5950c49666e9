"""This project, by the functions that a user calls."""

import time

import minigpt
from minigpt.bench import material
from minigpt.bench.workers import Run, Sample
from minigpt.generation.generate import run
from minigpt.generation.sequences import plan
from minigpt.generation.settings import resolve


def generate(
    model: str,
    dtype: str | None = "float32",
    prompt: int = 8,
    new: int = 13,
    batch: int = 1,
    device: str = "cpu",
    stored: str = "float32",
    whole: bool = False,
    **settings: object,
) -> Run:
    """Seconds for a new token of a batch's rows, greedy unless the settings say otherwise, or, with `whole`, for the
    call with all that comes before the first token. `stored` is the checkpoint's dtype, `dtype` what it is loaded in.
    """
    lm = minigpt.load(material.folder(model, stored), device=device, dtype=dtype)
    prompts = material.prompts(model, prompt, batch)
    chosen = resolve({"temperature": 0.0, "seed": 0, **settings, "max_new_tokens": new})

    told = repr(lm).removesuffix(")").split(": ", 1)[1]  # without its folder, which is this machine's

    def once() -> Sample:
        start = time.perf_counter()
        sequences = plan(lm.model, prompts, chosen)
        steps = run(lm.model, sequences, chosen)
        next(steps)
        first = 0 if whole else len(sequences[0].new_ids)
        start = start if whole else time.perf_counter()
        for _ in steps:
            pass
        seconds = time.perf_counter() - start
        tokens = 1 if whole else batch * (len(sequences[0].new_ids) - first)
        return seconds / tokens, {"output": sequences[0].new_ids, "notes": told}

    return once
