"""What the residual stream already knows: the logit lens, its norms, and who wrote what into a logit.

B batch, T tokens, C channels, L layers, H heads, D head size, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn

from minigpt.analysis.activations import record
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama


@torch.no_grad()
def logit_lens(model: GPT2 | Llama, ids: Tensor) -> Tensor:
    """What the model would say if it stopped after each layer: ids (B, T) -> logits (L + 1, B, T, V).

    The residual stream before the first block and after every block goes through the final norm and the output matrix
    (nostalgebraist 2020, "interpreting GPT: the logit lens"). The last layer's are the model's own logits.

    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=2, n_head=1, n_embd=2))
    >>> logit_lens(model, torch.tensor([[1, 2, 3]])).shape
    torch.Size([3, 1, 3, 9])
    """
    return torch.stack([model.unembed(final_norm(model)(x)) for x in stream(model, ids)])  # (L + 1, B, T, V)


def stream_norms(model: GPT2 | Llama, ids: Tensor) -> Tensor:
    """How long the vectors of the residual stream are, ids (B, T) -> (2L + 1, B, T): before the first block, then after
    each addition, by a block's attention and by its MLP."""
    return norms(model, ids, ["h.0.in", *(f"h.{i}.{at}" for i in range(model.config.n_layer) for at in ("mid", "out"))])


def addition_norms(model: GPT2 | Llama, ids: Tensor) -> Tensor:
    """How long the vectors are that are added to the residual stream, ids (B, T) -> (2L + 1, B, T): the embeddings,
    then what each block's attention and its MLP write."""
    parts = [f"h.{i}.{part}.out" for i in range(model.config.n_layer) for part in ("attn", "mlp")]
    return norms(model, ids, ["h.0.in", *parts])


@torch.no_grad()
def norms(model: GPT2 | Llama, ids: Tensor, names: list[str]) -> Tensor:
    """The Euclidean norms of activations (B, T, C) over C: (names, B, T)."""
    with record(model, names) as seen:
        model.hidden(ids)
    return torch.stack([seen[name] for name in names]).norm(dim=-1)


@torch.no_grad()
def logit_attribution(
    model: GPT2 | Llama, ids: Tensor, token: int, position: int = -1, against: int | None = None
) -> dict[str, float]:
    """How much each part added to the logit of `token` after one position of a text, ids (1, T); with `against`, how
    much more than to that token's logit: this removes what all tokens share, which changes no probability.

    The stream is the sum of what embeddings, heads and MLPs wrote into it, and the final norm is linear once its
    scale is fixed at that of this run: so the parts, with what the norm's bias adds, sum to the logit
    (Elhage et al. 2021, "A mathematical framework for transformer circuits", direct logit attribution).

    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=1, n_head=2, n_embd=4))
    >>> list(logit_attribution(model, torch.tensor([[1, 2]]), token=3))
    ['wte', 'wpe', 'h.0.attn.0', 'h.0.attn.1', 'h.0.attn.bias', 'h.0.mlp', 'ln_f.bias']
    """
    with record(model, ["wte", "h.*.attn.heads", "h.*.mlp.out", "h.0.in", "h.*.out"]) as seen:
        model.hidden(ids)
    parts = {"wte": seen["wte"][0, position]}  # each (C,)
    if isinstance(model, GPT2):
        parts["wpe"] = seen["h.0.in"][0, position] - parts["wte"]
    blocks: Any = model.h if isinstance(model, GPT2) else model.layers
    for i, block in enumerate(blocks):
        project = block.attn.c_proj if isinstance(model, GPT2) else block.self_attn.o_proj
        heads = seen[f"h.{i}.attn.heads"][0, :, position]  # (H, D)
        weights = project.weight.unflatten(1, heads.shape).transpose(0, 1)  # (H, C, D)
        written = (weights @ heads[:, :, None])[:, :, 0]  # (H, C)
        parts |= {f"h.{i}.attn.{j}": written[j] for j in range(len(written))}
        if project.bias is not None:
            parts[f"h.{i}.attn.bias"] = project.bias
        parts[f"h.{i}.mlp"] = seen[f"h.{i}.mlp.out"][0, position]
    x = seen[f"h.{model.config.n_layer - 1}.out"][0, position]  # (C,), their sum
    norm: Any = final_norm(model)
    centre = (lambda part: part - part.mean()) if isinstance(model, GPT2) else (lambda part: part)
    scale = (centre(x).square().mean() + norm.eps).rsqrt() * norm.weight  # (C,)
    found = {name: centre(part) * scale for name, part in parts.items()}
    if getattr(norm, "bias", None) is not None:
        found["ln_f.bias"] = norm.bias
    row = output_row(model, token) if against is None else output_row(model, token) - output_row(model, against)
    return dict(zip(found, (torch.stack([*found.values()]) @ row).tolist(), strict=True))


def output_row(model: GPT2 | Llama, token: int) -> Tensor:
    """The row of the output matrix (C,) whose product with the normalized stream is the logit of a token."""
    if isinstance(model, GPT2):
        return model.wte.weight[token]
    return (model.embed_tokens if model.config.tied else model.lm_head).weight[token]


def stream(model: GPT2 | Llama, ids: Tensor) -> list[Tensor]:
    """The residual stream before the first block and after every block: L + 1 times (B, T, C)."""
    names = ["h.0.in", *(f"h.{i}.out" for i in range(model.config.n_layer))]
    with record(model, names) as seen:
        model.hidden(ids)
    return [seen[name] for name in names]


def final_norm(model: GPT2 | Llama) -> nn.Module:
    """The norm before the output matrix."""
    return model.ln_f if isinstance(model, GPT2) else model.norm
