"""Lesson 06: the activation of GPT-2's MLP."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def gelu(x: Tensor) -> Tensor:
    """GELU in its tanh form, as GPT-2 has it: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
    # BEGIN SOLUTION
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + torch.tanh(inner))
    # END SOLUTION


def acts(writer: Any, part: Callable[[Tensor], Tensor]) -> None:
    """Every MLP of a model bends by the learner's function."""
    for block in writer.model.h:
        block.mlp.forward = lambda x, mlp=block.mlp: mlp.c_proj(part(mlp.c_fc(x)))


def cases() -> list[Case]:
    """Six numbers, none of them 0, where a relu has no slope; three small ones, where 3.14 is no π; then what the
    storyteller's MLPs get."""
    few = torch.tensor([-2.5, -1.0, -0.25, 0.5, 1.5, 4.0], dtype=torch.float64)
    seen = material.activations()
    return [
        Case((few,), grad=True),
        Case((few[1:4],)),
        Case((seen["h.0.mlp.pre"][:, :3],), grad=True),
        Case((seen["h.5.mlp.pre"][0, -1],)),
        Case((torch.tensor([0.0, -7.0, 7.0, 0.001], dtype=torch.float64),), crafted=True),
    ]


ROOT, CUBE = "math.sqrt(2 / math.pi)", "(x + 0.044715 * x**3)"
RESULT = "0.5 * x * (1 + torch.tanh(inner))"
OPEN = "0.5 * x * 1 + torch.tanh(inner)"

EXERCISE = Exercise(
    lesson="06",
    part=gelu,
    make_cases=cases,
    acts=acts,
    hints=(
        "It is x times a number between 0 and 1, which the tanh makes: near 0 for x far below 0, near 1 far above.",
        "First what goes into the tanh, √(2/π) · (x + 0.044715 x³); then 1 + tanh of it, halved, times x.",
        "0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))).",
    ),
    bugs=(
        bug(
            *("erf", "is the exact form, with erf: GPT-2 was trained with the tanh form"),
            *(RESULT, "0.5 * x * (1 + torch.erf(x / math.sqrt(2)))"),
        ),
        bug("relu", "is a relu: nothing is left of what is below 0", RESULT, "torch.relu(x)"),
        bug(
            *("sigmoid_form", "is the quick form, x · sigmoid(1.702 x), not the tanh form"),
            *(RESULT, "x * torch.sigmoid(1.702 * x)"),
        ),
        bug("silu", "is the SiLU, x · sigmoid(x)", RESULT, "x * torch.sigmoid(x)"),
        bug("identity", "returns x as it is: without an activation two layers are one", RESULT, "x"),
        bug("tanh", "is a tanh", RESULT, "torch.tanh(x)"),
        bug("sigmoid", "is a sigmoid", RESULT, "torch.sigmoid(x)"),
        bug(
            *("leaky_relu", "is a leaky relu: a hundredth is left of what is below 0"),
            *(RESULT, "torch.where(x > 0, x, 0.01 * x)"),
        ),
        bug(
            *("erf_without_root", "is the exact form, with erf, and lacks the √2 in it"),
            *(RESULT, "0.5 * x * (1 + torch.erf(x))"),
        ),
        bug("cube_missing", "leaves out the cube of x", CUBE, "x"),
        bug("cube_of_product", "cubes 0.044715 with the x", CUBE, "(x + (0.044715 * x) ** 3)"),
        bug("square_for_cube", "has the square of x, not its cube", "x**3", "x**2"),
        bug("coefficient_10", "has 0.44715 for 0.044715", "0.044715 *", "0.44715 *"),
        bug(
            *("cube_outside", "multiplies x alone by √(2/π), not the cube: brackets are missing"),
            *(f"{ROOT} * {CUBE}", f"{ROOT} * x + 0.044715 * x**3"),
        ),
        bug("half_missing", "leaves out the half, so that everything is twice as large", "0.5 * x * (1", "x * (1"),
        bug("one_missing", "leaves out the 1 before the tanh", "(1 + torch.tanh(inner))", "torch.tanh(inner)"),
        bug("brackets", "multiplies by 1 alone, and adds the tanh: brackets are missing", RESULT, OPEN),
        bug("x_missing", "leaves out the x before the bracket", "0.5 * x * (1", "0.5 * (1"),
        bug("root_missing", "has 2/π, not its square root", ROOT, "(2 / math.pi)"),
        bug("root_of_2", "divides the root of 2 by π: √(2/π) is the root of both", ROOT, "math.sqrt(2) / math.pi"),
        bug("pi_314", "takes 3.14 for π", "math.pi", "3.14"),
        bug("pi_upside_down", "has √(π/2) for √(2/π)", ROOT, "math.sqrt(math.pi / 2)"),
        bug("factor_missing", "leaves out √(2/π)", f"{ROOT} * ", ""),
        bug("detach", "cuts the gradient off at the tanh", "torch.tanh(inner)", "torch.tanh(inner).detach()"),
    ),
)
