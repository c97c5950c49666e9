"""transformers: `generate`, with its growing cache or with a static one and a compiled step."""

import time
from typing import Any

import torch

from minigpt.bench import material
from minigpt.bench.workers import Run, Sample


class Clock:
    """What transformers calls a streamer. It receives the prompt first, then every new token."""

    def __init__(self) -> None:
        self.n, self.start, self.seconds = 0, 0.0, 0.0

    def put(self, _: Any) -> None:
        self.n += 1
        if self.n == 2:
            self.start = time.perf_counter()

    def end(self) -> None:
        self.seconds = time.perf_counter() - self.start


def generate(
    model: str,
    dtype: str = "float32",
    prompt: int = 8,
    new: int = 13,
    batch: int = 1,
    device: str = "cpu",
    stored: str = "float32",
    whole: bool = False,
    static: bool = False,
    **settings: Any,
) -> Run:
    """As `ours.generate`; `static` is the cache of fixed length whose step transformers compiles."""
    from transformers import AutoModelForCausalLM, CompileConfig, GenerationConfig

    path, kind = material.folder(model, stored), getattr(torch, dtype)
    made: Any = AutoModelForCausalLM.from_pretrained(path, dtype=kind)
    made.to(device).eval()
    made.generation_config = GenerationConfig(pad_token_id=0)
    given: dict[str, Any] = {"do_sample": False, "max_new_tokens": new, **settings}
    if static:
        given["cache_implementation"] = "static"
        given["compile_config"] = CompileConfig(mode="reduce-overhead" if device == "cuda" else "default")
        given["compile_config"]._compile_all_devices = True  # a CPU too, which transformers leaves out by default
    ids = torch.tensor(material.prompts(model, prompt, batch), device=device)  # (B, T)
    mask = torch.ones_like(ids)

    @torch.inference_mode()
    def once() -> Sample:
        clock, start = Clock(), time.perf_counter()
        found = made.generate(ids, attention_mask=mask, streamer=None if whole else clock, **given)
        new_ids = found[0, prompt:].tolist()
        seconds = time.perf_counter() - start if whole else clock.seconds / batch / (len(new_ids) - 1)
        return seconds, {"output": new_ids}

    return once
