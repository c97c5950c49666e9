"""Which slots of an input are padding: the mask of a padded batch, as BART and T5 take it."""

import torch
from torch import Tensor


def seen_slots(mask: Tensor | None, n_rows: int, n_slots: int, device: torch.device) -> Tensor:
    """The slots that every query sees, (B, 1, 1, S) bools, from a mask (B, S), which is 0 or False for padding; all
    if there is no mask. Raises ValueError for a mask of another shape.

    >>> seen_slots(torch.tensor([[1, 1, 0]]), 1, 3, torch.device("cpu")).tolist()
    [[[[True, True, False]]]]
    >>> seen_slots(torch.ones(3), 1, 3, torch.device("cpu"))
    Traceback (most recent call last):
    ValueError: the mask has the shape (3,); expected that of the ids that were read, (1, 3)
    """
    if mask is None:
        return torch.ones(1, 1, 1, n_slots, dtype=torch.bool, device=device)
    if mask.shape != (n_rows, n_slots):
        shape = tuple(mask.shape)
        raise ValueError(f"the mask has the shape {shape}; expected that of the ids that were read, {n_rows, n_slots}")
    return mask.bool()[:, None, None]
