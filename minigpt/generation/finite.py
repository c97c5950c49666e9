"""Numbers that no token can be picked by: damaged weights and overflow are refused where logits are read."""

from torch import Tensor


def refuse_not_finite(logits: Tensor) -> None:
    """A ValueError where a row of logits (…, V) holds nan or +inf, or nothing but -inf; single -inf are fine.

    One reduction suffices, since the largest of a row is nan as soon as one of it is.

    >>> import torch
    >>> refuse_not_finite(torch.tensor([[-torch.inf, 0.5]]))
    >>> refuse_not_finite(torch.tensor([[torch.nan, 0.5]]))
    Traceback (most recent call last):
    ValueError: the model's logits are not finite (nan): the weights are damaged, or float32 overflowed; verify the \
download (minigpt inspect MODEL), or load in wider numbers (--dtype float32, dtype="float32")
    """
    best = logits.amax(dim=-1)  # (…)
    if not best.isfinite().all():
        worst = best[~best.isfinite()][0].item()
        raise ValueError(
            f"the model's logits are not finite ({worst}): the weights are damaged, or "
            f"{str(logits.dtype).removeprefix('torch.')} overflowed; verify the download (minigpt inspect MODEL), "
            'or load in wider numbers (--dtype float32, dtype="float32")'
        )
