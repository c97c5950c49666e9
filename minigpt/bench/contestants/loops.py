"""GPT-2 and its loop as other teaching projects write them: without a cache, and as one compiled step.

The first is the shape of nanoGPT's `generate`: the whole text goes through the model for every token. The second is the
shape of gpt-fast's: a cache of fixed length, one step without any branch in it, compiled as a whole, with the choice
of the token inside. Both are written here, with PyTorch's own fused functions, and share the model.

B batch, T new tokens, S cache slots, C channels, H heads, D head size, V vocabulary.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.bench import material
from minigpt.bench.workers import Run, Sample
from weights.formats.folder import weight_files
from weights.formats.tensors import read_tensors

Caches = list[tuple[Tensor, Tensor]]  # of each block: keys and values (B, H, S, D)


class Model:
    """GPT-2's forward pass over a dict of its weights, the matrices (out, in) as torch.nn.Linear has them."""

    def __init__(self, model: str, dtype: str, device: str, stored: str = "float32") -> None:
        self.size = material.config(model)
        self.w: dict[str, Tensor] = {}
        for key, tensor in read_tensors(weight_files(material.folder(model, stored))).items():
            numbers = tensor.read().to(device, getattr(torch, dtype))
            turned = numbers.T if numbers.ndim == 2 and ".h." in key else numbers
            self.w[key.removeprefix("transformer.")] = turned.clone(memory_format=torch.contiguous_format)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """x Wᵀ + b."""
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        """LayerNorm over C."""
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], 1e-5)

    def hidden(self, ids: Tensor, pos: Tensor, caches: Caches | None = None) -> Tensor:
        """(B, T, C) for ids (B, T) at positions pos (T,); keys and values go into the caches."""
        x = F.embedding(ids, self.w["wte.weight"]) + F.embedding(pos, self.w["wpe.weight"])  # (B, T, C)
        for n in range(self.size["n_layer"]):
            x = x + self.attention(n, self.norm(f"h.{n}.ln_1", x), pos, caches[n] if caches else None)
            y = F.gelu(self.linear(f"h.{n}.mlp.c_fc", self.norm(f"h.{n}.ln_2", x)), approximate="tanh")  # (B, T, 4C)
            x = x + self.linear(f"h.{n}.mlp.c_proj", y)  # (B, T, C)
        return self.norm("ln_f", x)  # (B, T, C)

    def unembed(self, x: Tensor) -> Tensor:
        """Logits: (…, C) -> (…, V)."""
        return F.linear(x, self.w["wte.weight"])

    def logits(self, ids: Tensor, pos: Tensor, caches: Caches | None = None) -> Tensor:
        """Logits (B, V) after the last of ids (B, T)."""
        return self.unembed(self.hidden(ids, pos, caches)[:, -1])

    def attention(self, n: int, x: Tensor, pos: Tensor, cache: tuple[Tensor, Tensor] | None) -> Tensor:
        """Block n's attention, (B, T, C) -> (B, T, C)."""
        heads = (*x.shape[:2], 3, self.size["n_head"], -1)
        q, k, v = self.linear(f"h.{n}.attn.c_attn", x).view(heads).permute(2, 0, 3, 1, 4)  # (B, H, T, D) each
        if cache is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, D)
        else:
            k, v = (kept.index_copy_(2, pos, new) for kept, new in zip(cache, (k, v), strict=True))  # (B, H, S, D)
            mask = torch.arange(k.shape[2], device=k.device) <= pos[:, None]  # (T, S)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.linear(f"h.{n}.attn.c_proj", y.transpose(1, 2).flatten(2))

    def caches(self, batch: int, n_slots: int) -> Caches:
        """Empty caches of fixed length."""
        weight = self.w["wte.weight"]
        shape = (batch, self.size["n_head"], n_slots, self.size["n_embd"] // self.size["n_head"])
        return [(weight.new_zeros(shape), weight.new_zeros(shape)) for _ in range(self.size["n_layer"])]


def cache_free(model: str, dtype: str = "float32", device: str = "cpu", prompt: int = 8, new: int = 13) -> Run:
    """Seconds for a new token where every token costs a pass over the whole text."""
    made = Model(model, dtype, device)
    start_ids = torch.tensor(material.prompts(model, prompt), device=device)  # (1, T)

    @torch.inference_mode()
    def once() -> Sample:
        ids, start = start_ids, time.perf_counter()
        for _ in range(new):
            logits = made.logits(ids, torch.arange(ids.shape[1], device=device))
            ids = torch.cat((ids, logits.argmax(-1, keepdim=True)), dim=1)
        found = ids[0, prompt:].tolist()
        return (time.perf_counter() - start) / new, {"output": found}

    return once


def compiled_step(made: Model, caches: Caches, device: str, backend: str = "inductor") -> Callable[..., Tensor]:
    """(ids (B, 1), pos (1,)) -> the next ids (B, 1): one graph, no branch in it."""

    def step(ids: Tensor, pos: Tensor) -> Tensor:
        return made.logits(ids, pos, caches).argmax(-1, keepdim=True)

    mode = "reduce-overhead" if device == "cuda" else None  # CUDA graphs
    return torch.compile(step, fullgraph=True, backend=backend, mode=mode)


def compiled(
    model: str,
    dtype: str = "float32",
    device: str = "cpu",
    prompt: int = 8,
    new: int = 13,
    stored: str = "float32",
    backend: str = "inductor",
) -> Run:
    """Seconds for a new token by a compiled step over a cache of fixed length."""
    made = Model(model, dtype, device, stored)
    caches = made.caches(1, prompt + new)
    step = compiled_step(made, caches, device, backend)
    start_ids = torch.tensor(material.prompts(model, prompt), device=device)  # (1, T)

    @torch.no_grad()  # torch.compile's caches must not be made under inference_mode
    def once() -> Sample:
        logits = made.logits(start_ids, torch.arange(prompt, device=device), caches)
        ids = [logits.argmax(-1, keepdim=True)]
        first, start = ids[0].tolist(), time.perf_counter()  # tolist waits for the GPU
        for pos in torch.arange(prompt, prompt + new - 1, device=device).split(1):
            ids.append(step(ids[-1], pos).clone())
        found = torch.cat(ids, dim=1)[0].tolist()
        assert found[:1] == first[0]
        return (time.perf_counter() - start) / (new - 1), {"output": found}

    return once
