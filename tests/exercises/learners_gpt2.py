"""What learners hand in for lesson 07: right answers in other styles, and every named bug in two of them.

A style is a function from a bug's name, None for a right answer, to a part.
"""

import math
import re
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.models import gpt2, layers
from tests.exercises.learners_attention import of
from tests.exercises.learners_layers import BlockOwn, forward

Config = Any


# ---------------------------------------------------------------- count_parameters
def count_shapes(bug: str | None) -> Any:
    """By a list of shapes."""

    def count_parameters(config: Config) -> int:
        V, P, L, C, H = config.vocab_size, config.n_ctx, config.n_layer, config.n_embd, config.n_head
        inner = {"mlp_3x": 3 * C, "mlp_4x": 4 * C}.get(bug or "", config.n_inner)
        linears = [(C, 3 * C), (C, C), (C, inner), (inner, C)]
        if bug == "qkv_once":
            linears[0] = (C, C)
        if bug == "c_proj_missing":
            linears[1] = (0, 0)
        if bug == "mlp_once":
            linears.pop()
        if bug == "times_heads":
            linears = linears[:2] * H + linears[2:]
        no_bias = {"bias_missing": (0, 1, 2, 3), "all_bias_missing": (0, 1, 2, 3), "mlp_bias_missing": (2, 3)}.get(
            bug or "", ()
        )
        block = sum(m * n + (0 if i in no_bias else n) for i, (m, n) in enumerate(linears))
        norms = {"one_norm": 1, "block_norms_missing": 0}.get(bug or "", 2)
        norm = {"norm_bias_missing": C, "all_bias_missing": C, "all_norms_missing": 0}.get(bug or "", 2 * C)
        block += norms * norm
        if bug == "mask_counted":
            block += P * P
        shapes = [(V, C), (P, C)]
        if bug == "head_counted":
            shapes.append((C, V))
        if bug == "wpe_missing":
            shapes.remove((P, C))
        if bug == "wte_missing":
            shapes.remove((V, C))
        total = sum(map(math.prod, shapes)) + (block if bug == "one_block" else block * L)
        return total if bug == "ln_f_missing" else total + norm

    return count_parameters


def count_model(bug: str | None) -> Any:
    """By a model without numbers, name by name."""
    left_out = {
        "wpe_missing": r"wpe\..*",
        "wte_missing": r"wte\..*",
        "ln_f_missing": r"ln_f\..*",
        "bias_missing": r".*(c_\w+)\.bias",
        "mlp_bias_missing": r".*mlp\.\w+\.bias",
        "all_bias_missing": r".*\.bias",
        "norm_bias_missing": r".*ln_\w\.bias",
        "one_norm": r".*ln_2\..*",
        "block_norms_missing": r"h.*ln_\w\..*",
        "all_norms_missing": r".*ln_\w\..*",
        "mlp_once": r".*mlp\.c_proj\..*",
        "c_proj_missing": r".*attn\.c_proj\..*",
        "one_block": r"h\.[1-9]\d*\..*",
    }

    def count_parameters(config: Config) -> int:
        with torch.device("meta"):
            model = gpt2.GPT2(config)
        if bug in ("mlp_3x", "mlp_4x"):
            n = int(bug[4]) * config.n_embd
            for block in model.h:
                block.mlp.c_fc, block.mlp.c_proj = nn.Linear(config.n_embd, n), nn.Linear(n, config.n_embd)
        total = 0
        for name, p in model.named_parameters():
            if bug in left_out and re.fullmatch(left_out[bug], name):
                continue
            n = p.numel()
            if bug == "qkv_once" and "c_attn" in name:
                n //= 3
            if bug == "times_heads" and ".attn." in name:
                n *= config.n_head
            total += n
        if bug == "head_counted":
            total += model.wte.weight.numel()
        if bug == "mask_counted":
            total += config.n_layer * torch.ones(config.n_ctx, config.n_ctx).tril().numel()
        return total

    return count_parameters


def factored(config: Config) -> int:
    """Right: with C taken out."""
    C, inner = config.n_embd, config.n_inner
    return C * (config.vocab_size + config.n_ctx + 2) + config.n_layer * (C * (4 * C + 2 * inner + 9) + inner)


COUNT_RIGHT = [count_shapes(None), count_model(None), factored]
COUNT_OUTSIDE = [
    lambda c: factored(c) + 1,
    lambda c: 12 * c.n_layer * c.n_embd**2,
    lambda c: factored(c) - c.n_embd,
    lambda c: c.n_layer * factored(c),
    lambda c: factored(c) * 4,
    lambda c: f"{factored(c):,}",
]


# ---------------------------------------------------------------- load
FOUR = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
NOT_TURNED = {
    "c_proj_not_turned": ("attn.c_proj", "mlp.c_proj"),
    "attn_c_proj_not_turned": ("attn.c_proj",),
    "mlp_c_proj_not_turned": ("mlp.c_proj",),
    "c_attn_not_turned": ("attn.c_attn",),
    "c_fc_not_turned": ("mlp.c_fc",),
    "mlp_not_turned": FOUR[2:],
    "attn_not_turned": FOUR[:2],
    "none_turned": FOUR,
}


def load_regex(bug: str | None) -> Any:
    """By patterns and a comprehension."""
    parts = "|".join(re.escape(part) for part in FOUR if part not in NOT_TURNED.get(bug or "", ()))
    turned = rf"h\.\d+\.({parts})\.weight" if parts else "none"
    turned = {"wte_turned": rf"{turned}|wte.*", "wpe_turned": rf"{turned}|wpe.*", "all_turned": rf"{turned}|w.e.*"}.get(
        bug or "", turned
    )
    dropped = {
        "mask_buffers_as_weights": "none",
        "c_attn_bias_dropped": r".*attn\.bias",
        "biases_dropped": r".*\.bias",
        "attn_biases_dropped": r"h\.\d+\.attn\..*bias",
        "one_digit": r"h\.\d\.attn\.bias",
        "first_block": r"h\.0\.attn\.bias",
    }.get(bug or "", r"h\.\d+\.attn\.bias")

    def turn(t: Tensor) -> Tensor:
        return t.view(t.shape[1], t.shape[0]) if bug == "reshaped" else t.permute(1, 0)

    def load(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        kept = {name: t for name, t in tensors.items() if not re.fullmatch(dropped, name)}
        return {name: turn(t).contiguous() if re.fullmatch(turned, name) else t for name, t in kept.items()}

    return load


def load_blocks(bug: str | None) -> Any:
    """Block by block, name by name, into parameters of his own."""
    keep = [part for part in FOUR if part not in NOT_TURNED.get(bug or "", ())]

    def load(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for table in ("wte", "wpe"):
            w = tensors[f"{table}.weight"]
            state[f"{table}.weight"] = w.t() if bug in ("all_turned", f"{table}_turned") else w.clone()
        norms = ("weight",) if bug == "biases_dropped" else ("weight", "bias")
        state |= {f"ln_f.{what}": tensors[f"ln_f.{what}"] for what in norms}
        n = 0
        while f"h.{n}.ln_1.weight" in tensors:
            for ln in ("ln_1", "ln_2"):
                state |= {f"h.{n}.{ln}.{what}": tensors[f"h.{n}.{ln}.{what}"] for what in norms}
            for part in FOUR:
                w = tensors[f"h.{n}.{part}.weight"]
                if part in keep:
                    w = w.flatten().reshape(w.shape[::-1]) if bug == "reshaped" else torch.transpose(w, 0, 1)
                state[f"h.{n}.{part}.weight"] = nn.Parameter(w)
                lost = bug == "biases_dropped" or (bug == "attn_biases_dropped" and "attn" in part)
                if not lost and not (bug == "c_attn_bias_dropped" and part == "attn.c_attn"):
                    state[f"h.{n}.{part}.bias"] = nn.Parameter(tensors[f"h.{n}.{part}.bias"])
            masks = {"mask_buffers_as_weights": True, "one_digit": n > 9, "first_block": n > 0}
            if masks.get(bug or "", False):
                state[f"h.{n}.attn.bias"] = tensors[f"h.{n}.attn.bias"]
            n += 1
        return state

    return load


def by_rank(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Right: masks have four dimensions, and every matrix of a block is turned."""
    return {k: t.T if k[:2] == "h." and t.dim() == 2 else t for k, t in tensors.items() if t.dim() < 4}


def in_two_steps(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Right: a copy from which the masks are taken, then the four are turned in place."""
    state = dict(tensors)
    for name in list(state):
        if name.split(".")[2:] == ["attn", "bias"]:
            del state[name]
        elif "c_" in name and name.endswith("weight"):
            state[name] = state[name].transpose(-1, -2)
    return state


def pops(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outside: takes the masks out of the argument."""
    for name in [name for name in tensors if name.endswith(".attn.bias")]:
        del tensors[name]
    return by_rank(tensors)


LOAD_RIGHT = [load_regex(None), load_blocks(None), by_rank, in_two_steps]
LOAD_OUTSIDE = [
    lambda tensors: {f"transformer.{k}": t for k, t in by_rank(tensors).items()},
    lambda tensors: {k: t.flip(0) for k, t in by_rank(tensors).items()},
    lambda tensors: {k: t for k, t in by_rank(tensors).items() if "ln_f" not in k},
    lambda tensors: {k: t for k, t in by_rank(tensors).items() if k != "wte.weight"},
    lambda tensors: list(by_rank(tensors).items()),
]
LOAD_MORE = [
    ("in_place", pops),
    (
        "c_proj_not_turned",
        lambda t: {k: v.T if v.dim() > 1 and v.size(0) < v.size(1) else v for k, v in t.items() if v.dim() < 4},
    ),
]


# ---------------------------------------------------------------- GPT2
WITHIN = ("no_mask", "no_scale", "erf", "relu", "no_residual", "post_norm", "no_norm", "no_mlp", "no_attention")


class GPT2Torch(nn.Module):
    """With torch's modules and blocks of his own."""

    bug: str | None = None

    def __init__(self, config: Config) -> None:
        super().__init__()
        bug = "no_mask" if self.bug == "mask_ignored" else self.bug
        Block = of(BlockOwn)(bug if bug in WITHIN else None)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if bug != "no_wpe_table":
            self.wpe = nn.Embedding(config.n_ctx, config.n_embd)
        self.drop = nn.Dropout(0.1)
        blocks = [Block(config) for _ in range(config.n_layer)]
        if bug == "block_shared":
            blocks = [blocks[0] for _ in blocks]
        self.h = blocks if bug == "plain_list" else nn.ModuleList(blocks)
        if bug != "no_ln_f_parameters":
            self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if bug != "lm_head_untied":
            self.lm_head.weight = self.wte.weight

    def forward(self, idx: Tensor) -> Tensor:
        bug = self.bug
        T = idx.size(1)
        pos = torch.arange(0, T, device=idx.device).unsqueeze(0)
        if bug == "positions_from_1":
            pos = pos + 1
        if bug == "texts_for_tokens":
            pos = torch.arange(len(idx))
        if bug == "place_T":
            pos = torch.full_like(idx, T)
        if bug == "position_0":
            pos = torch.zeros_like(pos)
        if bug == "positions_by_id":
            pos = idx
        tok = self.wte(idx)
        if bug == "wte_scaled":
            tok = tok * math.sqrt(tok.size(-1))
        x = tok if bug in ("no_wpe", "no_wpe_table") else tok + self.wpe(pos)
        x = self.drop(x)
        if bug == "ln_f_first":
            x = self.ln_f(x)
        emb, n = x, len(self.h)
        order = {"blocks_reversed": range(n - 1, -1, -1), "one_block": range(1), "last_block_missing": range(n - 1)}
        for i in order.get(bug or "", range(n)):
            if bug == "blocks_skipped":
                break
            block = self.h[0 if bug == "first_block_again" else i]
            if bug == "last_block_alone":
                x = block(emb)
            elif bug == "residual_twice":
                x = x + block(x)
            else:
                x = block(x)
            if bug == "ln_f_each":
                x = self.ln_f(x)
        if bug not in ("no_ln_f", "ln_f_first", "ln_f_each", "no_ln_f_parameters"):
            x = self.ln_f(x)
        if bug == "no_unembed":
            return x
        if bug == "last_token":
            x = x[:, -1, :]
        if bug == "detach":
            return F.linear(x, self.lm_head.weight.data)
        logits = self.lm_head(x)
        if bug == "softmax":
            return F.softmax(logits, dim=-1)
        if bug == "log_softmax":
            return F.log_softmax(logits, dim=-1)
        return logits / math.sqrt(x.size(-1)) if bug == "logits_scaled" else logits


class GPT2Fold(nn.Module):
    """With the project's parts, and a fold over the blocks, which it writes out where they have the bug."""

    bug: str | None = None

    def __init__(self, config: Config) -> None:
        super().__init__()
        n, C, bug = config.n_layer, config.n_embd, self.bug
        self.wte = layers.Embedding(config.vocab_size, C)
        if bug != "no_wpe_table":
            self.wpe = layers.Embedding(config.n_ctx, C)
        if bug == "block_shared":
            self.h = nn.Sequential(*[gpt2.Block(config)] * n)
        elif bug == "plain_list":
            self.h = tuple(gpt2.Block(config) for _ in range(n))
        else:
            self.h = nn.Sequential(*map(gpt2.Block, [config] * n))
        if bug != "no_ln_f_parameters":
            self.ln_f = layers.LayerNorm(C, config.norm_eps)
        if bug == "lm_head_untied":
            self.lm_head = layers.Linear(C, config.vocab_size, bias=False)

    def attend(self, attn: Any, x: Tensor) -> Tensor:
        """Attention, with torch's function."""
        q, k, v = (t.unflatten(-1, (-1, attn.head_dim)).transpose(1, 2) for t in attn.c_attn(x).split(x.size(-1), -1))
        scale = 1.0 if self.bug == "no_scale" else None
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.bug != "mask_ignored", scale=scale)
        return attn.c_proj(y.transpose(1, 2).flatten(2))

    def block(self, x: Tensor, block: Any) -> Tensor:
        bug = self.bug
        act = {"erf": lambda h: h * (1 + torch.erf(h * 0.5**0.5)) / 2, "relu": lambda h: h.clamp(min=0)}.get(
            bug or "", lambda h: F.gelu(h, approximate="tanh")
        )

        def mlp(x: Tensor) -> Tensor:
            return block.mlp.c_proj(act(block.mlp.c_fc(x)))

        for norm, part in ((block.ln_1, lambda x: self.attend(block.attn, x)), (block.ln_2, mlp)):
            if (bug, norm) in (("no_mlp", block.ln_2), ("no_attention", block.ln_1)):
                continue
            y = part(x if bug in ("no_norm", "post_norm") else norm(x))
            x = y if bug == "no_residual" else x + y
            if bug == "post_norm":
                x = norm(x)
        return x

    def forward(self, ids: Tensor) -> Tensor:
        bug, T = self.bug, ids.shape[1]
        start = 1 if bug == "positions_from_1" else 0
        x = self.wte.weight[ids]
        if bug == "wte_scaled":
            x = x * x.shape[-1] ** 0.5
        if bug == "positions_by_id":
            x = x + self.wpe.weight[ids]
        elif bug == "position_0":
            x = x + self.wpe.weight[:1]
        elif bug == "texts_for_tokens":
            x = x + self.wpe.weight[: ids.shape[0]]
        elif bug == "place_T":
            x = x + self.wpe.weight[T]
        elif bug not in ("no_wpe", "no_wpe_table"):
            x = x + self.wpe.weight[start : T + start]
        e = x
        blocks = list(self.h)
        blocks = {
            "blocks_skipped": [],
            "one_block": blocks[:1],
            "last_block_missing": blocks[:-1],
            "blocks_reversed": blocks[::-1],
            "first_block_again": blocks[:1] * len(blocks),
        }.get(bug or "", blocks)
        if bug == "ln_f_first":
            x = self.ln_f(x)
        step = {
            "residual_twice": lambda x, block: x + self.block(x, block),
            "ln_f_each": lambda x, block: self.ln_f(self.block(x, block)),
            "last_block_alone": lambda _, block: self.block(e, block),
        }.get(bug or "", self.block)
        x = reduce(step, blocks, x)
        if bug not in ("no_ln_f", "ln_f_first", "ln_f_each", "no_ln_f_parameters"):
            x = self.ln_f(x)
        if bug == "no_unembed":
            return x
        if bug == "last_token":
            x = x[:, T - 1]
        w = self.lm_head.weight if bug == "lm_head_untied" else self.wte.weight
        logits = torch.einsum("...c,vc->...v", x, w.detach() if bug == "detach" else w)
        if bug == "softmax":
            return logits.exp() / logits.exp().sum(-1, keepdim=True)
        if bug == "log_softmax":
            return logits - logits.logsumexp(-1, keepdim=True)
        return logits * x.shape[-1] ** -0.5 if bug == "logits_scaled" else logits


class HeadFirst(GPT2Torch):
    """Right: the output matrix is made first, and the embedding tied to it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        head, wte = self.lm_head, self.wte
        del self.lm_head, self.wte
        self.lm_head = head
        self.wte = wte


def model(way: Callable[[Any, Tensor], Tensor]) -> type[nn.Module]:
    """A GPT-2 that puts its parts together in another way."""
    return forward(gpt2.GPT2)(lambda self, ids: way(self, ids))


def embedded(m: Any, ids: Tensor) -> Tensor:
    """What goes into the first block."""
    return m.wte(ids) + m.wpe.weight[: ids.shape[1]]


class Names(nn.Module):
    """Other names."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.transformer = gpt2.GPT2(config)

    def forward(self, ids: Tensor) -> Tensor:
        return self.transformer(ids)


class LastBias(gpt2.GPT2):
    """An output bias."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))


class WithNorms(gpt2.GPT2):
    """Norms of another eps."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        for module in self.modules():
            if isinstance(module, layers.LayerNorm):
                module.eps = 1e-12


GPT2_RIGHT = [GPT2Torch, GPT2Fold, HeadFirst, gpt2.GPT2, model(lambda m, ids: m.unembed(m.hidden(ids)))]
GPT2_OUTSIDE = [
    Names,
    LastBias,
    WithNorms,
    model(lambda m, ids: m.unembed(m.ln_f(m.ln_f(reduce(lambda x, b: b(x), m.h, embedded(m, ids)))))),
    model(lambda m, ids: m.unembed(m.ln_f(reduce(lambda x, b: b(b(x)), m.h, embedded(m, ids))))),
    model(lambda m, ids: m.unembed(m.ln_f(embedded(m, ids) + reduce(lambda x, b: b(x), m.h, embedded(m, ids))))),
    model(lambda m, ids: m.unembed(m.ln_f(sum(b(embedded(m, ids)) for b in m.h)))),
    model(lambda m, ids: m.unembed(m.hidden(ids)).relu()),
    model(lambda m, ids: m.unembed(m.hidden(ids)).transpose(1, 2)),
    model(lambda m, ids: m.unembed(m.hidden(ids.flip(1)))),
]
