"""Lesson 06: the MLP of a block."""

from dataclasses import replace

from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.config import GPT2Config
from minigpt.models.layers import Linear, gelu


class MLP(nn.Module):
    """`c_fc` to config.n_inner channels, a GELU, `c_proj` back to n_embd, for each token alone:
    (B, T, C) -> same."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.c_fc = Linear(config.n_embd, config.n_inner)
        self.c_proj = Linear(config.n_inner, config.n_embd)
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        h = gelu(self.c_fc(x))
        return self.c_proj(h)
        # END SOLUTION


def cases() -> list[Case]:
    """All sizes different; both widths the same, where swapped layers run; then the storyteller's first."""
    small, config = material.small_config(), material.storyteller().config
    square = replace(small, n_inner=small.n_embd)
    few, same = (material.random_parameters(MLP(c), seed) for seed, c in enumerate((small, square)))
    x = material.numbers(2, 3, small.n_embd)
    return [
        Case((x,), (small,), few, grad=True),
        Case((x[:1, :1],), (square,), same),
        Case((material.activations()["h.0.ln_2"],), (config,), material.state("h.0.mlp.")),
    ]


HIDDEN, RESULT = "gelu(self.c_fc(x))", "return self.c_proj(h)"
FC = "self.c_fc = Linear(config.n_embd, config.n_inner)"
PROJ = "self.c_proj = Linear(config.n_inner, config.n_embd)"

EXERCISE = Exercise(
    lesson="06",
    part=MLP,
    make_cases=cases,
    hints=(
        "Wider, bend, narrower: what stands between the two layers is what makes them more than one layer.",
        "c_fc takes n_embd numbers to n_inner, gelu acts on each, c_proj takes them back. No residual here.",
        "Linear(config.n_embd, config.n_inner), Linear(config.n_inner, config.n_embd); c_proj(gelu(c_fc(x))).",
    ),
    bugs=(
        bug("relu", "has a relu, where GPT-2 has a GELU", HIDDEN, "self.c_fc(x).relu()"),
        bug(
            *("erf", "has the exact GELU, with erf, where GPT-2 has the tanh form"),
            *(HIDDEN, "nn.functional.gelu(self.c_fc(x))"),
        ),
        bug(
            *("sigmoid_form", "has the quick GELU, x · sigmoid(1.702 x), where GPT-2 has the tanh form"),
            *(HIDDEN, "self.c_fc(x) * (1.702 * self.c_fc(x)).sigmoid()"),
        ),
        bug("silu", "has a SiLU, where GPT-2 has a GELU", HIDDEN, "nn.functional.silu(self.c_fc(x))"),
        bug("tanh", "has a tanh, where GPT-2 has a GELU", HIDDEN, "self.c_fc(x).tanh()"),
        bug("no_activation", "has nothing between its layers, which are then one", HIDDEN, "self.c_fc(x)"),
        bug(
            *("activation_after", "applies the GELU after the second layer, not between the two"),
            *(HIDDEN, "self.c_fc(x)", RESULT, "return gelu(self.c_proj(h))"),
        ),
        bug("activation_before", "applies the GELU before the first layer", HIDDEN, "self.c_fc(gelu(x))"),
        bug("activation_twice", "applies the GELU again after the second layer", RESULT, "return gelu(self.c_proj(h))"),
        bug("gelu_of_gelu", "applies the GELU twice between the layers", HIDDEN, f"gelu({HIDDEN})"),
        bug(
            *("swapped", "calls c_proj first and c_fc last"),
            *(HIDDEN, "gelu(self.c_proj(x))", RESULT, "return self.c_fc(h)"),
        ),
        bug("residual_inside", "adds x to its result: that is the block's work", RESULT, "return x + self.c_proj(h)"),
        bug("gated", "multiplies by x what the second layer gives", RESULT, "return x * self.c_proj(h)"),
        bug(
            *("norm_inside", "normalizes x first: that is the block's work"),
            *(HIDDEN, "gelu(self.c_fc(nn.functional.layer_norm(x, x.shape[-1:])))"),
        ),
        bug("detach", "cuts the gradient off between the layers", RESULT, "return self.c_proj(h.detach())"),
        bug(
            *("roles_swapped", "has the sizes of c_fc and c_proj swapped: c_fc is the first, and widens"),
            *(FC, "self.c_fc = Linear(config.n_inner, config.n_embd)"),
            *(PROJ, "self.c_proj = Linear(config.n_embd, config.n_inner)"),
        ),
        bug(
            *("inner_4x", "takes 4 · n_embd for its width, whatever config.n_inner says"),
            *(FC, "self.c_fc = Linear(config.n_embd, 4 * config.n_embd)"),
            *(PROJ, "self.c_proj = Linear(4 * config.n_embd, config.n_embd)"),
        ),
    ),
)
