"""Whether ids that a model in fewer bits chose greedily are the best ones, up to its loss of precision."""

from functools import lru_cache
from typing import Any

from minigpt.bench import material


@lru_cache(maxsize=1)
def model_of(model: str, stored: str) -> Any:
    """The model in float32, by the code of `loops`, which is neither ours nor a library's."""
    from minigpt.bench.contestants.loops import Model

    return Model(model, "float32", "cpu", stored)


def regret(ids: list[int], model: str, prompt: int = 8, stored: str = "float32", **_: object) -> float:
    """How far the worst of the chosen ids lies below the best one, in standard deviations of the step's logits.

    0 means that each was the best after those before it. A model that forgets a bias, or sees a wrong cache, is off by
    several.
    """
    import torch

    made, (before,) = model_of(model, stored), material.prompts(model, prompt)
    read = torch.tensor([[*before, *ids[:-1]]])  # (1, T)
    with torch.inference_mode():
        x = made.hidden(read, torch.arange(read.shape[1]))[0, prompt - 1 :]  # (N, C)
        logits = made.unembed(x)  # (N, V)
        chosen = logits.gather(1, torch.tensor(ids)[:, None])[:, 0]  # (N,)
        below = (logits.amax(-1) - chosen) / logits.std(-1)
    return float(below.max())
