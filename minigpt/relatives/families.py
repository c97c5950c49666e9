"""GPT-2, BERT, BART and T5 side by side: their parts at the sizes of well-known files, which tokens each of their
attentions can see, and what they can do; the latter two by running small random models (lesson 13).

T tokens, S tokens looked at, C channels.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from minigpt.models.bart import Bart, BartConfig
from minigpt.models.bert import Bert, BertConfig
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.t5 import T5, T5Config

Relative = GPT2 | Bert | Bart | T5
Run = Callable[[Tensor], Tensor]  # ids (1, T) -> vectors (1, T, C)
CHECKPOINTS = {"GPT-2": "gpt2", "BERT": "bert-base-uncased", "BART": "bart-base", "T5": "t5-small"}
PARTS = {  # where the numbers are, by the first pattern that a parameter's name matches
    "cross-attention": r"(encoder_attn|cross_attn)\.",
    "norms": r"norm|ln_",
    "self-attention": r"(attn|attention)\.",
    "embeddings": r"^(wte|shared|word_)",
    "positions, segments": r"^wpe|embed_positions|embeddings|_bias\.weight$",
    "feed-forward": r"(mlp|fc1|fc2)\.|^layer\.\d+\.(intermediate|output)\.",
    "pooler, heads": "",
}
N_TOKENS, AT, CHANGED, VOCABULARY = 7, 3, 5, 29  # of the small models' texts
SMALL: dict[str, Any] = {"vocab_size": VOCABULARY, "n_layer": 2, "n_head": 2, "n_embd": 16}


def full_size(name: str) -> Relative:
    """The model of a family in its checkpoint's sizes, on the meta device: shapes and no numbers."""
    makers: dict[str, Callable[[], Relative]] = {
        "GPT-2": lambda: GPT2(GPT2Config()),
        "BERT": lambda: Bert(BertConfig()),
        "BART": lambda: Bart(BartConfig(has_bias=False)),  # its file has none
        "T5": lambda: T5(T5Config()),
    }
    with torch.device("meta"):
        return makers[name]()


def small(name: str) -> Relative:
    """A small model of a family in float64, its numbers random and large enough for every path to have an effect."""
    sizes = SMALL | {"n_inner": 24}
    makers: dict[str, Callable[[], Relative]] = {
        "GPT-2": lambda: GPT2(GPT2Config(**SMALL, n_ctx=16)),
        "BERT": lambda: Bert(BertConfig(**sizes, n_ctx=16)),
        "BART": lambda: Bart(BartConfig(**sizes, n_ctx=16, n_decoder_layer=2)),
        "T5": lambda: T5(T5Config(**sizes, head_dim=8, n_decoder_layer=2)),
    }
    with torch.device("meta"):
        model = makers[name]()
    model = model.double().to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)  # of its own: the caller's random numbers stay as they are
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model.eval()


def parts(model: Relative) -> dict[str, int]:
    """How many parameters each kind of part has; 0 where the family has none of it."""
    found = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        found[next(part for part, pattern in PARTS.items() if re.search(pattern, name))] += parameter.numel()
    return found


class Branch(NamedTuple):
    """A line of a tree of modules: its depth, its name, and the parameters in it."""

    depth: int
    name: str
    n_parameters: int


def tree(module: nn.Module, depth: int = 0) -> list[Branch]:
    """The modules and vectors with parameters; of a stack's layers, which are built alike, only the first.

    >>> tree(T5(T5Config(vocab_size=9, n_layer=3, n_head=1, n_embd=2, n_inner=4)))[1]
    Branch(depth=0, name='encoder: 3 x T5Block', n_parameters=1596)
    """
    own = module.named_parameters(recurse=False) if depth == 0 else ()
    found = [Branch(depth, name, parameter.numel()) for name, parameter in own]
    for name, child in module.named_children():
        n = sum(parameter.numel() for parameter in child.parameters())
        if isinstance(child, nn.ModuleList):
            found.append(Branch(depth, f"{name}: {len(child)} x {type(child[0]).__name__}", n))
            child = child[0]
        elif n:
            found.append(Branch(depth, name, n))
        if n:
            found += tree(child, depth + 1)
    return found


class Attention(NamedTuple):
    """One of a family's attentions: the output of its last layer, as a function of the tokens that are looked at."""

    kind: str  # "encoder", "decoder" or "cross"
    run: Run


def attentions(model: Relative) -> list[Attention]:
    """A model's attentions; by cross-attention the decoder looks at what the encoder made of the ids."""
    if isinstance(model, GPT2):
        return [Attention("decoder", model.hidden)]
    if isinstance(model, Bert):
        return [Attention("encoder", model.hidden)]
    other = torch.arange(N_TOKENS)[None] + 9  # the tokens on the other side: (1, T)
    return [
        Attention("encoder", model.encode),
        Attention("decoder", lambda ids: model.decode(ids, model.encode(other))),
        Attention("cross", lambda ids: model.decode(other, model.encode(ids))),
    ]


@torch.inference_mode()
def looks(run: Run) -> list[list[bool]]:
    """Whether the output at each position (T) changes when the token at each other one (S) is changed: (T, S)."""
    ids = torch.arange(N_TOKENS)[None]  # (1, T)
    before, columns = run(ids), []
    for token in range(N_TOKENS):
        changed = ids.clone()
        changed[0, token] += N_TOKENS
        columns.append(((run(changed) - before).abs().amax(dim=-1)[0] > 1e-9).tolist())  # (T,)
    return [list(row) for row in zip(*columns, strict=True)]


def writes_on(seen: dict[str, list[list[bool]]]) -> bool:
    """Whether the outputs so far stay the same when one more token is written, so that a text grows token by token."""
    own = seen.get("decoder") or seen["encoder"]
    return not any(own[i][j] for i in range(N_TOKENS) for j in range(i + 1, N_TOKENS))


def fills_gaps(seen: dict[str, list[list[bool]]]) -> bool:
    """Whether what comes out for a gap depends on the tokens before it and on those after it."""
    answer = seen.get("cross") or seen.get("encoder") or seen["decoder"]
    return answer[AT][AT - 2] and answer[AT][CHANGED]


def embeds(seen: dict[str, list[list[bool]]]) -> bool:
    """Whether every token's vector depends on the whole text, so that any of them, or their mean, can stand for it."""
    return all(map(all, seen.get("encoder") or seen["decoder"]))
