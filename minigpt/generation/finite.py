"""Logits that no token can be chosen by: damaged weights and overflow are refused where logits are read."""

from torch import Tensor


def refuse_not_finite(logits: Tensor) -> None:
    """Raises ValueError if a row of logits (…, V) holds nan or +inf, or nothing but -inf; some -inf are fine.

    One reduction suffices, since the maximum of a row is nan as soon as one value in it is.

    >>> import torch
    >>> refuse_not_finite(torch.tensor([[-torch.inf, 0.5]]))
    >>> refuse_not_finite(torch.tensor([[torch.nan, 0.5]]))
    Traceback (most recent call last):
    ValueError: the model gives nan instead of numbers: its weights are damaged (look at them: minigpt inspect; \
download them again: minigpt download), or half precision overflows (load it with dtype='float32')
    """
    best = logits.amax(dim=-1)  # (…)
    if not best.isfinite().all():
        raise ValueError(
            f"the model gives {best[~best.isfinite()][0].item()} instead of numbers: its weights are damaged (look at "
            "them: minigpt inspect; download them again: minigpt download), or half precision overflows (load it with "
            "dtype='float32')"
        )
