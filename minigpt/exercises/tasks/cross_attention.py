"""Lesson 13: attention of a decoder to what the encoder has read."""

import math

from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.tasks.bert_layer import tokens
from minigpt.models.attention import merge_heads, split_heads
from minigpt.models.bart import BartConfig
from minigpt.models.layers import Linear


class CrossAttention(nn.Module):
    """Each token of the decoder looks at the encoder's: x (B, T, C), memory (B, S, C) -> (B, T, C).

    The memory is what the encoder gave for the text that was read. The mask (B, 1, 1, S) is True
    where the memory has a token and False for padding.
    """

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        C = config.n_embd
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (Linear(C, C) for _ in range(4))
        self.head_dim = C // config.n_head

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        # BEGIN SOLUTION
        q = split_heads(self.q_proj(x), self.head_dim)  # (B, H, T, D): the decoder asks
        k = split_heads(self.k_proj(memory), self.head_dim)  # (B, H, S, D): the memory answers
        v = split_heads(self.v_proj(memory), self.head_dim)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)  # (B, H, T, S)
        weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
        return self.out_proj(merge_heads(weights @ v))
        # END SOLUTION


def as_bart(prefix: str) -> dict[str, Tensor]:
    """The numbers of one of the storyteller's attentions under the names of BART's."""
    found = material.state(prefix)
    state: dict[str, Tensor] = {}
    for last in ("weight", "bias"):
        three = zip("qkv", found[f"c_attn.{last}"].chunk(3), strict=True)
        state |= {f"{name}_proj.{last}": t for name, t in three} | {f"out_proj.{last}": found[f"c_proj.{last}"]}
    return state


def cases() -> list[Case]:
    """One token of each side, more on the one or on the other, as many on both; then the storyteller's numbers."""
    small, writer = BartConfig(23, 11, 2, 2, 3, 15, 34), material.storyteller().config
    config = BartConfig(writer.vocab_size, n_head=writer.n_head, n_embd=writer.n_embd)
    few = material.random_parameters(CrossAttention(small))
    x, memory = material.numbers(2, 6, small.n_embd), material.numbers(2, 7, small.n_embd, seed=1)
    real, S = material.activations()["h.1.ln_1"], material.ids().shape[1]
    return [
        Case((x[:1, :2], memory[:1, :2], tokens(2)), (small,), few),
        Case((x[:, :2], memory[:, :5], tokens(5, 3)), (small,), few, grad=True),
        Case((x[:, :6], memory[:, :4], tokens(2, 4)), (small,), few),
        Case((x[:, :4], memory[:, :4], tokens(4, 3)), (small,), few),
        Case((real[:1, :5], real[1:], tokens(S)), (config,), as_bart("h.1.attn.")),
    ]


KEYS, VALUES = "self.k_proj(memory)", "self.v_proj(memory)"
SCALE, MASKED, SOFTMAX = " / math.sqrt(self.head_dim)", "scores.masked_fill(~mask, -math.inf)", ".softmax(dim=-1)"
RESULT = "self.out_proj(merge_heads(weights @ v))"
SPLITS = (
    "q = split_heads(self.q_proj(x), self.head_dim)",
    "q = self.q_proj(x).reshape(len(x), -1, x.shape[1], self.head_dim)",
    f"k = split_heads({KEYS}, self.head_dim)",
    f"k = {KEYS}.reshape(len(x), -1, memory.shape[1], self.head_dim)",
    f"v = split_heads({VALUES}, self.head_dim)",
    f"v = {VALUES}.reshape(len(x), -1, memory.shape[1], self.head_dim)",
)
WIDTHS = (
    *("split_heads(self.q_proj(x), self.head_dim)", "split_heads(self.q_proj(x), x.shape[-1] // self.head_dim)"),
    *(f"split_heads({KEYS}, self.head_dim)", f"split_heads({KEYS}, x.shape[-1] // self.head_dim)"),
    *(f"split_heads({VALUES}, self.head_dim)", f"split_heads({VALUES}, x.shape[-1] // self.head_dim)"),
)
ONE_HEAD = (
    *("split_heads(self.q_proj(x), self.head_dim)", "self.q_proj(x)[:, None]"),
    *(f"split_heads({KEYS}, self.head_dim)", f"{KEYS}[:, None]"),
    *(f"split_heads({VALUES}, self.head_dim)", f"{VALUES}[:, None]"),
)

EXERCISE = Exercise(
    lesson="13",
    part=CrossAttention,
    make_cases=cases,
    hints=(
        "Who asks, and who answers? The one that writes asks the one that has read.",
        "Queries from x, keys and values from the memory: the scores are (B, H, T, S). All of the memory may be seen.",
        "split_heads(self.q_proj(x), …); k and v alike, of memory; masked_fill(~mask, -inf), softmax, @ v, out_proj.",
    ),
    bugs=(
        bug(
            *("q_from_encoder", "makes the queries from the memory, too: what the decoder has written asks nothing"),
            *("self.q_proj(x)", "self.q_proj(memory)"),
        ),
        bug(
            *("kv_from_decoder", "makes keys and values from x: that is self-attention, and nothing is read"),
            *(KEYS, "self.k_proj(x)", VALUES, "self.v_proj(x)"),
        ),
        bug("k_from_decoder", "makes the keys from x, not from the memory", KEYS, "self.k_proj(x)"),
        bug("v_from_decoder", "makes the values from x, not from the memory", VALUES, "self.v_proj(x)"),
        bug(
            *("sides_swapped", "lets the memory ask and the decoder answer"),
            *("self.q_proj(x)", "self.q_proj(memory)", KEYS, "self.k_proj(x)", VALUES, "self.v_proj(x)"),
        ),
        bug(
            *("causal", "has a causal mask, though the memory has been read to its end"),
            *("~mask", "~(mask & scores.isfinite().tril())"),
        ),
        bug("no_mask", "looks at the memory's padding", MASKED, "scores"),
        bug("mask_inverted", "looks at nothing but the memory's padding", "~mask", "mask"),
        bug(
            *(
                "mask_inverted_finite",
                "looks at nothing but the memory's padding, and at all alike where there is none",
            ),
            *(MASKED, "scores.masked_fill(mask, -1e9)"),
        ),
        bug("mask_zero", "gives padding a score of 0, not of -inf", "-math.inf", "0.0"),
        bug(
            *("mask_after_softmax", "masks after the softmax, so that the weights no longer sum to 1"),
            *(f"{MASKED}{SOFTMAX}", "scores.softmax(dim=-1).masked_fill(~mask, 0.0)"),
        ),
        bug("no_scale", "does not divide the scores by √D: T5 does without, BART does not", SCALE, ""),
        bug(
            *("scale_n_embd", "divides by √C, the width of all heads, not by √D, that of one"),
            *(SCALE, " / math.sqrt(x.shape[-1])"),
        ),
        bug("scale_d", "divides by D, not by √D", SCALE, " / self.head_dim"),
        bug(
            *("softmax_axis", "takes the softmax over the decoder's tokens, not over the memory's"),
            *(SOFTMAX, ".softmax(dim=-2)"),
        ),
        bug(
            "mean_of_memory", "gives each token the mean of the memory, whatever it asks", "scores.m", "(0 * scores).m"
        ),
        bug(
            *("projections_swapped", "makes the queries with k_proj and the keys with q_proj"),
            *("self.q_proj(x)", "self.k_proj(x)", KEYS, "self.q_proj(memory)"),
        ),
        bug(
            *("kv_swapped", "has key and value swapped"),
            *("k = split", "v = split", "v = split_heads(self.v", "k = split_heads(self.v"),
        ),
        bug("keys_as_values", "takes the mean of the keys, not of the values", "weights @ v", "weights @ k"),
        bug(
            "view_for_transpose", "cuts into heads without a transpose, so that tokens and channels are mixed", *SPLITS
        ),
        bug("one_head", "has one head, as wide as all of them, with the scale of small ones", *ONE_HEAD),
        bug(
            *("one_head_scale", "has one head, as wide as all of them, with the scale of that"),
            *(*ONE_HEAD, SCALE, " / math.sqrt(x.shape[-1])"),
        ),
        bug(
            *("heads_for_width", "gives split_heads the number of heads; it wants D, the width of one"),
            *WIDTHS,
        ),
        bug("no_projection", "leaves out out_proj", RESULT, "merge_heads(weights @ v)"),
        bug("residual_inside", "adds x itself, which the layer around it does", RESULT, f"x + {RESULT}"),
        bug(
            *("detach", "cuts the gradient off at the memory: the encoder would never learn"),
            *("        q = split", "        memory = memory.detach()\n        q = split"),
        ),
    ),
)
