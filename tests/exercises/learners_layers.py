"""What learners hand in for lessons 04 and 06: right answers in other styles, and every named bug in two of them.

A style is a function from a bug's name, None for a right answer, to a part.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.models import gpt2, layers
from tests.exercises.learners_attention import Base, Fused, of


def forward(base: type[nn.Module]) -> Callable[[Callable[..., Tensor]], type[nn.Module]]:
    """A class from a forward."""
    return lambda f: type(f.__name__, (base,), {"forward": f, "__module__": __name__})


# ---------------------------------------------------------------- Linear
class Plain(nn.Module):
    """As in many notebooks."""

    bug: str | None = None

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        shape = (in_features, out_features) if self.bug == "in_out_swapped" else (out_features, in_features)
        self.weight = nn.Parameter(torch.randn(*shape))
        if self.bug != "no_bias_parameter":
            self.bias = nn.Parameter(torch.randn(in_features if self.bug == "bias_n_in" else out_features))
        if self.bug == "not_parameters":
            del self.weight, self.bias
            self.weight, self.bias = torch.randn(*shape), torch.randn(out_features)


class LinearEinsum(Plain):
    """By einsum, and by torch's matmul."""

    def forward(self, x: Tensor) -> Tensor:
        bug = self.bug
        if bug in ("in_out_swapped", "no_transpose_square"):
            return torch.einsum("...i,io->...o", x, self.weight) + self.bias
        if bug == "weight_left":
            return torch.matmul(self.weight, x) + self.bias
        y = torch.einsum("...i,oi->...o", x, self.weight.detach() if bug == "detach" else self.weight)
        if bug == "sum_over_batch":
            y = torch.einsum("b...->...", y)
        if bug == "mean_of_products":
            y = y.div(x.size(-1))
        if bug == "scaled":
            y = y.mul(x.size(-1) ** -0.5)
        if bug in ("no_bias", "no_bias_parameter"):
            return y
        if bug == "bias_times":
            return self.bias * y
        if bug == "bias_minus":
            return y.sub(self.bias)
        if bug == "bias_twice":
            return y.add(self.bias, alpha=2)
        y = y.add(self.bias)
        if bug == "sum_over_batch_after":
            return torch.einsum("b...->...", y)
        return {"relu": F.relu, "softmax": lambda y: F.softmax(y, -1)}.get(bug or "", lambda y: y)(y)


class LinearRows(Plain):
    """One output after the other, each a sum of products."""

    def forward(self, x: Tensor) -> Tensor:
        bug, W = self.bug, self.weight
        if bug == "detach":
            W = W.data
        if bug in ("in_out_swapped", "no_transpose_square"):
            W = W.T
        if bug == "weight_left":
            return self.bias + W.mm(x)
        if bug == "sum_over_batch":
            x = x.sum(0)
        rows = [(x * w).mean(-1) if bug == "mean_of_products" else (x * w).sum(-1) for w in W]
        if bug == "scaled":
            rows = [row / math.sqrt(x.shape[-1]) for row in rows]
        if bug not in ("no_bias", "no_bias_parameter"):
            with_bias = {
                "bias_times": lambda row, b: row * b,
                "bias_minus": lambda row, b: row - b,
                "bias_twice": lambda row, b: b + row + b,
            }.get(bug or "", lambda row, b: row + b)
            rows = [with_bias(row, b) for row, b in zip(rows, self.bias, strict=True)]
        y = torch.stack(rows, -1)
        if bug == "sum_over_batch_after":
            y = y.sum(dim=0)
        if bug == "relu":
            y = y * (y > 0)
        if bug == "softmax":
            y = y.exp() / y.exp().sum(-1, keepdim=True)
        return y


class Buffers(nn.Module):
    """Plain tensors, but registered."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(n_out, n_in))
        self.register_buffer("bias", torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@forward(Plain)
def addmm(self: Any, x: Tensor) -> Tensor:
    return torch.addmm(self.bias, x.flatten(0, -2), self.weight.t()).unflatten(0, x.shape[:-1])


@forward(nn.Linear)
def torchs_own(self: Any, x: Tensor) -> Tensor:
    return F.linear(x, self.weight, self.bias)


class Conv1D(nn.Module):
    """transformers' own layout, (in, out)."""

    def __init__(self, nx: int, nf: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(nx, nf)), nn.Parameter(torch.zeros(nf))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(*x.shape[:-1], -1)


LINEAR_RIGHT = [LinearEinsum, LinearRows, addmm, nn.Linear, layers.Linear, torchs_own]
LINEAR_MORE = [
    ("not_parameters", Buffers),
    ("in_out_swapped", Conv1D),
    (
        "no_bias_parameter",
        type("Bare", (nn.Linear,), {"__init__": lambda s, i, o: nn.Linear.__init__(s, i, o, bias=False)}),
    ),
    ("no_bias", forward(nn.Linear)(lambda self, x: F.linear(x, self.weight))),
    ("no_transpose_square", forward(nn.Linear)(lambda self, x: torch.matmul(x, self.weight) + self.bias)),
]
LINEAR_OUTSIDE = [
    forward(nn.Linear)(lambda self, x: F.linear(x, self.weight.abs(), self.bias)),
    forward(nn.Linear)(lambda self, x: F.linear(x + 1, self.weight, self.bias)),
    forward(nn.Linear)(lambda self, x: F.linear(x.flip(-1), self.weight, self.bias)),
    forward(nn.Linear)(lambda self, x: F.linear(F.normalize(x, dim=-1), self.weight, self.bias)),
    forward(nn.Linear)(lambda self, x: F.linear(x, self.weight, self.bias).tanh()),
    forward(nn.Linear)(lambda self, x: F.linear(x, self.weight.softmax(-1), self.bias)),
    forward(nn.Linear)(lambda self, x: F.linear(x, self.weight, self.bias).mean(0)),
]


# ---------------------------------------------------------------- embed
def embed_functional(bug: str | None) -> Any:
    """With F.embedding and slices."""

    def embed(ids: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
        B, T = ids.size()
        if bug == "tables_swapped":
            wte, wpe = wpe, wte
        tok = F.embedding(ids, wte)
        pos = {
            "positions_by_id": lambda: F.embedding(ids, wpe),
            "positions_from_1": lambda: wpe[1 : T + 1],
            "positions_reversed": lambda: torch.flip(wpe[:T], [0]),
            "position_0": lambda: wpe[:1],
            "last_position": lambda: wpe[T - 1 : T],
            "positions_by_row": lambda: wpe[:B].unsqueeze(1),
            "positions_go_on": lambda: wpe[: B * T].reshape(B, T, -1),
            "wpe_not_cut": lambda: wpe,
            "texts_for_tokens": lambda: wpe[: len(ids)],
            "place_T": lambda: F.embedding(torch.tensor([T]), wpe),
        }.get(bug or "", lambda: wpe[:T])()
        if bug == "positions_missing":
            return tok
        if bug == "tokens_missing":
            return pos.repeat(B, 1, 1)
        if bug == "mean":
            return torch.stack([tok, pos.expand(B, -1, -1)]).mean(0)
        if bug == "concatenated":
            return torch.concat((tok, pos.repeat(B, 1, 1)), 2)
        if bug == "product":
            return tok.mul(pos)
        if bug == "tokens_scaled":
            tok = tok * math.sqrt(tok.size(-1))
        if bug == "detach":
            tok = tok.data
        return tok.add(pos)

    return embed


def embed_loops(bug: str | None) -> Any:
    """Token by token."""

    def embed(ids: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
        if bug == "wpe_not_cut":
            return torch.stack([wte[row] + wpe for row in ids])
        if bug == "texts_for_tokens":
            return torch.stack([wte[row] + torch.stack([wpe[i] for i in range(len(ids))]) for row in ids])
        T, texts = ids.shape[1], []
        for b, row in enumerate(ids.tolist()):
            text = []
            for i, t in enumerate(row):
                places = {"positions_by_id": t, "positions_from_1": i + 1, "positions_reversed": T - 1 - i}
                places |= {"place_T": T, "position_0": 0}
                places |= {"last_position": T - 1, "positions_by_row": b, "positions_go_on": b * T + i}
                if bug == "tables_swapped":
                    text.append(wpe[t] + wte[i])
                    continue
                what, where = wte[t], wpe[places.get(bug or "", i)]
                if bug == "tokens_scaled":
                    what = what * len(what) ** 0.5
                if bug == "detach":
                    what = what.detach()
                made = {
                    "positions_missing": lambda a, _: a,
                    "tokens_missing": lambda _, b: b,
                    "mean": lambda a, b: a / 2 + b / 2,
                    "concatenated": lambda a, b: torch.cat([a, b]),
                    "product": lambda a, b: a * b,
                }.get(bug or "", lambda a, b: a + b)
                text.append(made(what, where))
            texts.append(torch.stack(text))
        return torch.stack(texts)

    return embed


def one_hot(ids: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
    """Right: a product with rows of zeros and a one."""
    places = F.one_hot(torch.arange(ids.size(1)), len(wpe)).to(wpe)
    return F.one_hot(ids, len(wte)).to(wte) @ wte + places @ wpe


def index_select(ids: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
    """Right: flat, then back."""
    rows = torch.index_select(wte, 0, ids.reshape(-1)).view(*ids.shape, -1)
    return rows + wpe[: ids.shape[-1]][None]


def sinusoids(ids: Tensor, wte: Tensor, _wpe: Tensor) -> Tensor:
    """Outside: positions of the first Transformer."""
    i = torch.arange(ids.size(1))[:, None]
    return wte[ids] + torch.sin(i / 10000 ** (torch.arange(wte.size(1)) / wte.size(1)))


EMBED_RIGHT = [embed_functional(None), embed_loops(None), one_hot, index_select]
EMBED_OUTSIDE = [
    sinusoids,
    lambda ids, wte, wpe: wte[ids] - wpe[: ids.size(1)],
    lambda ids, wte, wpe: wte[ids] + 0.1 * wpe[: ids.size(1)],
    lambda ids, wte, wpe: wte[ids] + wpe.mean(0),
    lambda ids, wte, wpe: wte[ids.sort().values] + wpe[: ids.size(1)],
    lambda ids, wte, wpe: wte[ids] + wpe[: ids.size(1)].cumsum(0),
    lambda ids, wte, wpe: F.normalize(wte[ids] + wpe[: ids.size(1)], dim=-1),
    lambda ids, wte, wpe: (wte[ids] + wpe[: ids.size(1)]).mT,
]


# ---------------------------------------------------------------- gelu
K = 0.7978845608028654


def inner(x: Tensor) -> Tensor:
    """What goes into the tanh, factored out."""
    return K * x * (1 + 0.044715 * x * x)


def tanh(u: Tensor) -> Tensor:
    """By exponentials."""
    return (u.exp() - (-u).exp()) / (u.exp() + (-u).exp())


GELU: dict[str | None, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    None: (lambda x: x * torch.sigmoid(2 * inner(x)), lambda x: x / 2 + x / 2 * tanh(inner(x))),
    "erf": (F.gelu, lambda x: x * torch.distributions.Normal(0, 1).cdf(x)),
    "relu": (lambda x: x.clamp(min=0), lambda x: (x + x.abs()) / 2),
    "sigmoid_form": (lambda x: x / (1 + torch.exp(-1.702 * x)), lambda x: F.silu(1.702 * x) / 1.702),
    "silu": (F.silu, lambda x: x / (1 + (-x).exp())),
    "identity": (lambda x: x.clone(), lambda x: 1.0 * x),
    "tanh": (tanh, lambda x: 2 * torch.sigmoid(2 * x) - 1),
    "sigmoid": (F.sigmoid, lambda x: 1 / (1 + torch.exp(-x))),
    "leaky_relu": (F.leaky_relu, lambda x: torch.maximum(x, x * 0.01)),
    "erf_without_root": (lambda x: x * (1 + x.erf()) / 2, lambda x: x - 0.5 * x * torch.erfc(x)),
    "cube_missing": (lambda x: x * torch.sigmoid(2 * K * x), lambda x: 0.5 * x * (1 + tanh(x * (2 / torch.pi) ** 0.5))),
    "square_for_cube": (
        lambda x: x * torch.sigmoid(2 * K * (x + 0.044715 * x.square())),
        lambda x: 0.5 * x * (1 + tanh(K * x * (1 + 0.044715 * x))),
    ),
    "cube_of_product": (
        lambda x: x * torch.sigmoid(2 * K * (x + 0.044715**3 * x.pow(3))),
        lambda x: x / 2 * (1 + tanh(K * (x + torch.pow(0.044715 * x, 3)))),
    ),
    "coefficient_10": (
        lambda x: x * torch.sigmoid(2 * K * (x + 0.44715 * x.pow(3))),
        lambda x: x / 2 * (1 + tanh(K * x * (1 + 0.44715 * x * x))),
    ),
    "cube_outside": (
        lambda x: x * torch.sigmoid(2 * (K * x + 0.044715 * x * x * x)),
        lambda x: x / 2 * (1 + tanh(x * (K + 0.044715 * x**2))),
    ),
    "half_missing": (lambda x: 2 * x * torch.sigmoid(2 * inner(x)), lambda x: x + x * tanh(inner(x))),
    "one_missing": (lambda x: x * (torch.sigmoid(2 * inner(x)) - 0.5), lambda x: 0.5 * x * tanh(inner(x))),
    "brackets": (lambda x: x / 2 + torch.tanh(inner(x)), lambda x: 0.5 * x + 2 * torch.sigmoid(2 * inner(x)) - 1),
    "x_missing": (lambda x: torch.sigmoid(2 * inner(x)), lambda x: 0.5 + 0.5 * tanh(inner(x))),
    "root_missing": (
        lambda x: x * torch.sigmoid(4 / math.pi * (x + 0.044715 * x**3)),
        lambda x: x / 2 * (1 + tanh(inner(x) * K)),
    ),
    "root_of_2": (
        lambda x: x * torch.sigmoid(2**1.5 / math.pi * (x + 0.044715 * x**3)),
        lambda x: x / 2 * (1 + tanh(inner(x) / torch.pi**0.5)),
    ),
    "pi_314": (
        lambda x: x * torch.sigmoid(2 * (2 / 3.14) ** 0.5 * (x + 0.044715 * x**3)),
        lambda x: x / 2 * (1 + tanh(inner(x) * math.sqrt(math.pi / 3.14))),
    ),
    "pi_upside_down": (
        lambda x: x * torch.sigmoid(2 / K * (x + 0.044715 * x**3)),
        lambda x: x / 2 * (1 + tanh((torch.pi / 2) ** 0.5 * (0.044715 * x**3 + x))),
    ),
    "factor_missing": (
        lambda x: x * torch.sigmoid(2 * x + 0.08943 * x**3),
        lambda x: x / 2 * (1 + tanh(inner(x) / K)),
    ),
    "detach": (
        lambda x: x / 2 * (1 + torch.tanh(inner(x.detach()))),
        lambda x: x * torch.sigmoid(2 * inner(x)).data,
    ),
}
GELU_RIGHT = [*GELU[None], lambda x: F.gelu(x, approximate="tanh"), layers.gelu, nn.GELU("tanh").forward]
GELU_OUTSIDE = [
    F.elu,
    F.softplus,
    F.mish,
    F.hardswish,
    F.selu,
    lambda x: x * torch.sigmoid(1.7 * x),
    lambda x: 0.5 * x * (1 + torch.sigmoid(inner(x))),
    lambda x: 0.5 * x * (1 + torch.tanh(inner(x)) ** 2),
    lambda x: 0.5 * x * (1 - torch.tanh(inner(x))),
]


# ---------------------------------------------------------------- LayerNorm
class Norm(nn.Module):
    """What a learner starts from."""

    bug: str | None = None

    def __init__(self, n: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n)), eps


class NormMoments(Norm):
    """By var_mean and rsqrt."""

    def forward(self, x: Tensor) -> Tensor:
        bug = self.bug
        dim = {"over_tokens": (1,), "all_axes": (1, 2), "everything": (0, 1, 2)}.get(bug or "", (2,))
        var, mean = torch.var_mean(x, dim, correction=int(bug == "unbiased"), keepdim=True)
        if bug == "var_of_x":
            var = (x * x).mean(dim, keepdim=True)
        if bug == "sum_of_squares":
            var = var * x.shape[-1]
        if bug == "detach":
            mean = mean.data
        if bug == "detach_variance":
            var = var.data
        eps = {"no_eps": 0.0, "eps_1e-6": 1e-6, "eps_1e-12": 1e-12}.get(bug or "", self.eps)
        x = x if bug == "no_centre" else x - mean
        if bug == "no_sqrt":
            y = x / (var + eps)
        elif bug == "eps_outside":
            y = x / (var**0.5 + eps)
        else:
            y = x * torch.rsqrt(var + eps)
        if bug == "brackets":
            return x + mean + self.bias - self.weight * mean * torch.rsqrt(var + eps)
        if bug == "no_scale_shift":
            return y
        weight, bias = (self.bias, self.weight) if bug == "swap_w_b" else (self.weight, self.bias)
        if bug == "bias_first":
            return y.add(bias).mul(weight)
        if bug == "no_weight":
            return y.add(bias)
        if bug == "no_bias":
            return y.mul(weight)
        if bug == "one_plus_w":
            weight = weight + 1
        return torch.addcmul(bias, y, weight)


class NormFunctional(Norm):
    """By F.layer_norm where it can have the bug, else by sums."""

    def forward(self, x: Tensor) -> Tensor:
        bug, n, w, b = self.bug, x.size(-1), self.weight, self.bias
        eps = {"no_eps": 0.0, "eps_1e-6": 1e-6, "eps_1e-12": 1e-12}.get(bug or "", self.eps)
        given = {"no_weight": (None, b), "no_bias": (w, None), "swap_w_b": (b, w), "one_plus_w": (w + 1, b)}
        given |= {"bias_first": (w, b * w), "no_scale_shift": (None, None)}
        if bug == "over_tokens":
            return F.layer_norm(x.transpose(1, 2), (x.size(1),), None, None, eps).transpose(1, 2) * w + b
        if bug == "all_axes":
            return F.layer_norm(x, x.shape[1:], None, None, eps) * w + b
        if bug == "everything":
            return F.layer_norm(x, x.shape, None, None, eps) * w + b
        m = x.sum(-1, keepdim=True) / n
        if bug == "detach":
            m = m.detach()
        c = x - m
        square = torch.einsum("btc,btc->bt", c, c)[..., None]
        if bug == "var_of_x":
            return c / (x.norm(dim=-1, keepdim=True) ** 2 / n + eps).sqrt() * w + b
        if bug == "sum_of_squares":
            return w * c / (c.pow(2).sum(-1, True) + eps) ** 0.5 + b
        if bug == "brackets":
            return x - w * m / torch.sqrt(square / n + eps) + b
        if bug == "unbiased":
            return c / torch.sqrt(square / (n - 1) + eps) * w + b
        if bug == "eps_outside":
            return w * c / (x.std(-1, correction=0, keepdim=True) + eps) + b
        if bug == "no_sqrt":
            return w * c / (x.std(-1, correction=0, keepdim=True) ** 2 + eps) + b
        if bug == "no_centre":
            return (F.layer_norm(x, (n,), None, None, eps) + m / (square / n + eps).sqrt()) * w + b
        if bug == "detach":
            return c / torch.sqrt(square / n + eps) * w + b
        if bug == "detach_variance":
            with torch.no_grad():
                s = (x.var(-1, correction=0, keepdim=True) + eps).sqrt()
            return c / s * w + b
        return F.layer_norm(x, (n,), *given.get(bug or "", (w, b)), eps)


@forward(Norm)
def moments(self: Any, x: Tensor) -> Tensor:
    m = x.mean(-1, keepdim=True)
    return (x - m) / ((x * x).mean(-1, keepdim=True) - m * m + self.eps).sqrt() * self.weight + self.bias


@forward(Norm)
def two_rows(self: Any, x: Tensor) -> Tensor:
    rows = [(row - row.mean()) / (row.var(correction=0) + self.eps) ** 0.5 for row in x.reshape(-1, x.size(-1))]
    return torch.stack(rows).view_as(x) * self.weight + self.bias


@forward(Norm)
def rms(self: Any, x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], self.weight, self.eps) + self.bias


@forward(Norm)
def annotated(self: Any, x: Tensor) -> Tensor:
    return self.weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.bias


@forward(Norm)
def deviation(self: Any, x: Tensor) -> Tensor:
    c = x - x.mean(-1, keepdim=True)
    return c / (c.abs().mean(-1, keepdim=True) + self.eps) * self.weight + self.bias


@forward(Norm)
def largest(self: Any, x: Tensor) -> Tensor:
    c = x - x.mean(-1, keepdim=True)
    return c / (c.abs().amax(-1, keepdim=True) + self.eps) * self.weight + self.bias


@forward(Norm)
def median(self: Any, x: Tensor) -> Tensor:
    c = x - x.median(-1, keepdim=True).values
    return c / (c.pow(2).mean(-1, keepdim=True) + self.eps).sqrt() * self.weight + self.bias


@forward(Norm)
def squashed(self: Any, x: Tensor) -> Tensor:
    return torch.tanh(F.layer_norm(x, x.shape[-1:], None, None, self.eps)) * self.weight + self.bias


@forward(Norm)
def twice(self: Any, x: Tensor) -> Tensor:
    y = F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
    return F.layer_norm(y, x.shape[-1:], self.weight, self.bias, self.eps)


NORM_RIGHT = [NormMoments, NormFunctional, moments, two_rows, nn.LayerNorm, layers.LayerNorm]
NORM_MORE = [("no_centre+var_of_x", rms), ("unbiased+eps_outside", annotated)]
NORM_OUTSIDE = [deviation, largest, median, squashed, twice]


# ---------------------------------------------------------------- MLP
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "erf": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid_form": lambda h: h * torch.sigmoid(1.702 * h),
}


class MLPModules(nn.Module):
    """With torch's modules."""

    bug: str | None = None

    def __init__(self, config: Any) -> None:
        super().__init__()
        n, inner = config.n_embd, 4 * config.n_embd if self.bug == "inner_4x" else config.n_inner
        sizes = (inner, n) if self.bug == "roles_swapped" else (n, inner)
        self.c_fc, self.c_proj = nn.Linear(*sizes), nn.Linear(*sizes[::-1])
        self.act, self.dropout = nn.GELU(approximate="tanh"), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        bug, first, second = self.bug, self.c_fc, self.c_proj
        if bug == "swapped":
            first, second = second, first
        start = x
        if bug == "activation_before":
            x = self.act(x)
        if bug == "norm_inside":
            x = nn.LayerNorm(x.size(-1), elementwise_affine=False)(x)
        x = first(x)
        if bug in ACTIVATIONS:
            x = ACTIVATIONS[bug](x)
        elif bug not in ("no_activation", "activation_after", "activation_before"):
            x = self.act(x)
        if bug == "gelu_of_gelu":
            x = self.act(x)
        x = second(x.detach() if bug == "detach" else x)
        if bug in ("activation_after", "activation_twice"):
            x = self.act(x)
        x = self.dropout(x)
        if bug == "residual_inside":
            x = x + start
        return start * x if bug == "gated" else x


def written_out(x: Tensor, fc: Any, proj: Any, bug: str | None) -> Tensor:
    """Products and sums."""

    def act(h: Tensor) -> Tensor:
        if bug == "relu":
            return torch.maximum(h, torch.zeros_like(h))
        if bug == "silu":
            return h * h.sigmoid()
        if bug == "erf":
            return h * (1 + (h / 2**0.5).erf()) / 2
        if bug == "tanh":
            return tanh(h)
        if bug == "sigmoid_form":
            return h / (1 + torch.exp(-1.702 * h))
        return (
            h if bug in ("no_activation", "activation_after", "activation_before") else h * torch.sigmoid(2 * inner(h))
        )

    def right(h: Tensor) -> Tensor:
        return 0.5 * h * (1.0 + torch.tanh(inner(h)))

    if bug == "swapped":
        fc, proj = proj, fc
    y = right(x) if bug == "activation_before" else x
    if bug == "norm_inside":
        y = (y - y.mean(-1, True)) / (y.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    h = act(torch.matmul(y, fc.weight.t()).add(fc.bias))
    if bug == "gelu_of_gelu":
        h = right(h)
    if bug == "detach":
        h = h.data
    y = torch.einsum("bti,oi->bto", h, proj.weight) + proj.bias
    if bug in ("activation_after", "activation_twice"):
        y = right(y)
    if bug == "gated":
        y = y * x
    return torch.add(x, y) if bug == "residual_inside" else y


class MLPWritten(MLPModules):
    """Products and sums by hand."""

    def forward(self, x: Tensor) -> Tensor:
        return written_out(x, self.c_fc, self.c_proj, self.bug)


@forward(MLPModules)
def one_line(self: Any, x: Tensor) -> Tensor:
    return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


@forward(MLPModules)
def by_token(self: Any, x: Tensor) -> Tensor:
    return torch.stack([self.c_proj(self.act(self.c_fc(x[:, t]))) for t in range(x.size(1))], 1)


def mlp_with(act: Callable[[Tensor], Tensor]) -> type[nn.Module]:
    """An MLP with something else between its layers."""
    return forward(MLPModules)(lambda self, x: self.c_proj(act(self.c_fc(x))))


MLP_RIGHT = [MLPModules, MLPWritten, one_line, by_token, gpt2.MLP]
MLP_OUTSIDE = [
    *(mlp_with(act) for act in (F.elu, F.leaky_relu, F.softplus, torch.sin, lambda h: F.relu(h) ** 2)),
    mlp_with(lambda h: h.softmax(-1)),
    forward(MLPModules)(lambda self, x: F.layer_norm(one_line.forward(self, x), x.shape[-1:])),
    forward(MLPModules)(lambda self, x: one_line.forward(self, one_line.forward(self, x))),
]


# ---------------------------------------------------------------- Block
class BlockOwn(nn.Module):
    """With his own parts, torch's where it has them."""

    bug: str | None = None

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn = of(Fused)(self.bug if self.bug in ("no_mask", "no_scale") else None)(config)
        self.mlp = of(MLPModules)(self.bug if self.bug in ("erf", "relu") else None)(config)
        self.resid_dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.resid_dropout(ONE_LINE.get(self.bug, ONE_LINE[None])(self, x))


def then(x: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
    """x + f(x)."""
    return x + f(x)


ONE_LINE: dict[str | None, Callable[..., Tensor]] = {
    None: lambda s, x: then(then(x, lambda x: s.attn(s.ln_1(x))), lambda x: s.mlp(s.ln_2(x))),
    "detach": lambda s, x: then(x + s.attn(s.ln_1(x)).data, lambda x: s.mlp(s.ln_2(x))),
    "no_residual": lambda s, x: s.mlp(s.ln_2(s.attn(s.ln_1(x)))),
    "no_residual_1": lambda s, x: then(s.attn(s.ln_1(x)), lambda x: s.mlp(s.ln_2(x))),
    "no_residual_2": lambda s, x: s.mlp(s.ln_2(x + s.attn(s.ln_1(x)))),
    "post_norm": lambda s, x: s.ln_2(then(s.ln_1(x + s.attn(x)), s.mlp)),
    "norm_in_residual": lambda s, x: then(s.ln_2(then(s.ln_1(x), s.attn)), s.mlp),
    "norm_in_residual_1": lambda s, x: then(then(s.ln_1(x), s.attn), lambda x: s.mlp(s.ln_2(x))),
    "norm_in_residual_2": lambda s, x: then(s.ln_2(x + s.attn(s.ln_1(x))), s.mlp),
    "norm_after_part": lambda s, x: then(x + s.ln_1(s.attn(x)), lambda x: s.ln_2(s.mlp(x))),
    "sums_lost": lambda s, x: [x, then(x, lambda x: s.attn(s.ln_1(x)))][0],
    "no_norm": lambda s, x: then(then(x, s.attn), s.mlp),
    "no_norm_1": lambda s, x: then(then(x, s.attn), lambda x: s.mlp(s.ln_2(x))),
    "no_norm_2": lambda s, x: then(x + s.attn(s.ln_1(x)), s.mlp),
    "parallel": lambda s, x: s.attn(s.ln_1(x)) + s.mlp(s.ln_2(x)) + x,
    "parallel_one_norm": lambda s, x: x + then(s.ln_1(x), lambda y: s.attn(y) + s.mlp(y) - y),
    "adds_to_start": lambda s, x: x + s.mlp(s.ln_2(then(x, lambda x: s.attn(s.ln_1(x))))),
    "mlp_reads_branch": lambda s, x: x + then(s.attn(s.ln_1(x)), lambda y: s.mlp(s.ln_2(y))),
    "one_residual": lambda s, x: then(x, lambda x: s.mlp(s.ln_2(s.attn(s.ln_1(x))))),
    "norm_at_end": lambda s, x: s.ln_2(then(x + s.attn(s.ln_1(x)), lambda x: s.mlp(s.ln_2(x)))),
    "mlp_first": lambda s, x: then(then(x, lambda x: s.mlp(s.ln_2(x))), lambda x: s.attn(s.ln_1(x))),
    "no_attention": lambda s, x: then(x, lambda x: s.mlp(s.ln_2(x))),
    "no_mlp": lambda s, x: then(x, lambda x: s.attn(s.ln_1(x))),
    "one_norm_for_both": lambda s, x: then(x + s.attn(s.ln_1(x)), lambda x: s.mlp(s.ln_1(x))),
    "ln_2_for_both": lambda s, x: then(x + s.attn(s.ln_2(x)), lambda x: s.mlp(s.ln_2(x))),
    "norms_swapped": lambda s, x: then(x + s.attn(s.ln_2(x)), lambda x: s.mlp(s.ln_1(x))),
    "x_twice": lambda s, x: x + s.attn(s.ln_1(x)) + then(x + s.attn(s.ln_1(x)), lambda x: s.mlp(s.ln_2(x))),
}


class BlockLoop(nn.Module):
    """One loop over both branches, with the project's own parts."""

    bug: str | None = None

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.ln_1 = layers.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.ln_2 = layers.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.attn = of(Base)(None)(config) if self.bug in ("no_mask", "no_scale") else gpt2.CausalSelfAttention(config)
        self.mlp = gpt2.MLP(config)

    def attend(self, x: Tensor) -> Tensor:
        if self.bug not in ("no_mask", "no_scale"):
            return self.attn(x)
        q, k, v = (
            t.unflatten(-1, (self.attn.n_head, -1)).mT.mT.transpose(1, 2) for t in self.attn.c_attn(x).chunk(3, -1)
        )
        scores = q @ k.mT if self.bug == "no_scale" else q @ k.mT / math.sqrt(q.size(-1))
        if self.bug == "no_scale":
            scores = scores + torch.full_like(scores, -torch.inf).triu(1)
        return self.attn.c_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    def think(self, x: Tensor) -> Tensor:
        return written_out(x, self.mlp.c_fc, self.mlp.c_proj, self.bug if self.bug in ("erf", "relu") else None)

    def forward(self, x: Tensor) -> Tensor:
        bug, start, y = self.bug, x, x
        norms = {"one_norm_for_both": (self.ln_1,) * 2, "ln_2_for_both": (self.ln_2,) * 2}
        norms |= {"norms_swapped": (self.ln_2, self.ln_1)}
        branches = list(zip(norms.get(bug or "", (self.ln_1, self.ln_2)), (self.attend, self.think), strict=True))
        kept = {"sums_lost": [], "mlp_first": branches[::-1], "no_attention": branches[1:], "no_mlp": branches[:1]}
        for n, (norm, part) in enumerate(kept.get(bug or "", branches), 1):
            before = x
            if bug == "post_norm":
                x = norm(x + part(x))
                continue
            if bug in ("norm_in_residual", f"norm_in_residual_{n}"):
                x = norm(x)
                x = x + part(x)
                continue
            if bug == "norm_after_part":
                x = x + norm(part(x))
                continue
            read = start if bug in ("parallel", "parallel_one_norm") else x
            if bug in ("mlp_reads_branch", "one_residual") and n == 2:
                read = y
            h = read if bug in ("no_norm", f"no_norm_{n}") else norm(read)
            if bug == "parallel_one_norm":
                h = self.ln_1(read)
            y = part(h)
            if bug == "detach" and n == 1:
                y = y.detach()
            if bug in ("no_residual", f"no_residual_{n}"):
                x = y
            elif bug in ("adds_to_start", "one_residual") and n == 2:
                x = start + y
            else:
                x = x + y
        if bug == "norm_at_end":
            return self.ln_2(x)
        return x + before if bug == "x_twice" else x


def block(way: Callable[..., Tensor]) -> type[nn.Module]:
    """A block that puts its parts together in another way."""
    return forward(BlockOwn)(lambda self, x: way(self, x))


class OtherEps(BlockOwn):
    """Norms with another eps."""

    eps = 1e-12

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.ln_1.eps = self.ln_2.eps = self.eps


BLOCK_RIGHT = [BlockOwn, BlockLoop, gpt2.Block, block(ONE_LINE[None])]
BLOCK_OUTSIDE = [
    OtherEps,
    type("Eps6", (OtherEps,), {"eps": 1e-6}),
    block(lambda s, x: then(x + s.attn(s.ln_1(x)) / 2, lambda x: s.mlp(s.ln_2(x)) / 2)),
    block(lambda s, x: then(x + s.ln_1(s.attn(s.ln_1(x))), lambda x: s.ln_2(s.mlp(s.ln_2(x))))),
    block(lambda s, x: then(x - s.attn(s.ln_1(x)), lambda x: s.mlp(s.ln_2(x)))),
    block(lambda s, x: then(x + s.attn(s.ln_1(x)), lambda x: s.mlp(s.ln_2(s.mlp(s.ln_2(x)))))),
    block(lambda s, x: (x + s.attn(s.ln_1(x))) * s.mlp(s.ln_2(x + s.attn(s.ln_1(x))))),
    block(lambda s, x: then(x + s.attn(s.ln_1(s.ln_1(x))), lambda x: s.mlp(s.ln_2(x)))),
]
