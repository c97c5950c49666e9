"""Lesson 04: the linear layer."""

import torch
from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


class Linear(nn.Module):
    """y = x Wᵀ + b: (..., n_in) -> (..., n_out). `weight` is (n_out, n_in), `bias` (n_out,), both
    nn.Parameter."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.weight = nn.Parameter(torch.randn(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return x @ self.weight.T + self.bias
        # END SOLUTION


def cases() -> list[Case]:
    """A square matrix, which hides a missed transpose, and as many rows, where W @ x runs, too; other sizes; two
    layers of the storyteller, one square."""
    square, flat = ({"weight": (n, m), "bias": (n,)} for n, m in ((2, 2), (2, 3)))
    seen = material.activations()
    small = (material.random_state(square), material.random_state(flat, seed=5))
    return [
        Case((torch.tensor([[1.0, -2.0]], dtype=torch.float64),), (2, 2), small[0], grad=True),
        Case((material.numbers(2, 2),), (2, 2), small[0]),
        Case((torch.tensor([[1.0, -1.0, 0.5]], dtype=torch.float64),), (3, 2), small[1], grad=True),
        Case((material.numbers(5, 4, 3),), (3, 2), small[1], grad=True),
        Case((seen["h.0.attn.heads"].transpose(1, 2).flatten(2),), (256, 256), material.state("h.0.attn.c_proj.")),
        Case((seen["h.0.ln_1"],), (256, 768), material.state("h.0.attn.c_attn.")),
    ]


WEIGHT = "torch.randn(n_out, n_in)"
BIAS = "self.bias = nn.Parameter(torch.zeros(n_out))"
RESULT = "x @ self.weight.T + self.bias"

EXERCISE = Exercise(
    lesson="04",
    part=Linear,
    make_cases=cases,
    built_from=lambda linear, _config: tuple(linear.weight.shape[::-1]),
    hints=(
        "Each output is a weighted sum of all inputs, plus a number of its own. How many numbers are that?",
        "weight is (n_out, n_in): one row per output. x is (..., n_in): what must be turned, so that they multiply?",
        "nn.Parameter(torch.randn(n_out, n_in)) and nn.Parameter(torch.zeros(n_out)); x @ self.weight.T + self.bias.",
    ),
    bugs=(
        bug(
            *(
                "no_transpose_square",
                "multiplies by W, not by Wᵀ: a square matrix lets that through with wrong numbers",
            ),
            *("self.weight.T", "self.weight"),
        ),
        bug(
            *("weight_left", "has W on the left of x: that is for a single column, vectors are the rows of x"),
            *(RESULT, "self.weight @ x + self.bias"),
        ),
        bug("no_bias", "does not add the bias", RESULT, "x @ self.weight.T"),
        bug("bias_times", "multiplies by the bias instead of adding it", RESULT, "x @ self.weight.T * self.bias"),
        bug("bias_minus", "takes the bias away instead of adding it", RESULT, "x @ self.weight.T - self.bias"),
        bug("bias_twice", "adds the bias twice", RESULT, f"{RESULT} + self.bias"),
        bug(
            *("sum_over_batch", "adds up the rows of the batch, so that a single one is left"),
            *(RESULT, "(x @ self.weight.T).sum(0) + self.bias"),
        ),
        bug(
            *("sum_over_batch_after", "adds up the rows of the batch, with the bias once for each"),
            *(RESULT, f"({RESULT}).sum(0)"),
        ),
        bug(
            *("mean_of_products", "takes the mean of the products, not their sum"),
            *(RESULT, "x @ self.weight.T / x.shape[-1] + self.bias"),
        ),
        bug(
            *("scaled", "divides by √n_in: attention does so, a linear layer does not"),
            *(RESULT, "x @ self.weight.T / x.shape[-1] ** 0.5 + self.bias"),
        ),
        bug("relu", "cuts off what is negative: the activation is no part of the layer", RESULT, f"({RESULT}).relu()"),
        bug(
            *("softmax", "turns its outputs into probabilities: the softmax is no part of the layer"),
            *(RESULT, f"({RESULT}).softmax(-1)"),
        ),
        bug("detach", "cuts the gradient off at the weight", "self.weight.T", "self.weight.detach().T"),
        bug(
            *("in_out_swapped", "holds its weight as (in, out): torch, and every checkpoint of it, has (out, in)"),
            *(WEIGHT, "torch.randn(n_in, n_out)", "self.weight.T", "self.weight"),
        ),
        bug("no_bias_parameter", "has no bias", BIAS, "", RESULT, "x @ self.weight.T"),
        bug("bias_n_in", "has a bias for each input, not for each output", BIAS, BIAS.replace("n_out", "n_in")),
        bug(
            *("not_parameters", "holds plain tensors, which no optimizer sees and no checkpoint holds"),
            *("nn.Parameter(torch.randn(n_out, n_in))", "torch.randn(n_out, n_in)"),
            *("nn.Parameter(torch.zeros(n_out))", "torch.zeros(n_out)"),
        ),
    ),
)
