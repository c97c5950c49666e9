"""The forward passes of a text as they happen: which slots a token may see, and what the KV cache saves.

B batch, T new tokens, S cache slots, H heads, D head size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.analysis.activations import record
from minigpt.generation.noise import sequence_key
from minigpt.generation.settings import Settings
from minigpt.generation.simple import next_ids
from minigpt.models.cache import KVCache
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama


@dataclass(frozen=True)
class CachePass:
    """One forward pass of a generation: the prefill, or a decode step."""

    ids: tuple[int, ...]  # the text up to its newest token
    written: tuple[int, ...]  # the slots whose keys are new in this pass
    read: tuple[int, ...]  # the slots that a new token may see, its own among them
    n_tokens: int  # how many tokens went through the model
    n_uncached: int  # how many would go through it without a cache, for the same logits
    n_bytes: int  # of all layers' keys and values in the slots that are filled


@torch.no_grad()
def allowed(model: GPT2 | Llama, ids: Tensor, n_cached: int | None = None) -> Tensor:
    """Which tokens a model's first block lets each token of a text look at: ids (1, T) -> (T, T) bools, read from its
    attention scores, which are -inf where a token may not look.

    With `n_cached` the first tokens come from a KV cache of T + 2 slots, two of them empty: (T - n_cached, T + 2).

    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=8, n_layer=1, n_head=1, n_embd=2))
    >>> allowed(model, torch.tensor([[1, 2, 3]]), n_cached=2).int()
    tensor([[1, 1, 1, 0, 0]], dtype=torch.int32)
    """
    with record(model, "h.0.attn.scores") as seen:
        if n_cached is None:
            model.hidden(ids)
        else:
            weight = next(model.parameters())
            cache = KVCache(model.config, 1, ids.shape[1] + 2, weight.device, weight.dtype)
            pos = torch.arange(ids.shape[1], device=ids.device)[None]  # (1, T)
            if n_cached:
                model.hidden(ids[:, :n_cached], cache=cache)
            model.hidden(ids[:, n_cached:], pos[:, n_cached:], cache)
    return seen["h.0.attn.scores"][0, 0] != -torch.inf  # (T, S)


def cache_passes(model: GPT2 | Llama, ids: Sequence[int], n_new: int, settings: Settings) -> Iterator[CachePass]:
    """The forward passes that give a prompt its next n_new tokens, or those up to an end token, as they happen.

    The last token that is chosen goes through no pass: nothing is predicted after it.

    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=8, n_layer=1, n_head=1, n_embd=2))
    >>> [(step.n_tokens, step.n_uncached) for step in cache_passes(model, [1, 2, 3], 3, Settings())]
    [(3, 3), (1, 4), (1, 5)]
    """
    text, before = list(ids), torch.empty(0)
    chosen = next_ids(model, text, n_new, settings, sequence_key(settings.seed or 0, 0, text))
    with record(model, ["wte", "h.0.attn.scores", "h.*.attn.[kv]"]) as seen:
        for id, _ in chosen:
            keys = seen["h.0.attn.k"][0].transpose(0, 1).flatten(1)  # (S, H·D)
            same = (keys[: len(before)] == before).all(1).tolist() if len(before) else []
            new = [slot for slot in range(len(keys)) if slot >= len(same) or not same[slot]]
            looked = (seen["h.0.attn.scores"][0] != -torch.inf).any(1).any(0).nonzero()[:, 0]  # of (H, T, S)
            n_tokens = seen["wte"].shape[1]
            n_bytes = sum(tensor.nbytes for name, tensor in seen.items() if name.endswith((".k", ".v")))
            with torch.no_grad():
                model.hidden(torch.tensor([text], device=keys.device))
            yield CachePass(tuple(text), tuple(new), tuple(looked.tolist()), n_tokens, seen["wte"].shape[1], n_bytes)
            if id in settings.eos_token_id:
                return
            text.append(id)
            before = keys
