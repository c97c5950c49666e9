"""What learners write for greedy decoding and beam search: right in other styles, with the bank's bugs, with others."""

# ruff: noqa: E501  (an edit of a text is one string)

from collections.abc import Callable
from typing import Any

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- greedy: with a growing text, by recursion, on a tensor

TEXT = """

# ruff: noqa: E501  (an edit of a text is one string)
def greedy(model, ids, n, eos, n_ctx):
    text = list(ids)
    while len(text) < len(ids) + n:
        window = text if len(text) <= n_ctx else text[len(text) - n_ctx:]
        scores = model(window).tolist()
        token = scores.index(max(scores))
        if token == eos:
            return text[len(ids):]
        text.append(token)
    return text[len(ids):]
"""
WINDOW = "text if len(text) <= n_ctx else text[len(text) - n_ctx:]"
TOKEN = "scores.index(max(scores))"
STOP = "        if token == eos:\n            return text[len(ids):]\n"
END = "        text.append(token)\n    return text[len(ids):]"
RECURSION = """
def greedy(model, ids, n, eos, n_ctx):
    if n == 0:
        return []
    best = torch.argmax(model(ids[-n_ctx:]), dim=-1).item()
    return [] if best == eos else [best] + greedy(model, ids + [best], n - 1, eos, n_ctx)
"""
MORE = "[] if best == eos else [best] + greedy(model, ids + [best], n - 1, eos, n_ctx)"
TENSOR = """
def greedy(model, ids, n, eos, n_ctx):
    x = torch.tensor(ids)
    for step in range(n):
        probs = torch.softmax(model(x[-n_ctx:]), dim=0)
        values, tokens = torch.topk(probs, 2)
        if tokens[0] == eos:
            break
        x = torch.cat([x, tokens[:1]])
    return x[len(ids):].tolist()
"""
GREEDY_RIGHT: list[Part] = [
    *map(written, (TEXT, RECURSION, TENSOR)),
    written(TENSOR, ".tolist()", ""),
    written(
        TEXT,
        "return text[len(ids):]\n        text",
        "break\n        text",
        "    return text[len(ids):]",
        "    return tuple(text[len(ids):])",
    ),
    written(
        """
        def tokens(model, ids, eos, n_ctx):
            while (best := int(model(ids[-n_ctx:]).max(0).indices)) != eos:
                yield best
                ids = [*ids, best]

        def greedy(model, ids, n, eos, n_ctx):
            return [token for token, _ in zip(tokens(model, ids, eos, n_ctx), range(n))]
        """
    ),
]
GREEDY = both(
    slips(
        TEXT,
        appends_text=("text.append(token)", "text.append(f'{token}')"),
        window_missing=(WINDOW, "text"),
        window_front=(WINDOW, "text[:n_ctx]"),
        window_short=(WINDOW, "text[-(n_ctx - 1):]"),
        stops_at_n_ctx=("len(text) < len(ids) + n", "len(text) < min(len(ids) + n, n_ctx)"),
        last_logit=("model(window).tolist()", "[model(window)[-1].item()]"),
        prompt_kept=(WINDOW, "ids[-n_ctx:] + text[len(ids):]"),
        only_newest=(WINDOW, "text[-1:]"),
        prompt_forgotten=(WINDOW, "text[len(ids):][-n_ctx:] or ids[-n_ctx:]"),
        same_logits=(WINDOW, "ids[-n_ctx:]"),
        eos_kept=(
            STOP + "        text.append(token)\n",
            "        text.append(token)\n        if token == eos:\n            break\n",
        ),
        eos_ignored=(STOP, ""),
        eos_in_prompt=("    while", "    if eos in ids:\n        return []\n    while"),
        eos_empties=("            return text[len(ids):]\n", "            return []\n"),
        prompt_repeated=(
            STOP,
            "        if token == eos:\n            break\n",
            "    return text[len(ids):]",
            "    return text",
        ),
        prompt_counts=("len(ids) + n", "n"),
        one_too_many=("< len(ids) + n", "<= len(ids) + n"),
        one_too_few=("len(ids) + n", "len(ids) + n - 1"),
        argmin=("max(scores)", "min(scores)"),
        second_best=("max(scores)", "sorted(scores)[-2]"),
        absolute=(TOKEN, "max(range(len(scores)), key=lambda i: abs(scores[i]))"),
        value_for_id=(TOKEN, "max(scores)"),
        last_only=(
            STOP,
            "        if token == eos:\n            break\n",
            "    return text[len(ids):]",
            "    return text[len(ids):][-1:]",
        ),
    ),
    slips(
        RECURSION,
        window_missing=("ids[-n_ctx:]", "ids"),
        window_front=("ids[-n_ctx:]", "ids[:n_ctx]"),
        window_short=("ids[-n_ctx:]", "ids[-n_ctx + 1:]"),
        stops_at_n_ctx=("n == 0", "n == 0 or len(ids) >= n_ctx"),
        last_logit=("model(ids[-n_ctx:])", "model(ids[-n_ctx:])[-1]"),
        only_newest=("ids[-n_ctx:]", "[ids[-1]]"),
        same_logits=("ids + [best]", "ids"),
        eos_kept=("[] if best == eos", "[eos] if best == eos"),
        eos_ignored=("[] if best == eos else ", ""),
        eos_in_prompt=("best == eos", "eos in (best, *ids)"),
        one_too_many=("n == 0", "n < 0"),
        one_too_few=("n == 0", "n <= 1"),
        argmin=("torch.argmax(model", "torch.argmin(model"),
        absolute=("model(ids[-n_ctx:])", "model(ids[-n_ctx:]) ** 2"),
        value_for_id=("torch.argmax(", "torch.amax("),
        second_best=(
            "torch.argmax(model(ids[-n_ctx:]), dim=-1)",
            "model(ids[-n_ctx:]).kthvalue(len(model(ids[-n_ctx:])) - 1)[1]",
        ),
    ),
    slips(
        TENSOR,
        appends_text=(
            "    x = torch.tensor(ids)\n",
            "    x, new = list(ids), []\n",
            "        x = torch.cat([x, tokens[:1]])\n    return x[len(ids):].tolist()",
            "        x.append(str(tokens[0].item()))\n    return x[len(ids):]",
        ),
        prompt_kept=("x[-n_ctx:]", "torch.cat([torch.tensor(ids)[-n_ctx:], x[len(ids):]])"),
        prompt_forgotten=("x[-n_ctx:]", "(x[len(ids):] if step else x)[-n_ctx:]"),
        same_logits=("    for step", "    prompt = x\n    for step", "x[-n_ctx:]", "prompt[-n_ctx:]"),
        eos_empties=("            break\n", "            x = x[: len(ids)]\n            break\n"),
        prompt_repeated=("x[len(ids):].tolist()", "x.tolist()"),
        prompt_counts=(
            "    for step in range(n):\n",
            "    for step in range(n):\n        if len(x) >= n:\n            break\n",
        ),
        last_only=("x[len(ids):].tolist()", "x[len(ids):].tolist()[-1:]"),
        eos_in_prompt=("tokens[0] == eos", "tokens[0] == eos or (x == eos).any()"),
        one_too_many=("range(n)", "range(0, n + 1)"),
        second_best=("tokens[0] ==", "tokens[1] ==", "tokens[:1]", "tokens[1:]"),
    ),
)
GREEDY_OTHER: list[tuple[Part, set[str]]] = [
    (written(TEXT, WINDOW, "text", STOP, ""), {"window_missing+eos_ignored"}),
    (
        written(RECURSION, "[] if best == eos", "[eos] if best == eos", "ids[-n_ctx:]", "ids"),
        {"window_missing+eos_kept"},
    ),
    (written(TENSOR, "torch.topk(probs, 2)", "(None, torch.multinomial(probs, 1))"), {"random"}),
    (written(TEXT, "text = list(ids)", "text, ids = ids, list(ids)"), {"in_place"}),
    (written(TEXT, STOP, "        if token == eos:\n            continue\n"), {"endless"}),
    (written(TEXT, STOP, "        if token == 0:\n            return text[len(ids):]\n"), set()),
    (written(TEXT, STOP, "        if token == ids[-1]:\n            return text[len(ids):]\n"), set()),
    (written(TEXT, WINDOW, "text[-n_ctx - 1:]"), {"window_missing"}),
    (written(TEXT, WINDOW, "text[-n:]"), set()),
    (written(TEXT, WINDOW, "text[::-1][:n_ctx]"), set()),
    (written(TEXT, "text.append(token)", "text.insert(0, token)"), set()),
    (written(TEXT, END, "        text.append(token)\n    return len(text)"), set()),
    (written(RECURSION, "n - 1", "n - 2"), set()),
    (written(RECURSION, "[best] + greedy", "greedy"), set()),
]

# ---- beam: finished texts keep their place in one list; a heap for each length; on tensors

CARRIED = """
def beam(model, ids, n, width, eos):
    beams = [(0.0, [])]
    for _ in range(n):
        candidates = []
        for score, new in beams:
            if new and new[-1] == eos:
                candidates.append((score, new))
                continue
            logprobs = F.log_softmax(model(ids + new), dim=-1)
            for i in range(len(logprobs)):
                candidates.append((score + logprobs[i].item(), new + [i]))
        candidates.sort(reverse=True)
        beams = candidates[:width]
    score, new = max(beams, key=lambda b: b[0] / len(b[1]))
    return [i for i in new if i != eos]
"""
ASIDE = """
from itertools import product

def beam(model, ids, n, width, eos):
    def key(beam):
        return beam["score"] / len(beam["ids"])

    live, done = [{"ids": [], "score": 0.0}], []
    for step in range(1, n + 1):
        grown = []
        for beam in live:
            p = model([*ids, *beam["ids"]]).softmax(-1)
            values, tokens = p.topk(min(2 * width, len(p)))
            for v, t in zip(values.tolist(), tokens.tolist()):
                grown.append({"ids": [*beam["ids"], t], "score": beam["score"] + math.log(v)})
        grown = sorted(grown, key=lambda b: -b["score"])[: 2 * width]
        live = []
        for place, beam in enumerate(grown):
            if beam["ids"][-1] != eos:
                if len(live) < width:
                    live.append(beam)
            elif place < width:
                done.append(beam)
        if len(done) >= width:
            break
    return max(done + live, key=key)["ids"]
"""
MATRIX = """
def beam(model, ids, n, width, eos):
    texts, totals = [ids], torch.zeros(1, dtype=torch.float64)
    best, best_mean = [], -math.inf
    for step in range(1, n + 1):
        rows = torch.stack([torch.log_softmax(model(text), 0) for text in texts])
        V = rows.shape[1]
        totals, flat = (totals[:, None] + rows).flatten().topk(min(width, rows.numel()))
        texts = [texts[i // V] + [i % V] for i in flat.tolist()]
        going = []
        for i, text in enumerate(texts):
            if text[-1] == eos or step == n:
                if totals[i] / step > best_mean:
                    best, best_mean = text[len(ids):], totals[i] / step
            if text[-1] != eos:
                going.append(i)
        if not going:
            break
        texts, totals = [texts[i] for i in going], totals[going]
    return [i for i in best if i != eos]
"""
BEAM_RIGHT: list[Part] = [
    *map(written, (CARRIED, ASIDE, MATRIX)),
    written(ASIDE, "        if len(done) >= width:\n            break\n", ""),
    written(ASIDE, 'max(done + live, key=key)["ids"]', 'tuple(max(done + live, key=key)["ids"])'),
    written(
        """
        def beam(model, ids, n, width, eos):
            def grow(texts, left):
                if not left or not texts:
                    return texts
                grown = [(new + [i], s + lp) for new, s in texts for i, lp in enumerate(model(ids + new).log_softmax(0).tolist())]
                best = sorted(grown, key=lambda t: t[1])[::-1][:width]
                return [t for t in best if t[0][-1] == eos] + grow([t for t in best if t[0][-1] != eos], left - 1)
            return sorted(grow([([], 0.0)], n), key=lambda t: t[1] / len(t[0]))[-1][0]
        """
    ),
]
C_SKIP = "            if new and new[-1] == eos:\n                candidates.append((score, new))\n                continue\n"
C_KEY, C_LOG = "b[0] / len(b[1])", "F.log_softmax(model(ids + new), dim=-1)"
A_KEY, A_LOG = 'beam["score"] / len(beam["ids"])', "math.log(v)"
A_STOP = "        if len(done) >= width:\n            break\n"
A_TOP = "p.topk(min(2 * width, len(p)))"
A_ENUM = "        for place, beam in enumerate(grown):\n"
M_TOP, M_ROWS = "topk(min(width, rows.numel()))", "torch.log_softmax(model(text), 0)"
M_KEEP = "            if text[-1] != eos:\n                going.append(i)\n"
BEAM = both(
    slips(
        CARRIED,
        probs_for_logprobs=("F.log_softmax", "F.softmax"),
        logits_for_logprobs=(C_LOG, "model(ids + new)"),
        finished_extended=(C_SKIP, "", "return [i for i in new if i != eos]", "return new"),
        finished_dropped=(
            "    score, new = max(",
            "    beams = [b for b in beams if b[1][-1] != eos] or [b for b in candidates if b[1][-1] != eos]\n    score, new = max(",
        ),
        no_length_penalty=(C_KEY, "b[0]"),
        multiplied_by_length=(C_KEY, "b[0] * len(b[1])"),
        product_by_length=(
            "[(0.0, [])]",
            "[(1.0, [])]",
            "F.log_softmax(",
            "F.softmax(",
            "score + logprobs",
            "score * logprobs",
        ),
        prompt_counted=(C_KEY, "b[0] / (len(ids) + len(b[1]))"),
        width_1=("candidates[:width]", "candidates[:1]"),
        no_pruning=("candidates[:width]", "candidates"),
        width_plus_1=("candidates[:width]", "candidates[: width + 1]"),
        last_only=("score + logprobs[i].item()", "logprobs[i].item()"),
        only_newest=("model(ids + new)", "model([(ids + new)[-1]])"),
        same_context=("model(ids + new)", "model(ids)"),
        prompt_repeated=("return [i for i in new if i != eos]", "return ids + [i for i in new if i != eos]"),
        one_too_many=("range(n)", "range(n + 1)"),
        one_too_few=("range(n)", "range(n - 1)"),
        first_finished=(
            "        beams = candidates[:width]\n",
            "        beams = candidates[:width]\n        for _, new in beams:\n            if new[-1] == eos:\n                return new[:-1]\n",
        ),
        running_dropped=(
            "    score, new = max(",
            "    beams = [b for b in beams if b[1][-1] == eos] or beams\n    score, new = max(",
        ),
        eos_not_counted=(C_KEY, "b[0] / max(1, sum(i != eos for i in b[1]))"),
        per_beam_topk_1=("range(len(logprobs))", "[int(logprobs.argmax())]"),
        per_beam_topk_1_after_the_first=(
            "range(len(logprobs))",
            "(logprobs.topk(1).indices.tolist() if new else range(len(logprobs)))",
        ),
    ),
    slips(
        ASIDE,
        probs_for_logprobs=(A_LOG, "v"),
        logits_for_logprobs=(".softmax(-1)", "", A_LOG, "v"),
        finished_dropped=("done + live", "live", A_STOP, ""),
        running_dropped=("done + live", "done or live", A_STOP, ""),
        finished_extended_and_kept=(
            A_ENUM,
            '        done += [beam for beam in grown[:width] if beam["ids"][-1] == eos]\n'
            "        live = grown[:width]\n        for place, beam in []:\n",
            A_STOP,
            "",
        ),
        finished_extended=(A_ENUM, "        live = grown[:width]\n        for place, beam in []:\n"),
        first_finished=(A_STOP, '        if done:\n            return done[0]["ids"]\n'),
        no_length_penalty=(A_KEY, 'beam["score"]', A_STOP, ""),
        multiplied_by_length=(A_KEY, 'beam["score"] * len(beam["ids"])', A_STOP, ""),
        product_by_length=(
            *(
                "(beam):\n        return",
                "(beam):\n        return math.prod(beam['probs']) / len(beam['ids'])\n        return",
            ),
            *('"score": 0.0}]', '"score": 0.0, "probs": []}]'),
            *("+ math.log(v)}", '+ math.log(v), "probs": [*beam["probs"], v]}'),
            *(A_STOP, ""),
        ),
        prompt_counted=(A_KEY, 'beam["score"] / len(ids + beam["ids"])', A_STOP, ""),
        eos_not_counted=(A_KEY, 'beam["score"] / (len([i for i in beam["ids"] if i != eos]) or 1)', A_STOP, ""),
        per_beam_topk_1=(A_TOP, "p.topk(1)", A_STOP, ""),
        per_beam_topk_1_after_the_first=(A_TOP, "p.topk(len(p) if step == 1 else 1)", A_STOP, ""),
        width_1=("    def key", "    width = 1\n\n    def key", A_TOP, "p.topk(len(p))", A_STOP, ""),
        no_pruning=(
            "[: 2 * width]",
            "",
            "len(live) < width",
            "True",
            "place < width",
            "True",
            A_TOP,
            "p.topk(len(p))",
            A_STOP,
            "",
        ),
        width_plus_1=("    def key", "    width += 1\n\n    def key", A_STOP, ""),
        ascending=('-b["score"]', 'b["score"]', A_TOP, "p.topk(len(p))", A_STOP, ""),
        last_only=('beam["score"] + math.log(v)', "math.log(v)", A_STOP, ""),
        only_newest=('[*ids, *beam["ids"]]', '[*ids, *beam["ids"]][-1:]', A_STOP, ""),
        same_context=('[*ids, *beam["ids"]]', "ids", A_STOP, ""),
        prompt_repeated=('return max(done + live, key=key)["ids"]', 'return ids + max(done + live, key=key)["ids"]'),
        one_too_many=("range(1, n + 1)", "range(n + 1)", A_STOP, ""),
        one_too_few=("range(1, n + 1)", "range(1, n)", A_STOP, ""),
        worst=("max(done + live", "min(done + live", A_STOP, ""),
    ),
    slips(
        MATRIX,
        finished_dropped=("text[-1] == eos or step == n", "text[-1] != eos and step == n"),
        finished_extended_and_kept=(
            "            if text[-1] != eos:\n                going.append(i)\n",
            "            going.append(i)\n",
            "return [i for i in best if i != eos]",
            "return best",
        ),
        first_finished=(
            "                    best, best_mean = text[len(ids):], totals[i] / step\n",
            "                    best, best_mean = text[len(ids):], totals[i] / step\n                    if text[-1] == eos:\n                        return best\n",
        ),
        ascending=(M_TOP, "topk(min(width, rows.numel()), largest=False)"),
        worst=("-math.inf", "math.inf", "> best_mean", "< best_mean"),
        copies=("[ids], torch.zeros(1", "[ids] * width, torch.zeros(width"),
    ),
)
BEAM["per_beam_topk_1"] += BEAM.pop("width_1") + BEAM.pop("copies")  # the same in other words
BEAM_OTHER: list[tuple[Part, set[str]]] = [
    (written(CARRIED, C_KEY, "b[0]", "return [i", "return ids + [i"), {"no_length_penalty+prompt_repeated"}),
    (written(ASIDE, "math.log(v)", "math.log(v) * v"), set()),
    (written(ASIDE, 'len(beam["ids"])', 'len(beam["ids"]) ** 2'), set()),
    (written(ASIDE, "math.log(v)", "-math.log(v)"), set()),
    (written(ASIDE, 'max(done + live, key=key)["ids"]', "max(done + live, key=key)"), set()),
    (written(ASIDE, 'max(done + live, key=key)["ids"]', "done + live"), set()),
    (written(CARRIED, "(ids + new)", "(new or ids)"), set()),
    (written(CARRIED, "(ids + new)", "(new + ids)"), set()),
    (written(CARRIED, "new + [i]", "[i] + new"), set()),
    (written(CARRIED, "F.log_softmax(model(ids + new), dim=-1)", "model(ids + new).sigmoid().log()"), set()),
    (
        written(CARRIED, "F.log_softmax(model(ids + new), dim=-1)", "F.log_softmax(torch.randn(6).double(), -1)"),
        {"random"},
    ),
    (
        written(
            CARRIED,
            "    return [i for i in new if i != eos]",
            "    ids += new\n    return [i for i in new if i != eos]",
        ),
        {"in_place"},
    ),
    (written(CARRIED, "for _ in range(n)", "while beams"), {"endless"}),
]
