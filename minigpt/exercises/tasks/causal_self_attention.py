"""Lesson 05: attention as a module of GPT-2."""

import math

import torch
from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.config import GPT2Config
from minigpt.models.layers import Linear


class CausalSelfAttention(nn.Module):
    """Query, key and value of every token; each attends to itself and to those before it:
    (B, T, C) -> same."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd)  # q, k and v in one product
        self.c_proj = Linear(config.n_embd, config.n_embd)
        self.n_head = config.n_head

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        B, T, C = x.shape
        D = C // self.n_head
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        q, k, v = (t.view(B, T, self.n_head, D).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(D)
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -math.inf)
        weights = scores.softmax(dim=-1)
        y = (weights @ v).transpose(1, 2).reshape(B, T, C)
        return self.c_proj(y)
        # END SOLUTION


def cases() -> list[Case]:
    """Random weights of a small model in which all sizes differ, then the storyteller's own."""
    small, config = material.small_config(), material.storyteller().config
    C = small.n_embd
    shapes = {"c_attn.weight": (3 * C, C), "c_attn.bias": (3 * C,), "c_proj.weight": (C, C), "c_proj.bias": (C,)}
    few, seen = material.random_state(shapes), material.activations()
    state = material.state("h.1.attn.")
    return [
        Case((material.numbers(2, 4, C),), (small,), few, grad=True),
        Case((material.numbers(1, 1, C),), (small,), few),
        Case((material.numbers(1, small.n_head, C),), (small,), few, crafted=True),  # as many tokens as heads
        Case((material.numbers(1, small.n_ctx, C),), (small,), few),
        Case((seen["h.1.ln_1"],), (config,), state),
    ]


SCALE = " / math.sqrt(D)"
CHUNKS = "q, k, v = self"
SPLIT = "t.view(B, T, self.n_head, D).transpose(1, 2)"
MASKED = "scores = scores.masked_fill(future, -math.inf)"
SOFTMAX = "scores.softmax(dim=-1)"
BACK = ".transpose(1, 2).reshape(B, T, C)"

EXERCISE = Exercise(
    lesson="05",
    part=CausalSelfAttention,
    make_cases=cases,
    hints=(
        "c_attn gives q, k and v side by side. Cut each into heads, attend in each, join the heads, c_proj.",
        "(B, T, C) becomes (B, T, H, D) by view, then (B, H, T, D) by transpose(1, 2); at the end the same way back.",
        "chunk(3, dim=-1); view, transpose; scores / √D, mask, softmax, @ v; transpose(1, 2).reshape(B, T, C); c_proj.",
    ),
    bugs=(
        bug("no_scale", "does not divide the scores by √D", SCALE, ""),
        bug(
            *("scale_n_embd", "divides by √C, the width of all heads, not by √D, that of one"),
            *(SCALE, " / math.sqrt(C)"),
        ),
        bug("scale_d", "divides by D, not by √D", SCALE, " / D"),
        bug("scale_up", "multiplies by √D instead of dividing", SCALE, " * math.sqrt(D)"),
        bug("scale_t", "divides by √T, the number of tokens, not by √D", SCALE, " / math.sqrt(T)"),
        bug("no_mask", "has no causal mask: each token sees those after it", MASKED, ""),
        bug(
            *("mask_after_softmax", "masks after the softmax, so that the weights no longer sum to 1"),
            *(MASKED, "", SOFTMAX, "scores.softmax(dim=-1).masked_fill(future, 0.0)"),
        ),
        bug("mask_zero", "sets what may not be seen to 0, not to -inf", "future, -math.inf", "future, 0.0"),
        bug("mask_off_by_one", "lets each token see one that comes after it", ".triu(1)", ".triu(2)"),
        bug("mask_self", "hides each token from itself, too", ".triu(1)", ".triu(0)"),
        bug(
            *("mask_self_finite", "hides each token from itself, too, so that the first one sees all alike"),
            *(MASKED, "scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(0), -1e9)"),
        ),
        bug("mask_inverted", "hides what may be seen, and shows what may not", ".triu(1)", ".tril(0)"),
        bug("mask_past", "hides the past, not the future", ".triu(1)", ".tril(-1)"),
        bug("softmax_axis", "takes the softmax over the queries, not over the keys", SOFTMAX, "scores.softmax(dim=-2)"),
        bug("softmax_heads", "takes the softmax over the heads, not over the keys", SOFTMAX, "scores.softmax(dim=1)"),
        bug("no_softmax", "leaves out the softmax", SOFTMAX, "scores.masked_fill(future, 0.0)"),
        bug("no_softmax_inf", "leaves out the softmax, so that -inf goes into the mean", SOFTMAX, "scores"),
        bug(
            *("running_mean", "takes the mean of all values so far, whatever the scores"),
            *(SOFTMAX, "(~future).to(x.dtype) / (~future).sum(-1, keepdim=True)"),
        ),
        bug("qk_swapped", "has query and key swapped", CHUNKS, "k, q, v = self"),
        bug("qv_swapped", "has query and value swapped", CHUNKS, "v, k, q = self"),
        bug("kv_swapped", "has key and value swapped", CHUNKS, "q, v, k = self"),
        bug(
            *("heads_not_transposed", "lets the heads of a token attend to one another: transpose(1, 2) is missing"),
            *(SPLIT, "t.view(B, T, self.n_head, D)", BACK, ".reshape(B, T, C)"),
            *(MASKED, "future = torch.ones(self.n_head, self.n_head, dtype=torch.bool).triu(1)\n        " + MASKED),
        ),
        bug(
            *(
                "heads_not_transposed_tokens",
                "lets heads attend to heads, behind a mask for tokens: transpose(1, 2) is missing",
            ),
            *(SPLIT, "t.view(B, T, self.n_head, D)", BACK, ".reshape(B, T, C)"),
        ),
        bug(
            *(
                "heads_not_transposed_before",
                "forgets transpose(1, 2) before it attends, so that heads attend to heads",
            ),
            *(SPLIT, "t.view(B, T, self.n_head, D)"),
            *(MASKED, "future = torch.ones(self.n_head, self.n_head, dtype=torch.bool).triu(1)\n        " + MASKED),
        ),
        bug(
            *(
                "heads_not_transposed_before_tokens",
                "forgets transpose(1, 2) before it attends, so that heads attend to heads, behind a mask for tokens",
            ),
            *(SPLIT, "t.view(B, T, self.n_head, D)"),
        ),
        bug(
            *("view_for_transpose", "cuts the heads by a view alone, which mixes tokens with channels"),
            *(SPLIT, "t.reshape(B, self.n_head, T, D)"),
        ),
        bug("not_transposed_back", "joins the heads without transposing them back", BACK, ".reshape(B, T, C)"),
        bug(
            *("one_head", "attends with a single head of the whole width"),
            *("D = C // self.n_head", "D = C", SPLIT, "t.view(B, T, 1, D).transpose(1, 2)"),
        ),
        bug(
            *("interleaved", "gives neighbouring channels to different heads"),
            *(SPLIT, "t.view(B, T, D, self.n_head).permute(0, 3, 1, 2)"),
        ),
        bug("no_projection", "leaves out c_proj", "self.c_proj(y)", "y"),
        bug(
            "residual_inside", "adds x to its result: that is the block's work", "self.c_proj(y)", "x + self.c_proj(y)"
        ),
        bug("detach", "cuts the gradient off at the weights", "(weights @ v)", "(weights.detach() @ v)"),
    ),
)
