"""Lesson 08: what the layers believe before the last has spoken."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2


def logit_lens(model: GPT2, ids: Tensor) -> Tensor:
    """What GPT-2 would say if it stopped early: ids (B, T) -> logits (L + 1, B, T, V).

    The residual stream goes through model.ln_f and model.unembed before the first block and after
    each of the L.
    """
    # BEGIN SOLUTION
    x = model.wte(ids) + model.wpe(torch.arange(ids.shape[1]))  # (B, T, C)
    lens = [model.unembed(model.ln_f(x))]  # (B, T, V)
    for block in model.h:
        x = block(x)
        lens.append(model.unembed(model.ln_f(x)))
    return torch.stack(lens)
    # END SOLUTION


def on_a_copy(part: Any, model: GPT2, ids: Tensor) -> Any:
    """Whatever is done to the model, the next one gets it as it was; a list of logits is as good as a tensor."""
    found = part(copy.deepcopy(model), ids)
    if isinstance(found, (list, tuple)) and found and all(isinstance(row, Tensor) for row in found):
        return torch.stack(list(found))
    return found


def cases() -> list[Case]:
    """A small model with random weights, then two blocks of the storyteller."""
    small = plain_model(material.small_config())
    shapes = {name: tuple(value.shape) for name, value in small.named_parameters()}
    small.load_state_dict(material.random_state(shapes))
    real = plain_model(replace(material.storyteller().config, n_layer=2, n_ctx=24, vocab_size=300))
    weights = material.state("")
    cut = {"wte.weight": 300, "wpe.weight": 24}  # rows, so that a copy is quickly made
    real.load_state_dict({name: weights[name][: cut.get(name)] for name, _ in real.named_parameters()})
    few, more = torch.tensor([[4, 1, 17, 4], [22, 0, 9, 3]]), torch.tensor([[264, 81, 7, 299, 102]])
    return [Case((small, few[:1, :1])), Case((small, few)), Case((real, more))]


def plain_model(config: GPT2Config) -> GPT2:
    """A model for reading only, in float64."""
    return GPT2(config).double().eval().requires_grad_(False)


FIRST, NEXT = "lens = [model.unembed(model.ln_f(x))]", "lens.append(model.unembed(model.ln_f(x)))"
BLOCK = "        x = block(x)\n"
RETURN = "return torch.stack(lens)"

EXERCISE = Exercise(
    lesson="08",
    part=logit_lens,
    make_cases=cases,
    use=on_a_copy,
    hints=(
        "Walk through the model by hand: embeddings, then block after block. What does the model do after the last?",
        "model.unembed(model.ln_f(x)) makes logits of a stream. Keep them before the first block, then after each.",
        "x = wte(ids) + wpe(arange(T)); keep unembed(ln_f(x)); for block in model.h: x = block(x), keep again; stack.",
    ),
    bugs=(
        bug(
            *("no_ln_f", "leaves out ln_f before the output matrix"),
            *(FIRST, "lens = [model.unembed(x)]", NEXT, "lens.append(model.unembed(x))"),
        ),
        bug(
            *("no_ln_f_early", "normalizes after the last block alone: every look needs ln_f"),
            *(
                FIRST,
                "lens = [model.unembed(x)]",
                NEXT,
                "lens.append(model.unembed(model.ln_f(x) if block is model.h[-1] else x))",
            ),
        ),
        bug(
            *("before_block", "looks before each block, and so never after the last"),
            *(FIRST, "lens = []", f"{BLOCK}        {NEXT}", f"        {NEXT}\n{BLOCK[:-1]}"),
        ),
        bug("no_embeddings", "leaves out the look before the first block", FIRST, "lens = []"),
        bug("last_only", "looks after the last block alone", RETURN, "return lens[-1]"),
        bug(
            *("untied", "unembeds with wpe: GPT-2's output matrix is wte, the embedding of the tokens"),
            *(
                FIRST,
                "lens = [model.ln_f(x) @ model.wpe.weight.T]",
                NEXT,
                "lens.append(model.ln_f(x) @ model.wpe.weight.T)",
            ),
        ),
        bug("softmax_layers", "takes a softmax over the layers", RETURN, "return torch.stack(lens).softmax(dim=0)"),
        bug("probs", "returns probabilities, not logits", RETURN, "return torch.stack(lens).softmax(dim=-1)"),
        bug(
            *("norm_kept", "normalizes what goes into every block, even the embeddings: ln_f is for looking only"),
            *(BLOCK, "        x = block(model.ln_f(x))\n"),
        ),
        bug(
            *("norm_handed_on", "hands the normalized stream on to the next block: ln_f is for looking only"),
            *(BLOCK, "        x = model.ln_f(block(x))\n", NEXT, "lens.append(model.unembed(x))"),
        ),
        bug(
            "norm_twice",
            "applies ln_f twice after the last block",
            BLOCK,
            BLOCK + "        x = model.ln_f(x) if block is model.h[-1] else x\n",
        ),
        bug(
            *("written_alone", "looks at what a block adds, not at the stream"),
            *(
                f"{BLOCK}        {NEXT}",
                "        y, x = x, block(x)\n        lens.append(model.unembed(model.ln_f(x - y)))",
            ),
        ),
        bug(
            *("after_attention", "looks in the middle of each block, before its MLP"),
            *(
                f"{BLOCK}        {NEXT}",
                "        mid = x + block.attn(block.ln_1(x))\n        lens.append(model.unembed(model.ln_f(mid)))\n"
                + BLOCK[:-1],
            ),
        ),
        bug(
            *("from_embeddings", "gives every block the embeddings, not what the block before it left"),
            *(f"{BLOCK}        {NEXT}", "        lens.append(model.unembed(model.ln_f(block(x))))"),
        ),
        bug("no_wpe", "leaves out the positions", " + model.wpe(torch.arange(ids.shape[1]))", ""),
        bug(
            "positions_from_1",
            "counts the positions from 1",
            "torch.arange(ids.shape[1])",
            "torch.arange(ids.shape[1]) + 1",
        ),
        bug(
            *("one_block", "runs the first block again and again"),
            *(BLOCK, "        x = model.h[0](x)\n"),
        ),
        bug(
            *("ln_1", "looks through each block's own ln_1, not through ln_f"),
            *(NEXT, "lens.append(model.unembed(block.ln_1(x)))"),
        ),
        bug("last_token", "looks after the last token alone", RETURN, "return torch.stack(lens)[:, :, -1]"),
        bug(
            "batch_first",
            "puts the texts before the layers: the layers come first",
            RETURN,
            "return torch.stack(lens, dim=1)",
        ),
        bug("reversed", "has the layers in the wrong order, the last first", RETURN, "return torch.stack(lens[::-1])"),
    ),
)
