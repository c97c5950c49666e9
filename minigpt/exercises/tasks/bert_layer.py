"""Lesson 13: a layer of BERT."""

import math

import torch
from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.attention import merge_heads, split_heads
from minigpt.models.bert import BertConfig
from minigpt.models.layers import LayerNorm, Linear


class BertLayer(nn.Module):
    """Attention to both sides, then the feed-forward network; each sum is normalized (post-norm).

    x is (B, T, C), and so is the result. The mask (B, 1, 1, T) is True where a token stands and
    False for padding, which nobody looks at.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        C = config.n_embd
        names = ("query", "key", "value", "output")
        self.attention = nn.ModuleDict({name: Linear(C, C) for name in names})
        self.attention_norm = LayerNorm(C, config.norm_eps)
        self.intermediate = Linear(C, config.n_inner)
        self.output = Linear(config.n_inner, C)
        self.output_norm = LayerNorm(C, config.norm_eps)
        self.head_dim = config.head_dim

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # BEGIN SOLUTION
        qkv = (self.attention[name](x) for name in ("query", "key", "value"))
        q, k, v = (split_heads(t, self.head_dim) for t in qkv)  # (B, H, T, D) each
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)  # (B, H, T, T)
        weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
        found = self.attention["output"](merge_heads(weights @ v))  # (B, T, C)
        x = self.attention_norm(x + found)
        h = nn.functional.gelu(self.intermediate(x))  # the exact one, with erf
        return self.output_norm(x + self.output(h))
        # END SOLUTION


def tokens(*lengths: int) -> Tensor:
    """The mask of a batch of texts, the shorter ones padded at their end: (B, 1, 1, T)."""
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])[:, None, None]


def as_bert(prefix: str) -> dict[str, Tensor]:
    """The numbers of one of the storyteller's blocks under the names of BERT's layer."""
    block = material.state(prefix)
    state: dict[str, Tensor] = {}
    for last in ("weight", "bias"):
        names = ("query", "key", "value")
        state |= {
            f"attention.{name}.{last}": t for name, t in zip(names, block[f"attn.c_attn.{last}"].chunk(3), strict=True)
        }
        state |= {f"{new}.{last}": block[f"{old}.{last}"] for new, old in GPT2_NAMES.items()}
    return state


GPT2_NAMES = {
    "attention.output": "attn.c_proj",
    "attention_norm": "ln_1",
    "intermediate": "mlp.c_fc",
    "output": "mlp.c_proj",
    "output_norm": "ln_2",
}


def cases() -> list[Case]:
    """Two tokens, two texts of which one is padded, as many tokens as heads; then the storyteller's numbers."""
    small, writer = BertConfig(23, 11, 2, 2, 3, 15, 34), material.storyteller().config
    config = BertConfig(writer.vocab_size, n_head=writer.n_head, n_embd=writer.n_embd, n_inner=writer.n_inner)
    few, real = material.random_parameters(BertLayer(small)), material.activations()["h.1.in"]
    x, T = material.numbers(2, 4, small.n_embd), real.shape[1]
    return [
        Case((x[:1, :2], tokens(2)), (small,), few),
        Case((x, tokens(4, 2)), (small,), few, grad=True),
        Case((x[:, :3], tokens(2, 3)), (small,), few, crafted=True),
        Case((real, tokens(T, T - 3)), (config,), as_bert("h.1.")),
    ]


READ, SPLIT, SCALE = "self.attention[name](x)", "split_heads(t, self.head_dim)", " / math.sqrt(self.head_dim)"
MASKED, SOFTMAX = "scores.masked_fill(~mask, -math.inf)", ".softmax(dim=-1)"
FIRST, SECOND = "self.attention_norm(x + found)", "self.output_norm(x + self.output(h))"
INNER, GELU, QK = "self.intermediate(x)", "nn.functional.gelu(self.intermediate(x))", "q @ k.transpose(-2, -1)"
WEIGHTS = f"{MASKED}{SOFTMAX}"

EXERCISE = Exercise(
    lesson="13",
    part=BertLayer,
    make_cases=cases,
    hints=(
        "GPT-2's block with three changes: who may look at whom, where the norms stand, which GELU.",
        "Post-norm: the sum is normalized, norm(x + part(x)), and goes on so; the mask hides columns, for all queries.",
        "scores.masked_fill(~mask, -inf).softmax(-1); x = attention_norm(x + …); output_norm(x + output(gelu(…))).",
    ),
    bugs=(
        bug(
            *("causal_kept", "keeps GPT-2's causal mask: no token sees those after it"),
            *("~mask", "~(mask & torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril())"),
        ),
        bug(
            *("pre_norm", "normalizes what each part reads, as GPT-2 does; BERT normalizes the sums"),
            *(READ, "self.attention[name](self.attention_norm(x))", FIRST, "x + found"),
            *(INNER, "self.intermediate(self.output_norm(x))", SECOND, "x + self.output(h)"),
        ),
        bug(
            *("tanh_gelu", "has GPT-2's GELU, the tanh form; BERT has the exact one, with erf"),
            *(GELU, 'nn.functional.gelu(self.intermediate(x), approximate="tanh")'),
        ),
        bug("pad_not_masked", "looks at padding: a text means something else beside a longer one", MASKED, "scores"),
        bug(
            *("pad_rows_masked", "hides all from the padding, not the padding from all"),
            *("~mask", "~mask.transpose(-2, -1)"),
        ),
        bug("mask_inverted", "looks at nothing but padding", "~mask", "mask"),
        bug(
            *("mask_inverted_finite", "looks at nothing but padding, and at all alike where there is none"),
            *(MASKED, "scores.masked_fill(mask, -1e9)"),
        ),
        bug("mask_zero", "gives padding a score of 0, not of -inf", "-math.inf", "0.0"),
        bug(
            *("mask_after_softmax", "masks after the softmax, so that the weights no longer sum to 1"),
            *(WEIGHTS, "scores.softmax(dim=-1).masked_fill(~mask, 0.0)"),
        ),
        bug("no_scale", "does not divide the scores by √D", SCALE, ""),
        bug(
            *("scale_n_embd", "divides by √C, the width of all heads, not by √D, that of one"),
            *(SCALE, " / math.sqrt(x.shape[-1])"),
        ),
        bug("scale_d", "divides by D, not by √D", SCALE, " / self.head_dim"),
        bug("softmax_axis", "takes the softmax over the queries, not over the keys", SOFTMAX, ".softmax(dim=-2)"),
        bug("qk_swapped", "has query and key swapped", QK, "k @ q.transpose(-2, -1)"),
        bug("kv_swapped", "has key and value swapped", "q, k, v =", "q, v, k ="),
        bug(
            *("view_for_transpose", "cuts into heads without a transpose, so that tokens and channels are mixed"),
            *(SPLIT, "t.reshape(len(t), -1, t.shape[1], self.head_dim)"),
        ),
        bug(
            *("heads_for_width", "gives split_heads the number of heads; it wants D, the width of one"),
            *(SPLIT, "split_heads(t, x.shape[-1] // self.head_dim)"),
        ),
        bug("one_head", "has one head, as wide as all of them, with the scale of small ones", SPLIT, "t[:, None]"),
        bug(
            *("one_head_scale", "has one head, as wide as all of them, with the scale of that"),
            *(SPLIT, "t[:, None]", SCALE, " / math.sqrt(x.shape[-1])"),
        ),
        bug(
            *("no_projection", "leaves out attention's output layer"),
            *('self.attention["output"](merge_heads(weights @ v))', "merge_heads(weights @ v)"),
        ),
        bug("no_residual_1", "does not add x to what attention gives", FIRST, "self.attention_norm(found)"),
        bug(
            *("no_residual_2", "does not add x to what the feed-forward network gives"),
            *(SECOND, "self.output_norm(self.output(h))"),
        ),
        bug("no_norm_1", "leaves out attention_norm", FIRST, "x + found"),
        bug("no_norm_2", "leaves out output_norm", SECOND, "x + self.output(h)"),
        bug(
            *("norm_of_part", "normalizes what a part gives, then adds x; BERT normalizes the sum"),
            *(FIRST, "x + self.attention_norm(found)", SECOND, "x + self.output_norm(self.output(h))"),
        ),
        bug(
            *("norms_swapped", "has attention_norm and output_norm swapped"),
            *(FIRST, "self.output_norm(x + found)", SECOND, "self.attention_norm(x + self.output(h))"),
        ),
        bug(
            "one_norm_for_both",
            "uses attention_norm for both sums",
            SECOND,
            SECOND.replace("output_norm", "attention_norm"),
        ),
        bug(
            *("norm_not_in_residual", "adds the feed-forward network's result to the sum before attention_norm"),
            *(FIRST, "x + found", INNER, "self.intermediate(self.attention_norm(x))"),
        ),
        bug(
            *("adds_to_start", "adds the feed-forward network's result to the x of the beginning"),
            *("x = self.attention_norm", "y = self.attention_norm", INNER, "self.intermediate(y)"),
        ),
        bug("relu", "has a relu, BERT has a GELU", GELU, "self.intermediate(x).relu()"),
        bug("no_activation", "leaves out the GELU", GELU, "self.intermediate(x)"),
        bug("no_attention", "leaves out attention: no token sees another", "x + found", "x"),
        bug("detach", "cuts the gradient off at the weights", "weights @ v", "weights.detach() @ v"),
    ),
)
