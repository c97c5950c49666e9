"""llama.cpp, through the C functions that llama-cpp-python exposes, so that none of its Python is in the way."""

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from minigpt.bench import material
from minigpt.bench.gguf_file import gguf_file
from minigpt.bench.workers import Run, Sample

N_CTX = 256
KEPT: list[object] = []  # what C refers to only by its address


def context_of(path: Path) -> Any:
    """The model of a GGUF file, ready to decode on as many threads as every contestant has."""
    import llama_cpp as c

    KEPT.append(c.llama_log_callback(lambda *_: None))  # drops its messages while it loads
    c.llama_log_set(KEPT[-1], ctypes.c_void_p(0))
    c.llama_backend_init()
    model = c.llama_model_load_from_file(str(path).encode(), c.llama_model_default_params())
    params = c.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = N_CTX
    params.n_threads = params.n_threads_batch = int(os.environ["OMP_NUM_THREADS"])
    context = c.llama_init_from_model(model, params) if model else None
    if not context:
        raise ValueError(f"llama.cpp cannot read {path.name}")
    return context


def generate(model: str, kind: str = "F32", prompt: int = 8, new: int = 13) -> Run:
    """Seconds for a new token, greedy; `kind` is what the matrices are stored in."""
    import llama_cpp as c

    context = context_of(gguf_file(model, kind))
    n_vocab = material.config(model)["vocab_size"]
    (ids,) = material.prompts(model, prompt)

    def decode(tokens: list[int]) -> int:
        array = (c.llama_token * len(tokens))(*tokens)
        if c.llama_decode(context, c.llama_batch_get_one(array, len(tokens))):
            raise RuntimeError("llama_decode failed")
        logits = np.ctypeslib.as_array(c.llama_get_logits_ith(context, -1), shape=(n_vocab,))
        return int(logits.argmax())

    def once() -> Sample:
        c.llama_memory_clear(c.llama_get_memory(context), True)
        found = [decode(ids)]
        start = time.perf_counter()
        while len(found) < new:
            found.append(decode(found[-1:]))
        return (time.perf_counter() - start) / (new - 1), {"output": found}

    return once
