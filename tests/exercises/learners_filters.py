"""What learners write for lesson 09's functions on scores: right in other styles, with the bank's bugs, with others."""

# ruff: noqa: E501  (an edit of a text is one string)

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]
INF = float("inf")

# ---- temperature: by loops, by torch's functions on a copy

T_LOOPS = """

# ruff: noqa: E501  (an edit of a text is one string)
def temperature(scores, t):
    rows = []
    for row in scores.tolist():
        top = max(row)
        if t == 0:
            rows.append([1.0 if s == top else 0.0 for s in row])
        else:
            powers = [math.exp((s - top) / t) for s in row]
            total = sum(powers)
            rows.append([power / total for power in powers])
    return torch.tensor(rows, dtype=scores.dtype)
"""
T_ZERO = "[1.0 if s == top else 0.0 for s in row]"
T_WARM = "[power / total for power in powers]"
T_CALLS = """
def temperature(scores, t):
    if t < 1e-6:
        out = F.one_hot(scores.argmax(-1), scores.size(-1)).type_as(scores)
    else:
        out = F.softmax(scores.div(t), dim=1)
    return out
"""
C_ZERO, C_WARM = "F.one_hot(scores.argmax(-1), scores.size(-1)).type_as(scores)", "F.softmax(scores.div(t), dim=1)"
NORM_LOOP = "[math.exp(s) / sum(map(math.exp, row)) for s in row]"
TEMPERATURE_RIGHT: list[Part] = [
    lambda scores, t: F.one_hot(scores.argmax(1), scores.shape[1]) if t == 0 else F.softmax(scores / t, 1),
    *map(written, (T_LOOPS, T_CALLS)),
    lambda scores, t: torch.softmax(scores / max(t, 1e-8), dim=-1),
    lambda scores, t: torch.softmax(scores.log_softmax(-1) / (t or 1e-9), dim=-1),
    lambda scores, t: (
        (scores == scores.amax(-1, keepdim=True)).double()
        if not t
        else (lambda e: e / e.sum(-1, keepdim=True))(torch.exp((scores - scores.amax(-1, keepdim=True)) / t))
    ),
    lambda scores, t: (
        (lambda p: p / p.sum(-1, keepdim=True))(scores.softmax(-1) ** (1 / t))
        if t
        else F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores)
    ),
]
TEMPERATURE = both(
    slips(
        T_LOOPS,
        multiplied=("(s - top) / t", "(s - top) * t"),
        after_softmax=("(s - top) / t", "s - top", T_WARM, "[power / total / t for power in powers]"),
        zero_is_one=(T_ZERO, NORM_LOOP),
        zero_id=(T_ZERO, "[row.index(top)]", "dtype=scores.dtype", "dtype=scores.dtype if t else None"),
        zero_scores=(T_ZERO, "row"),
        zero_masks=(T_ZERO, "[s if s == top else -math.inf for s in row]"),
        zero_one_row=(T_ZERO, "[1.0 if s == scores.max().item() else 0.0 for s in row]"),
        zero_every_best=(
            T_ZERO,
            "[1.0 if i in {r.index(max(r)) for r in scores.tolist()} else 0.0 for i in range(len(row))]",
        ),
        zero_worst=(T_ZERO, "[1.0 if s == min(row) else 0.0 for s in row]"),
        on_probs=(
            "        top = max(row)\n",
            f"        best = max(row)\n        top = max({NORM_LOOP})\n",
            "(s - top) / t",
            "(math.exp(s - best) / sum(math.exp(x - best) for x in row) - top) / t",
            "s == top",
            "s == best",
        ),
        squared=("(s - top) / t", "(s - top) / (t * t)"),
        root=("(s - top) / t", "(s - top) / math.sqrt(t)"),
        t_plus_1=("(s - top) / t", "(s - top) / (t + 1)"),
        no_softmax=(T_WARM, "[s / t for s in row]"),
        log=(T_WARM, "[(s - top) / t - math.log(total) for s in row]"),
        ignores_t=("(s - top) / t", "s - top"),
        not_normalized=(T_WARM, "[(math.exp(s) / sum(map(math.exp, row))) ** (1 / t) for s in row]"),
        power_t=(T_WARM, "[(math.exp(s) / sum(map(math.exp, row))) ** t for s in row]"),
        capped=("    rows = []\n", "    rows = []\n    t = t if t <= 1 else 1\n"),
        at_least_1=("(s - top) / t", "(s - top) / (t if t > 1 else 1)"),
        zero_raises=("t == 0", "t < 0"),
    ),
    slips(
        T_CALLS,
        multiplied=("scores.div(t)", "scores.mul(t)"),
        after_softmax=(C_WARM, "F.softmax(scores, dim=1).div(t)"),
        zero_divides=("t < 1e-6", "False"),
        zero_is_one=(C_ZERO, "F.softmax(scores, -1)"),
        zero_id=(C_ZERO, "torch.topk(scores, 1)[1]"),
        zero_scores=(C_ZERO, "scores"),
        zero_masks=(
            C_ZERO,
            "torch.where(scores == scores.max(-1, keepdim=True)[0], scores, torch.tensor(-math.inf).double())",
        ),
        zero_one_row=(C_ZERO, "F.one_hot(scores.argmax(), scores.numel()).view_as(scores).type_as(scores)"),
        zero_every_best=(
            "        out = F.one_hot(scores.argmax(-1), scores.size(-1)).type_as(scores)\n",
            "        out = torch.zeros_like(scores)\n        out[:, scores.argmax(-1)] = 1\n",
        ),
        zero_worst=("scores.argmax(-1)", "(-scores).argmax(-1)"),
        on_probs=("scores.div(t)", "F.softmax(scores, 1).div(t)"),
        squared=("scores.div(t)", "scores.div(t).div(t)"),
        root=("scores.div(t)", "scores.div(math.sqrt(t))"),
        t_plus_1=("scores.div(t)", "scores.div(1 + t)"),
        no_softmax=(C_WARM, "scores.div(t)"),
        log=("F.softmax", "F.log_softmax"),
        ignores_t=("scores.div(t)", "scores"),
        not_normalized=(C_WARM, "torch.pow(F.softmax(scores, dim=1), 1 / t)"),
        power_t=(C_WARM, "torch.pow(F.softmax(scores, dim=1), t)"),
        batch_softmax=("dim=1", "dim=0"),
        capped=("scores.div(t)", "scores.div(min(1, t))"),
        at_least_1=("scores.div(t)", "scores.div(max(1, t))"),
    ),
    {
        "zero_divides": written(
            "def temperature(scores, t):\n    z = scores / torch.tensor(t)\n    e = torch.exp(z - z.max(1, keepdim=True)[0])\n    return e / e.sum(1, keepdim=True)"
        ),
        "zero_raises": written(
            "def temperature(scores, t):\n    beta = 1.0 / t\n    return torch.softmax(beta * scores, 1)"
        ),
        "batch_softmax": written(
            "def temperature(scores, t):\n    if t == 0:\n        return torch.eye(scores.shape[1], dtype=scores.dtype)[scores.argmax(1)]\n    e = torch.exp(scores / t)\n    return e / sum(e)"
        ),
    },
)
TEMPERATURE_PAIRS: list[tuple[Part, set[str]]] = [  # no word about temperature 0, and another slip
    (lambda x, t: torch.softmax(x * t, -1), {"multiplied+zero_divides", "zero_divides+multiplied"}),
    (lambda x, t: F.softmax(x, dim=-1) / t, {"after_softmax+zero_divides"}),
    (lambda x, t: F.softmax(x / t**2, dim=-1), {"zero_divides+squared"}),
    (lambda x, t: F.softmax(F.softmax(x, dim=-1) / t, dim=-1), {"zero_divides+on_probs"}),
    (lambda x, t: x / t, {"zero_divides+no_softmax"}),
    (lambda x, t: (x / t).log_softmax(1), {"zero_divides+log"}),
]
TEMPERATURE_OTHER: list[tuple[Part, set[str]]] = [
    (lambda x, t: (x / (t + 0.1)).softmax(-1), set()),
    (lambda x, t: (x - t).softmax(-1), {"zero_divides+ignores_t"}),
    (lambda x, t: (x / max(t, 0.3)).softmax(-1), set()),
    (lambda x, t: (x / (2 * t or 1e-9)).softmax(-1), set()),
    (lambda x, t: (x / (t or 1e-9)).sigmoid(), set()),
    (lambda x, t: F.gumbel_softmax(x, tau=t or 1e-9), {"random"}),
    (lambda x, t: (x / (t or 1e-9)).softmax(-1) * t, set()),
    (lambda x, t: x.softmax(-1) if t == 0 else (x * t).softmax(-1), {"multiplied+zero_is_one"}),
    (lambda x, t: torch.softmax(x / t if t else x, 0), set()),
    (lambda x, t: torch.multinomial((x / (t or 1e-9)).softmax(-1), 1), {"random"}),
]

# ---- top_k: by sorting a list, by topk and scatter, by ranks

K_LOOPS = """
def top_k(scores, k):
    out = []
    for row in scores.tolist():
        kept = sorted(range(len(row)), key=lambda i: row[i], reverse=True)[:k]
        out.append([s if i in kept else -math.inf for i, s in enumerate(row)])
    return torch.tensor(out, dtype=scores.dtype)
"""
K_SCATTER = """
def top_k(scores, k):
    values, ids = torch.topk(scores, min(k, scores.size(1)))
    out = torch.full_like(scores, float("-inf"))
    out.scatter_(1, ids, values)
    return out
"""
K_RANKS = """
def top_k(scores, k):
    rank = scores.argsort(dim=-1, descending=True).argsort(dim=-1)
    return torch.where(rank < k, scores, torch.tensor(float("-inf"), dtype=scores.dtype))
"""
K_KEPT, K_ROW = (
    "sorted(range(len(row)), key=lambda i: row[i], reverse=True)[:k]",
    "[s if i in kept else -math.inf for i, s in enumerate(row)]",
)
R_RANK, R_OUT = (
    "scores.argsort(dim=-1, descending=True).argsort(dim=-1)",
    'torch.where(rank < k, scores, torch.tensor(float("-inf"), dtype=scores.dtype))',
)
S_TOP = "torch.topk(scores, min(k, scores.size(1)))"
TOP_K_RIGHT: list[Part] = [
    *map(written, (K_LOOPS, K_SCATTER, K_RANKS)),
    written("""
        def top_k(scores, k):
            scores = scores.clone()
            cut = torch.sort(scores, descending=True)[0][:, :k][:, -1]
            for row, c in zip(scores, cut):
                row[row < c] = -float("inf")
            return scores
    """),
    lambda scores, k: (
        scores + torch.zeros_like(scores).masked_fill((scores[:, :, None] < scores[:, None, :]).sum(-1) >= k, -INF)
    ),
]
TOP_K = both(
    slips(
        K_LOOPS,
        keeps_k_plus_1=("[:k]", "[: k + 1]"),
        keeps_k_minus_1=("[:k]", "[: k - 1]"),
        drops_kth=("i in kept", "s > row[kept[-1]]"),
        zero_for_inf=("else -math.inf", "else 0.0"),
        minus_1e9=("else -math.inf", "else -1e9"),
        sorted_out=(K_ROW, "[row[i] for i in kept]"),
        ids_out=(K_ROW, "kept", ", dtype=scores.dtype", ""),
        keeps_worst=(", reverse=True", ""),
        inverted=("in kept", "not in kept"),
        not_scattered=("in kept", "< k"),
        best_only=("[:k]", "[:1]"),
        ignores_k=("[:k]", ""),
        threshold=("i in kept", "s >= k"),
        first_row=(
            "    out = []\n",
            "    out = []\n    first = sorted(scores[0].tolist())[-min(k, scores.shape[1])]\n",
            "i in kept",
            "s >= first",
        ),
        lowest_row=(
            "    out = []\n",
            "    out = []\n    lowest = min(sorted(row)[-min(k, len(row))] for row in scores.tolist())\n",
            "i in kept",
            "s >= lowest",
        ),
        per_batch=(
            "    out = []\n",
            "    out = []\n    everything = sorted(sum(scores.tolist(), []), reverse=True)[: min(k, scores.shape[1])]\n",
            "i in kept",
            "s in everything",
        ),
        smallest=("i in kept", "s >= sorted(row)[min(k, len(row)) - 1]"),
        over_rows=("i in kept", "sum(other > s for other in scores[:, i].tolist()) < k"),
        returns_sorted=(K_ROW, "[row[i] for i in kept] + [-math.inf] * (len(row) - len(kept))"),
        k_above_v=(
            "[:k]",
            "",
            "    out = []\n",
            "    out = []\n    if k > scores.shape[1]:\n        raise IndexError(k)\n",
            "i in kept",
            "i in kept[:k]",
        ),
        returns_probs=(
            "        out.append",
            "        top = max(row)\n        row = [math.exp(s - top) if i in kept else 0.0 for i, s in enumerate(row)]\n        row = [p / sum(row) for p in row]\n        out.append",
            "else -math.inf",
            "else 0.0",
        ),
        in_probs=(
            "        out.append",
            "        row = [math.exp(s) / sum(map(math.exp, row)) for s in row]\n        out.append",
            "else -math.inf",
            "else 0.0",
        ),
    ),
    slips(
        K_SCATTER,
        keeps_k_plus_1=("min(k, scores.size(1))", "min(k + 1, scores.size(1))"),
        zero_for_inf=('torch.full_like(scores, float("-inf"))', "torch.zeros_like(scores)"),
        minus_1e9=('float("-inf")', "-1e9"),
        k_above_v=("min(k, scores.size(1))", "k"),
        sorted_out=("return out", "return values"),
        returns_sorted=("out.scatter_(1, ids, values)", "out[:, : values.size(1)] = values"),
        ids_out=("return out", "return ids"),
        keeps_worst=("min(k, scores.size(1))", "min(k, scores.size(1)), largest=False"),
        inverted=("out.scatter_(1, ids, values)", 'out = scores.clone().scatter_(1, ids, float("-inf"))'),
        best_only=("min(k, scores.size(1))", "1"),
        ignores_k=("min(k, scores.size(1))", "scores.size(1)"),
        returns_probs=("return out", "return F.softmax(out, dim=1)"),
        over_rows=(S_TOP, "torch.topk(scores, min(k, scores.size(0)), dim=0)", "out.scatter_(1,", "out.scatter_(0,"),
        per_batch=(
            S_TOP,
            "torch.topk(scores.view(-1), min(k, scores.size(1)))",
            "out.scatter_(1, ids, values)",
            "out.view(-1)[ids] = values",
        ),
        first_row=(
            "    return out",
            '    return torch.where(scores >= values[0, -1], scores, torch.tensor(float("-inf")).double())',
        ),
        lowest_row=(
            "    return out",
            '    return torch.where(scores < values.min(), torch.tensor(float("-inf")).double(), scores)',
        ),
        in_probs=(
            'torch.full_like(scores, float("-inf"))',
            "torch.zeros_like(scores)",
            "out.scatter_(1, ids, values)",
            "out.scatter_(1, ids, F.softmax(scores, -1).gather(1, ids))",
        ),
    ),
    slips(
        K_RANKS,
        keeps_k_minus_1=("rank < k", "rank + 1 < k"),
        not_scattered=(R_RANK, "torch.arange(scores.shape[-1]).expand_as(scores)"),
        threshold=("rank < k", "scores >= k"),
        smallest=("rank < k", "rank <= scores.shape[-1] - min(k, scores.shape[-1])"),
    ),
)
TOP_K["drops_kth"] += [
    lambda scores, k: torch.where(
        scores > scores.sort(-1)[0][:, [-min(k, scores.shape[1])]], scores, torch.tensor(-INF).double()
    )
]
TOP_K_OTHER: list[tuple[Part, set[str]]] = [
    (
        lambda x, k: torch.where(x < x.topk(k)[0][:, -1:], torch.zeros_like(x), x),
        {"zero_for_inf+k_above_v"},
    ),
    (lambda x, k: torch.where(x < x.topk(min(k, x.shape[1]))[0][-1], torch.zeros_like(x), x), set()),
    (written(K_SCATTER, 'float("-inf")', "torch.finfo(scores.dtype).min"), set()),
    (written(K_SCATTER, 'float("-inf")', "-1e4"), set()),
    (written(K_SCATTER, "min(k, scores.size(1))", "min(2 * k, scores.size(1))"), set()),
    (written(K_SCATTER, "min(k, scores.size(1))", "min(5, scores.size(1))"), set()),
    (written(K_SCATTER, "return out", "return F.log_softmax(out, -1)"), set()),
    (written(K_SCATTER, "return out", "return out != -math.inf"), set()),
    (written(K_SCATTER, "return out", "return scores.softmax(-1)"), set()),
    (written(K_SCATTER, "out.scatter_(1, ids, values)", "out[ids] = 0"), set()),
    (written(K_LOOPS, "len(row)", "2"), set()),
    (lambda x, k: x.masked_fill(x < x.topk(min(k, x.shape[-1])).values.mean(-1, keepdim=True), -INF), set()),
    (lambda x, k: x.masked_fill_(x < x.topk(min(k, x.shape[-1])).values[:, -1:], -INF), {"in_place"}),
]

# ---- min_p: by loops, by logarithms

M_LOOPS = """
def min_p(scores, share):
    out = []
    for row in scores.tolist():
        powers = [math.exp(s) for s in row]
        probs = [power / sum(powers) for power in powers]
        bar = share * max(probs)
        out.append([s if p >= bar else -math.inf for s, p in zip(row, probs)])
    return torch.tensor(out, dtype=scores.dtype)
"""
M_LOGS = """
def min_p(scores, share):
    best = scores.max(dim=1)[0].unsqueeze(1)
    low = scores - best < math.log(share)
    out = scores.clone()
    out[low] = float("-inf")
    return out
"""
M_CALLS = """
def min_p(scores, share):
    p = F.softmax(scores, 1)
    keep = p >= torch.max(p, 1, keepdim=True).values * share
    return torch.where(keep, scores, torch.full_like(scores, -math.inf))
"""
M_BAR, C_KEEP = "share * max(probs)", "p >= torch.max(p, 1, keepdim=True).values * share"
MIN_P_RIGHT: list[Part] = [
    *map(written, (M_LOOPS, M_LOGS, M_CALLS)),
    lambda scores, share: torch.where(
        (scores - scores.amax(-1, keepdim=True)).exp() >= share, scores, torch.tensor(-INF).double()
    ),
]
MIN_P = both(
    slips(
        M_LOOPS,
        absolute=(M_BAR, "share"),
        no_softmax=("[power / sum(powers) for power in powers]", "row"),
        bar_above_best=("[power / sum(powers) for power in powers]", "[s - math.log(sum(powers)) for s in row]"),
        one_minus=(M_BAR, "(1 - share) * max(probs)"),
        of_mean=(M_BAR, "share * sum(probs) / len(probs)"),
        minus_share=(M_BAR, "max(probs) - share"),
        minus_score=(M_BAR, "max(row) - share", "p >= bar", "s >= bar"),
        top_p=("p >= bar", "sum(q for q in probs if q > p) < share"),
        share_of_v=(M_BAR, "sorted(probs, reverse=True)[: max(1, int(share * len(row)))][-1]"),
        drops_all=("p >= bar", "s - max(row) >= share"),
        strict=("p >= bar", "p > bar"),
        inverted=("p >= bar", "p < bar"),
        ignores_share=(M_BAR, "0"),
        zero_for_inf=("else -math.inf", "else 0.0"),
        in_probs=("s if p >= bar else -math.inf", "p if p >= bar else 0.0"),
        returns_probs=(
            "        out.append([s if p >= bar else -math.inf for s, p in zip(row, probs)])",
            "        probs = [p if p >= bar else 0.0 for p in probs]\n        out.append([p / sum(probs) for p in probs])",
        ),
        per_batch=(M_BAR, "share * F.softmax(scores, -1).max().item()"),
        first_row=("        bar = share * max(probs)\n", "        if not out:\n            bar = share * max(probs)\n"),
    ),
    slips(
        M_CALLS,
        absolute=(C_KEEP, "p >= share"),
        no_softmax=("F.softmax(scores, 1)", "scores"),
        bar_above_best=("F.softmax(scores, 1)", "F.log_softmax(scores, 1)"),
        batch_softmax=("F.softmax(scores, 1)", "F.softmax(scores, 0)"),
        per_batch=("torch.max(p, 1, keepdim=True).values", "torch.max(p)"),
        first_row=("torch.max(p, 1, keepdim=True).values", "torch.max(p[0])"),
        one_minus=("* share", "* (1 - share)"),
        of_mean=("torch.max(p, 1, keepdim=True).values", "torch.mean(p, 1, keepdim=True)"),
        minus_share=("* share", "- share"),
        top_p=(C_KEEP, "((p[:, None, :] > p[:, :, None]) * p[:, None, :]).sum(-1) < share"),
        share_of_v=(C_KEEP, "(p[:, None, :] > p[:, :, None]).sum(-1) < max(1, int(p.shape[1] * share))"),
        drops_all=(C_KEEP, "p > 1"),
        strict=(">=", ">"),
        inverted=(">=", "<"),
        ignores_share=(C_KEEP, "p >= 0"),
        zero_for_inf=("torch.full_like(scores, -math.inf)", "torch.zeros_like(scores)"),
        in_probs=("torch.where(keep, scores, torch.full_like(scores, -math.inf))", "p * keep"),
        returns_probs=(
            "torch.where(keep, scores, torch.full_like(scores, -math.inf))",
            "(p * keep) / (p * keep).sum(1, keepdim=True)",
        ),
    ),
    slips(M_LOGS, minus_score=("math.log(share)", "-share")),
    {
        "batch_softmax": written(
            "def min_p(scores, share):\n    p = torch.exp(scores) / sum(torch.exp(scores))\n    bar = share * p.amax(-1)\n    return torch.stack([torch.where(p[b] < bar[b], -math.inf, scores[b]) for b in range(len(p))])"
        ),
    },
)
MIN_P_OTHER: list[tuple[Part, set[str]]] = [
    (written(M_LOGS, "math.log(share)", "share"), {"drops_all"}),
    (written(M_LOGS, "math.log(share)", "math.log2(share)"), set()),
    (written(M_LOGS, "math.log(share)", "math.log10(share)"), set()),
    (written(M_LOGS, 'float("-inf")', "-1e9"), set()),
    (written(M_LOGS, "scores.clone()", "scores"), {"in_place"}),
    (written(M_LOGS, "scores.max(dim=1)[0]", "scores.median(dim=1)[0]"), set()),
    (written(M_CALLS, "* share", "** share"), {"bar_above_best"}),
    (written(M_CALLS, "* share", "* share**2"), set()),
    (written(M_CALLS, "    return", "    keep = keep.sort(descending=True)[0]\n    return"), set()),
    (written(M_CALLS, "return torch.where", "return keep, torch.where"), set()),
]

# ---- sample: by a walk, by searchsorted

D_WALK = """
def sample(probs, u):
    ids = []
    for row, x in zip(probs.tolist(), u.tolist()):
        total = 0.0
        for i, p in enumerate(row):
            total += p
            if x < total:
                break
        ids.append(i)
    return torch.tensor(ids)
"""
D_SEARCH = """
def sample(probs, u):
    cdf = torch.cumsum(probs, 1)
    cdf[:, -1] = 1
    at = torch.searchsorted(cdf, u.unsqueeze(1), right=True)
    return at.squeeze(1)
"""
D_FIRST = """
def sample(probs, u):
    above = probs.cumsum(-1) > u.view(-1, 1) * probs.sum(-1, keepdim=True)
    return above.long().argmax(-1)
"""
D_ABOVE = "probs.cumsum(-1) > u.view(-1, 1) * probs.sum(-1, keepdim=True)"
SAMPLE_RIGHT: list[Part] = [
    *map(written, (D_WALK, D_SEARCH, D_FIRST)),
    lambda probs, u: [
        min(int(__import__("bisect").bisect_right(row.cumsum(0).tolist(), x)), len(row) - 1)
        for row, x in zip(probs, u.tolist(), strict=True)
    ],
    lambda probs, u: torch.stack(
        [
            next((torch.tensor(i) for i in range(len(p)) if p[: i + 1].sum() > x), torch.tensor(len(p) - 1))
            for p, x in zip(probs, u, strict=True)
        ]
    ),
]
IN_ROW = "        total = 0.0\n"
SAMPLE = both(
    slips(
        D_WALK,
        argmax=("            if x < total:", "            if p == max(row):"),
        counts_alone=(IN_ROW, "        ids.append(len([p for p in row if p <= x]))\n        continue\n" + IN_ROW),
        past_the_end=("                break\n", "                break\n        else:\n            i += 1\n"),
        back_to_the_first=("                break\n", "                break\n        else:\n            i = 0\n"),
        zero_drawn=("x < total", "x <= total"),
        one_more=("append(i)", "append(i + 1)"),
        one_less=("append(i)", "append(i - 1)"),
        one_u=("u.tolist()", "[u[0].item()] * len(u)"),
        one_row=("zip(probs.tolist(),", "zip([probs.tolist()[0]] * len(u),"),
        from_the_end=("enumerate(row)", "reversed(list(enumerate(row)))"),
        one_minus_u=(
            IN_ROW,
            "        ids.append(len([q for q in torch.tensor(row).cumsum(0) if q <= 1 - x]))\n        continue\n"
            + IN_ROW,
        ),
        rank=("enumerate(row)", "enumerate(sorted(row, reverse=True))"),
        sorted_first=("enumerate(row)", "sorted(enumerate(row), key=lambda pair: -pair[1])"),
        uniform=("total += p", "total += 1 / len(row)"),
        softmax_again=(IN_ROW, "        row = [math.exp(p) / sum(map(math.exp, row)) for p in row]\n" + IN_ROW),
        returns_prob=("append(i)", "append(p)", "torch.tensor(ids)", "torch.tensor(ids, dtype=torch.float64)"),
        over_rows=(
            "    for row, x",
            "    table = probs.tolist()\n    for b in range(1, len(table)):\n        table[b] = [p + q for p, q in zip(table[b], table[b - 1])]\n    for row, x",
            "zip(probs.tolist(),",
            "zip(table,",
            IN_ROW,
            "        ids.append(sum(q <= x for q in row))\n        continue\n" + IN_ROW,
        ),
        not_cumulated=(
            "            total += p\n",
            "            total = p\n",
            "                break\n",
            "                break\n        else:\n            i = 0\n",
        ),
    ),
    slips(
        D_SEARCH,
        counts_alone=("at.squeeze(1)", "torch.le(probs, u.unsqueeze(1)).sum(1)"),
        past_the_end=("    cdf[:, -1] = 1\n", ""),
        zero_drawn=(", right=True", ""),
        one_more=("at.squeeze(1)", "at.squeeze(1) + 1"),
        one_less=("at.squeeze(1)", "at.squeeze(1) - 1"),
        one_u=("u.unsqueeze(1)", "u[:1].repeat(len(u)).unsqueeze(1)"),
        one_row=("torch.cumsum(probs, 1)", "torch.cumsum(probs[0].repeat(len(u), 1), 1)"),
        one_minus_u=("u.unsqueeze(1)", "(1 - u).unsqueeze(1)"),
        rank=("torch.cumsum(probs, 1)", "torch.cumsum(torch.sort(probs, descending=True)[0], 1)"),
        sorted_first=(
            "torch.cumsum(probs, 1)",
            "torch.cumsum(torch.sort(probs, descending=True)[0], 1)",
            "at.squeeze(1)",
            "torch.sort(probs, descending=True)[1][torch.arange(len(u)), at.squeeze(1)]",
        ),
        softmax_again=("torch.cumsum(probs, 1)", "torch.cumsum(F.softmax(probs, 1), 1)"),
        returns_prob=("at.squeeze(1)", "probs[torch.arange(len(u)), at.squeeze(1)]"),
        from_the_end=(
            "torch.cumsum(probs, 1)",
            "torch.cumsum(torch.fliplr(probs), 1)",
            "at.squeeze(1)",
            "probs.size(1) - at.squeeze(1) - 1",
        ),
    ),
    slips(
        D_FIRST,
        argmax=("above.long().argmax(-1)", "torch.topk(probs, 1)[1].flatten()"),
        not_cumulated=(D_ABOVE, "probs > u.view(-1, 1)"),
        back_to_the_first=(" * probs.sum(-1, keepdim=True)", ""),
        uniform=("    above", "    return torch.floor(probs.size(1) * u).int()\n    above"),
        over_rows=(
            f"    above = {D_ABOVE}\n    return above.long().argmax(-1)",
            "    return torch.eq(probs.cumsum(0).le(u.view(-1, 1)), True).sum(1)",
        ),
    ),
)
SAMPLE_OTHER: list[tuple[Part, set[str]]] = [
    (written(D_WALK, "x < total", "1 - x < total"), {"from_the_end"}),
    (lambda p, _: torch.multinomial(p, 1)[:, 0], {"random"}),
    (lambda p, u: (p / -u[:, None].log()).argmax(-1), {"argmax"}),
    (lambda p, u: (p.log() - (-u[:, None].log()).log()).argmax(-1), {"argmax"}),
    (lambda p, u: (p - u[:, None]).abs().argmin(-1), set()),
    (lambda p, _: p.argmin(-1), set()),
    (lambda p, _: torch.randint(p.shape[-1], (len(p),)), {"random"}),
    (lambda p, u: (p.cumsum(-1) <= u[:, None]).sum(-1) % p.shape[-1], {"back_to_the_first"}),
    (lambda p, u: (p.cumsum(-1) < u[:, None]).sum(-1), {"past_the_end+zero_drawn", "zero_drawn+past_the_end"}),
    (lambda p, u: (p.cumsum(-1) - p > u[:, None]).int().argmax(-1), set()),
    (lambda p, u: (p.cumsum(-1) <= u[:, None] ** 2).sum(-1), set()),
    (lambda p, u: (p.cumsum(-1) <= u).sum(-1), set()),
    (lambda p, u: (p.cumsum(-1) <= u[:, None]).sum(-1)[:, None], set()),
    (lambda p, u: F.one_hot((p.cumsum(-1) <= u[:, None]).sum(-1), p.shape[-1]), set()),
]

# ---- top_p: the seed's way on every row, on probabilities, by loops

P_ROWS = """
def top_p(scores, p):
    out = []
    for row in scores:
        probs = F.softmax(row, dim=-1)
        sorted_probs, sorted_ids = torch.sort(probs, descending=True)
        cum = torch.cumsum(sorted_probs, dim=-1)
        remove = cum >= p
        remove[1:] = remove[:-1].clone()
        remove[0] = False
        row = row.clone()
        row[sorted_ids[remove]] = -float("inf")
        out.append(row)
    return torch.stack(out)
"""
P_WALK = """
def top_p(scores, p):
    out = []
    for row in scores.tolist():
        powers = [math.exp(s) for s in row]
        total = sum(powers)
        order = sorted(range(len(row)), key=lambda i: -row[i])
        kept, reached = [], 0.0
        for i in order:
            if reached >= p and kept:
                break
            kept.append(i)
            reached += powers[i] / total
        out.append([s if i in kept else -math.inf for i, s in enumerate(row)])
    return torch.tensor(out, dtype=scores.dtype)
"""
P_ABOVE = """
def top_p(scores, p):
    probs = torch.softmax(scores, -1)
    better = probs.unsqueeze(-2) > probs.unsqueeze(-1)
    above = (probs.unsqueeze(-2) * better).sum(-1)
    keep = (above < p) | ~better.any(-1)
    return torch.where(keep, scores, torch.full_like(scores, -math.inf))
"""
A_KEEP = "(above < p) | ~better.any(-1)"
W_STEPS = (
    "            if reached >= p and kept:\n                break\n"
    "            kept.append(i)\n            reached += powers[i] / total\n"
)
SHIFT = "        remove[1:] = remove[:-1].clone()\n        remove[0] = False\n"
W_OUT = "[s if i in kept else -math.inf for i, s in enumerate(row)]"
A_OUT = "torch.where(keep, scores, torch.full_like(scores, -math.inf))"
TOP_P_RIGHT: list[Part] = [
    *map(written, (P_ROWS, P_WALK, P_ABOVE)),
    lambda scores, p: (
        lambda s, i: s.masked_fill(s.softmax(-1).cumsum(-1) - s.softmax(-1) >= (p or 1e-9), -INF).gather(
            -1, i.argsort(-1)
        )
    )(*scores.sort(-1, descending=True)),
]
TOP_P = both(
    slips(
        P_ROWS,
        drops_crossing=(SHIFT, "", "cum >= p", "cum > p"),
        guard=(SHIFT, "        remove[0] = False\n"),
        one_more=("cum >= p", "cum - sorted_probs >= p"),
        zero_drops_all=(SHIFT, "", "cum >= p", "cum - sorted_probs >= p"),
        id_order=(
            SHIFT,
            "",
            "torch.sort(probs, descending=True)",
            "probs, torch.arange(len(probs))",
            "cum >= p",
            "cum - probs >= p",
        ),
        drops_all=("row[sorted_ids[remove]]", "row[:]"),
        ascending=("descending=True", "descending=False"),
        inverted=("sorted_ids[remove]", "sorted_ids[~remove]"),
        no_softmax=("F.softmax(row, dim=-1)", "row"),
        share_of_v=(
            "        row = row.clone()\n",
            "        remove = torch.arange(len(row)) >= max(1, int(len(row) * p))\n        row = row.clone()\n",
        ),
        min_p=(SHIFT, "", "cum >= p", "sorted_probs < p * sorted_probs[0]"),
        each_alone=(SHIFT, "        remove[0] = False\n", "cum >= p", "sorted_probs < 1 - p"),
        not_scattered=("row[sorted_ids[remove]]", "row[remove]"),
        returns_sorted=("row = row.clone()", "row = row[sorted_ids]", "row[sorted_ids[remove]]", "row[remove]"),
        returns_probs=("out.append(row)", "out.append(F.softmax(row, -1))"),
        zero_for_inf=('-float("inf")', "0"),
        ignores_p=(SHIFT, "", "cum >= p", "cum > 1.0001"),
        batch_softmax=("F.softmax(row, dim=-1)", "F.softmax(scores, dim=0)[len(out)]"),
        batch_softmax_sorted=(
            "    for row in scores:\n",
            "    ranked = F.softmax(scores.sort(dim=1, descending=True)[0], dim=0)\n    for row in scores:\n",
            "torch.cumsum(sorted_probs, dim=-1)",
            "torch.cumsum(ranked[len(out)], dim=-1)",
        ),
        first_row=(
            "        probs = F.softmax(row, dim=-1)\n",
            "        probs = F.softmax(row, dim=-1)\n        first = F.softmax(scores[0], -1).sort(descending=True)[0]\n",
            "torch.cumsum(sorted_probs, dim=-1)",
            "torch.cumsum(first, dim=-1)",
        ),
    ),
    slips(
        P_WALK,
        drops_crossing=(
            W_STEPS,
            "            reached += powers[i] / total\n            if reached > p:\n                break\n            kept.append(i)\n",
        ),
        guard=(
            W_STEPS,
            "            reached += powers[i] / total\n            if reached > p and kept:\n                break\n            kept.append(i)\n",
        ),
        one_more=(
            W_STEPS,
            "            kept.append(i)\n            if reached >= p:\n                break\n            reached += powers[i] / total\n",
        ),
        ascending=("-row[i])", "row[i])"),
        inverted=("in kept", "not in kept"),
        no_softmax_walk=("powers[i] / total", "row[i]"),
        share_of_v=(W_OUT, "[s if i in order[: max(1, int(p * len(row)))] else -math.inf for i, s in enumerate(row)]"),
        min_p=(W_OUT, "[s if powers[i] >= p * max(powers) else -math.inf for i, s in enumerate(row)]"),
        each_alone=(
            W_OUT,
            "[s if powers[i] / total >= 1 - p or i == order[0] else -math.inf for i, s in enumerate(row)]",
        ),
        not_scattered=("i in kept", "i < len(kept)"),
        returns_sorted=(W_OUT, "[row[i] if i in kept else -math.inf for i in order]"),
        zero_for_inf=("-math.inf", "0.0"),
        ignores_p=("reached >= p", "reached > 1.0001"),
        zero_drops_all=(" and kept", ""),
        drops_all=("kept, reached = [], 0.0", "kept, reached = [], p", " and kept", ""),
    ),
    slips(
        P_ABOVE,
        returns_probs=(A_OUT, "F.normalize(probs * keep, p=1, dim=-1)"),
        ignores_p=(A_KEEP, "probs >= 0"),
        min_p=(A_KEEP, "probs >= p * probs.amax(-1, keepdim=True)"),
        first_row=(A_KEEP, f"{A_KEEP}\n    keep = better.sum(-1) < keep[0].sum()"),
        zero_drops_all=(A_KEEP, "above < p"),
        id_order=(A_KEEP, "(probs.unsqueeze(-2) * torch.ones_like(better).tril(-1)).sum(-1) < p"),
        batch_softmax=("torch.softmax(scores, -1)", "torch.softmax(scores, 0)"),
        batch_softmax_sorted=(
            "torch.softmax(scores, -1)",
            "torch.softmax(scores.sort(-1)[0], 0).gather(-1, scores.argsort(-1).argsort(-1))",
            "probs.unsqueeze(-2) > probs.unsqueeze(-1)",
            "scores.unsqueeze(-2) > scores.unsqueeze(-1)",
        ),
        no_softmax=(
            "torch.softmax(scores, -1)",
            "scores",
            "(probs.unsqueeze(-2) * better)",
            "torch.where(better, probs.unsqueeze(-2), 0.0)",
        ),
        no_softmax_walk=(
            A_OUT,
            "torch.stack([walked(row, p) for row in scores])",
            "def top_p",
            "def walked(row, p):\n    keep, total = torch.zeros(len(row), dtype=torch.bool), 0.0\n"
            "    for i in row.argsort(descending=True):\n        if keep.any() and total >= p:\n            break\n"
            "        keep[i] = True\n        total += row[i]\n"
            "    return row.masked_fill(~keep, -math.inf)\n\n\ndef top_p",
        ),
    ),
)
TOP_P["id_order"] += [
    lambda scores, p: scores.masked_fill(scores.softmax(-1).cumsum(-1) - scores.softmax(-1) >= p, -INF)
]
TOP_P_OTHER: list[tuple[Part, set[str]]] = [
    (  # shifted twice: at p = 0 it keeps one more, at all others, too
        written(
            P_ROWS,
            "        remove[0] = False\n",
            "        remove[0] = False\n        remove[1:] = remove[:-1].clone()\n",
        ),
        {"one_more"},
    ),
    (written(P_WALK, " and kept", "", "-row[i])", "row[i])"), {"zero_drops_all+ascending"}),
    (lambda x, _: x.masked_fill(x > -1e9, -INF), {"drops_all"}),
    (written(P_ROWS, "cum >= p", "cum >= 1 - p"), set()),
    (written(P_ROWS, "torch.stack(out)", "torch.stack(out).log_softmax(-1)"), set()),
    (written(P_ROWS, '-float("inf")', "-1e9"), set()),
    (written(P_ROWS, "        row = row.clone()\n", ""), {"in_place"}),
    (written(P_ROWS, "dim=-1)\n        sorted_probs", "dim=-1) ** 2\n        sorted_probs"), set()),
    (written(P_ABOVE, "above < p", "above <= p / 2"), set()),
    (written(P_ABOVE, "above < p", "better.sum(-1) < 2"), set()),
    (written(P_ABOVE, "above < p", "probs >= p"), set()),
    (written(P_ABOVE, "torch.softmax(scores, -1)", "torch.sigmoid(scores)"), set()),
    (written(P_ABOVE, "torch.softmax(scores, -1)", "torch.log_softmax(scores, -1)"), set()),
]
