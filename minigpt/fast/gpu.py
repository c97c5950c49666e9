"""Decoding on a GPU: `decoding.decode` with the steps of `graphs`; the host looks at them every WINDOW steps.

B batch, V vocabulary.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from minigpt.fast.graphs import Decoder, Prepare, bucket, prepared
from minigpt.fast.sampling import rarer
from minigpt.generation.decoding import append_next, continued, device_of, new_cache, prefill, sequence_keys
from minigpt.generation.finite import refuse_not_finite
from minigpt.generation.sampling import Sample
from minigpt.generation.sequences import Steps, TokenSequence
from minigpt.generation.settings import Settings
from minigpt.models.cache import KVCache
from minigpt.models.interface import Model


def can_run(model: Model, sequences: list[TokenSequence], settings: Settings) -> bool:
    """Whether the step can do what the settings ask for, and the context never slides."""
    more = settings.constrains or settings.sequence_bias or rarer(settings)
    return not more and all(len(s.ids) + s.limit <= model.config.n_ctx for s in sequences)


@torch.inference_mode()
def decode(
    model: Model, sequences: list[TokenSequence], settings: Settings, sample: Sample, prepare: Prepare = prepared
) -> Steps:
    """Yields what `decoding.decode` yields, up to WINDOW steps in quick succession; for what `can_run` accepts."""
    sequences = [s for s in sequences if not s.finish_reason]
    if not sequences:
        return
    n, keys, device = settings.num_return_sequences, sequence_keys(sequences, settings), device_of(model)
    n_slots = min(model.config.n_ctx, bucket(max(len(s.ids) + s.limit for s in sequences)))
    longest = max(len(s.ids) for s in sequences)
    prompts = KVCache(model.config, len(sequences) // n, longest, device, next(model.parameters()).dtype)
    logits = prefill(model, sequences[::n], prompts)  # (B / n, V)
    copies = torch.arange(len(sequences), device=device) // n
    append_next(logits[copies], sequences, keys, settings, sample)
    decoder = taken(model, len(sequences), n_slots, settings, prepare)
    decoder.start(sequences, keys, prompts.rows(copies))
    del prompts
    try:
        yield sequences
        yield from windows(decoder, sequences)
    finally:
        vars(model)["decoder"] = decoder
    if not finished(sequences):  # a step was wrong
        cache = new_cache(model, sequences)
        yield from continued(model, sequences, keys, prefill(model, sequences, cache), cache, settings, sample)


def taken(model: Model, n_rows: int, n_slots: int, settings: Settings, prepare: Prepare) -> Decoder:
    """The model's last decoder if it fits, with its graphs, else a new one; it is given back to the model after use, so
    that two texts written at once never share one."""
    decoder = vars(model).pop("decoder", None)
    if decoder is None or decoder.made_for != Decoder.purpose(model, n_rows, n_slots, settings):
        decoder = None  # its memory is freed before the new one's is taken
        decoder = Decoder(model, n_rows, n_slots, settings, prepare)
    return decoder


def windows(decoder: Decoder, sequences: list[TokenSequence]) -> Steps:
    """Runs steps and appends their tokens until all sequences have ended, or a step is found to be wrong."""
    while not finished(sequences):
        lines = decoder.window(sequences)
        if not lines:
            return
        for line in lines:
            going = [i for i, s in enumerate(sequences) if not s.finish_reason]
            if going:  # what was computed after the end is not part of a text
                append_line(line, sequences, going)
                yield [sequences[i] for i in going]


def append_line(line: Sequence[Tensor], sequences: list[TokenSequence], going: list[int]) -> None:
    """Appends a line of the record, tokens (B,) and the like, to the sequences that go on."""
    tokens, logprobs, largest, best_ids, best = line
    refuse_not_finite(largest[going, None])
    for i in going:
        others = list(zip(best_ids[i].tolist(), best[i].tolist(), strict=True))
        sequences[i].append(int(tokens[i]), float(logprobs[i]), others)


def finished(sequences: list[TokenSequence]) -> bool:
    """Whether all have ended."""
    return all(s.finish_reason for s in sequences)
