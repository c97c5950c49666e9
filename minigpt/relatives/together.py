"""Several texts answered at once: one pass through the encoder, then the decoder writes about all of them in step.

Each text gets what it would get alone, by minigpt/generation: sampled or not, with beams too. A sequence that has ended
stays as it is while the others go on. N texts, B sequences, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from minigpt.fast.sampling import fast_sample
from minigpt.generation.beam_search import START, Step, advance, deliver, follow
from minigpt.generation.decoding import append_next, decode_step, new_cache, prefill
from minigpt.generation.generate import within
from minigpt.generation.noise import sequence_key
from minigpt.generation.sequences import TokenSequence
from minigpt.generation.settings import Settings
from minigpt.relatives.decoder import Decoder

N_TEXTS, N_TOKENS = 32, 16384  # of one batch at most; tokens of a text count once for each of its sequences or beams


def batches(lengths: Sequence[int], settings: Settings) -> Iterator[list[int]]:
    """Which texts are answered together, by index, texts of similar length together so that there is little padding.
    Drafts (prompt lookup) are for one text at a time.

    >>> list(batches([9, 2, 8000, 3], Settings(num_beams=3)))
    [[1, 3, 0], [2]]
    """
    n_texts = 1 if settings.prompt_lookup_num_tokens and settings.num_beams == 1 else N_TEXTS
    per_text, batch = max(settings.num_beams, settings.num_return_sequences), list[int]()
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and (len(batch) == n_texts or (len(batch) + 1) * per_text * lengths[i] > N_TOKENS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def write_together(decoder: Decoder, sequences: list[TokenSequence], settings: Settings, seeds: Sequence[int]) -> None:
    """Extends all sequences to their ends: num_return_sequences side by side for each of the decoder's N texts,
    `seeds` (N) being the texts' own."""
    if all(sequence.finish_reason for sequence in sequences):  # which may get no token
        return None
    settings = within(decoder.config.n_ctx, settings)
    if settings.num_beams > 1:
        return search_together(decoder, sequences, settings)
    n, sample = settings.num_return_sequences, fast_sample(settings.plain)
    keys = [sequence_key(seeds[i // n], i % n, sequence.ids) for i, sequence in enumerate(sequences)]
    decoder = decoder.rows([i // n for i in range(len(sequences))])
    cache = new_cache(decoder, sequences)
    logits = prefill(decoder, sequences, cache)  # (B, V)
    while True:
        append_next(logits, sequences, torch.stack(keys), settings, sample)
        if all(sequence.finish_reason for sequence in sequences):
            return None
        fits = max(len(sequence.ids) for sequence in sequences) <= decoder.config.n_ctx  # else the window slides
        logits = decode_step(decoder, sequences, cache) if fits else prefill(decoder, sequences)


@dataclass
class Search:
    """The beam search for one text, so far."""

    text: int  # which of the N
    sequences: list[TokenSequence]  # that receive the result
    step: Step = START


def search_together(decoder: Decoder, sequences: list[TokenSequence], settings: Settings) -> None:
    """Beam search for all texts in step, by the rules of minigpt/generation/beam_search.py; a text whose search has
    ended leaves the batch. The rows of a step are the running beams of the first text that goes on, of the next, …"""
    n = settings.num_return_sequences
    searches = [Search(i // n, sequences[i : i + n]) for i in range(0, len(sequences), n)]
    cache = new_cache(decoder, sequences[::n])
    logits = prefill(decoder, sequences[::n], cache)  # (N, V)
    going, texts, part = searches, list(range(len(searches))), decoder
    for length in range(1, sequences[0].limit + 1):
        end, parents = 0, list[int]()
        for search in going:
            first, end = end, end + len(search.step.running)
            search.step = advance(search.step, logits[first:end], search.sequences[0], length, settings)
            parents += [first + beam.parent for beam in search.step.running if search.step.goes_on]
        going, before = [search for search in going if search.step.goes_on], texts
        texts = [search.text for search in going for _ in search.step.running]
        if not going:
            break
        n_written = len(sequences[0].ids) + length  # the decoder's own beginning, and what is new
        cache = follow(cache, parents, n_written - 1)
        part = part if texts == before else decoder.rows(texts)
        newest = torch.tensor([beam.new[-1:] for s in going for beam in s.step.running], device=logits.device)  # (B, 1)
        x = part.hidden(newest, torch.full_like(newest, n_written - 1), cache.first(n_written))  # (B, 1, C)
        logits = part.unembed(x[:, -1])  # (B, V)
    for search in searches:
        deliver(search.step.finished, search.sequences)
