"""Lesson 06: LayerNorm."""

import torch
from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


class LayerNorm(nn.Module):
    """Each vector to mean 0 and variance 1 over its channels, then a learned scale and shift:
    (..., C) -> (..., C)."""

    def __init__(self, n_embd: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))  # (C,)
        self.bias = nn.Parameter(torch.zeros(n_embd))  # (C,)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        mean = x.mean(dim=-1, keepdim=True)
        centred = x - mean
        variance = (centred**2).mean(dim=-1, keepdim=True)
        std = torch.sqrt(variance + self.eps)
        return centred / std * self.weight + self.bias
        # END SOLUTION


def cases() -> list[Case]:
    """A real stream at h.0.ln_1, a single token, a nearly constant row."""
    x, state = material.activations()["h.0.in"], material.state("h.0.ln_1.")
    build = (x.shape[-1], material.storyteller().config.norm_eps)
    return [
        Case((x[:, :1],), build, state, grad=True),
        Case((x,), build, state, grad=True),
        Case((1 + 1e-5 * x[:, :2],), build, state, crafted=True),
    ]


MEAN = "mean = x.mean(dim=-1, keepdim=True)"
VARIANCE = "(centred**2).mean(dim=-1, keepdim=True)"
ROOT = "torch.sqrt(variance + self.eps)"
RESULT = "centred / std * self.weight + self.bias"

EXERCISE = Exercise(
    lesson="06",
    part=LayerNorm,
    make_cases=cases,
    built_from=lambda norm, _config: (norm.weight.shape[0], norm.eps),
    hints=(
        "Three steps: take the mean away, divide by the standard deviation, scale, shift. Over which dimension?",
        "The variance is the mean of the squares of what is left, over C, not C - 1. eps keeps the root from 0.",
        "mean and variance with dim=-1, keepdim=True; (x - mean) / torch.sqrt(variance + self.eps) * weight + bias.",
    ),
    bugs=(
        bug("unbiased", "divides the variance by C - 1, not by C", VARIANCE, "centred.var(dim=-1, keepdim=True)"),
        bug("no_eps", "leaves out eps", "variance + self.eps", "variance"),
        bug("eps_1e-6", "takes 1e-6 for eps, where GPT-2 has 1e-5", "variance + self.eps", "variance + 1e-6"),
        bug("eps_1e-12", "takes 1e-12 for eps, where GPT-2 has 1e-5", "variance + self.eps", "variance + 1e-12"),
        bug("eps_outside", "adds eps after the square root", ROOT, "torch.sqrt(variance) + self.eps"),
        bug("no_sqrt", "divides by the variance, not by its square root", ROOT, "variance + self.eps"),
        bug("no_centre", "does not take the mean away from x", RESULT, RESULT.replace("centred", "x")),
        bug("var_of_x", "takes the mean of x² for the variance", VARIANCE, "(x**2).mean(dim=-1, keepdim=True)"),
        bug(
            *("over_tokens", "normalizes over the tokens, not over the channels"),
            *(MEAN, "mean = x.mean(dim=-2, keepdim=True)", VARIANCE, "(centred**2).mean(dim=-2, keepdim=True)"),
        ),
        bug(
            *("all_axes", "normalizes over tokens and channels together"),
            *(MEAN, "mean = x.mean(dim=(-2, -1), keepdim=True)"),
            *(VARIANCE, "(centred**2).mean(dim=(-2, -1), keepdim=True)"),
        ),
        bug(
            *("everything", "takes mean and variance over all numbers together: dim=-1 is missing"),
            *(MEAN, "mean = x.mean()", VARIANCE, "(centred**2).mean()"),
        ),
        bug(
            "sum_of_squares", "takes the sum of the squares for the variance, not their mean", ").mean(dim", ").sum(dim"
        ),
        bug("brackets", "divides the mean alone: x - mean needs brackets", "return centred", "return x - mean"),
        bug("no_scale_shift", "leaves out weight and bias", RESULT, "centred / std"),
        bug("no_weight", "leaves out the weight", RESULT, "centred / std + self.bias"),
        bug("no_bias", "leaves out the bias", RESULT, "centred / std * self.weight"),
        bug("swap_w_b", "has weight and bias swapped", RESULT, "centred / std * self.bias + self.weight"),
        bug("bias_first", "adds the bias before it scales", RESULT, "(centred / std + self.bias) * self.weight"),
        bug("one_plus_w", "scales by 1 + weight", RESULT, "centred / std * (1 + self.weight) + self.bias"),
        bug("detach", "cuts the gradient off at the mean", MEAN, MEAN + ".detach()"),
        bug(
            "detach_variance", "cuts the gradient off at the variance", ROOT, "torch.sqrt(variance.detach() + self.eps)"
        ),
    ),
)
