"""Lesson 14: one step of training."""

import copy
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.sandbox import limited
from minigpt.exercises.watched import Watched

Model = Any  # an nn.Module; but mypy takes its gradients for missing
Part = Callable[[Model, Tensor, Tensor, float], float]


def train_step(model: Model, x: Tensor, y: Tensor, lr: float) -> float:
    """One step of gradient descent on a batch, x and y (B, T): every weight goes down its gradient,
    times lr.

    The loss is the mean cross-entropy of model(x), (B, T, V), and the ids y that came; it is
    returned as it was before.
    """
    # BEGIN SOLUTION
    logits = model(x)  # (B, T, V)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= lr * p.grad
    return loss.item()
    # END SOLUTION


class TinyModel(nn.Module):
    """A model of two matrices and a bias: each id alone says which comes next."""

    def __init__(self) -> None:
        super().__init__()
        state = material.random_state({"wte": (5, 4), "weight": (5, 4), "bias": (5,)})
        self.wte, self.weight, self.bias = (nn.Parameter(value) for value in state.values())

    def forward(self, ids: Tensor) -> Tensor:
        return torch.tanh(self.wte[ids]) @ self.weight.T + self.bias  # (B, T) -> (B, T, V)


class Trained(dict[str, Any]):
    """The losses of the steps and the weights after them, or why these did not move."""

    def __repr__(self) -> str:
        said = f"losses {', '.join(f'{loss:.4g}' for loss in self['losses'])}"
        if self["still"]:
            return f"{said}; no weight moved: {self['still']}"
        return f"{said}; then bias {', '.join(f'{value:.4g}' for value in self['weights'][-5:].tolist())}"


def steps(part: Part, model: TinyModel, x: Tensor, y: Tensor, lr: float) -> Any:
    """What steps on the batches of x and y, (steps, B, T), make of a private copy of the model.

    The first optimizer of a process makes torch import its compiler, for seconds, which are no learner's fault.
    """
    names = set(getattr(getattr(part, "__code__", None), "co_names", ()))
    if names & {"optim", "SGD", "Adam", "AdamW"} and "torch._dynamo" not in sys.modules:
        limited(lambda: torch.optim.SGD([nn.Parameter(torch.zeros(1))]).step(), 60)
    return limited(lambda: trained(part, copy.deepcopy(model), x, y, lr))


def trained(part: Part, model: TinyModel, x: Tensor, y: Tensor, lr: float) -> Any:
    """The losses of the steps, and the weights after them."""
    losses, graph, before = [], False, parameters_to_vector(model.parameters()).detach()
    watched = Watched(model)
    with torch.enable_grad(), watched:
        for batch in zip(x, y, strict=True):
            try:
                loss: Any = part(model, *batch, lr)
                graph |= isinstance(loss, Tensor) and loss.requires_grad
            except UnboundLocalError as error:
                error.args = (f"{error}: give its result another name",)
                raise
            except RuntimeError as error:
                if "does not require grad" not in str(error):
                    raise
                loss = 0.0
            if loss is None:
                return None
            losses.append(float(loss.detach() if isinstance(loss, Tensor) else loss))
    after = parameters_to_vector(model.parameters()).detach()
    still = watched.why() if torch.equal(after, before) else ""
    losses = [] if still == "no gradient arrives" else losses
    return Trained(
        losses=losses, weights=after, still=still, returned="the loss with its graph" if graph else "numbers"
    )


def cases() -> list[Case]:
    """One step, then three on different batches; the learning rates are large, so that every step shows."""
    ids = torch.randint(5, (3, 2, 4), generator=torch.Generator().manual_seed(3))
    x, y = ids[..., :-1].contiguous(), ids[..., 1:].contiguous()
    model = TinyModel()
    return [Case((model, x[:1], y[:1], 0.5)), Case((model, x, y, 0.3))]


ZERO, BACKWARD = "    model.zero_grad()\n", "    loss.backward()\n"
UPDATE = "            p -= lr * p.grad\n"
EARLY = f"    with torch.no_grad():\n        for p in model.parameters():\n{UPDATE}"
AFTER = "F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item()"
GUARDED = "            if p.grad is not None:\n                p.sub_(lr * p.grad)\n"
EARLY_IF = EARLY.replace(UPDATE, GUARDED)

EXERCISE = Exercise(
    lesson="14",
    part=train_step,
    make_cases=cases,
    use=steps,
    hints=(
        "Forward, loss, gradients, update. And what do the gradients still hold from the step before?",
        "zero_grad before backward: it adds to what is there. Then each weight changes in place, within no_grad.",
        "model.zero_grad(); loss.backward(); with torch.no_grad(): for p in model.parameters(): p -= lr * p.grad.",
    ),
    bugs=(
        bug("no_zero_grad", "does not zero the gradients, so that those of all steps add up", ZERO, ""),
        bug("no_backward", "never calls backward, so that no weight moves", BACKWARD, "", UPDATE, GUARDED),
        bug(
            *("step_before_backward", "moves the weights before backward, when there is no gradient yet: none moves"),
            *(BACKWARD, "", EARLY, EARLY_IF + BACKWARD),
        ),
        bug(
            *("step_late", "moves the weights before backward, by the gradients of the step before"),
            *(ZERO, "", BACKWARD, "", EARLY, f"{EARLY_IF}{ZERO}{BACKWARD}".replace("p.sub_", "p.data.sub_")),
        ),
        bug(
            *("zero_after_backward", "zeroes the gradients after backward, so that no weight moves"),
            *(ZERO, "", BACKWARD, BACKWARD + ZERO, UPDATE, GUARDED),
        ),
        bug(
            *("rebinds", "gives the name p a new tensor, and leaves the model's weight as it was: change it in place"),
            *("p -= lr * p.grad", "p = p - lr * p.grad"),
        ),
        bug(
            *("detach", "cuts the gradient off: detach, no_grad, .item() or .data, and backward finds nothing to do"),
            *("logits.flatten", "logits.detach().flatten"),
        ),
        bug("lr_sign", "adds the gradient, so that the loss grows", "p -=", "p +="),
        bug("no_lr", "leaves out the learning rate", "lr * p.grad", "p.grad"),
        bug("sign_alone", "looks at the sign of the gradient alone", "lr * p.grad", "lr * p.grad.sign()"),
        bug("first_alone", "moves the first weight alone", "in model.parameters()", "in list(model.parameters())[:1]"),
        bug("last_alone", "moves the last weight alone", "in model.parameters()", "in list(model.parameters())[-1:]"),
        bug("bias_missing", "leaves the bias as it is", "in model.parameters()", "in [model.wte, model.weight]"),
        bug("loss_after", "returns the loss after the step", "loss.item()", AFTER),
        bug(
            "graph_kept",
            "returns a tensor that keeps all it was computed from: .item() gives the number",
            ".item()",
            "",
        ),
        bug(
            *("shifted_again", "shifts again, as your own loss does: y is shifted already"),
            *("logits.flatten(0, 1), y.flatten()", "logits[:, :-1].flatten(0, 1), y[:, 1:].flatten()"),
        ),
        bug("sum", "takes the sum of the losses, not their mean", "y.flatten())", 'y.flatten(), reduction="sum")'),
        bug("targets_are_inputs", "takes x for the targets", "y.flatten())", "x.flatten())"),
        bug("softmax_twice", "takes a softmax before cross_entropy's own", "= model(x)", "= model(x).softmax(-1)"),
    ),
)
