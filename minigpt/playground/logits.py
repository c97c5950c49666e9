"""The logits that a model gave, kept for a while: the bars of a text that was seen before need no forward pass.

V vocabulary.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from minigpt.analysis.filters import entropy, filter_steps
from minigpt.generation.settings import Settings
from minigpt.models.cache import KVCache
from minigpt.models.interface import Model
from minigpt.models.llama_config import Config

ROOM = 1 << 26  # bytes: 335 distributions over GPT-2's vocabulary


class Watched:
    """A model that remembers the logits it gave last; otherwise the model itself."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.logits = torch.empty(0)

    @property
    def config(self) -> Config:
        """The model's own."""
        return self.model.config

    def hidden(self, ids: Tensor, pos: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """The model's own: ids (B, T) to vectors (B, T, C)."""
        return self.model.hidden(ids, pos, cache)

    def unembed(self, x: Tensor) -> Tensor:
        """The model's own: vectors to logits (..., V), which are kept."""
        self.logits = self.model.unembed(x)
        return self.logits

    def parameters(self) -> Iterator[Parameter]:
        """The model's own."""
        return self.model.parameters()


class Recent:
    """The logits (V,) after the texts that were looked at last, up to `room` bytes.

    >>> recent = Recent(room=8)
    >>> for id in range(3):
    ...     recent.put([id], torch.tensor([float(id)]))
    >>> recent.get([0]), recent.get([2])
    (None, tensor([2.]))
    """

    def __init__(self, room: int = ROOM) -> None:
        self.room, self.used = room, 0
        self.kept: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self.lock = threading.Lock()

    def put(self, ids: Sequence[int], logits: Tensor) -> None:
        """Keeps the logits (V,) after a text, and drops the oldest if there is no room."""
        with self.lock:
            old = self.kept.pop(tuple(ids), None)
            self.kept[tuple(ids)] = logits = logits.float().cpu().clone()
            self.used += logits.nbytes - (0 if old is None else old.nbytes)
            while self.used > self.room and len(self.kept) > 1:
                self.used -= self.kept.popitem(last=False)[1].nbytes

    def get(self, ids: Sequence[int]) -> Tensor | None:
        """The logits after a text, or None if they are not here (any more)."""
        with self.lock:
            if tuple(ids) in self.kept:
                self.kept.move_to_end(tuple(ids))
            return self.kept.get(tuple(ids))


def bars(logits: Tensor, ids: Sequence[int], settings: Settings, k: int) -> dict[str, Any]:
    """What each filter in turn leaves of the distribution after a text, from its logits (V,): the ids of the k tokens
    that are likeliest in any of the steps, and for each step its name, these tokens' probabilities, how many tokens of
    the whole vocabulary are left, and the entropy in bits."""
    steps = filter_steps(logits, ids, settings)
    best = torch.stack([probs for _, probs in steps]).amax(0).topk(min(k, len(logits))).indices.tolist()
    best.sort(key=lambda id: -steps[0][1][id].item())
    return {
        "ids": best,
        "steps": [
            {
                "name": name.replace("_", "-"),
                "probabilities": probs[best].tolist(),
                "kept": int((probs > 0).sum()),
                "entropy": round(entropy(probs), 3),
            }
            for name, probs in steps
        ],
    }
