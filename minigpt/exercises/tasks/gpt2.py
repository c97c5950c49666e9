"""Lesson 07: GPT-2, whole."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.tasks.block import Slots  # noqa: F401 (for the bugs' code)
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import Block
from minigpt.models.layers import Embedding, LayerNorm


class GPT2(nn.Module):
    """Ids (B, T) in, logits (B, T, V) out: `wte` and `wpe`, the blocks `h`, `ln_f`, and wte again
    as output matrix."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.wte = Embedding(config.vocab_size, config.n_embd)
        self.wpe = Embedding(config.n_ctx, config.n_embd)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = LayerNorm(config.n_embd, config.norm_eps)
        # END SOLUTION

    def forward(self, ids: Tensor) -> Tensor:
        # BEGIN SOLUTION
        pos = torch.arange(ids.shape[1])
        x = self.wte(ids) + self.wpe(pos)
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        return x @ self.wte.weight.T
        # END SOLUTION


def cases() -> list[Case]:
    """A tiny model, a small one with gradients, one token, n_ctx; then the storyteller's first two blocks."""
    tiny = GPT2Config(vocab_size=7, n_ctx=5, n_layer=2, n_head=1, n_embd=3, n_inner=4)
    small = replace(material.small_config(), n_layer=3)
    few = material.random_parameters(GPT2(small))
    ids = material.numbers(2, small.n_ctx).abs().mul(5).long()
    real, config, state = storyteller()
    return [
        Case((torch.tensor([[4, 2, 3]]),), (tiny,), material.random_parameters(GPT2(tiny))),
        Case((torch.tensor([[4, 2, 5]]),), (small,), few, grad=True),
        Case((ids[:, :1],), (small,), few),
        Case((ids,), (small,), few),
        Case((real,), (config,), state),
    ]


def storyteller() -> tuple[Tensor, GPT2Config, dict[str, Tensor]]:
    """Two texts, and the storyteller with two of its blocks, the rows of wte that they need and 31 positions."""
    used, ids = material.ids().unique(return_inverse=True)
    config = replace(material.storyteller().config, n_layer=2, vocab_size=len(used), n_ctx=31)
    state = {name: value for name, value in material.state("").items() if name[:2] != "h." or int(name[2]) < 2}
    state |= {"wte.weight": state["wte.weight"][used], "wpe.weight": state["wpe.weight"][:31]}
    return ids, config, state


EMBEDDED, LOOP, RUN = "self.wte(ids) + self.wpe(pos)", "for block in self.h:", "x = block(x)"
NORM, RESULT = "x = self.ln_f(x)", "return x @ self.wte.weight.T"
BLOCKS = "nn.ModuleList([Block(config) for _ in range(config.n_layer)])"
TABLE = "self.wpe = Embedding(config.n_ctx, config.n_embd)\n"
LAST = "self.ln_f = LayerNorm(config.n_embd, config.norm_eps)"


def inside(attention: str, mlp: str) -> tuple[str, str]:
    """The edit that writes the block out, as two lines."""
    return RUN, f"{attention}\n            {mlp}"


ATTEND, THINK = "x = x + block.attn(block.ln_1(x))", "x = x + block.mlp(block.ln_2(x))"

EXERCISE = Exercise(
    lesson="07",
    part=GPT2,
    make_cases=cases,
    hints=(
        "Five steps: what each token is plus where it stands, the blocks one after the other, a last norm, the logits.",
        "wte(ids) + wpe(positions); x = block(x) for each of self.h; ln_f. There is no lm_head: which matrix is it?",
        "x @ self.wte.weight.T gives the logits; self.h is an nn.ModuleList of n_layer blocks, each one its own.",
    ),
    bugs=(
        bug("no_ln_f", "leaves out ln_f, the norm after the last block", NORM, ""),
        bug("no_wpe", "leaves out wpe: the same word is the same wherever it stands", EMBEDDED, "self.wte(ids)"),
        bug("mask_ignored", "lets every token see those after it", RUN, "x = block(x, Slots(causal=False))"),
        bug(
            *("no_scale", "does not divide the scores by √D in its attention"),
            *(RUN, "x = block(x, Slots(scaled=False))"),
        ),
        bug(
            *("erf", "has the exact GELU, with erf, in its MLPs, where GPT-2 has the tanh form"),
            *inside(ATTEND, "x = x + block.mlp.c_proj(nn.functional.gelu(block.mlp.c_fc(block.ln_2(x))))"),
        ),
        bug(
            *("relu", "has a relu in its MLPs, where GPT-2 has a GELU"),
            *inside(ATTEND, "x = x + block.mlp.c_proj(nn.functional.relu(block.mlp.c_fc(block.ln_2(x))))"),
        ),
        bug(
            *("no_residual", "never adds to x in its blocks: what a part gives takes its place"),
            *inside("x = block.attn(block.ln_1(x))", "x = block.mlp(block.ln_2(x))"),
        ),
        bug(
            *("post_norm", "normalizes after each addition in its blocks; GPT-2 does it before each part"),
            *inside("x = block.ln_1(x + block.attn(x))", "x = block.ln_2(x + block.mlp(x))"),
        ),
        bug("no_norm", "has no norms in its blocks", *inside("x = x + block.attn(x)", "x = x + block.mlp(x)")),
        bug("no_mlp", "leaves the MLPs out of its blocks", RUN, ATTEND),
        bug("no_attention", "leaves attention out of its blocks: no token sees another", RUN, THINK),
        bug("positions_from_1", "counts the positions from 1", "(ids.shape[1])", "(1, ids.shape[1] + 1)"),
        bug(
            *("texts_for_tokens", "takes the number of texts for the number of tokens: T is ids.shape[1]"),
            *("ids.shape[1]", "ids.shape[0]"),
        ),
        bug(
            *("place_T", "gives every token the position T: the positions 0 to T - 1 are asked for"),
            *("torch.arange(ids.shape[1])", "torch.tensor(ids.shape[1])"),
        ),
        bug("position_0", "gives every token the first position", "self.wpe(pos)", "self.wpe(0 * pos)"),
        bug("positions_by_id", "looks the positions up by id, not by place", "self.wpe(pos)", "self.wpe(ids)"),
        bug(
            *("wte_scaled", "multiplies the embedding by √C: the first Transformer did, GPT-2 does not"),
            *(EMBEDDED, "self.wte(ids) * self.wte.weight.shape[1] ** 0.5 + self.wpe(pos)"),
        ),
        bug(
            *("residual_twice", "adds what a block gives to x: the block has done so itself"),
            *(RUN, "x = x + block(x)"),
        ),
        bug(
            *("ln_f_first", "normalizes before the first block, not after the last"),
            *(EMBEDDED, f"self.ln_f({EMBEDDED})", NORM, ""),
        ),
        bug(
            "ln_f_each",
            "applies ln_f after every block",
            RUN,
            f"{RUN}\n            {NORM}",
            f"        {NORM}\n        return",
            "        return",
        ),
        bug("blocks_skipped", "makes nothing of what its blocks give", f"{LOOP}\n            {RUN}", ""),
        bug("one_block", "calls the first block alone", LOOP, "for block in self.h[:1]:"),
        bug("last_block_missing", "leaves out the last block", LOOP, "for block in self.h[:-1]:"),
        bug("first_block_again", "calls the first block each time", RUN, "x = self.h[0](x)"),
        bug("blocks_reversed", "calls the blocks from the last to the first", LOOP, "for block in reversed(self.h):"),
        bug(
            *("last_block_alone", "gives every block the embedding, so that only the last one's result is left"),
            *(LOOP, f"e = x\n        {LOOP}", RUN, "x = block(e)"),
        ),
        bug("softmax", "returns probabilities, not logits", RESULT, f"{RESULT.replace('x @', '(x @')}).softmax(-1)"),
        bug(
            *("log_softmax", "returns the logarithms of probabilities, not logits"),
            *(RESULT, f"{RESULT.replace('x @', '(x @')}).log_softmax(-1)"),
        ),
        bug("no_unembed", "returns the stream of vectors, not logits", RESULT, "return x"),
        bug("last_token", "returns the logits of the last token alone", RESULT, "return x[:, -1] @ self.wte.weight.T"),
        bug(
            *("logits_scaled", "divides the logits by √C: attention does so with its scores, the output does not"),
            *(RESULT, f"{RESULT} / x.shape[-1] ** 0.5"),
        ),
        bug(
            "detach",
            "cuts the gradient off at the output matrix",
            "x @ self.wte.weight.T",
            "x @ self.wte.weight.detach().T",
        ),
        bug(
            *("lm_head_untied", "has an output matrix of its own, lm_head: in GPT-2 it is wte"),
            *(LAST, f"{LAST}\n        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)"),
            *(RESULT, "return self.lm_head(x)"),
        ),
        bug(
            *("block_shared", "holds one block n_layer times, not n_layer blocks"),
            *(BLOCKS, "nn.ModuleList([Block(config)] * config.n_layer)"),
        ),
        bug(
            *("plain_list", "holds its blocks in a plain list, where torch does not find them: use nn.ModuleList"),
            *(BLOCKS, "[Block(config) for _ in range(config.n_layer)]"),
        ),
        bug(
            *("no_ln_f_parameters", "has no ln_f, the norm after the last block"),
            *(LAST, "pass", NORM, ""),
        ),
        bug("no_wpe_table", "has no wpe, the table of positions", TABLE, "pass\n", EMBEDDED, "self.wte(ids)"),
    ),
)
