"""How wrong the predictions are: the cross-entropy by hand, stable whatever the logits (Goodfellow et al. 2016, 4.1).

B batch, T tokens in a block, V vocabulary; `...` is any leading shape.
"""

import torch
from torch import Tensor, nn


def log_softmax(logits: Tensor) -> Tensor:
    """The logarithm of softmax over the last dimension: logits (..., V) -> (..., V).

    Not the logarithm of softmax's result: where a probability is too small for a float, that would be -inf, and no
    gradient would come back from there.

    >>> log_softmax(torch.tensor([1000.0, 0.0])).tolist()
    [0.0, -1000.0]
    """
    shifted = logits - logits.amax(dim=-1, keepdim=True)  # (..., V), at most 0: no exponential overflows
    return shifted - torch.log(torch.exp(shifted).sum(dim=-1, keepdim=True))


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean of -log p(target), in nats: logits (..., V) and targets (...) int64 -> one number.

    >>> cross_entropy(torch.zeros(5, 8), torch.arange(5)).exp().round().item()  # one of 8, all alike
    8.0
    """
    return -log_softmax(logits).gather(-1, targets[..., None]).mean()


def next_token_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy of the tokens that came, in nats: x and y are (B, T), y[b, t] the token after x[b, t]."""
    logits = model(x)  # (B, T, V)
    return cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), y)
