"""What learners write for lesson 13: right in other styles, with the bank's bugs, with others."""

from collections.abc import Callable
from typing import Any

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- BertLayer: by torch's fused attention; by einsum, the softmax and the GELU written out

BERT_INIT = """
class BertLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.attention = nn.Module()
        for name in ("query", "key", "value", "output"):
            self.attention.add_module(name, nn.Linear(C, C))
        self.attention_norm = nn.LayerNorm(C, eps=config.norm_eps)
        self.intermediate = nn.Linear(C, config.n_inner)
        self.output = nn.Linear(config.n_inner, C)
        self.output_norm = nn.LayerNorm(C, eps=config.norm_eps)
        self.H = config.n_head
"""
BERT_FUSED = (
    BERT_INIT
    + """
    def forward(self, x, mask):
        a, read = self.attention, x
        q = a.query(read).unflatten(-1, (self.H, -1)).transpose(1, 2)
        k = a.key(read).unflatten(-1, (self.H, -1)).transpose(1, 2)
        v = a.value(read).unflatten(-1, (self.H, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y = y.transpose(1, 2).flatten(2)
        y = a.output(y)
        x = self.attention_norm(x + y)
        h = self.intermediate(x)
        h = F.gelu(h)
        h = self.output(h)
        return self.output_norm(x + h)
"""
)
BERT_EINSUM = (
    BERT_INIT
    + """
    def forward(self, x, mask):
        start = x
        B, T, C = x.shape
        D = C // self.H
        q = self.attention.query(x).view(B, T, self.H, D)
        k = self.attention.key(x).view(B, T, self.H, D)
        v = self.attention.value(x).view(B, T, self.H, D)
        att = torch.einsum("bihd,bjhd->bhij", q, k) * D**-0.5
        att = torch.where(mask, att, torch.tensor(float("-inf"), dtype=x.dtype))
        p = torch.exp(att - att.amax(-1, keepdim=True))
        p = p / p.sum(-1, keepdim=True)
        y = torch.einsum("bhij,bjhd->bihd", p, v).reshape(B, T, C)
        x = start + self.attention.output(y)
        x = self.attention_norm(x)
        h = self.intermediate(x)
        h = h * 0.5 * (1.0 + torch.erf(h / 2**0.5))
        x = x + self.output(h)
        x = self.output_norm(x)
        return x
"""
)
BERT_TEXT_BY_TEXT = (
    BERT_INIT
    + """
    def forward(self, x, mask):
        rows = []
        for one, real in zip(x, mask[:, 0, 0]):
            a, heads = self.attention, []
            qkv = (a.query(one), a.key(one), a.value(one))
            for q, k, v in zip(*(t.chunk(self.H, -1) for t in qkv)):
                w = torch.softmax(q @ k[real].T / q.shape[-1] ** 0.5, dim=-1)
                heads.append(w @ v[real])
            one = self.attention_norm(one + a.output(torch.cat(heads, -1)))
            rows.append(self.output_norm(one + self.output(nn.GELU()(self.intermediate(one)))))
        return torch.stack(rows)
"""
)
F_CALL = "F.scaled_dot_product_attention(q, k, v, attn_mask=mask)"
F_FIRST, F_SECOND, F_GELU = "self.attention_norm(x + y)", "self.output_norm(x + h)", "F.gelu(h)"
F_SCORES = "(q @ k.mT / q.shape[-1] ** 0.5)"
E_HIDDEN = 'att = torch.where(mask, att, torch.tensor(float("-inf"), dtype=x.dtype))'
E_P, E_SUM = "p = torch.exp(att - att.amax(-1, keepdim=True))", "p = p / p.sum(-1, keepdim=True)"
E_NORM_1, E_NORM_2 = "x = self.attention_norm(x)", "x = self.output_norm(x)"
E_GELU, E_ADD_1, E_ADD_2 = "h * 0.5 * (1.0 + torch.erf(h / 2**0.5))", "x = start + self", "x = x + self.output(h)"
E_HEADS = "view(B, T, self.H, D)"
E_QKV = [
    text
    for name in ("query", "key", "value")
    for text in (f"attention.{name}(x).{E_HEADS}", f"attention.{name}(x).view(B, self.H, T, D).transpose(1, 2)")
]
E_WIDTH = [text for old in E_QKV[::2] for text in (old, old.replace("self.H, D", "D, self.H"))]
E_ONE = [text.replace("view(B, self.H, T, D).transpose(1, 2)", "view(B, T, 1, C)") for text in E_QKV]
F_VIEW = [
    text
    for name in ("query", "key", "value")
    for text in (
        f"{name}(read).unflatten(-1, (self.H, -1)).transpose(1, 2)",
        f"{name}(read).contiguous().view(len(x), self.H, x.size(1), -1)",
    )
]
F_WIDTH = [text for old in F_VIEW[::2] for text in (old, old.replace("(self.H, -1)", "(-1, self.H)"))]
F_ONE = [
    text
    for name in ("query", "key", "value")
    for text in (f"{name}(read).unflatten(-1, (self.H, -1)).transpose(1, 2)", f"{name}(read).unsqueeze(1)")
]

BERT = both(
    slips(
        BERT_FUSED,
        causal_kept=("attn_mask=mask", "attn_mask=mask & (torch.ones(x.size(1), x.size(1)).tril() == 1)"),
        pre_norm=(
            *("read = self.attention, x", "read = self.attention, self.attention_norm(x)", F_FIRST, "x + y"),
            *("self.intermediate(x)", "self.intermediate(self.output_norm(x))", F_SECOND, "x + h"),
        ),
        tanh_gelu=(F_GELU, "F.gelu(h, approximate='tanh')"),
        pad_not_masked=(", attn_mask=mask", ""),
        pad_rows_masked=(F_CALL, f"{F_SCORES}.masked_fill(mask.mT == 0, -math.inf).softmax(-1) @ v"),
        mask_inverted=(F_CALL, f"{F_SCORES}.masked_fill(mask, float('-inf')).softmax(-1) @ v"),
        mask_inverted_finite=(F_CALL, f"{F_SCORES}.masked_fill(mask, torch.finfo(x.dtype).min).softmax(-1) @ v"),
        mask_zero=(F_CALL, f"torch.softmax({F_SCORES} * mask, -1) @ v"),
        mask_after_softmax=(F_CALL, f"torch.softmax({F_SCORES}, -1) * mask @ v"),
        no_scale=("attn_mask=mask", "attn_mask=mask, scale=1"),
        scale_n_embd=("attn_mask=mask", "attn_mask=mask, scale=x.size(-1) ** -0.5"),
        scale_d=("attn_mask=mask", "attn_mask=mask, scale=1 / q.size(-1)"),
        softmax_axis=(F_CALL, f"F.softmax({F_SCORES}.masked_fill(~mask, -math.inf), 2) @ v"),
        qk_swapped=("(q, k, v,", "(k, q, v,"),
        kv_swapped=("(q, k, v,", "(q, v, k,"),
        view_for_transpose=F_VIEW,
        heads_for_width=(*F_WIDTH, "attn_mask=mask", "attn_mask=mask, scale=(x.size(-1) // self.H) ** -0.5"),
        one_head=(*F_ONE, "attn_mask=mask", "attn_mask=mask, scale=(x.size(-1) // self.H) ** -0.5"),
        one_head_scale=F_ONE,
        no_projection=("        y = a.output(y)\n", ""),
        no_residual_1=(F_FIRST, "self.attention_norm(y)"),
        no_residual_2=(F_SECOND, "self.output_norm(h)"),
        no_norm_1=(F_FIRST, "x + y"),
        no_norm_2=(F_SECOND, "x + h"),
        norm_of_part=(F_FIRST, "x + self.attention_norm(y)", F_SECOND, "x + self.output_norm(h)"),
        norms_swapped=(F_FIRST, "self.output_norm(x + y)", F_SECOND, "self.attention_norm(x + h)"),
        one_norm_for_both=(F_SECOND, "self.attention_norm(x + h)"),
        norm_not_in_residual=(F_FIRST, "x + y", "self.intermediate(x)", "self.intermediate(self.attention_norm(x))"),
        adds_to_start=(F_SECOND, "self.output_norm(read + h)"),
        relu=(F_GELU, "F.relu(h)"),
        no_activation=(f"        h = {F_GELU}\n", ""),
        no_attention=(F_FIRST, "self.attention_norm(x)"),
        detach=(
            "        y = y.trans",
            "        y = (torch.softmax(F_.masked_fill(~mask, -math.inf), -1).data @ v)\n        y = y.trans".replace(
                "F_", F_SCORES
            ),
        ),
    ),
    slips(
        BERT_EINSUM,
        causal_kept=(
            "        p = torch.exp",
            "        att = att + torch.full((T, T), -torch.inf).triu(1)\n        p = torch.exp",
        ),
        pre_norm=(
            *(f"        {E_NORM_1}\n", "", "        B, T, C", f"        {E_NORM_1}\n        B, T, C"),
            *("self.intermediate(x)", "self.intermediate(self.output_norm(x))", f"        {E_NORM_2}\n", ""),
        ),
        tanh_gelu=(E_GELU, "0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))"),
        pad_not_masked=(f"        {E_HIDDEN}\n", ""),
        pad_rows_masked=("where(mask,", "where(mask.transpose(2, 3),"),
        mask_inverted=("where(mask,", "where(~mask,"),
        mask_inverted_finite=('where(mask, att, torch.tensor(float("-inf")', "where(~mask, att, torch.tensor(-1e12"),
        mask_zero=('float("-inf")', "0.0"),
        mask_after_softmax=(f"        {E_HIDDEN}\n", "", E_SUM, f"{E_SUM} * mask.double()"),
        no_scale=(" * D**-0.5", ""),
        scale_n_embd=("D**-0.5", "C**-0.5"),
        scale_d=("D**-0.5", "1 / D"),
        softmax_axis=(E_P, E_P.replace("-1", "2"), E_SUM, E_SUM.replace("-1", "2")),
        qk_swapped=('"bihd,bjhd->bhij", q, k', '"bihd,bjhd->bhji", q, k'),
        kv_swapped=('"bihd,bjhd->bhij", q, k', '"bihd,bjhd->bhij", q, v', "p, v)", "p, k)"),
        view_for_transpose=E_QKV,
        heads_for_width=E_WIDTH,
        one_head=E_ONE,
        one_head_scale=(*E_ONE, "D**-0.5", "C**-0.5"),
        no_projection=("self.attention.output(y)", "y"),
        no_residual_1=(E_ADD_1, "x = self"),
        no_residual_2=(E_ADD_2, "x = self.output(h)"),
        no_norm_1=(f"        {E_NORM_1}\n", ""),
        no_norm_2=(f"        {E_NORM_2}\n", ""),
        norm_of_part=(
            *("start + self.attention.output(y)", "start + self.attention_norm(self.attention.output(y))"),
            *(
                f"        {E_NORM_1}\n",
                "",
                E_ADD_2,
                "x = x + self.output_norm(self.output(h))",
                f"        {E_NORM_2}\n",
                "",
            ),
        ),
        norms_swapped=(E_NORM_1, "x = self.output_norm( x)", E_NORM_2, "x = self.attention_norm(x)"),
        one_norm_for_both=(E_NORM_2, "x = self.attention_norm(x )"),
        norm_not_in_residual=(E_NORM_1, "n = self.attention_norm(x)", "self.intermediate(x)", "self.intermediate(n)"),
        adds_to_start=(E_ADD_2, "x = start + self.output(h)"),
        relu=(E_GELU, "h.clamp(min=0)"),
        no_activation=(f"        h = {E_GELU}\n", ""),
        no_attention=("x = start + self.attention.output(y)", "x = start"),
        detach=("p, v)", "p.detach(), v)"),
    ),
)
BERT_RIGHT = [
    written(BERT_FUSED),
    written(BERT_EINSUM),
    written(BERT_TEXT_BY_TEXT),
    written(BERT_EINSUM, E_HIDDEN, "att = att + (1.0 - mask.to(x.dtype)) * -10000.0"),  # as the official code
]
BERT_OTHER: list[tuple[Part, set[str]]] = [
    (written(BERT_FUSED, "        h = self.inter", "        x = torch.tanh(x)\n        h = self.inter"), set()),
    (written(BERT_FUSED, F_SECOND, "self.output_norm(x + h) + x"), set()),
    (written(BERT_FUSED, F_FIRST, "self.attention_norm(x + y) * mask[:, 0, 0, :, None]"), set()),
    (written(BERT_FUSED, "attn_mask=mask", "attn_mask=mask & (torch.eye(x.size(1)) == 0)"), set()),
    (written(BERT_FUSED, F_GELU, "F.silu(h)"), set()),
    (written(BERT_FUSED, F_GELU, "h * torch.sigmoid(1.702 * h)"), set()),
    (written(BERT_FUSED, F_FIRST, "self.attention_norm(x + 2 * y)"), set()),
    (written(BERT_EINSUM, "        return x\n", "        return self.output_norm(x)\n"), set()),
    (
        written(
            BERT_EINSUM, "start + self.attention.output(y)", "self.attention_norm(start) + self.attention.output(y)"
        ),
        set(),
    ),
]

# ---- CrossAttention: by torch's fused attention; by einsum; without a mask, text by text

CROSS_INIT = """
class CrossAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.q_proj = nn.Linear(C, C)
        self.k_proj = nn.Linear(C, C)
        self.v_proj = nn.Linear(C, C)
        self.out_proj = nn.Linear(C, C)
        self.H = config.n_head
"""
CROSS_FUSED = (
    CROSS_INIT
    + """
    def forward(self, x, memory, mask):
        q, k, v = self.q_proj(x), self.k_proj(memory), self.v_proj(memory)
        q, k, v = (t.unflatten(-1, (self.H, -1)).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y = y.transpose(1, 2).flatten(2)
        return self.out_proj(y)
"""
)
CROSS_EINSUM = (
    CROSS_INIT
    + """
    def forward(self, x, memory, mask):
        asks, answers = x, memory
        B, D = len(x), x.shape[-1] // self.H
        q = self.q_proj(asks).view(B, -1, self.H, D)
        k = self.k_proj(answers).view(B, -1, self.H, D)
        v = self.v_proj(answers).view(B, -1, self.H, D)
        att = torch.einsum("bthd,bshd->bhts", q, k)
        att = att / math.sqrt(D)
        att = torch.where(mask, att, torch.full_like(att, -math.inf))
        p = torch.softmax(att, 3)
        return self.out_proj(torch.einsum("bhts,bshd->bthd", p, v).flatten(2))
"""
)
CROSS_BY_TEXT = (
    CROSS_INIT
    + """
    def forward(self, x, memory, mask):
        rows = []
        for b in range(len(x)):
            seen = memory[b][mask[b, 0, 0]]
            heads = []
            for h in range(self.H):
                D = x.shape[-1] // self.H
                part = slice(h * D, (h + 1) * D)
                q, k, v = self.q_proj(x[b])[:, part], self.k_proj(seen)[:, part], self.v_proj(seen)[:, part]
                e = (q @ k.T * D**-0.5).exp()
                heads.append(e / e.sum(1, keepdim=True) @ v)
            rows.append(self.out_proj(torch.cat(heads, 1)))
        return torch.stack(rows)
"""
)
C_MASK = "att = torch.where(mask, att, torch.full_like(att, -math.inf))"
C_VIEWS = [
    text
    for name in ("q_proj(asks)", "k_proj(answers)", "v_proj(answers)")
    for text in (f"{name}.view(B, -1, self.H, D)", f"{name}.view(B, self.H, -1, D).transpose(1, 2)")
]
C_WIDTH = [text for old in C_VIEWS[::2] for text in (old, old.replace("self.H, D", "D, self.H"))]
C_ONE = [text.replace("view(B, self.H, -1, D).transpose(1, 2)", "view(B, -1, 1, D * self.H)") for text in C_VIEWS]
CF_HEADS = "(t.unflatten(-1, (self.H, -1)).transpose(1, 2) for t in (q, k, v))"

CROSS = both(
    slips(
        CROSS_FUSED,
        q_from_encoder=("self.q_proj(x)", "self.q_proj(memory)"),
        kv_from_decoder=("self.k_proj(memory), self.v_proj(memory)", "self.k_proj(x), self.v_proj(x)"),
        k_from_decoder=("self.k_proj(memory)", "self.k_proj(x)"),
        v_from_decoder=("self.v_proj(memory)", "self.v_proj(x)"),
        sides_swapped=("        q, k, v = self", "        x, memory = memory, x\n        q, k, v = self"),
        causal=("attn_mask=mask", "attn_mask=mask & (torch.ones(x.size(1), memory.size(1)).tril() == 1)"),
        no_mask=(", attn_mask=mask", ""),
        mask_inverted=(F_CALL, f"{F_SCORES}.masked_fill(mask, float('-inf')).softmax(-1) @ v"),
        mask_inverted_finite=(F_CALL, f"{F_SCORES}.masked_fill(mask, torch.finfo(x.dtype).min).softmax(-1) @ v"),
        mask_zero=(F_CALL, f"torch.softmax({F_SCORES} * mask, -1) @ v"),
        mask_after_softmax=(F_CALL, f"torch.softmax({F_SCORES}, -1) * mask @ v"),
        no_scale=("attn_mask=mask", "attn_mask=mask, scale=1"),
        scale_n_embd=("attn_mask=mask", "attn_mask=mask, scale=x.size(-1) ** -0.5"),
        scale_d=("attn_mask=mask", "attn_mask=mask, scale=1 / q.size(-1)"),
        softmax_axis=(F_CALL, f"F.softmax({F_SCORES}.masked_fill(~mask, -math.inf), 2) @ v"),
        mean_of_memory=("(q, k, v, attn", "(torch.zeros_like(q), k, v, attn"),
        projections_swapped=("self.q_proj(x), self.k_proj(memory)", "self.k_proj(x), self.q_proj(memory)"),
        kv_swapped=("(q, k, v, attn", "(q, v, k, attn"),
        keys_as_values=("(q, k, v, attn", "(q, k, k, attn"),
        heads_for_width=(
            *(CF_HEADS, CF_HEADS.replace("(self.H, -1)", "(-1, self.H)")),
            *("attn_mask=mask", "attn_mask=mask, scale=(x.size(-1) // self.H) ** -0.5"),
        ),
        view_for_transpose=(CF_HEADS, "(t.reshape(len(t), self.H, t.size(1), -1) for t in (q, k, v))"),
        one_head=(
            *(CF_HEADS, "(t.unsqueeze(1) for t in (q, k, v))"),
            *("attn_mask=mask", "attn_mask=mask, scale=(x.size(-1) // self.H) ** -0.5"),
        ),
        one_head_scale=(CF_HEADS, "(t.unsqueeze(1) for t in (q, k, v))"),
        no_projection=("self.out_proj(y)", "y"),
        residual_inside=("self.out_proj(y)", "x + self.out_proj(y)"),
        detach=("self.k_proj(memory), self.v_proj(memory)", "self.k_proj(memory.data), self.v_proj(memory.data)"),
    ),
    slips(
        CROSS_EINSUM,
        q_from_encoder=("asks, answers = x, memory", "asks = answers = memory"),
        kv_from_decoder=("asks, answers = x, memory", "asks, answers = x, x"),
        k_from_decoder=("self.k_proj(answers)", "self.k_proj(asks)"),
        v_from_decoder=("self.v_proj(answers)", "self.v_proj(asks)"),
        sides_swapped=("asks, answers = x, memory", "asks, answers = memory, x"),
        causal=("        p =", "        att = att + torch.full(att.shape[2:], -math.inf).triu(1)\n        p ="),
        no_mask=(f"        {C_MASK}\n", ""),
        mask_inverted=("where(mask,", "where(~mask,"),
        mask_inverted_finite=("where(mask, att, torch.full_like(att, -math.inf))", "where(mask, -1e20, att)"),
        mask_zero=("torch.full_like(att, -math.inf)", "torch.zeros_like(att)"),
        mask_after_softmax=(f"        {C_MASK}\n", "", "torch.softmax(att, 3)", "torch.softmax(att, 3) * mask"),
        no_scale=("        att = att / math.sqrt(D)\n", ""),
        scale_n_embd=("math.sqrt(D)", "math.sqrt(D * self.H)"),
        scale_d=("math.sqrt(D)", "D"),
        softmax_axis=("(att, 3)", "(att, 2)"),
        mean_of_memory=("torch.softmax(att, 3)", "mask.to(x.dtype).expand_as(att) / mask.sum(-1, keepdim=True)"),
        projections_swapped=("self.q_proj(asks)", "self.k_proj(asks)", "self.k_proj(answers)", "self.q_proj(answers)"),
        kv_swapped=('"bthd,bshd->bhts", q, k', '"bthd,bshd->bhts", q, v', "p, v)", "p, k)"),
        keys_as_values=("p, v)", "p, k)"),
        heads_for_width=C_WIDTH,
        view_for_transpose=C_VIEWS,
        one_head=C_ONE,
        one_head_scale=(*C_ONE, "math.sqrt(D)", "math.sqrt(D * self.H)"),
        no_projection=("self.out_proj(torch.einsum", "(torch.einsum"),
        residual_inside=("return self.out", "return x + self.out"),
        detach=("asks, answers = x, memory", "asks, answers = x, memory.clone().detach()"),
    ),
)
CROSS_RIGHT = [
    written(CROSS_FUSED),
    written(CROSS_EINSUM),
    written(CROSS_BY_TEXT),
    written(CROSS_EINSUM, C_MASK, "att = att - 1e5 * (~mask).to(att)"),
]
CROSS_OTHER: list[tuple[Part, set[str]]] = [
    (written(CROSS_FUSED, "self.out_proj(y)", "self.out_proj(self.out_proj(y))"), set()),
    (written(CROSS_FUSED, "self.v_proj(memory)", "self.v_proj(self.v_proj(memory))"), set()),
    (written(CROSS_FUSED, "self.v_proj(memory)", "memory"), set()),
    (written(CROSS_FUSED, "self.k_proj(memory)", "memory"), set()),
    (written(CROSS_EINSUM, "torch.softmax(att, 3)", "torch.sigmoid(att)"), set()),
    (written(CROSS_EINSUM, "torch.softmax(att, 3)", "F.one_hot(att.argmax(3), att.size(3)).to(att)"), set()),
    (
        written(
            CROSS_FUSED,
            "        y = F.",
            "        memory = memory + 0\n        q = F.normalize(q, dim=-1)\n        y = F.",
        ),
        set(),
    ),
    (written(CROSS_FUSED, "attn_mask=mask", "attn_mask=mask.flip(-1)"), set()),
    (
        written(
            CROSS_FUSED,
            *(
                "        q, k, v = self",
                "        both, n = torch.cat([memory, x], 1), x.size(1)\n        q, k, v = self",
            ),
            *("self.k_proj(memory), self.v_proj(memory)", "self.k_proj(both), self.v_proj(both)"),
            *("attn_mask=mask", "attn_mask=F.pad(mask, (0, n), value=True)"),
        ),
        set(),
    ),
]

# ---- relative_bias: by loops; by tensors with embedding; by the edges of the buckets

BIAS_LOOPS = """
def relative_bias(T, table, max_distance):
    n_buckets, H = table.shape
    half = n_buckets // 2
    near = half // 2
    rows = []
    for i in range(T):
        row = []
        for j in range(T):
            d = j - i
            n = abs(d)
            if n < near:
                b = n
            else:
                share = math.log(n / near) / math.log(max_distance / near)
                b = near + int(share * (half - near))
                b = min(b, half - 1)
            if d > 0:
                b += half
            row.append(table[b])
        rows.append(torch.stack(row))
    return torch.stack(rows).permute(2, 0, 1)
"""
BIAS_TENSORS = """
def relative_bias(T, table, max_distance):
    q, k = torch.meshgrid(torch.arange(T), torch.arange(T), indexing="ij")
    rel = k - q
    n_half = table.size(0) // 2
    after = torch.where(rel > 0, n_half, 0)
    rel = rel.abs()
    exact = n_half // 2
    large = torch.log(rel.double() / exact) / math.log(max_distance / exact) * (n_half - exact)
    large = exact + torch.floor(large).long()
    large = torch.minimum(large, torch.full_like(large, n_half - 1))
    b = after + torch.where(rel < exact, rel, large)
    return F.embedding(b, table).movedim(-1, 0)
"""
BIAS_EDGES = """
def relative_bias(T, table, max_distance):
    half = len(table) // 2
    near = half // 2
    edges = [near * (max_distance / near) ** (k / (half - near)) for k in range(1, half - near)]
    edges = torch.tensor([*range(1, near + 1), *edges], dtype=torch.float64)
    d = torch.arange(T).repeat(T, 1) - torch.arange(T).reshape(-1, 1)
    b = torch.bucketize(d.abs().double(), edges, right=True)
    b[d > 0] += half
    return torch.einsum("ijn,nh->hij", F.one_hot(b, len(table)).to(table.dtype), table)
"""
L_D, L_SHARE, L_FAR = (
    "d = j - i",
    "math.log(n / near) / math.log(max_distance / near)",
    "near + int(share * (half - near))",
)
L_CAP, L_AFTER = "                b = min(b, half - 1)\n", "            if d > 0:\n                b += half\n"
L_RETURN = "torch.stack(rows).permute(2, 0, 1)"
B_LOG = "torch.log(rel.double() / exact) / math.log(max_distance / exact)"
B_CAP = "    large = torch.minimum(large, torch.full_like(large, n_half - 1))\n"
B_AFTER, B_RETURN, B_WHERE = (
    "torch.where(rel > 0, n_half, 0)",
    "F.embedding(b, table).movedim(-1, 0)",
    "torch.where(rel < exact, rel, large)",
)

BIAS = both(
    slips(
        BIAS_LOOPS,
        sign=(L_D, "d = i - j"),
        no_log_buckets=(L_FAR, "n"),
        one_direction=("n_buckets // 2", "n_buckets", "abs(d)", "max(i - j, 0)", L_AFTER, ""),
        no_direction=(L_AFTER, ""),
        no_direction_whole=("n_buckets // 2", "n_buckets", L_AFTER, ""),
        one_too_early=("b += half", "b += half - 1"),
        near_too_wide=("if n < near", "if n <= near + 1"),
        zero_after=("if d > 0", "if d >= 0"),
        log_not_from_near=("math.log(n / near)", "math.log(n)"),
        log_of_max=("math.log(max_distance / near)", "math.log(max_distance)"),
        far_in_half=("share * (half - near)", "share * half"),
        far_from_0=(L_FAR, "int(share * (half - near))"),
        linear_far=(L_SHARE, "(n - near) / (max_distance - near)"),
        rounded=("int(share * (half - near))", "round(share * (half - near))"),
        ceil=("int(share * (half - near))", "math.ceil(share * (half - near))"),
        not_capped=(L_CAP, ""),
        max_128=("max_distance / near", "128 / near"),
        by_key=(L_D, "d = j"),
        reshaped=(L_RETURN, "torch.stack(rows).view(-1, T, T)"),
        heads_last=(L_RETURN, "torch.stack(rows)"),
        masked=(L_RETURN, f"{L_RETURN} + torch.full((T, T), -math.inf).triu(1)"),
        one_head=("row.append(table[b])", "row.append(table[b][:1].expand(H))"),
        buckets_returned=("row.append(table[b])", "row.append(torch.tensor(b))", L_RETURN, "torch.stack(rows)"),
        detach=("table[b]", "table[b].data"),
    ),
    slips(
        BIAS_TENSORS,
        sign=("rel = k - q", "rel = q - k"),
        no_log_buckets=(B_WHERE, "rel.clamp(max=n_half - 1)"),
        one_direction=(
            *("table.size(0) // 2", "table.size(0)", B_AFTER, "0"),
            *("rel = rel.abs()", "rel = torch.maximum(-rel, torch.zeros_like(rel))"),
        ),
        no_direction=("b = after + ", "b = "),
        no_direction_whole=("table.size(0) // 2", "table.size(0)", B_AFTER, "0"),
        one_too_early=(B_WHERE, f"{B_WHERE} - (k > q).long()"),
        near_too_wide=("rel < exact", "rel < exact + 2"),
        zero_after=("rel > 0", "rel > -1"),
        log_not_from_near=("rel.double() / exact", "rel.double()"),
        log_of_max=("math.log(max_distance / exact)", "math.log(max_distance)"),
        far_in_half=("* (n_half - exact)", "* n_half"),
        far_from_0=("exact + torch.floor(large).long()", "torch.floor(large).long()"),
        linear_far=(B_LOG, "(rel - exact).double() / (max_distance - exact)"),
        rounded=("torch.floor(", "torch.round("),
        ceil=("torch.floor(", "torch.ceil("),
        not_capped=(B_CAP, ""),
        max_128=("max_distance / exact", "128 / exact"),
        by_key=("rel = k - q", "rel = k"),
        reshaped=(".movedim(-1, 0)", ".reshape(table.size(1), T, T)"),
        heads_last=(".movedim(-1, 0)", ""),
        masked=(B_RETURN, f"{B_RETURN}.masked_fill(k > q, float('-inf'))"),
        one_head=(B_RETURN, f"{B_RETURN}[0].repeat(table.size(1), 1, 1)"),
        buckets_returned=(B_RETURN, "b"),
        detach=("F.embedding(b, table)", "F.embedding(b, table.detach())"),
    ),
)
BIAS["sign"] += [written(BIAS_TENSORS, ".movedim(-1, 0)", ".transpose(0, 2)")]  # as .T
BIAS_RIGHT = [written(BIAS_LOOPS), written(BIAS_TENSORS), written(BIAS_EDGES)]
BIAS_OTHER: list[tuple[Part, set[str]]] = [
    (written(BIAS_LOOPS, "near = half // 2", "near = half"), {"no_log_buckets"}),
    (written(BIAS_LOOPS, "b += half", "b += near"), set()),
    (written(BIAS_LOOPS, L_SHARE, "math.log2(n / near) / math.log(max_distance / near)"), set()),
    (written(BIAS_LOOPS, L_SHARE, "(n / near) ** 0.5 / (max_distance / near) ** 0.5"), set()),
    (written(BIAS_LOOPS, "table[b]", "table[n_buckets - 1 - b]"), set()),
    (written(BIAS_TENSORS, B_RETURN, f"{B_RETURN}.softmax(-1)"), set()),
    (written(BIAS_TENSORS, B_RETURN, f"{B_RETURN} / table.size(1) ** 0.5"), set()),
    (written(BIAS_TENSORS, "rel > 0, n_half, 0", "rel > 0, n_half - 2, 0"), set()),
    (written(BIAS_LOOPS, "half - 1", "half"), {"not_capped"}),
]
