"""What learners write for lesson 10: right in other styles, with the bank's bugs, with others."""

from collections.abc import Callable
from typing import Any

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- cached_attention: by torch's fused function and a mask of places, by loops over the new tokens, by einsum

FUSED = """
def cached_attention(q, k, v, cache):
    past = cache["k"].shape[2] if "k" in cache else 0
    new_k, new_v = k, v
    if past:
        k = torch.cat((cache["k"], new_k), 2)
        v = torch.cat((cache["v"], new_v), 2)
    cache.update(k=k, v=v)
    n = q.size(2)
    places = torch.arange(past, past + n)
    allowed = torch.arange(k.size(2))[None, :] <= places[:, None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
"""
LOOPS = """
def cached_attention(q, k, v, cache):
    keys, values = cache.get("k", k[:, :, :0]), cache.get("v", v[:, :, :0])
    rows = []
    for t in range(q.shape[2]):
        keys = torch.cat([keys, k[:, :, t : t + 1]], dim=-2)
        values = torch.cat([values, v[:, :, t : t + 1]], dim=-2)
        w = torch.softmax(q[:, :, t : t + 1] @ keys.mT / q.shape[-1] ** 0.5, dim=-1)
        rows.append(w @ values)
    cache["k"] = keys
    cache["v"] = values
    return torch.cat(rows, dim=2)
"""
EINSUM = """
def cached_attention(q, k, v, cache):
    old_k, old_v = cache.get("k"), cache.get("v")
    all_k = k if old_k is None else torch.cat([old_k, k], dim=-2)
    all_v = v if old_v is None else torch.cat([old_v, v], dim=-2)
    cache["k"] = all_k
    cache["v"] = all_v
    B, H, T, D = q.shape
    att = torch.einsum("bhtd,bhsd->bhts", q, all_k) * D**-0.5
    S = all_k.shape[2]
    bias = torch.full((T, S), float("-inf"), dtype=q.dtype).triu(diagonal=1 + S - T)
    p = torch.exp(att + bias - (att + bias).amax(-1, keepdim=True))
    p = p / p.sum(-1, keepdim=True)
    return torch.einsum("bhts,bhsd->bhtd", p, all_v)
"""
LISTS = """
def cached_attention(q, k, v, cache):
    cache.setdefault("k", []).append(k)
    cache.setdefault("v", []).append(v)
    k, v = torch.cat(cache["k"], 2), torch.cat(cache["v"], 2)
    T, S = q.size(2), k.size(2)
    return F.scaled_dot_product_attention(q, k, v, torch.ones(T, S, dtype=torch.bool).tril(S - T))
"""
F_K, F_V = 'k = torch.cat((cache["k"], new_k), 2)', 'v = torch.cat((cache["v"], new_v), 2)'
F_MASK, F_CALL = "<= places[:, None]", "F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)"
F_STORE, F_ALLOWED = "cache.update(k=k, v=v)", "allowed = torch.arange(k.size(2))[None, :] <= places[:, None]"
E_K, E_V = "torch.cat([old_k, k], dim=-2)", "torch.cat([old_v, v], dim=-2)"
E_STORE_K, E_STORE_V = 'cache["k"] = all_k', 'cache["v"] = all_v'
E_P, E_END = (
    "p = torch.exp(att + bias - (att + bias).amax(-1, keepdim=True))",
    'torch.einsum("bhts,bhsd->bhtd", p, all_v)',
)
TWICE = "cache['k'] = torch.cat([cache['k'], k], 2); cache['v'] = torch.cat([cache['v'], v], 2)"

CACHED_RIGHT: list[Part] = [*map(written, (FUSED, LOOPS, EINSUM))]
CACHED = both(
    slips(
        FUSED,
        position_from_0=("arange(past, past + n)", "arange(n)"),
        mask_ignored=(", attn_mask=allowed", ""),
        mask_prefill_only=(", attn_mask=allowed", ", attn_mask=None if past else allowed"),
        mask_off_by_one=(F_MASK, F_MASK + " + 1"),
        mask_inverted=(*(F_CALL, "(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(allowed, -math.inf).softmax(-1) @ v"),),
        mask_square=(
            *("torch.arange(past, past + n)", "torch.arange(k.size(2))"),
            *(F_CALL, "(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -math.inf).softmax(-1) @ v"),
        ),
        mask_self=(
            F_MASK,
            "< places[:, None]",
            F_CALL,
            "(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -math.inf).softmax(-1) @ v",
        ),
        overwrites=("if past:", "if False:", "(past, past + n)", "(n)"),
        overwrites_after_reading=(F_STORE, "cache.update(k=new_k, v=new_v)"),
        stores_once=("    cache.update", "    past or cache.update"),
        stores_first=(
            *("    past = ", "    cache.update(k=k, v=v)\n    past = "),
            *("    cache.update(k=k, v=v)\n    n =", "    n ="),
        ),
        appends_twice=(
            "    return F",
            "    cache['k'] = torch.cat([k, new_k], 2)\n    cache['v'] = torch.cat([v, new_v], 2)\n    return F",
        ),
        attends_twice=(
            *(F_STORE, F_STORE + "\n    k, v = torch.cat([cache['k'], new_k], 2), torch.cat([cache['v'], new_v], 2)"),
            *("places = torch.arange(past, past + n)", "places = torch.arange(n) + k.size(2) - n"),
        ),
        past_twice=(
            F_STORE,
            "cache.update(k=torch.cat([cache['k'], k], 2), "
            "v=torch.cat([cache['v'], v], 2)) if past else cache.update(k=k, v=v)",
        ),
        wrong_axis=(
            F_K,
            F_K.replace("2)", "1)"),
            F_V,
            F_V.replace("2)", "1)"),
            F_CALL,
            "(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -math.inf).softmax(-1) @ v",
        ),
        batch_axis=(
            F_K,
            F_K.replace("2)", "0)"),
            F_V,
            F_V.replace("2)", "0)"),
            F_CALL,
            "(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -math.inf).softmax(-1) @ v",
        ),
        new_first=(F_K, 'k = torch.cat((new_k, cache["k"]), 2)', F_V, 'v = torch.cat((new_v, cache["v"]), 2)'),
        keys_as_values=(F_STORE, "cache['k'] = cache['v'] = k"),
        swapped=(F_STORE, "cache.update(k=v, v=k)"),
        q_cached=(
            "    n = q",
            "    cache['q'] = q = torch.cat((cache.get('q', q[:, :, :0]), q), 2)\n    past = 0\n    n = q",
        ),
        no_scale=("attn_mask=allowed", "attn_mask=allowed, scale=1.0"),
        scale_d=("attn_mask=allowed", "attn_mask=allowed, scale=1 / q.size(-1)"),
        softmax_axis=(F_CALL, "F.softmax((q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -math.inf), dim=2) @ v"),
        returns_weights=(F_CALL, "(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -math.inf).softmax(-1)"),
    ),
    slips(
        EINSUM,
        position_from_0=("diagonal=1 + S - T", "diagonal=1"),
        mask_ignored=("    p = torch.exp", "    bias = 0\n    p = torch.exp"),
        mask_prefill_only=("    p = torch.exp", "    bias = 0 if S > T else bias\n    p = torch.exp"),
        mask_off_by_one=("1 + S - T", "2 + S - T"),
        mask_inverted=(".triu(diagonal=1 + S - T)", ".tril(diagonal=S - T)"),
        mask_square=("(T, S)", "(S, S)", "1 + S - T", "1"),
        mask_self=("1 + S - T", "S - T"),
        overwrites=('    cache["k"] = all_k\n', '    cache["k"] = all_k = k\n', E_STORE_V, 'cache["v"] = all_v = v'),
        overwrites_after_reading=(E_STORE_K, 'cache["k"] = k', E_STORE_V, 'cache["v"] = v'),
        stores_once=(E_STORE_K, 'cache.setdefault("k", k)', E_STORE_V, 'cache.setdefault("v", v)'),
        stores_first=(
            "    old_k,",
            '    cache["k"], cache["v"] = k, v\n    old_k,',
            f"    {E_STORE_K}\n    {E_STORE_V}\n",
            "",
        ),
        appends_twice=("    return", "    " + TWICE + "\n    return"),
        attends_twice=("    B, H", "    all_k, all_v = torch.cat([all_k, k], 2), torch.cat([all_v, v], 2)\n    B, H"),
        past_twice=(
            *(E_STORE_K, 'cache["k"] = all_k if old_k is None else torch.cat([old_k, all_k], 2)'),
            *(E_STORE_V, 'cache["v"] = all_v if old_v is None else torch.cat([old_v, all_v], 2)'),
        ),
        wrong_axis=(
            E_K,
            E_K.replace("-2", "1"),
            E_V,
            E_V.replace("-2", "1"),
            'torch.einsum("bhtd,bhsd->bhts", q, all_k)',
            "torch.matmul(q, all_k.transpose(2, 3))",
            E_END,
            "torch.matmul(p, all_v)",
        ),
        batch_axis=(
            E_K,
            E_K.replace("-2", "0"),
            E_V,
            E_V.replace("-2", "0"),
            'torch.einsum("bhtd,bhsd->bhts", q, all_k)',
            "torch.matmul(q, all_k.transpose(2, 3))",
            E_END,
            "torch.matmul(p, all_v)",
        ),
        new_first=(E_K, "torch.cat([k, old_k], dim=-2)", E_V, "torch.cat([v, old_v], dim=-2)"),
        keys_as_values=(E_STORE_V, 'cache["v"] = all_k'),
        swapped=(E_STORE_K, 'cache["v"] = all_k', E_STORE_V, 'cache["k"] = all_v'),
        q_cached=(
            "    B, H",
            "    q = torch.cat([cache['q'], q], 2) if 'q' in cache else q\n    cache['q'] = q\n    B, H",
        ),
        no_scale=(" * D**-0.5", ""),
        scale_d=("D**-0.5", "D**-1"),
        softmax_axis=(
            *(E_P, "p = torch.exp(att + bias)"),
            *("p = p / p.sum(-1, keepdim=True)", "p = p / p.sum(-2, keepdim=True)"),
        ),
        returns_weights=(E_END, "p"),
    ),
    slips(
        LOOPS,
        overwrites=('cache.get("k", k[:, :, :0]), cache.get("v", v[:, :, :0])', "k[:, :, :0], v[:, :, :0]"),
        overwrites_after_reading=('cache["k"] = keys', 'cache["k"] = k', 'cache["v"] = values', 'cache["v"] = v'),
        appends_twice=(
            'cache["k"] = keys',
            'cache["k"] = torch.cat([keys, k], 2)',
            "= values\n",
            "= torch.cat([values, v], 2)\n",
        ),
        keys_as_values=('cache["v"] = values', 'cache["v"] = keys'),
        no_scale=(" / q.shape[-1] ** 0.5", ""),
        mask_self=(
            "        w = ",
            "        if keys.shape[2] == 1:\n            rows.append(torch.full_like(q[:, :, :1], math.nan))\n"
            "            continue\n        w = ",
            "@ keys.mT /",
            "@ keys[:, :, :-1].mT /",
            "w @ values",
            "w @ values[:, :, :-1]",
        ),
    ),
)
CACHED_OTHER: list[tuple[Part, set[str]]] = [
    (written(FUSED, "attn_mask=allowed", "is_causal=True"), {"position_from_0"}),
    (written(LISTS), set()),
    (
        written(
            FUSED,
            F_STORE,
            "cache.update(k=k.mT, v=v)",
            'cache["k"], new_k',
            'cache["k"].mT, new_k',
            'cache["k"].shape[2]',
            'cache["v"].shape[2]',
        ),
        set(),
    ),
    (
        written(
            FUSED,
            "cache.update(k=k, v=v)",
            "cache.update(past=(k, v))",
            'cache["k"], new_k',
            'cache["past"][0], new_k',
            'cache["v"], new_v',
            'cache["past"][1], new_v',
            'cache["k"].shape[2] if "k"',
            'cache["past"][0].shape[2] if "past"',
        ),
        set(),
    ),
    (written(EINSUM, 'bhts", q', 'bhts", k'), set()),
    (written(FUSED, "allowed = ", "allowed = ~(", "places[:, None]", "places[:, None])"), set()),
    (written(EINSUM, "(T, S)", "(T, T)"), set()),
    (written(EINSUM, E_STORE_V, ""), set()),
    (written(EINSUM, "D**-0.5", "S**-0.5"), set()),
    (written(EINSUM, E_K, E_K.replace("-2", "-1"), E_V, E_V.replace("-2", "-1")), set()),
    (written(EINSUM, E_STORE_K, 'cache["k"] = all_k[:, :, 1:]', E_STORE_V, 'cache["v"] = all_v[:, :, 1:]'), set()),
    (written(EINSUM, E_STORE_K, 'cache["k"] = q'), set()),
    (
        written(LOOPS, "k[:, :, t : t + 1]], dim=-2)", "k], dim=-2)", "v[:, :, t : t + 1]], dim=-2)", "v], dim=-2)"),
        set(),
    ),
    (written(LOOPS, "return torch.cat(rows, dim=2)", "return rows[-1]"), set()),
    (written(LOOPS, "    return torch.cat(rows, dim=2)", ""), set()),
]

# ---- generate_cached: with a step that is prepared ahead, all texts in step, by a generator

AHEAD = """
def generate_cached(model, prompts, n, eos):
    out = [[] for _ in prompts]
    for i in range(len(prompts)):
        past = None
        feed = list(prompts[i])
        while len(out[i]) < n:
            scores, past = model(feed, past)
            token = torch.argmax(scores[-1]).item()
            if token == eos:
                break
            out[i].append(token)
            feed = [token]
    return out
"""
IN_STEP = """
def generate_cached(model, prompts, n, eos):
    state = [model(p, None) for p in prompts]
    out, done = [[] for _ in prompts], [False] * len(prompts)
    for step in range(n):
        for r, prompt in enumerate(prompts):
            if done[r]:
                continue
            scores, past = state[r]
            last = scores[-1].tolist()
            token = max(range(len(last)), key=last.__getitem__)
            done[r] = token == eos
            if not done[r]:
                out[r] += [token]
                state[r] = model([token], past)
    return out
"""
GENERATOR = """
def generate_cached(model, prompts, n, eos):
    def tokens(prompt):
        cache = None
        for id in prompt:
            logits, cache = model([id], cache)
        for step in range(n):
            id = int(logits[-1].topk(1).indices)
            if id == eos:
                return
            yield id
            if step < n - 1:
                logits, cache = model([id], cache)
    return tuple(torch.tensor(list(tokens(prompt)), dtype=torch.long) for prompt in prompts)
"""
A_END, A_APPEND = "            if token == eos:\n                break\n", "            out[i].append(token)\n"
I_NEXT = "state[r] = model([token], past)"
GENERATE_RIGHT: list[Part] = [*map(written, (AHEAD, IN_STEP, GENERATOR))]
GENERATE = both(
    slips(
        AHEAD,
        feeds_all=("feed = [token]", "feed = [*prompts[i], *out[i]]"),
        feeds_new=("feed = [token]", "feed = list(out[i])"),
        recomputes=("feed = [token]", "feed = feed + [token]\n            past = None"),
        forgets=("(feed, past)", "(feed, None)"),
        not_grown=(
            "scores, past = model(feed, past)",
            "scores, new = model(feed, past)\n            past = past or new",
        ),
        prompt_off_by_one=("list(prompts[i])", "prompts[i][:-1]"),
        prompt_from_1=("list(prompts[i])", "prompts[i][1:]"),
        last_twice=(
            "past = None\n        feed = list(prompts[i])",
            "past = model(prompts[i], None)[1]\n        feed = prompts[i][-1:]",
        ),
        cache_shared_between_rows=("    for i in", "    past = None\n    for i in", "        past = None\n", ""),
        new_shared=("[[] for _ in prompts]", "[[]] * len(prompts)", "while len(out[i]) < n:", "for _ in range(n):"),
        flat=("return out", "return sum(out, [])"),
        eos=(A_END, ""),
        eos_ends_all=("break", "return out[:i]"),
        eos_kept=(A_END + A_APPEND, A_APPEND + A_END),
        one_too_many=("< n:", "<= n:"),
        one_too_few=("< n:", "< n - 1:"),
        prompt_counts=("< n:", "+ len(prompts[i]) < n:"),
        prompt_included=("return out", "return [p + o for p, o in zip(prompts, out)]"),
        first_position=("scores[-1]", "scores[0]"),
        all_positions=("scores[-1]", "scores"),
        mean_position=("scores[-1]", "scores.mean(dim=0)"),
    ),
    slips(
        IN_STEP,
        feeds_all=(I_NEXT, "state[r] = model(prompt + out[r], past)"),
        feeds_new=(I_NEXT, "state[r] = model(out[r], past)"),
        recomputes=(I_NEXT, "state[r] = model(prompt + out[r])"),
        forgets=(I_NEXT, "state[r] = model([token])"),
        not_grown=(I_NEXT, "state[r] = (model([token], past)[0], past)"),
        prompt_off_by_one=("model(p, None)", "model(p[: len(p) - 1], None)"),
        prompt_from_1=("model(p, None)", "model(p[1:])"),
        last_twice=("model(p, None)", "model(p[-1:], model(p, None)[1])"),
        new_shared=(
            "for step in range(n):\n        for r, prompt in enumerate(prompts):\n",
            "for r, prompt in enumerate(prompts):\n        for step in range(n):\n",
            "[[] for _ in prompts]",
            "len(prompts) * [[]]",
        ),
        flat=("return out", "return [t for row in out for t in row]"),
        eos=("done[r] = token == eos", "done[r] = False"),
        eos_kept=(
            "            done[r] = token == eos\n",
            "            out[r] += [token] * (token == eos)\n            done[r] = token == eos\n",
        ),
        one_too_many=("range(n)", "range(n + 1)"),
        one_too_few=("range(n)", "range(1, n)"),
        prompt_counts=("if done[r]:", "if done[r] or len(prompt) + len(out[r]) >= n:"),
        prompt_included=("[[] for _ in prompts]", "[list(p) for p in prompts]"),
        first_position=("scores[-1]", "scores[0]"),
        all_positions=("scores[-1]", "scores.flatten()"),
        mean_position=("scores[-1]", "(sum(scores) / len(scores))"),
    ),
    slips(
        GENERATOR,
        feeds_all=(
            "            yield id",
            "            yield id\n            so_far.append(id)",
            "cache = None",
            "cache, so_far = None, list(prompt)",
            "1:\n                logits, cache = model([id], cache)",
            "1:\n                logits, cache = model(so_far, cache)",
        ),
        cache_shared_between_rows=(
            "    def tokens",
            "    cache = None\n    def tokens",
            "        cache = None\n        for id",
            "        nonlocal cache\n        for id",
            "if step < n - 1:",
            "if True:",
        ),
        prompt_off_by_one=("for id in prompt:", "logits, cache = model(prompt[:-1], cache)\n        for id in ():"),
        eos=("                return\n", "                pass\n"),
        eos_ends_all=(
            *("                return\n", "                raise EOFError\n"),
            *(
                "    return tuple(torch.tensor(list(tokens(prompt)), dtype=torch.long) for prompt in prompts)",
                "    texts = []\n    try:\n        for p in prompts:\n            texts.append(list(tokens(p)))\n"
                "    except EOFError:\n        pass\n    return texts",
            ),
        ),
    ),
)
GENERATE_OTHER: list[tuple[Part, set[str]]] = [
    (written(AHEAD, "argmax", "argmin"), set()),
    (written(AHEAD, "break", "return out"), set()),
    (written(AHEAD, "return out", "return out[0]"), set()),
    (written(AHEAD, "return out", "return out[::-1]"), set()),
    (
        written(AHEAD, A_END, "            if token == eos:\n                out[i].clear()\n                break\n"),
        set(),
    ),
    (written(AHEAD, "scores, past =", "past, scores ="), set()),
    (written(AHEAD, "past = None", "past = []"), set()),
    (written(AHEAD, "scores[-1]", "scores[-1].sort().indices[-2:].min()"), set()),
    (written(AHEAD, "scores[-1]).item()", "scores[-1])", "feed = [token]", "feed = token + 1"), set()),
    (written(AHEAD, "feed = [token]", "feed = token"), set()),
    (written(AHEAD, "feed = [token]", "feed = torch.tensor([token])"), set()),
    (written(AHEAD, "list(prompts[i])", "[prompts[i]]"), set()),
    (written(AHEAD, "break", "return out[: i + 1]"), set()),
    (written(IN_STEP, "if done[r]:", "if any(done):"), set()),
    (written(IN_STEP, I_NEXT, "state[r] = model([token], state[0][1])"), set()),
    (written(IN_STEP, "[False] * len(prompts)", "[p[-1] == eos for p in prompts]"), set()),
]
