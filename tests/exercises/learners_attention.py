"""What learners hand in for lesson 05: right answers in other styles, and every named bug in two of them.

A style is a function from a bug's name, None for a right answer, to a part.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Style = Callable[[str | None], Any]


def by_einsum(q: Tensor, k: Tensor, v: Tensor, C: int, bug: str | None) -> Tensor:
    """Sums by einsum, a mask of ones and zeros, -inf where it is 0."""
    if bug == "qk_swapped":
        q, k = k, q
    T, D = q.size(2), q.size(3)
    att = torch.einsum("bhid,bhjd->bhij", q, k)
    if bug not in ("no_scale", "scale_up"):
        att = att * {"scale_n_embd": C**-0.5, "scale_d": 1 / D, "scale_t": T**-0.5}.get(bug or "", D**-0.5)
    if bug == "scale_up":
        att *= D**0.5
    seen = torch.tril(
        torch.ones(T, T), {"mask_self": -1, "mask_self_finite": -1, "mask_off_by_one": 1}.get(bug or "", 0)
    )
    if bug == "mask_past":
        seen = torch.triu(torch.ones(T, T))
    if bug == "mask_inverted":
        seen = 1 - seen
    if bug == "mask_zero":
        att = att * seen
    elif bug == "mask_self_finite":
        att = att.masked_fill(seen == 0, -1e9)
    elif bug not in ("no_mask", "mask_after_softmax"):
        att = att.masked_fill(seen == 0, float("-inf"))
    if bug == "no_softmax":
        weights = torch.nan_to_num(att, neginf=0.0)
    elif bug == "no_softmax_inf":
        weights = att
    else:
        weights = F.softmax(att, {"softmax_axis": 2, "softmax_heads": 1}.get(bug or "", 3))
    if bug == "mask_after_softmax":
        weights = weights * seen
    if bug == "running_mean":
        weights = (seen / seen.sum(1, keepdim=True)).expand_as(att)
    if bug == "returns_weights":
        return weights
    if bug == "detach":
        weights = weights.data
    return torch.einsum("bhij,bhjd->bhid", weights, k if bug == "v_missing" else v)


def by_hand(q: Tensor, k: Tensor, v: Tensor, C: int, bug: str | None) -> Tensor:
    """Exponentials and sums by hand, the mask by comparing places."""
    T, D = q.shape[-2:]
    if bug == "running_mean":
        return v.cumsum(-2) / torch.arange(1, T + 1)[:, None]
    if bug == "qk_swapped":
        scores = (q @ k.mT).mT
    else:
        scores = (q[..., :, None, :] * k[..., None, :, :]).sum(-1)
    if bug == "scale_n_embd":
        scores = scores / math.sqrt(C)
    elif bug == "scale_d":
        scores = scores / D
    elif bug == "scale_t":
        scores = scores / T**0.5
    elif bug == "scale_up":
        scores = scores * math.sqrt(D)
    elif bug != "no_scale":
        scores = scores / D**0.5
    i, j = torch.arange(T)[:, None], torch.arange(T)[None]
    seen = j <= i
    if bug in ("mask_self", "mask_self_finite"):
        seen = j < i
    if bug == "mask_off_by_one":
        seen = j <= i + 1
    if bug == "mask_past":
        seen = j >= i
    if bug == "mask_inverted":
        seen = j > i
    if bug in ("no_softmax", "no_softmax_inf"):
        hidden = 0.0 if bug == "no_softmax" else -torch.inf
        return torch.where(seen, scores, torch.tensor(hidden, dtype=scores.dtype)) @ v
    if bug not in ("no_mask", "mask_after_softmax"):
        low = {"mask_zero": 0.0, "mask_self_finite": -1e10}.get(bug or "", -torch.inf)
        scores = torch.where(seen, scores, torch.tensor(low, dtype=scores.dtype))
    axis = {"softmax_axis": -2, "softmax_heads": -3}.get(bug or "", -1)
    e = (scores - scores.max(axis, keepdim=True).values).exp()
    weights = e / e.sum(axis, keepdim=True)
    if bug == "mask_after_softmax":
        weights = weights.tril()
    if bug == "returns_weights":
        return weights
    if bug == "detach":
        with torch.no_grad():
            weights = weights.clone()
    if bug == "v_missing":
        v = k
    return sum(weights[..., s, None] * v[..., s, None, :] for s in range(T))


def fused(q: Tensor, k: Tensor, v: Tensor, C: int, bug: str | None) -> Tensor:
    """With torch's own function, as far as it can have the bug."""
    T, D = q.shape[-2:]
    scale = {"no_scale": 1.0, "scale_n_embd": C**-0.5, "scale_d": 1 / D, "scale_up": D**0.5, "scale_t": T**-0.5}
    ones = torch.ones(T, T)
    masks = {"mask_off_by_one": ones.tril(1) == 1, "mask_past": ones.triu() == 1}
    if bug in masks:
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=torch.zeros(T, T).masked_fill(~masks[bug], -math.inf).to(q)
        )
    if bug == "qk_swapped":
        return F.scaled_dot_product_attention(k, q, v, is_causal=True)
    if bug == "v_missing":
        return F.scaled_dot_product_attention(q, k, k, is_causal=True)
    return F.scaled_dot_product_attention(q, k, v, is_causal=bug != "no_mask", scale=scale.get(bug or ""))


FUSED = ("no_scale", "scale_n_embd", "scale_d", "scale_up", "scale_t", "no_mask", "qk_swapped")
FUSED += ("mask_off_by_one", "mask_past")


def as_function(core: Callable[..., Tensor]) -> Style:
    """attention(q, k, v) by one of the ways."""

    def style(bug: str | None) -> Any:
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return core(q, k, v, q.size(1) * q.size(3), bug)

        return attention

    return style


def rows(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Right: token by token, each with what came before alone, so that no mask is needed."""
    out = []
    for t in range(q.shape[2]):
        w = torch.softmax(q[:, :, t : t + 1] @ k[:, :, : t + 1].transpose(2, 3) * q.shape[3] ** -0.5, -1)
        out.append(w @ v[:, :, : t + 1])
    return torch.cat(out, 2)


def online(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Right: one key after the other, as flash attention does."""
    T = q.shape[2]
    top = torch.full(q.shape[:3], -math.inf, dtype=q.dtype)
    total, out = torch.zeros_like(top), torch.zeros_like(v)
    for j in range(T):
        s = (q * k[:, :, j : j + 1]).sum(-1) / q.shape[3] ** 0.5
        s = s.masked_fill(torch.arange(T) < j, -math.inf)
        new = torch.maximum(top, s)
        old, now = (top - new).exp(), (s - new).exp()
        total = total * old + now
        out = out * old[..., None] + now[..., None] * v[:, :, j : j + 1]
        top = new
    return out / total[..., None]


# outside the bank: what they do, and the names that would be true all the same
def gates(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """A sigmoid for the softmax."""
    s = (q @ k.mT / q.size(-1) ** 0.5).sigmoid().tril()
    return s @ v


def window(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each token sees two."""
    T = q.size(2)
    seen = torch.ones(T, T).tril() - torch.ones(T, T).tril(-2)
    return (q @ k.mT / q.size(-1) ** 0.5).masked_fill(seen == 0, -math.inf).softmax(-1) @ v


def cosine(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Lengths taken out."""
    s = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
    return s.masked_fill(torch.ones_like(s).triu(1) == 1, -math.inf).softmax(-1) @ v


def scaled_values(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """√D at the end, not before the softmax."""
    s = (q @ k.mT).masked_fill(torch.ones(q.size(2), q.size(2)).triu(1) == 1, -math.inf)
    return s.softmax(-1) @ v / q.size(-1) ** 0.5


def transposed_weights(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The weights turned before the mean."""
    s = (q @ k.mT / q.size(-1) ** 0.5).masked_fill(torch.ones(q.size(2), q.size(2)).triu(1) == 1, -math.inf)
    return s.softmax(-1).mT @ v


def hard(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The best key alone."""
    s = (q @ k.mT).masked_fill(torch.ones(q.size(2), q.size(2)).triu(1) == 1, -math.inf)
    return F.one_hot(s.argmax(-1), s.size(-1)).to(v.dtype) @ v


def no_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Only the first head."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, :1].expand_as(q)


ATTENTION_STYLES = [as_function(by_einsum), as_function(by_hand)]
ATTENTION_RIGHT = [rows, online, as_function(by_einsum)(None), as_function(by_hand)(None), as_function(fused)(None)]
ATTENTION_OUTSIDE = [gates, window, cosine, scaled_values, transposed_weights, hard, no_heads]
ATTENTION_FUSED = [(bug, as_function(fused)(bug)) for bug in FUSED]


class Base(nn.Module):
    """What a learner has who takes torch's Linear; his own mask is a buffer, as many write it."""

    bug: str | None = None

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.n_head = config.n_head
        self.register_buffer("bias", torch.tril(torch.ones(config.n_ctx, config.n_ctx)))


SHUFFLED = {"qv_swapped": (2, 1, 0), "kv_swapped": (0, 2, 1)}


class Permuted(Base):
    """(B, T, 3, H, D), then one permute for all three."""

    def forward(self, x: Tensor) -> Tensor:
        bug, H = self.bug, self.n_head
        B, T, C = x.size()
        if bug == "one_head":
            H = 1
        three = self.c_attn(x).view(B, T, 3, H, C // H).permute(2, 0, 3, 1, 4)
        if bug == "interleaved":
            three = self.c_attn(x).view(B, T, 3, C // H, H).permute(2, 0, 4, 1, 3)
        if bug == "view_for_transpose":
            three = torch.stack([t.reshape(B, H, T, C // H) for t in self.c_attn(x).split(C, -1)])
        q, k, v = three.unbind(0)
        if bug in SHUFFLED:
            q, k, v = (three[n] for n in SHUFFLED[bug])
        if bug == "heads_not_transposed":
            q, k, v = self.c_attn(x).view(B, T, 3, H, C // H).unbind(2)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).flatten(2)
        elif bug == "heads_not_transposed_tokens":
            q, k, v = self.c_attn(x).view(B, T, 3, H, C // H).unbind(2)
            att = (q @ k.mT * (C // H) ** -0.5).masked_fill(self.bias[:T, :T] == 0, -math.inf)
            y = (att.softmax(-1) @ v).flatten(2)
        elif bug == "heads_not_transposed_before":
            q, k, v = self.c_attn(x).view(B, T, 3, H, C // H).unbind(2)
            y = by_hand(q, k, v, C, None).permute(0, 2, 1, 3).reshape(B, T, C)
        elif bug == "heads_not_transposed_before_tokens":
            q, k, v = self.c_attn(x).view(B, T, 3, H, C // H).unbind(2)
            att = q @ k.mT * (C // H) ** -0.5 + torch.full((T, T), -torch.inf).triu(1)
            y = (att.softmax(-1) @ v).permute(0, 2, 1, 3).reshape(B, T, C)
        else:
            y = by_einsum(q, k, v, C, bug)
            y = y.reshape(B, T, C) if bug == "not_transposed_back" else y.permute(0, 2, 1, 3).flatten(2)
        if bug == "no_projection":
            return y
        return self.c_proj(y) + (x if bug == "residual_inside" else 0)


class Sliced(Base):
    """Head by head, by slices of the channels, joined by cat."""

    def forward(self, x: Tensor) -> Tensor:
        bug, H = self.bug, self.n_head
        B, T, C = x.shape
        qkv = self.c_attn(x)
        q, k, v = qkv[..., :C], qkv[..., C : 2 * C], qkv[..., 2 * C :]
        if bug == "qv_swapped":
            q, v = v, q
        if bug == "kv_swapped":
            k, v = v, k
        if bug == "one_head":
            H = 1
        D = C // H
        if bug and bug.startswith("heads_not_transposed"):
            q, k, v = (torch.stack(t.split(D, -1), 2) for t in (q, k, v))
            n = T if bug.endswith("tokens") else H
            scores = torch.einsum("bthd,btgd->bthg", q, k) / D**0.5 + torch.full((n, n), -torch.inf).triu(1)
            y = torch.einsum("bthg,btgd->bthd", scores.softmax(-1), v)
            return self.c_proj((y.transpose(1, 2) if "before" in bug else y).reshape(B, T, C))
        if bug == "view_for_transpose":
            heads = [[t.contiguous().view(B, H, T, D)[:, h] for t in (q, k, v)] for h in range(H)]
        elif bug == "interleaved":
            heads = [[t[..., h::H] for t in (q, k, v)] for h in range(H)]
        else:
            heads = [[t[..., h * D : (h + 1) * D] for t in (q, k, v)] for h in range(H)]
        q, k, v = (torch.stack(list(t), 1) for t in zip(*heads, strict=True))
        y = by_hand(q, k, v, C, bug)
        if bug == "not_transposed_back":
            y = y.contiguous().view(B, T, C)
        else:
            y = torch.cat([y[:, h] for h in range(H)], -1)
        if bug == "residual_inside":
            return x + self.c_proj(y)
        return y if bug == "no_projection" else self.c_proj(y)


class Fused(Base):
    """With torch's own function."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, -1))
        return self.c_proj(fused(q, k, v, x.size(-1), self.bug).transpose(1, 2).flatten(2))


class Multi(Base):
    """Right: torch's own multi-head attention, given the same weights."""

    def forward(self, x: Tensor) -> Tensor:
        T, C = x.shape[1:]
        hidden = torch.ones(T, T).triu(1) == 1
        y, _ = F.multi_head_attention_forward(
            *(x.transpose(0, 1),) * 3,
            *(C, self.n_head, self.c_attn.weight, self.c_attn.bias, None, None, False, 0.0),
            *(self.c_proj.weight, self.c_proj.bias),
            attn_mask=hidden,
            need_weights=False,
        )
        return y.transpose(0, 1)


class Dropped(Base):
    """Right: dropout as the paper has it, off in eval mode."""

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        q, k, v = (t.view(B, T, self.n_head, -1).transpose(1, 2) for t in self.c_attn(x).split(C, 2))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = F.softmax(att.masked_fill(self.bias[:T, :T] == 0, float("-inf")), dim=-1)
        att = F.dropout(att, 0.5, self.training)
        return F.dropout(self.c_proj((att @ v).transpose(1, 2).contiguous().view(B, T, C)), 0.1, self.training)


def of(cls: type[nn.Module]) -> Style:
    """The class with a bug."""
    return lambda bug: type(cls.__name__, (cls,), {"bug": bug, "__module__": cls.__module__})


class FullMask(Base):
    """Outside: the text's first token is hidden from all others."""

    def forward(self, x: Tensor) -> Tensor:
        T = x.size(1)
        q, k, v = (t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, -1))
        seen = torch.ones(T, T).tril()
        seen[1:, 0] = 0
        att = (q @ k.mT / q.size(-1) ** 0.5).masked_fill(seen == 0, -math.inf)
        return self.c_proj((att.softmax(-1) @ v).transpose(1, 2).flatten(2))


class ScaledTwice(Base):
    """Outside: q and k are both divided by √D, which F's own scale comes on top of."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, -1))
        q, k = q / q.size(-1) ** 0.5, k / k.size(-1) ** 0.5
        return self.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class MeanOfHeads(Base):
    """Outside: every head's result is the mean of all heads'."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).mean(1, keepdim=True).expand_as(q)
        return self.c_proj(y.transpose(1, 2).flatten(2))


class ProjectedTwice(Base):
    """Outside: c_proj twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(Fused.forward(self, x))


class Gelu(Base):
    """Outside: an activation on q, k and v."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in F.gelu(self.c_attn(x)).chunk(3, -1))
        return self.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


MODULE_STYLES = [of(Permuted), of(Sliced)]
MODULE_RIGHT = [Permuted, Sliced, Fused, Multi, Dropped]
MODULE_OUTSIDE = [FullMask, ScaledTwice, MeanOfHeads, ProjectedTwice, Gelu]
MODULE_FUSED = [(bug, of(Fused)(bug)) for bug in FUSED]
