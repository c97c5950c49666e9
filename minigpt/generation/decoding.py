"""The loop: encode the prompts once, then pick a token, append it, step; pick, append, step.

B rows (texts in the making), T tokens, C channels, V vocabulary.
"""

import secrets
from typing import Any

import torch
from torch import Tensor

from minigpt.generation.sampling import pick, row_key
from minigpt.generation.sequences import Model, Row, Steps, is_batch, plan
from minigpt.generation.settings import Settings, resolve
from minigpt.models.cache import KVCache


def generate(model: Model, ids: list[int] | list[list[int]], **settings: Any) -> list[int] | list[list[int]]:
    """Continues a list of token ids, or several lists at once: ids in, new ids out, an end token included.

    The settings are those of `Settings`; without `eos_token_id` only the number of tokens ends a text. With
    num_return_sequences=n each list gives n lists, one after the other.

    >>> from minigpt.models.config import GPT2Config
    >>> from minigpt.models.gpt2 import GPT2
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=16, n_layer=1, n_head=2, n_embd=8))
    >>> len(generate(model, [1, 2, 3], max_new_tokens=5))
    5
    """
    chosen = resolve(settings)
    ids = ids.tolist() if isinstance(ids, Tensor) else ids
    several = is_batch(ids) and bool(ids)
    rows = plan(model, ids if several else [ids], chosen)  # type: ignore[arg-type, list-item]
    for _ in run(model, rows, chosen):
        pass
    found = [row.new_ids for row in rows]
    return found if several or chosen.num_return_sequences > 1 else found[0]


def run(model: Model, rows: list[Row], settings: Settings) -> Steps:
    """Lets the rows grow by the strategy that the settings name; see `grow` for what it yields."""
    if settings.num_beams > 1:
        from minigpt.generation.beam_search import search

        return search(model, rows, settings)
    if settings.prompt_lookup_num_tokens:
        from minigpt.generation.prompt_lookup import look_ahead

        return look_ahead(model, rows, settings)
    return grow(model, rows, settings)


@torch.inference_mode()
def grow(model: Model, rows: list[Row], settings: Settings) -> Steps:
    """Yields, after every step, the rows that got a token.

    Rows of one prompt lie side by side, num_return_sequences of them. Closing the iterator stops the work.
    """
    rows = [row for row in rows if not row.finish_reason]  # without those that may get no token
    if not rows:
        return
    n = settings.num_return_sequences
    cache = new_cache(model, rows[::n])
    logits = encode(model, rows[::n], cache)  # (B / n, V)
    copies = torch.arange(len(rows), device=logits.device) // n
    logits, cache = logits[copies], cache.rows(copies) if n > 1 else cache  # (B, V)
    keys = keys_of(rows, settings)
    while True:
        growing = [row for row in rows if not row.finish_reason]
        choose(logits, rows, keys, settings)
        yield growing
        if all(row.finish_reason for row in rows):
            return
        longest = max(len(row.ids) for row in rows)
        logits = step(model, rows, cache) if longest <= model.config.n_ctx else encode(model, rows)


def encode(model: Model, rows: list[Row], cache: KVCache | None = None) -> Tensor:
    """Logits (B, V) after each row's whole text, or after its last n_ctx tokens; fills the cache if there is one.

    Shorter rows are padded on the right: no token sees what comes after it, so the padding changes nothing.
    """
    texts = [row.ids[-model.config.n_ctx :] for row in rows]
    longest = max(map(len, texts))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts], device=device_of(model))  # (B, T)
    x = model.hidden(ids, cache=cache.first(longest) if cache else None)  # (B, T, C)
    last = torch.tensor([len(text) - 1 for text in texts], device=ids.device)  # (B,)
    return model.unembed(x[torch.arange(len(texts), device=ids.device), last])


def step(model: Model, rows: list[Row], cache: KVCache) -> Tensor:
    """Logits (B, V) after each row's newest token; the cache holds the ones before it, and the row's pad gives way."""
    ids = torch.tensor([row.ids[-1:] for row in rows], device=cache.k.device)  # (B, 1)
    pos = torch.tensor([[len(row.ids) - 1] for row in rows], device=cache.k.device)  # (B, 1)
    longest = max(len(row.ids) for row in rows)
    return model.unembed(model.hidden(ids, pos, cache.first(longest))[:, -1])


def choose(logits: Tensor, rows: list[Row], keys: Tensor, settings: Settings) -> None:
    """Picks each row's next token from logits (B, V) and appends it, with its log-probability, where a row goes on."""
    logits = logits.float() if logits.dtype != torch.float64 else logits
    seen = None
    if settings.repetition_penalty != 1:
        seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)  # (B, V)
        for i, row in enumerate(rows):
            seen[i, row.ids] = True
    steps = torch.tensor([len(row.logprobs) for row in rows])  # (B,)
    picked = pick(logits, settings, keys, steps, seen)  # (B,)
    logprobs = logits.log_softmax(-1)  # (B, V), the model's own, before any filter
    others = alternatives(logprobs, settings.top_logprobs)
    logprobs = logprobs.gather(1, picked[:, None])[:, 0]  # (B,)
    for row, id, logprob, other in zip(rows, picked.tolist(), logprobs.tolist(), others, strict=True):
        if not row.finish_reason:
            row.append(id, logprob, other)


def alternatives(logprobs: Tensor, n: int) -> list[list[tuple[int, float]]]:
    """Each row's n best ids with their log-probabilities (B, V), best first.

    >>> alternatives(torch.tensor([[-2.0, -0.25, -3.0]]), 2)
    [[(1, -0.25), (0, -2.0)]]
    """
    best, ids = logprobs.topk(min(n, logprobs.shape[1]))  # (B, n) each
    return [list(zip(*pair, strict=True)) for pair in zip(ids.tolist(), best.tolist(), strict=True)]


def keys_of(rows: list[Row], settings: Settings) -> Tensor:
    """The rows' keys (B,) for their noise: from the seed and the prompt, or fresh ones."""
    n = settings.num_return_sequences
    seeds = [secrets.randbits(63) if settings.seed is None else settings.seed for _ in rows]
    return torch.stack([row_key(seed, i % n, row.ids) for i, (seed, row) in enumerate(zip(seeds, rows, strict=True))])


def device_of(model: Model) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def new_cache(model: Model, rows: list[Row]) -> KVCache:
    """An empty cache with a row for each of the rows, as long as the longest can become."""
    n_slots = min(model.config.n_ctx, max(len(row.ids) + row.limit for row in rows))
    return KVCache(model.config, len(rows), n_slots, device_of(model), next(model.parameters()).dtype)
