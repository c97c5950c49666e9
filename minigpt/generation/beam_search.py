"""Beam search: keep the few best texts so far instead of one, and end with the best finished one.

The rules for finishing and stopping are those of transformers' `_beam_search`, so that the same text comes out.
N beams, T tokens, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.generation.constraints import process, refuse_nothing, remove_invalid
from minigpt.generation.decoding import new_cache, prefill
from minigpt.generation.sequences import Steps, TokenSequence
from minigpt.generation.settings import Settings
from minigpt.models.cache import KVCache
from minigpt.models.interface import Model


@dataclass(frozen=True)
class Beam:
    """A hypothesis: new tokens with the log-probability of each; `total` is what beams are ranked by."""

    new: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    total: float = 0.0  # summed log-probability, after a repetition penalty if there is one
    parent: int = 0  # the beam it grew from, in the step before


def search(model: Model, sequences: list[TokenSequence], settings: Settings) -> Steps:
    """Beam search for every prompt, one after the other; yields a prompt's sequences when they are done.

    They get its best texts, best first, with their `score`: the summed log-probability divided by
    length ** length_penalty. Raises ValueError where the settings allow too few texts.
    """
    n = settings.num_return_sequences
    for start in range(0, len(sequences), n):
        group = sequences[start : start + n]
        if not group[0].finish_reason:
            deliver(beams_of(model, group[0], settings), group)
        yield group


def deliver(finished: list[tuple[float, Beam]], sequences: list[TokenSequence]) -> None:
    """Appends the finished texts of one prompt to its sequences, best first; raises ValueError if there are too few."""
    if len(finished) < len(sequences):
        n = len(sequences)
        raise ValueError(f"the settings allow only {len(finished)} texts: num_return_sequences {n} is too many")
    for sequence, (score, beam) in zip(sequences, finished, strict=False):
        for id, logprob in zip(beam.new, beam.logprobs, strict=True):
            sequence.append(id, logprob)
        sequence.score = score


@dataclass(frozen=True)
class Step:
    """One round of the search: all continuations that were looked at, best first, and what became of them."""

    ranked: list[Beam]
    ends: list[bool]  # which of these end here
    running: list[Beam]  # those that go on
    finished: list[tuple[float, Beam]]  # the best finished texts so far with their scores
    goes_on: bool  # whether another round could find a better text


START = Step([], [], [Beam()], [], True)


def beams_of(model: Model, sequence: TokenSequence, settings: Settings) -> list[tuple[float, Beam]]:
    """The num_beams best finished texts of one prompt with their scores, best first."""
    finished: list[tuple[float, Beam]] = []
    for step in rounds(model, sequence, settings):
        finished = step.finished
    return finished


@torch.inference_mode()
def rounds(model: Model, sequence: TokenSequence, settings: Settings) -> Iterator[Step]:
    """The search for one prompt, round by round; the last one holds the result."""
    step, cache = START, new_cache(model, [sequence])
    logits = prefill(model, [sequence], cache)  # (1, V)
    for length in range(1, sequence.limit + 1):
        step = advance(step, logits, sequence, length, settings)
        yield step
        if not step.goes_on:
            return
        cache = follow(cache, [beam.parent for beam in step.running], n_slots=sequence.n_prompt + length - 1)
        newest = torch.tensor([beam.new[-1:] for beam in step.running], device=logits.device)  # (N, 1)
        pos = torch.full_like(newest, sequence.n_prompt + length - 1)  # (N, 1)
        logits = model.unembed(model.hidden(newest, pos, cache.first(sequence.n_prompt + length))[:, -1])  # (N, V)


def advance(before: Step, logits: Tensor, sequence: TokenSequence, length: int, settings: Settings) -> Step:
    """The round in which the running beams, with their logits (N, V), become `length` new tokens long."""
    n_beams = settings.num_beams
    ranked = extend(logits, sequence, before.running, settings)
    ends = [length == sequence.limit or is_end(beam, sequence, settings) for beam in ranked]
    running = [beam for beam, end in zip(ranked, ends, strict=True) if not end][:n_beams]
    done = [beam for beam, end in zip(ranked[:n_beams], ends, strict=False) if end]  # the rest are spares
    finished = before.finished + [(beam.total / length**settings.length_penalty, beam) for beam in done]
    finished = sorted(finished, key=lambda pair: -pair[0])[:n_beams]
    goes_on = bool(running) and worth_going_on(running[0], length, finished, sequence.limit, settings)
    return Step(ranked, ends, running, finished, goes_on)


def extend(logits: Tensor, sequence: TokenSequence, running: list[Beam], settings: Settings) -> list[Beam]:
    """The best continuations of the running beams by one token, best first: enough that n_beams of them go on.

    logits is (N, V). Each beam may have one continuation per end token among the best, and none of these go on.
    """
    logprobs = logits.float().log_softmax(-1)  # (N, V)
    logprobs = remove_invalid(logprobs) if settings.remove_invalid_values else logprobs
    steps = torch.tensor([len(beam.new) for beam in running])  # (N,)
    scores = process(logprobs, [[*sequence.ids, *beam.new] for beam in running], settings, steps)
    scores = scores.log_softmax(-1) if settings.renormalize_logits else scores
    totals = scores + torch.tensor([[beam.total] for beam in running], device=logits.device)  # (N, V)
    n_best = max(2, 1 + len(settings.eos_token_id)) * settings.num_beams
    refuse_nothing(totals.flatten()[None])
    best, flat = totals.flatten().topk(min(n_best, totals.numel()))  # (n_best,) each
    chosen = logprobs.flatten()[flat].tolist()
    ranked = []
    for total, index, logprob in zip(best.tolist(), flat.tolist(), chosen, strict=True):
        if total == -math.inf:
            break  # forbidden, as are all that follow
        parent, id = divmod(index, logprobs.shape[1])
        beam = running[parent]
        ranked.append(Beam((*beam.new, id), (*beam.logprobs, logprob), total, parent))
    return ranked


def is_end(beam: Beam, sequence: TokenSequence, settings: Settings) -> bool:
    """Whether a beam ends with its newest token: an end token, or the last of a stop string."""
    if beam.new[-1] in settings.eos_token_id:
        return True
    if not (settings.stop and sequence.reader):
        return False
    text = sequence.reader.text_of(beam.new)
    return any(stop in text for stop in settings.stop)


def worth_going_on(best: Beam, length: int, finished: list[tuple[float, Beam]], limit: int, settings: Settings) -> bool:
    """Whether the best running beam could still beat the worst finished one, if it ended as it is.

    With early_stopping "never" and a length_penalty above 0 it is given the greatest length that it can reach; with
    early_stopping True the search ends as soon as n_beams texts have finished.
    """
    if len(finished) < settings.num_beams:
        return True
    if settings.early_stopping is True:
        return False
    far = settings.early_stopping == "never" and settings.length_penalty > 0
    return best.total / (limit if far else length) ** settings.length_penalty > finished[-1][0]


def follow(cache: KVCache, parents: list[int], n_slots: int) -> KVCache:
    """The cache with every beam's past taken from its parent, the first n_slots of it being in use."""
    index = torch.tensor(parents, device=cache.k.device)  # (N,)
    if len(parents) != cache.k.shape[1]:
        return cache.rows(index)
    if parents != list(range(len(parents))):
        past = cache.first(n_slots)
        past.k.copy_(past.k[:, index])
        past.v.copy_(past.v[:, index])
    return cache
