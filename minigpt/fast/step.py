"""One decode step as a function of tensors alone, from the newest tokens to the next: what a GPU can run by itself.

All shapes are fixed, everything that changes is in a `State` and is changed in place, nothing depends on a value that
the host would have to wait for. So the step can be captured in a CUDA graph, or compiled whole; `graphs` does both.
It computes what `decoding.decode_step` and `sampling.sample` do. B batch, S cache slots, C channels, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from minigpt.generation import sampling
from minigpt.generation.noise import uniform
from minigpt.generation.settings import Settings
from minigpt.models.cache import KVCache
from minigpt.models.interface import Model
from minigpt.models.layers import softmax

WINDOW = 16  # steps between two looks of the host at the results


@dataclass
class State:
    """What a step reads and writes; `record` has a line per step since the host last looked."""

    ids: Tensor  # (B, 1), the newest token of each sequence
    pos: Tensor  # (B, 1), its position
    steps: Tensor  # (B,), new tokens so far
    keys: Tensor  # (B,), for the random numbers
    seen: Tensor  # (B, V), tokens that a sequence has; (B, 0) where nothing asks for them
    logits: Tensor  # (B, V), of the latest step
    line: Tensor  # (1,), where the record goes on
    record: tuple[Tensor, ...]  # tokens, log-probabilities, largest logits (WINDOW, B); best ids and theirs (…, n)

    def saved(self) -> list[Tensor]:
        """Copies of what a step changes and reads again."""
        return [part.clone() for part in self._changing()]

    def restore(self, saved: list[Tensor]) -> None:
        """Back to where `saved` was called; the cache needs nothing, since the step writes the same place again."""
        for part, before in zip(self._changing(), saved, strict=True):
            part.copy_(before)

    def _changing(self) -> list[Tensor]:
        return [self.ids, self.pos, self.steps, self.seen, self.line]


def empty_state(n_rows: int, n_vocab: int, settings: Settings, weight: Tensor) -> State:
    """Room for that many sequences, on the device of a model's weight."""
    device, kind = weight.device, torch.float64 if weight.dtype == torch.float64 else torch.float32

    def ints(*shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.int64, device=device)

    n_best, n_seen = min(settings.top_logprobs, n_vocab), n_vocab if settings.repetition_penalty != 1 else 0
    numbers = [torch.zeros(WINDOW, n_rows, *shape, device=device, dtype=kind) for shape in ((), (), (n_best,))]
    return State(
        *(ints(n_rows, 1), ints(n_rows, 1), ints(n_rows), ints(n_rows)),
        seen=ints(n_rows, n_seen).bool(),
        logits=torch.zeros(n_rows, n_vocab, device=device, dtype=kind),
        line=ints(1),
        record=(ints(WINDOW, n_rows), numbers[0], numbers[1], ints(WINDOW, n_rows, n_best), numbers[2]),
    )


def step(model: Model, state: State, cache: KVCache, settings: Settings) -> None:
    """One more token for each sequence; the cache's slots reach at least to its newest token.

    A sequence that has ended goes on like the others, and stays at the last slot once there: the reader of the record
    leaves out what comes after its end.
    """
    logits = sampling.in_float32(model.unembed(model.hidden(state.ids, state.pos, cache)[:, -1]))  # (B, V)
    tokens = next_tokens(logits, state, settings)  # (B,)
    logprobs = logits.log_softmax(-1)  # (B, V)
    best, best_ids = logprobs.topk(state.record[3].shape[-1])  # (B, n) each
    line = (tokens, logprobs.gather(1, tokens[:, None])[:, 0], logits.amax(-1), best_ids, best)
    for part, value in zip(state.record, line, strict=True):
        part.index_copy_(0, state.line, value[None])
    state.logits.copy_(logits)
    state.ids.copy_(tokens[:, None])
    for counter in (state.line, state.steps, state.pos):
        counter += 1
    state.pos.clamp_(max=cache.k.shape[3] - 1)
    if state.seen.numel():
        state.seen.scatter_(1, state.ids, True)


def next_tokens(logits: Tensor, state: State, settings: Settings) -> Tensor:
    """What `sampling.sample` gives, for the settings that `gpu.can_run` accepts: (B, V) -> (B,)."""
    if state.seen.numel():
        penalty = settings.repetition_penalty
        lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
        logits = torch.where(state.seen, lowered, logits)
    if not settings.samples:
        return logits.argmax(dim=-1)
    probs = softmax(sampling.filter_candidates(logits, settings).double())  # (B, V)
    everything = torch.arange(probs.shape[-1], device=probs.device).expand(probs.shape)  # (B, V)
    return sampling.draw(probs, uniform(state.keys, state.steps, everything))
