"""What learners write for lesson 08: right in other styles, with the bank's bugs in two styles, with other bugs."""

# ruff: noqa: E501  (an edit of a text is one string)

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- next_probs: by loops, by exp and sum on tensors, by torch's functions

LOOPS = """

# ruff: noqa: E501  (an edit of a text is one string)
def next_probs(logits):
    rows = []
    for text in logits.tolist():
        scores = text[-1]
        top = max(scores)
        powers = [math.exp(s - top) for s in scores]
        rows.append([power / sum(powers) for power in powers])
    return torch.tensor(rows, dtype=logits.dtype)
"""
LOOPS = LOOPS.replace("power / sum(powers) for", "power / total for").replace(
    "        rows.append", "        total = sum(powers)\n        rows.append"
)
EXP = """
def next_probs(logits):
    z = logits[:, logits.size(1) - 1, :]
    z = z - z.max(1, keepdim=True)[0]
    e = torch.exp(z)
    return torch.div(e, e.sum(1, keepdim=True))
"""
CALLS = """
def next_probs(logits):
    B, T, V = logits.shape
    return torch.cat([F.softmax(logits[b, T - 1], dim=0)[None] for b in range(B)])
"""
MEAN_LOOP = "[sum(column) / len(text) for column in zip(*text)]"

NEXT_PROBS_RIGHT: list[Part] = [
    *map(written, (LOOPS, EXP, CALLS)),
    lambda logits: torch.softmax(logits, -1)[:, -1, :],
    lambda logits: logits[:, -1].log_softmax(-1).exp(),
    lambda logits: torch.stack([torch.nn.Softmax(dim=-1)(text)[-1] for text in logits]),
    lambda logits: torch.from_numpy(
        (lambda e: e / e.sum(-1, keepdims=True))(
            __import__("numpy").exp((z := logits.numpy()[:, -1]) - z.max(-1, keepdims=True))
        )
    ),
]
NEXT_PROBS = both(
    slips(
        LOOPS,
        first_position=("text[-1]", "text[0]"),
        second_to_last=("text[-1]", "text[-2]"),
        last_text=(
            "for text in logits.tolist()",
            "for scores in logits.tolist()[-1]",
            "        scores = text[-1]\n",
            "",
        ),
        one_text=("logits.tolist()", "logits.tolist()[:1]", "torch.tensor(rows,", "torch.tensor(rows[0],"),
        no_softmax=("[power / total for power in powers]", "scores"),
        mean_over_time=("text[-1]", MEAN_LOOP),
        log=("power / total for power", "math.log(power / total) for power"),
        sigmoid=("[power / total for power in powers]", "[1 / (1 + math.exp(-s)) for s in scores]"),
        no_exp=("math.exp(s - top) for s", "s for s"),
        softmax_twice=(
            "    return",
            "    rows = [[math.exp(p) / sum(map(math.exp, row)) for p in row] for row in rows]\n    return",
        ),
        best_id=("[power / total for power in powers]", "scores.index(top)", ", dtype=logits.dtype", ""),
        one_hot=("power / total for power in powers", "float(s == top) for s in scores"),
    ),
    slips(
        EXP,
        first_position=("logits.size(1) - 1", "0"),
        second_to_last=("logits.size(1) - 1", "logits.size(1) - 2"),
        last_text=("logits[:, logits.size(1) - 1, :]", "logits[logits.size(0) - 1]"),
        one_text=(
            "logits[:, logits.size(1) - 1, :]",
            "logits[0, -1][None]",
            "torch.div(e, e.sum(1, keepdim=True))",
            "(e / e.sum())[0]",
        ),
        all_positions=("logits[:, logits.size(1) - 1, :]", "logits", "z.max(1,", "z.max(-1,", "e.sum(1,", "e.sum(-1,"),
        softmax_over_time=(
            "logits[:, logits.size(1) - 1, :]",
            "logits",
            "torch.div(e, e.sum(1, keepdim=True))",
            "(e / e.sum(1, keepdim=True))[:, -1]",
        ),
        softmax_over_batch=("z.max(1,", "z.max(0,", "e.sum(1,", "e.sum(0,"),
        softmax_over_all=("z.max(1, keepdim=True)[0]", "z.max()", "e.sum(1, keepdim=True)", "e.sum()"),
        no_softmax=("    return torch.div(e, e.sum(1, keepdim=True))", "    return logits[:, -1]"),
        mean_over_time=("logits[:, logits.size(1) - 1, :]", "logits.sum(1) / logits.size(1)"),
        log=("torch.div(e, e.sum(1, keepdim=True))", "z - torch.log(e.sum(1, keepdim=True))"),
        no_exp=("torch.exp(z)", "logits[:, -1]"),
        not_normalized=("    z = z - z.max(1, keepdim=True)[0]\n", "", "torch.div(e, e.sum(1, keepdim=True))", "e"),
        overflow=("    z = z - z.max(1, keepdim=True)[0]\n", ""),
        sigmoid=("torch.div(e, e.sum(1, keepdim=True))", "1 / (1 + torch.exp(-logits[:, -1]))"),
        mean_of_probs=(
            "logits[:, logits.size(1) - 1, :]",
            "logits",
            "z.max(1,",
            "z.max(-1,",
            "e.sum(1, keepdim=True))",
            "e.sum(-1, keepdim=True)).mean(1)",
        ),
    ),
    slips(
        CALLS,
        all_positions=("F.softmax(logits[b, T - 1], dim=0)", "F.softmax(logits[b], dim=1)"),
        softmax_over_time=("F.softmax(logits[b, T - 1], dim=0)", "F.softmax(logits[b], dim=0)[T - 1]"),
        softmax_over_batch=("F.softmax(logits[b, T - 1], dim=0)", "F.softmax(logits, dim=0)[b, T - 1]"),
        softmax_over_all=(
            "torch.cat([F.softmax(logits[b, T - 1], dim=0)[None] for b in range(B)])",
            "F.softmax(logits[:, T - 1].reshape(-1), 0).reshape(B, V)",
        ),
        mean_of_probs=(
            "F.softmax(logits[b, T - 1], dim=0)",
            "(sum(F.softmax(logits[b, t], dim=0) for t in range(T)) / T)",
        ),
        softmax_twice=("F.softmax(logits[b, T - 1], dim=0)", "F.softmax(F.softmax(logits[b, T - 1], 0), 0)"),
        not_normalized=("F.softmax(logits[b, T - 1], dim=0)", "2.718281828459045 ** logits[b, T - 1]"),
        overflow=(
            "F.softmax(logits[b, T - 1], dim=0)",
            "(torch.e ** logits[b, T - 1] / sum(torch.e ** logits[b, T - 1]))",
        ),
        best_id=(
            "torch.cat([F.softmax(logits[b, T - 1], dim=0)[None] for b in range(B)])",
            "torch.tensor([logits[b, T - 1].max(0)[1] for b in range(B)])",
        ),
        one_hot=("F.softmax(logits[b, T - 1], dim=0)", "F.one_hot(logits[b, T - 1].argmax(), V).double()"),
    ),
)
NEXT_PROBS_OTHER: list[tuple[Part, set[str]]] = [
    (lambda x: F.gumbel_softmax(x[:, -1]), {"random"}),
    (lambda x: F.softmax(x[:, -1] / 0.7, -1), set()),
    (lambda x: F.softmax(x.sum(1), -1), set()),
    (lambda x: F.softmax(x.amax(1), -1), set()),
    (lambda x: x[:, -1].exp().log1p(), set()),
    (lambda x: F.softmax(-x[:, -1], -1), set()),
    (lambda x: F.normalize(x[:, -1], dim=-1), set()),
    (lambda x: F.dropout(F.softmax(x[:, -1], -1), 0.1), {"random"}),
    (lambda x: F.softmax(x, 1).mean(1), set()),
    (lambda x: F.softmax(x[:, -1], -1).sort(-1, descending=True)[0], set()),
]

# ---- perplexity: by loops, by cross entropy

WALK = """
def perplexity(logits, ids):
    loss, n = 0.0, 0
    ids = ids.tolist()
    for t in range(len(ids) - 1):
        row = logits[t].tolist()
        total = sum(math.exp(x) for x in row)
        logp = row[ids[t + 1]] - math.log(total)
        loss -= logp
        n += 1
    return math.exp(loss / n)
"""
ENTROPY = """
def perplexity(logits, ids):
    x, y = logits[:-1], ids[1:]
    loss = F.cross_entropy(x, y, reduction="none")
    return torch.exp(loss.mean())
"""
PICKED = """
def perplexity(logits, ids):
    steps = torch.arange(ids.numel() - 1)
    p = torch.softmax(logits, -1)[steps, ids[steps + 1]]
    return torch.prod(p) ** (-1 / ids[1:].numel())
"""
BITS = """
def perplexity(logits, ids):
    return 2 ** -logits.softmax(-1)[range(len(ids) - 1), ids[1:]].log2().mean()
"""
PERPLEXITY_RIGHT: list[Part] = [
    *map(written, (WALK, ENTROPY)),
    lambda logits, ids: F.nll_loss(F.log_softmax(logits[:-1], 1), ids[1:]).exp(),
    lambda logits, ids: float(torch.exp(F.cross_entropy(logits[:-1].view(-1, logits.size(-1)), ids[1:].view(-1)))),
    lambda logits, ids: (
        2 ** -((logits - logits.logsumexp(-1, keepdim=True))[range(len(ids) - 1), ids[1:]].mean() / math.log(2))
    ),
    lambda logits, ids: F.cross_entropy(logits[None, :-1].mT, ids[None, 1:]).exp().item(),
]
LN2 = "math.log(2)"
PERPLEXITY = both(
    slips(
        WALK,
        not_shifted=("len(ids) - 1", "len(ids)", "ids[t + 1]", "ids[t]"),
        shifted_wrong_way=("range(len(ids) - 1)", "range(1, len(ids))", "ids[t + 1]", "ids[t - 1]"),
        cut_alike=("ids[t + 1]", "ids[t]"),
        two_ahead=("len(ids) - 1", "len(ids) - 2", "ids[t + 1]", "ids[t + 2]"),
        wraps_around=("len(ids) - 1", "len(ids)", "ids[t + 1]", "ids[(t + 1) % len(ids)]"),
        sum_not_mean=("loss / n", "loss"),
        base_2=("math.exp(loss / n)", "2 ** (loss / n)"),
        exp_of_bits=("loss -= logp", f"loss -= logp / {LN2}"),
        includes_first=("loss / n", "loss / len(ids)"),
        no_softmax=("loss -= logp", "loss -= row[ids[t + 1]]"),
        no_log=("-= logp", "-= math.exp(logp)"),
        no_exp=("math.exp(loss / n)", "loss / n"),
        bits=("math.exp(loss / n)", f"loss / n / {LN2}"),
        sign=("loss -=", "loss +="),
        mean_of_inverse=("loss -= logp", "loss += math.exp(-logp)", "math.exp(loss / n)", "loss / n"),
        mean_of_probs=("loss -= logp", "loss += math.exp(logp)", "math.exp(loss / n)", "n / loss"),
        last_token=("loss -= logp", "loss = -logp", "n += 1", "n = 1"),
        best_token=("row[ids[t + 1]] -", "max(row) -"),
        softmax_twice=(
            "logp = ",
            "row = [math.exp(x) / total for x in row]\n        total = sum(math.exp(q) for q in row)\n        logp = ",
        ),
        all_tokens=("loss -= logp", "loss -= sum(x - math.log(total) for x in row) / len(row)"),
        softmax_over_time=(
            "sum(math.exp(x) for x in row)",
            "sum(math.exp(r[ids[t + 1]]) for r in logits[:-1].tolist())",
        ),
    ),
    slips(
        ENTROPY,
        not_shifted=("logits[:-1], ids[1:]", "logits, ids"),
        shifted_wrong_way=("logits[:-1], ids[1:]", "logits[1:], ids[:-1]"),
        cut_alike=("ids[1:]", "ids[:-1]"),
        two_ahead=("logits[:-1], ids[1:]", "logits[:-2], ids[2:]"),
        wraps_around=("logits[:-1], ids[1:]", "logits, torch.cat([ids[1:], ids[:1]])"),
        sum_not_mean=("loss.mean()", "loss.sum()"),
        base_2=("torch.exp(loss.mean())", "torch.exp2(loss.mean())"),
        exp_of_bits=("loss.mean()", f"loss.mean() / {LN2}"),
        includes_first=("loss.mean()", "loss.sum() / logits.shape[0]"),
        no_softmax=('F.cross_entropy(x, y, reduction="none")', "F.nll_loss(x, y)"),
        no_log=('F.cross_entropy(x, y, reduction="none")', "F.nll_loss(F.softmax(x, -1), y)"),
        no_exp=("torch.exp(loss.mean())", "loss.mean()"),
        bits=("torch.exp(loss.mean())", "loss.mean() * math.log2(math.e)"),
        sign=("loss.mean()", "-loss.mean()"),
        mean_of_inverse=("torch.exp(loss.mean())", "torch.exp(loss).mean()"),
        mean_of_probs=("torch.exp(loss.mean())", "1 / torch.exp(-loss).mean()"),
        last_token=("loss.mean()", "loss[-1]"),
        best_token=("ids[1:]", "logits[:-1].argmax(-1)"),
        softmax_twice=("F.cross_entropy(x, y", "F.cross_entropy(F.softmax(x, dim=1), y"),
        all_tokens=('F.cross_entropy(x, y, reduction="none")', "-F.log_softmax(x, dim=1)"),
        softmax_over_time=('F.cross_entropy(x, y, reduction="none")', "F.nll_loss(F.log_softmax(x, dim=0), y)"),
        by_probs=('F.cross_entropy(x, y, reduction="none")', "F.nll_loss(torch.log(F.softmax(x, dim=-1)), y)"),
    ),
    {"by_probs": written(PICKED)},
    {"by_probs": written(BITS)},
)
PERPLEXITY_OTHER: list[tuple[Part, set[str]]] = [
    (lambda x, i: F.cross_entropy(x[:-1], i[1:], label_smoothing=0.1).exp(), set()),
    (lambda x, i: F.cross_entropy(x[:-1], i[1:], reduction="none").exp(), set()),
    (lambda x, i: F.cross_entropy(x[:-1], i[1:], reduction="none").median().exp(), set()),
    (lambda x, i: 10 ** F.cross_entropy(x[:-1], i[1:]), set()),
    (lambda x, i: F.mse_loss(x[:-1].softmax(-1), F.one_hot(i[1:], x.shape[-1]).double()).exp(), set()),
    (lambda x, i: F.cross_entropy(x[:-1], i[1:]).exp() / len(i), set()),
    (lambda x, i: (F.cross_entropy(x[:-1], i[1:], reduction="sum") / (len(i) - 2 or 1)).exp(), set()),
    (lambda x, i: F.cross_entropy(x[1:], i[1:]).exp(), set()),
    (lambda x, i: (-x.softmax(-1).log()[range(len(i)), i].mean()).exp(), {"not_shifted"}),
    (lambda x, i: x.softmax(-1)[range(len(i) - 1), i[1:]].prod() ** -1, {"sum_not_mean+by_probs", "sum_not_mean"}),
    (lambda x, _: torch.distributions.Categorical(logits=x[:-1]).entropy().mean().exp(), set()),
]

# ---- logit_lens: by the activations of minigpt.record, by hand with a matrix product


RECORDED = """
def logit_lens(model, ids):
    L = model.config.n_layer
    with record(model) as seen:
        model(ids)
    layers = [seen["h.0.in"]] + [seen[f"h.{i}.out"] for i in range(L)]
    return torch.stack([model.unembed(model.ln_f(x)) for x in layers])
"""
BY_HAND = """
def logit_lens(model, ids):
    W = model.wte.weight
    h = W[ids] + model.wpe.weight[: ids.size(1)]
    stream = [h]
    for l in range(len(model.h)):
        h = h + model.h[l].attn(model.h[l].ln_1(h))
        h = h + model.h[l].mlp(model.h[l].ln_2(h))
        stream.append(h)
    h = torch.stack(stream)
    mean = h.mean(-1, keepdim=True)
    h = (h - mean) / torch.sqrt(h.var(-1, keepdim=True, unbiased=False) + model.ln_f.eps)
    h = h * model.ln_f.weight + model.ln_f.bias
    return torch.einsum("lbtc,vc->lbtv", h, W)
"""
NORM = """    mean = h.mean(-1, keepdim=True)
    h = (h - mean) / torch.sqrt(h.var(-1, keepdim=True, unbiased=False) + model.ln_f.eps)
    h = h * model.ln_f.weight + model.ln_f.bias
"""
HOOKED = """
def logit_lens(model, ids):
    kept = []
    hooks = [model.h[0].register_forward_pre_hook(lambda m, a: kept.append(a[0]))]
    for block in model.h:
        hooks.append(block.register_forward_hook(lambda m, a, out: kept.append(out)))
    model(ids)
    for hook in hooks:
        hook.remove()
    out = torch.zeros(len(kept), *ids.shape, model.config.vocab_size, dtype=kept[0].dtype)
    for i, x in enumerate(kept):
        out[i] = model.ln_f(x) @ model.wte.weight.T
    return out
"""


def with_record(source: str, *edits: str) -> Part:
    """As a lesson's notebook has it: record is imported."""
    return written("from minigpt import record\n" + source, *edits)


LOGIT_LENS_RIGHT: list[Part] = [
    with_record(RECORDED),
    *map(written, (BY_HAND, HOOKED)),
    written(
        RECORDED.replace("    return", "    import numpy\n    return").replace(
            "record(model)", '__import__("minigpt").record(model, ["h.*"])'
        )
    ),
]
R_LIST, R_LOOK = (
    '[seen["h.0.in"]] + [seen[f"h.{i}.out"] for i in range(L)]',
    "model.unembed(model.ln_f(x)) for x in layers",
)
LOGIT_LENS = both(
    slips(
        "from minigpt import record\n" + RECORDED,
        no_ln_f=("model.ln_f(x)", "x"),
        no_ln_f_early=(R_LOOK, "model.unembed(x) for x in layers[:-1]] + [model(ids)"),
        before_block=(R_LIST, '[seen[f"h.{i}.in"] for i in range(L)]'),
        no_embeddings=(R_LIST, '[seen[f"h.{i}.out"] for i in range(L)]'),
        last_only=(
            "torch.stack([model.unembed(model.ln_f(x)) for x in layers])",
            "model.unembed(model.ln_f(layers[-1]))",
        ),
        untied=("model.unembed(model.ln_f(x))", "model.ln_f(x) @ model.wpe.weight.T"),
        softmax_layers=("for x in layers])", "for x in layers]).softmax(0)"),
        probs=("for x in layers])", "for x in layers]).softmax(-1)"),
        norm_twice=("for x in layers]", "for x in [*layers[:-1], model.ln_f(layers[-1])]]"),
        written_alone=(R_LIST, '[seen["h.0.in"]] + [seen[f"h.{i}.out"] - seen[f"h.{i}.in"] for i in range(L)]'),
        after_attention=(R_LIST, '[seen["h.0.in"]] + [seen[f"h.{i}.mid"] for i in range(L)]'),
        from_embeddings=(R_LIST, '[seen["h.0.in"]] + [block(seen["h.0.in"]) for block in model.h]'),
        ln_1=(
            R_LOOK,
            "model.unembed(model.ln_f(layers[0]))] + [model.unembed(b.ln_1(x)) for b, x in zip(model.h, layers[1:])",
        ),
        last_token=("for x in layers])", "for x in layers])[:, :, -1, :]"),
        batch_first=("for x in layers])", "for x in layers], 1)"),
        reversed=("for x in layers]", "for x in reversed(layers)]"),
        no_wpe=("model(ids)", "model.wpe.weight.data.zero_()\n        model(ids)"),
        positions_from_1=("model(ids)", "model(ids, torch.arange(1, ids.shape[1] + 1).expand(ids.shape))"),
        one_block=(
            "model(ids)",
            "model.h = nn.ModuleList([model.h[0]] * L)\n        model(ids)",
            '[seen["h.0.in"]] + [seen[f"h.{i}.out"] for i in range(L)]',
            "repeated(model, ids, L)",
            "def logit_lens",
            "def repeated(model, ids, L):\n    xs = [model.wte(ids) + model.wpe.weight[: ids.shape[1]]]\n    for _ in range(L):\n        xs.append(model.h[0](xs[-1]))\n    return xs\n\ndef logit_lens",
        ),
        norm_kept=(
            R_LIST,
            "chain(model, seen['h.0.in'])",
            "def logit_lens",
            "def chain(model, x):\n    xs = [x]\n    for b in model.h:\n        xs.append(b(model.ln_f(xs[-1])))\n    return xs\n\ndef logit_lens",
        ),
        norm_handed_on=(
            "model.unembed(model.ln_f(x)) for x in layers",
            "model.unembed(x) for x in handed_on(model, seen['h.0.in'])",
            "def logit_lens",
            "def handed_on(model, x):\n    yield model.ln_f(x)\n    for b in model.h:\n        x = model.ln_f(b(x))\n        yield x\n\ndef logit_lens",
        ),
    ),
    slips(
        BY_HAND,
        no_ln_f=(NORM, ""),
        no_ln_f_early=(NORM, "    h[-1] = model.ln_f(h[-1])\n"),
        before_block=(
            "        stream.append(h)\n",
            "",
            "        h = h + model.h[l].attn",
            "        stream.append(h)\n        h = h + model.h[l].attn",
            "stream = [h]",
            "stream = []",
        ),
        no_embeddings=("stream = [h]", "stream = []"),
        last_only=("torch.stack(stream)", "stream[-1]", "lbtc,vc->lbtv", "btc,vc->btv"),
        untied=("h, W)", "h, model.wpe.weight)"),
        softmax_layers=("h, W)", "h, W).softmax(dim=0)"),
        probs=("h, W)", "h, W).softmax(dim=-1)"),
        norm_twice=("    h = torch.stack(stream)\n", "    stream[-1] = model.ln_f(h)\n    h = torch.stack(stream)\n"),
        written_alone=(
            "stream = [h]",
            "stream, before = [h], h",
            "stream.append(h)",
            "stream.append(h - before)\n        before = h",
        ),
        after_attention=(
            "        stream.append(h)\n",
            "",
            "        h = h + model.h[l].mlp",
            "        stream.append(h)\n        h = h + model.h[l].mlp",
        ),
        from_embeddings=(
            "    for l in range(len(model.h)):\n",
            "    for l in range(len(model.h)):\n        h = stream[0]\n",
        ),
        ln_1=(NORM, "    h = torch.stack([model.ln_f(h[0])] + [b.ln_1(x) for b, x in zip(model.h, h[1:])])\n"),
        last_token=("lbtc,vc->lbtv", "lbtc,vc->lbtv", "h, W)", "h, W)[..., -1, :]"),
        batch_first=("->lbtv", "->bltv"),
        reversed=("h = torch.stack(stream)", "h = torch.stack(stream[::-1])"),
        no_wpe=(" + model.wpe.weight[: ids.size(1)]", ""),
        positions_from_1=("[: ids.size(1)]", "[1 : ids.size(1) + 1]"),
        one_block=("    for l in range(len(model.h)):\n", "    for l in [0] * len(model.h):\n"),
        norm_kept=(
            "    for l in range(len(model.h)):\n",
            "    for l in range(len(model.h)):\n        h = model.ln_f(h)\n",
        ),
        norm_handed_on=(
            "stream = [h]",
            "stream = [model.ln_f(h)]",
            "        stream.append(h)\n",
            "        h = model.ln_f(h)\n        stream.append(h)\n",
            NORM,
            "",
        ),
    ),
)
LOGIT_LENS_OTHER: list[tuple[Part, set[str]]] = [
    (written(BY_HAND, "h, W)", "h, torch.randn(W.shape, dtype=W.dtype))"), {"random"}),
    (written(BY_HAND, "unbiased=False", "unbiased=True"), set()),
    (written(BY_HAND, " + model.ln_f.bias", ""), set()),
    (written(BY_HAND, "model.h[l].attn(model.h[l].ln_1(h))", "model.h[l].attn(h)"), set()),
    (written(BY_HAND, "        h = h + model.h[l].mlp(model.h[l].ln_2(h))\n", ""), set()),
    (written(BY_HAND, "h = h + model.h[l].mlp", "h = model.h[l].mlp"), set()),
    (written(BY_HAND, "h, W)", "h, W).log_softmax(-1)"), set()),
    (written(BY_HAND, "h, W)", "h, W).argmax(-1)"), set()),
    (with_record(RECORDED, "model.ln_f(x)", "F.layer_norm(x, x.shape[-1:])"), set()),
    (with_record(RECORDED, '"h.0.in"', '"wte"'), set()),
]
