"""The `step` in one CUDA graph for each length bucket.

A small model's step is hundreds of kernels of a few microseconds: launched one by one, the GPU waits for Python; a
graph launches them all at once. Its shapes are fixed, so attention reads the cache up to its bucket's end. B batch, V
vocabulary.
"""

import os
from collections.abc import Callable
from functools import partial
from types import FunctionType

import torch
from torch import Tensor

from minigpt.fast.choose import ROUNDING
from minigpt.fast.compared import difference, say_once
from minigpt.fast.step import WINDOW, empty_state, step
from minigpt.generation import sampling
from minigpt.generation.decoding import device_of, prefill
from minigpt.generation.sequences import TokenSequence
from minigpt.generation.settings import Settings
from minigpt.models.cache import KVCache
from minigpt.models.interface import Model

Run = Callable[[], None]
Prepare = Callable[["partial[None]", torch.device], Run]
SHORTEST = 128  # slots of the smallest bucket; each next one is twice as large


def bucket(n: int) -> int:
    """How many slots a step over n looks at.

    >>> bucket(5), bucket(128), bucket(129)
    (128, 128, 256)
    """
    return max(SHORTEST, 1 << (n - 1).bit_length())


def compiled(run: "partial[None]", backend: str = "inductor") -> "partial[None]":
    """A run of `step` whose kernels torch.compile fuses; of a copy of its code, since the same code may be compiled
    only eight times."""
    copy = FunctionType(step.__code__.replace(), step.__globals__)
    return partial(torch.compile(copy, fullgraph=True, dynamic=False, backend=backend), *run.args)


def prepared(run: "partial[None]", device: torch.device) -> Run:
    """A run as a CUDA graph; with MINIGPT_COMPILE=1 in the environment a compiled one, which needs a minute and a C
    compiler."""
    if os.environ.get("MINIGPT_COMPILE"):
        run = compiled(run)
    with torch.cuda.device(device):
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries allocate their workspaces before the capture, on another stream
            run()
            run()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
            run()
    return graph.replay


class Decoder:
    """State, cache and runs for one model, one batch size, one length, one way of sampling."""

    def __init__(self, model: Model, n_rows: int, n_slots: int, settings: Settings, prepare: Prepare) -> None:
        self.model, self.settings, self.prepare = model, settings, prepare
        self.made_for = self.purpose(model, n_rows, n_slots, settings)
        weight = next(model.parameters())
        self.cache = KVCache(model.config, n_rows, n_slots, weight.device, weight.dtype)
        self.state = empty_state(n_rows, model.config.vocab_size, settings, weight)
        self.runs: dict[int, Run | None] = {}

    @staticmethod
    def purpose(model: Model, n_rows: int, n_slots: int, settings: Settings) -> object:
        """What is fixed in a graph: where the parameters are in memory, shapes, the settings of a step."""
        s = settings
        sampler = (s.samples, s.temperature, s.top_k, s.top_p, s.min_p, s.repetition_penalty)
        places = [p.data_ptr() for p in model.parameters()]
        return n_rows, n_slots, *sampler, s.top_logprobs, places

    def start(self, sequences: list[TokenSequence], keys: Tensor, prompts: KVCache) -> None:
        """Takes over sequences with the cache of their prompts."""
        for own, given in ((self.cache.k, prompts.k), (self.cache.v, prompts.v)):
            own.zero_()  # an old nan would stay nan even times a weight of 0
            own[:, :, :, : given.shape[3]] = given
        self.state.keys.copy_(keys)
        self.state.seen.zero_()
        if self.state.seen.numel():
            for row, s in zip(self.state.seen, sequences, strict=True):
                row[torch.tensor(s.ids, device=row.device)] = True

    def window(self, sequences: list[TokenSequence]) -> list[tuple[Tensor, ...]]:
        """The lines of as many steps as need no look in between; none if the step is wrong."""
        going = [s for s in sequences if not s.finish_reason]
        longest = max(len(s.ids) for s in going)
        n_slots = min(bucket(longest), self.cache.k.shape[3])
        self.place(sequences)
        run = self.run_for(n_slots, sequences)
        if run is None:
            return []
        n = min(WINDOW, n_slots - longest + 1, max(s.limit - len(s.new_ids) for s in going))
        for _ in range(n):
            run()
        return list(zip(*(part[:n].cpu() for part in self.state.record), strict=True))

    def place(self, sequences: list[TokenSequence]) -> None:
        """Tells the state where the sequences are; one that has ended may be beyond the bucket and begins anew."""
        state = self.state
        state.ids.copy_(torch.tensor([s.ids[-1:] for s in sequences]))
        state.pos.copy_(torch.tensor([[0 if s.finish_reason else len(s.ids) - 1] for s in sequences]))
        state.steps.copy_(torch.tensor([len(s.logprobs) for s in sequences]))
        state.line.zero_()

    def run_for(self, n_slots: int, sequences: list[TokenSequence]) -> Run | None:
        """The step over that many slots, compared when it is made; None if the numbers differ."""
        if n_slots not in self.runs:
            before = self.state.saved()
            try:
                eager = partial(step, self.model, self.state, self.cache.first(n_slots), self.settings)
                run = self.prepare(eager, device_of(self.model))
                self.state.restore(before)
                run()
                wrong = self.what_differs(sequences)
            except RuntimeError as error:
                wrong = f": {str(error).splitlines()[0]}"
            self.state.restore(before)
            if wrong:
                say_once(f"minigpt/fast/step.py differs from minigpt/models{wrong}: the plain form is used")
            self.runs[n_slots] = None if wrong else run
        return self.runs[n_slots]

    def what_differs(self, sequences: list[TokenSequence]) -> str:
        """Where the step departed from the model without a cache and the plain sampler; else nothing."""
        rows = [i for i, s in enumerate(sequences) if not s.finish_reason]
        sequences, logits = [sequences[i] for i in rows], self.state.logits[rows]
        plain = sampling.in_float32(prefill(self.model, sequences))  # (B, V)
        off = difference(plain, logits)
        if not off <= ROUNDING.get(next(self.model.parameters()).dtype, 0.05) and plain.isfinite().all():
            return f" by {off:.1e}"
        ids, steps = [s.ids for s in sequences], torch.tensor([len(s.logprobs) for s in sequences])
        tokens = sampling.sample(logits, ids, self.settings, self.state.keys[rows].cpu(), steps)
        return "" if torch.equal(tokens, self.state.record[0][0, rows]) else " in the tokens drawn"
