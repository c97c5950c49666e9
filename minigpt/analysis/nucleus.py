"""What top-p keeps, as steps of the cumulative probability. V vocabulary."""

from dataclasses import dataclass, replace

from torch import Tensor

from minigpt.analysis.filters import filter_steps
from minigpt.generation.settings import Settings


@dataclass(frozen=True)
class Step:
    """A token, or several in a row that share their fate."""

    id: int  # of the most likely one
    n: int
    probability: float  # of all n together
    kept: float  # the same after renormalizing what is kept, 0 if dropped


def nucleus_steps(logits: Tensor, p: float, temperature: float, k: int) -> list[Step]:
    """All tokens by falling probability, from logits (V,): k of them as steps of their own, among these the last that
    top-p keeps and its neighbours; each run of tokens between or after these is one step.

    See Holtzman et al. 2020, section 3.1.

    >>> import torch
    >>> probs = torch.tensor([0.05, 0.4, 0.2, 0.15, 0.12, 0.08])
    >>> [(step.id, step.n, round(step.kept, 2)) for step in nucleus_steps(probs.log(), 0.85, 1.0, k=3)]
    [(1, 3, 0.86), (4, 1, 0.14), (5, 1, 0.0), (0, 1, 0.0)]
    """
    settings = Settings(temperature=temperature, top_p=p)
    probs = filter_steps(logits, [], replace(settings, top_p=1.0))[-1][1]  # (V,)
    left = filter_steps(logits, [], settings)[-1][1]  # (V,)
    order, n_kept = probs.sort(descending=True).indices, int((left > 0).sum())  # (V,), in the order of top_p
    alone = range(k) if n_kept < k else [*range(k - 3), *[n_kept - 1, n_kept, n_kept + 1][:k]]
    edges = {n_kept, *(edge for n in alone for edge in (n, n + 1))} - {0}
    groups = order.tensor_split(sorted(edge for edge in edges if edge < len(order)))
    return [Step(int(g[0]), len(g), float(probs[g].sum()), float(left[g].sum())) for g in groups]
