"""The loop for several sequences at once: prefill, then sample, append, decode step; `simple` has it for one.

B batch, T tokens, C channels, V vocabulary.
"""

import secrets

import torch
from torch import Tensor

from minigpt.generation.constraints import remove_invalid
from minigpt.generation.noise import sequence_key
from minigpt.generation.sampling import Sample, in_float32
from minigpt.generation.sequences import Steps, TokenSequence
from minigpt.generation.settings import Settings
from minigpt.generation.simple import next_ids
from minigpt.models.cache import KVCache
from minigpt.models.interface import Model


@torch.inference_mode()
def decode(model: Model, sequences: list[TokenSequence], settings: Settings, sample: Sample) -> Steps:
    """Yields, after every step, the sequences that got a token.

    The num_return_sequences sequences of one prompt are adjacent. Closing the iterator stops the work.
    """
    sequences = [
        sequence for sequence in sequences if not sequence.finish_reason
    ]  # without those that may get no token
    if not sequences:
        return
    n, keys = settings.num_return_sequences, sequence_keys(sequences, settings)
    if len(sequences) == 1 and len(sequences[0].ids) + sequences[0].limit <= model.config.n_ctx:
        for id, logits in next_ids(model, sequences[0].ids, sequences[0].limit, settings, keys[0], sample):
            append(logits, torch.tensor([id], device=logits.device), sequences, settings)
            yield sequences
            if sequences[0].finish_reason:
                return
    cache = new_cache(model, sequences[::n])
    logits = prefill(model, sequences[::n], cache)  # (B / n, V)
    copies = torch.arange(len(sequences), device=logits.device) // n
    cache = cache.rows(copies) if n > 1 else cache
    yield from continued(model, sequences, keys, logits[copies], cache, settings, sample)


def continued(
    model: Model, sequences: list[TokenSequence], keys: Tensor, logits: Tensor, cache: KVCache, settings: Settings,
    sample: Sample,
) -> Steps:  # fmt: skip
    """The loop, from the logits (B, V) after each sequence and a cache that holds all their tokens."""
    while True:
        unfinished = [sequence for sequence in sequences if not sequence.finish_reason]
        append_next(logits, sequences, keys, settings, sample)
        yield unfinished
        if all(sequence.finish_reason for sequence in sequences):
            return
        longest = max(len(sequence.ids) for sequence in sequences)
        fits = longest <= model.config.n_ctx  # else the window slides: its tokens move to other positions
        logits = decode_step(model, sequences, cache) if fits else prefill(model, sequences)


def prefill(model: Model, sequences: list[TokenSequence], cache: KVCache | None = None) -> Tensor:
    """Logits (B, V) after each sequence, or after its last n_ctx tokens; fills the cache if there is one.

    Shorter sequences are padded on the right: no token sees what comes after it, so the padding changes nothing.
    """
    texts = [sequence.ids[-model.config.n_ctx :] for sequence in sequences]
    longest = max(map(len, texts))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts], device=device_of(model))  # (B, T)
    x = model.hidden(ids, cache=cache.first(longest) if cache else None)  # (B, T, C)
    last = torch.tensor([len(text) - 1 for text in texts], device=ids.device)  # (B,)
    return model.unembed(x[torch.arange(len(texts), device=ids.device), last])


def decode_step(model: Model, sequences: list[TokenSequence], cache: KVCache) -> Tensor:
    """Logits (B, V) after each sequence's newest token; the cache holds those before it, and padding is overwritten."""
    ids = torch.tensor([sequence.ids[-1:] for sequence in sequences], device=cache.k.device)  # (B, 1)
    pos = torch.tensor([[len(sequence.ids) - 1] for sequence in sequences], device=cache.k.device)  # (B, 1)
    longest = max(len(sequence.ids) for sequence in sequences)
    return model.unembed(model.hidden(ids, pos, cache.first(longest))[:, -1])


def append_next(
    logits: Tensor, sequences: list[TokenSequence], keys: Tensor, settings: Settings, sample: Sample
) -> None:
    """Samples the next token of each sequence that goes on, from logits (B, V), and appends it."""
    going = [i for i, sequence in enumerate(sequences) if not sequence.finish_reason]
    if len(going) < len(sequences):
        logits, keys, sequences = logits[going], keys[going], [sequences[i] for i in going]
    steps = torch.tensor([len(sequence.logprobs) for sequence in sequences])  # (B,)
    next_tokens = sample(logits, [sequence.ids for sequence in sequences], settings, keys, steps)  # (B,)
    append(logits, next_tokens, sequences, settings)


def append(logits: Tensor, next_tokens: Tensor, sequences: list[TokenSequence], settings: Settings) -> None:
    """Appends the tokens (B,) chosen from logits (B, V), with the log-probabilities before any filter."""
    logits = remove_invalid(in_float32(logits)) if settings.remove_invalid_values else in_float32(logits)
    logprobs = logits.log_softmax(-1)  # (B, V)
    others = alternatives(logprobs, settings.top_logprobs)
    chosen = logprobs.gather(1, next_tokens[:, None])[:, 0].tolist()  # (B,)
    for sequence, id, logprob, other in zip(sequences, next_tokens.tolist(), chosen, others, strict=True):
        sequence.append(id, logprob, other)


def alternatives(logprobs: Tensor, n: int) -> list[list[tuple[int, float]]]:
    """Each sequence's n best ids with their log-probabilities (B, V), best first.

    >>> alternatives(torch.tensor([[-2.0, -0.25, -3.0]]), 2)
    [[(1, -0.25), (0, -2.0)]]
    """
    best, ids = logprobs.topk(min(n, logprobs.shape[1]))  # (B, n) each
    return [list(zip(*pair, strict=True)) for pair in zip(ids.tolist(), best.tolist(), strict=True)]


def sequence_keys(sequences: list[TokenSequence], settings: Settings) -> Tensor:
    """The sequences' keys (B,) for their random numbers: from the seed and the prompt, or fresh ones."""
    n = settings.num_return_sequences
    seeds = [secrets.randbits(63) if settings.seed is None else settings.seed for _ in sequences]
    pairs = zip(seeds, sequences, strict=True)
    return torch.stack([sequence_key(seed, i % n, sequence.ids) for i, (seed, sequence) in enumerate(pairs)])


def device_of(model: Model) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def new_cache(model: Model, sequences: list[TokenSequence]) -> KVCache:
    """An empty cache with a row for each of the sequences and room for the longest; it grows with them."""
    n_slots = min(model.config.n_ctx, max(len(sequence.ids) for sequence in sequences))
    return KVCache(model.config, len(sequences), n_slots, device_of(model), next(model.parameters()).dtype)
