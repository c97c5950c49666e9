"""Lesson 06: a block of GPT-2."""

import math

import torch
from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import MLP, CausalSelfAttention
from minigpt.models.layers import LayerNorm


class Block(nn.Module):
    """Attention, then the MLP: each reads a normalized copy of x and adds its result to x:
    (B, T, C) -> same."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.norm_eps)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, config.norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))
        # END SOLUTION


class Slots:
    """Given to attention in place of a cache's layer it brings in a bug: no causal mask, or no scale."""

    def __init__(self, causal: bool = True, scaled: bool = True) -> None:
        self.causal, self.scaled = causal, scaled

    def write(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values are those of now; what undoes the scale is in the keys."""
        T, D = k.shape[-2:]
        seen = torch.ones(T, T, dtype=torch.bool)
        self.mask = seen.tril() if self.causal else seen
        return k if self.scaled else k * math.sqrt(D), v


def cases() -> list[Case]:
    """A small block of random numbers, one token, then the storyteller's first, where the eps of its norms shows."""
    small, config = material.small_config(), material.storyteller().config
    few, seen = material.random_parameters(Block(small)), material.activations()
    x = material.numbers(2, 4, small.n_embd)
    return [
        Case((x[:1, :1],), (small,), few),
        Case((x,), (small,), few, grad=True),
        Case((seen["h.0.in"],), (config,), material.state("h.0.")),
    ]


FIRST, SECOND = "x = x + self.attn(self.ln_1(x))", "return x + self.mlp(self.ln_2(x))"
BOTH = f"{FIRST}\n        {SECOND}"


def lines(*texts: str) -> str:
    """Lines of the forward pass."""
    return "\n        ".join(texts)


EXERCISE = Exercise(
    lesson="06",
    part=Block,
    make_cases=cases,
    hints=(
        "x runs through as it is; each of the two parts reads it and adds something. Who sees the normalized copy?",
        "The norm stands before the part, within the branch: part(norm(x)). What is added to is x, not norm(x).",
        "x = x + self.attn(self.ln_1(x)), then x = x + self.mlp(self.ln_2(x)): the second reads what the first left.",
    ),
    bugs=(
        bug(
            *("no_residual", "never adds to x: what a part gives takes its place"),
            *(BOTH, lines("x = self.attn(self.ln_1(x))", "return self.mlp(self.ln_2(x))")),
        ),
        bug(
            *("no_residual_1", "does not add what attention gives to x: it takes its place"),
            *(BOTH, lines("x = self.attn(self.ln_1(x))", SECOND)),
        ),
        bug(
            *("no_residual_2", "does not add what the MLP gives to x: it takes its place"),
            *(BOTH, lines(FIRST, "return self.mlp(self.ln_2(x))")),
        ),
        bug(
            *(
                "post_norm",
                "normalizes after each addition, as the first Transformer did; GPT-2 does it before each part",
            ),
            *(BOTH, lines("x = self.ln_1(x + self.attn(x))", "return self.ln_2(x + self.mlp(x))")),
        ),
        bug(
            *("norm_in_residual", "adds to the normalized copy, not to x itself"),
            *(BOTH, lines("x = self.ln_1(x)", "x = x + self.attn(x)", "x = self.ln_2(x)", "return x + self.mlp(x)")),
        ),
        bug(
            *("norm_in_residual_1", "adds what attention gives to the normalized copy, not to x itself"),
            *(BOTH, lines("x = self.ln_1(x)", "x = x + self.attn(x)", SECOND)),
        ),
        bug(
            *("norm_in_residual_2", "adds what the MLP gives to the normalized copy, not to x itself"),
            *(BOTH, lines(FIRST, "x = self.ln_2(x)", "return x + self.mlp(x)")),
        ),
        bug(
            *("norm_after_part", "normalizes what a part gives, not what it reads"),
            *(BOTH, lines("x = x + self.ln_1(self.attn(x))", "return x + self.ln_2(self.mlp(x))")),
        ),
        bug("sums_lost", "returns x as it came: the sums are computed and not kept", BOTH, "return x"),
        bug("no_norm", "has no norms", BOTH, lines("x = x + self.attn(x)", "return x + self.mlp(x)")),
        bug("no_norm_1", "leaves out the norm before attention", BOTH, lines("x = x + self.attn(x)", SECOND)),
        bug("no_norm_2", "leaves out the norm before the MLP", BOTH, lines(FIRST, "return x + self.mlp(x)")),
        bug(
            *("parallel", "lets the MLP read the same x as attention, not what attention left"),
            *(BOTH, "return x + self.attn(self.ln_1(x)) + self.mlp(self.ln_2(x))"),
        ),
        bug(
            *("parallel_one_norm", "lets the MLP read the same normalized x as attention: GPT-J does so"),
            *(BOTH, "return x + self.attn(self.ln_1(x)) + self.mlp(self.ln_1(x))"),
        ),
        bug(
            *("adds_to_start", "adds the MLP's result to the x of the beginning, so that attention's is lost"),
            *(BOTH, lines("y = x + self.attn(self.ln_1(x))", "return x + self.mlp(self.ln_2(y))")),
        ),
        bug(
            *("mlp_reads_branch", "lets the MLP read attention's result alone, without the x that it was added to"),
            *(BOTH, lines("y = self.attn(self.ln_1(x))", "return x + y + self.mlp(self.ln_2(y))")),
        ),
        bug(
            *("one_residual", "goes through both parts and adds to x once, at the end"),
            *(BOTH, "return x + self.mlp(self.ln_2(self.attn(self.ln_1(x))))"),
        ),
        bug(
            *("norm_at_end", "normalizes once more at its end"),
            *(BOTH, lines(FIRST, "return self.ln_2(x + self.mlp(self.ln_2(x)))")),
        ),
        bug(
            "mlp_first",
            "calls the MLP first, then attention",
            BOTH,
            lines("x = x + self.mlp(self.ln_2(x))", "return x + self.attn(self.ln_1(x))"),
        ),
        bug("no_attention", "leaves out attention: no token sees another", BOTH, SECOND),
        bug("no_mlp", "leaves out the MLP", BOTH, "return x + self.attn(self.ln_1(x))"),
        bug("one_norm_for_both", "uses ln_1 for both parts", "self.ln_2(x)", "self.ln_1(x)"),
        bug("ln_2_for_both", "uses ln_2 for both parts", "self.ln_1(x)", "self.ln_2(x)"),
        bug(
            *("norms_swapped", "has ln_1 and ln_2 swapped"),
            *(BOTH, lines("x = x + self.attn(self.ln_2(x))", "return x + self.mlp(self.ln_1(x))")),
        ),
        bug(
            *("no_mask", "lets every token see those after it: its attention has no causal mask"),
            *("self.attn(self.ln_1(x))", "self.attn(self.ln_1(x), Slots(causal=False))"),
        ),
        bug(
            *("no_scale", "does not divide the scores by √D in its attention"),
            *("self.attn(self.ln_1(x))", "self.attn(self.ln_1(x), Slots(scaled=False))"),
        ),
        bug(
            *("erf", "has the exact GELU, with erf, in its MLP, where GPT-2 has the tanh form"),
            *("self.mlp(self.ln_2(x))", "self.mlp.c_proj(nn.functional.gelu(self.mlp.c_fc(self.ln_2(x))))"),
        ),
        bug(
            *("relu", "has a relu in its MLP, where GPT-2 has a GELU"),
            *("self.mlp(self.ln_2(x))", "self.mlp.c_proj(nn.functional.relu(self.mlp.c_fc(self.ln_2(x))))"),
        ),
        bug("x_twice", "adds x once more at its end", "return x", "return x + x"),
        bug(
            "detach",
            "cuts the gradient off at attention",
            "self.attn(self.ln_1(x))",
            "self.attn(self.ln_1(x)).detach()",
        ),
    ),
)
