"""What a step of training does to the weights of a model, and why none of them moved."""

from functools import partial
from typing import Any

from torch import Tensor, autograd, nn
from torch.overrides import TorchFunctionMode


class Watched(TorchFunctionMode):
    """Sees whether backward is called, which gradients arrive, and whether new values of a weight are then computed."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights = list(model.parameters())
        self.before = [p.detach().clone() for p in self.weights]
        self.grads: dict[int, Tensor] = {}
        self.called = self.computed = False
        for n, p in enumerate(self.weights):
            p.register_post_accumulate_grad_hook(partial(self.arrived, n))

    def arrived(self, n: int, p: Tensor) -> None:
        """Notes the gradient of a weight."""
        assert p.grad is not None
        self.grads[n] = p.grad.clone()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.called |= func in (Tensor.backward, autograd.backward, autograd.grad)
        out = func(*args, **(kwargs or {}))
        if func is autograd.grad:
            self.grads |= {n: g for n, g in enumerate(out) if g is not None and len(out) == len(self.weights)}
        elif self.grads and isinstance(out, Tensor):
            self.computed |= any(along(out, self.before[n], grad) for n, grad in self.grads.items())
        return out

    def why(self) -> str:
        """Why no weight moved."""
        if not self.called:
            return "backward is never called"
        if not self.grads:
            return "no gradient arrives"
        if self.computed:
            return "the new values go to a copy"
        left = any(p.grad is not None and p.grad.any() for p in self.weights)
        return "the gradient came too late" if left else "the gradients are 0 by then"


def along(new: Tensor, old: Tensor, grad: Tensor) -> bool:
    """Whether values are the old ones moved down or up a gradient, whatever the rate."""
    if new.shape != old.shape:
        return False
    moved = ((new - old) * grad)[grad != 0]
    return bool(moved.numel() and ((moved < 0).all() or (moved > 0).all()))
