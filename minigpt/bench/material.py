"""What the contestants work on: checkpoints of GPT-2's sizes with seeded random numbers, prompts, a text.

Checkpoints are made once and kept in the cache; speed depends only on the sizes, so nothing is downloaded.
"""

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

from tokenizer.fetch.atomic import exclusive
from tokenizer.fetch.verify import cache_dir
from weights import STORYTELLER

RECIPE = 1  # of the numbers: a checkpoint made by another is not read
SIZES: dict[str, dict[str, int]] = {
    "124m": {"vocab_size": 50257, "n_ctx": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768},
    "30m": {"vocab_size": 50257, "n_ctx": 1024, "n_layer": 6, "n_head": 6, "n_embd": 384},
    "xl": {"vocab_size": 50257, "n_ctx": 1024, "n_layer": 48, "n_head": 25, "n_embd": 1600},
    "tiny": {"vocab_size": 101, "n_ctx": 64, "n_layer": 2, "n_head": 2, "n_embd": 32},  # for tests
}


def folder(model: str, dtype: str = "float32") -> Path:
    """A model in Hugging Face layout, in the cache: of the sizes under that name, or the storyteller itself."""
    if model == "storyteller":
        return STORYTELLER
    made = home() / f"{model}-{dtype}"
    with exclusive(home(), wait=600):  # both contestants may come at once
        if not (made / "config.json").exists():
            write(made, model, dtype)
    return made


def home() -> Path:
    """Where checkpoints for measuring are kept."""
    path = cache_dir() / "bench" / f"recipe-{RECIPE}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, model: str, dtype: str) -> None:
    """A checkpoint with random numbers in which every part counts, so that a wrong one changes the text: no bias is
    zero and no gain one, and the blocks weigh more than the embedding, else the same token would repeat for ever."""
    import torch

    from minigpt.models.config import GPT2Config
    from minigpt.models.gpt2 import GPT2
    from weights.export import save_checkpoint, write_probe

    made = GPT2(GPT2Config(**SIZES[model])).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            gain = weight.ndim == 1 and "ln_" in name and name.endswith("weight")
            std = 0.1 if weight.ndim == 1 else 0.02 if name.startswith("w") else weight.shape[0] ** -0.5
            weight.normal_(float(gain), std, generator=generator)
    save_checkpoint(made, path, dtype=getattr(torch, dtype))
    write_probe(path)


def config(model: str) -> dict[str, Any]:
    """The sizes of a model, by our names."""
    if model != "storyteller":
        return dict(SIZES[model])
    data = json.loads((STORYTELLER / "config.json").read_text("utf-8"))
    names = {"vocab_size": "vocab_size", "n_ctx": "n_positions", "n_layer": "n_layer", "n_head": "n_head"}
    return {ours: data[theirs] for ours, theirs in names.items()} | {"n_embd": data["n_embd"]}


def n_parameters(model: str) -> int:
    """How many numbers a model has, the embedding of positions included.

    >>> n_parameters("124m")
    124439808
    """
    size = config(model)
    width = size["n_embd"]
    block = 12 * width * width + 13 * width  # four matrices of attention, eight of the MLP; biases, gains
    return (size["vocab_size"] + size["n_ctx"]) * width + size["n_layer"] * block + 2 * width


def prompts(model: str, length: int, batch: int = 1) -> list[list[int]]:
    """Prompts of that many random ids; a batch's first one is that of a batch of one.

    >>> prompts("124m", 3, 2)[0] == prompts("124m", 3)[0]
    True
    """
    rng = random.Random(0)
    return [[rng.randrange(config(model)["vocab_size"] - 1) for _ in range(length)] for _ in range(batch)]


@cache
def text(file: str = "") -> str:
    """English prose for the tokenizers: a file in UTF-8 or, on any machine, what Python's `help` says about the
    language, half a megabyte."""
    if file:
        return Path(file).read_text("utf-8")
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))
