"""What the parity tests of BART and T5 share: random models of transformers, batches, and the differences from ours."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt.models.bart import Bart
from minigpt.models.cache import KVCache
from minigpt.models.t5 import T5
from weights.relatives import load_relative_checkpoint

transformers = pytest.importorskip("transformers")

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
BART: dict[str, Any] = {
    "vocab_size": 101,
    "max_position_embeddings": 48,
    "d_model": 36,
    "encoder_layers": 2,
    "decoder_layers": 3,
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 3),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 52),
}
T5_SIZES: dict[str, Any] = {
    "vocab_size": 101,
    "d_model": 36,
    "d_kv": 10,
    "d_ff": 52,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "decoder_start_token_id": 0,
}


def reference(family: str, **sizes: Any) -> Any:
    """A transformers model with weights large enough to show bugs, its attention not fused."""
    names = {"bart": ("Bart", BART), "t5": ("T5", T5_SIZES)}
    name, usual = names[family]
    config = getattr(transformers, f"{name}Config")(**usual | sizes, attn_implementation="eager")
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    generator, loud = torch.Generator().manual_seed(3), 0.2 if family == "bart" else 0.15
    with torch.no_grad():
        if sizes.get("tie_word_embeddings") is False:  # which transformers 5 reads as: not scaled
            model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
        for key, p in [*model.named_parameters(), *model.named_buffers()]:
            noise = torch.randn(p.shape, generator=generator)
            is_norm_weight = p.ndim == 1 and key.endswith("weight")
            p.copy_(1 + 0.2 * noise if is_norm_weight else noise * (0.1 if p.ndim == 1 else loud))
            if "relative_attention_bias" in key:
                p.mul_(5)
    return model.eval()


def pair(folder: Path, family: str, dtype: torch.dtype, **sizes: Any) -> tuple[Any, Any]:
    """Our model, loaded from the folder that transformers saved, and transformers' own."""
    theirs = reference(family, **sizes)
    theirs.save_pretrained(folder)
    ours = load_relative_checkpoint(folder, "cpu", dtype).model
    assert isinstance(ours, Bart | T5)
    return ours, theirs.to(dtype)


def batch(model: Any, n_tokens: int = 40, n_new: int = 33) -> dict[str, Tensor]:
    """Four texts, whole, and padded on the right, on the left, in the middle; and what the decoder has of each."""
    g = torch.Generator().manual_seed(7)
    ids = torch.randint(model.config.vocab_size, (4, n_tokens), generator=g)
    decoder_ids = torch.randint(model.config.vocab_size, (4, n_new), generator=g)
    mask = torch.ones(4, n_tokens, dtype=torch.long)
    mask[1, n_tokens // 2 :] = mask[2, : n_tokens // 3] = mask[3, 2 : n_tokens // 2] = 0
    return {"ids": ids, "decoder_ids": decoder_ids, "mask": mask}


def layers_of(model: Any) -> list[Any]:
    """The layers of both sides, the encoder's first, of either library's models."""
    model = getattr(model, "model", model)
    sides = (model.encoder, model.decoder)
    return [layer for s in sides for layer in getattr(s, "layers", getattr(s, "block", s))]


@torch.no_grad()
def differences(ours: Any, theirs: Any, data: dict[str, Tensor]) -> list[float]:
    """The largest difference after every layer, in the memory and in the logits; infinite where one is no number."""
    seen: tuple[list[Tensor], list[Tensor]] = ([], [])
    hooks = []
    for model, found in zip((ours, theirs), seen, strict=True):
        for layer in layers_of(model):
            hooks.append(
                layer.register_forward_hook(lambda _m, _i, x, f=found: f.append(x if isinstance(x, Tensor) else x[0]))
            )
    logits = ours(**data)
    memory = ours.encode(data["ids"], data.get("mask"))
    del seen[0][len(layers_of(ours)) :]
    out = theirs(data["ids"], attention_mask=data.get("mask"), decoder_input_ids=data["decoder_ids"])
    for hook in hooks:
        hook.remove()
    assert logits.dtype == out.logits.dtype == next(ours.parameters()).dtype
    pairs = [*zip(*seen, strict=True), (memory, out.encoder_last_hidden_state), (logits, out.logits)]
    return [(a - b).abs().max().item() if a.isfinite().all() else math.inf for a, b in pairs]


@torch.no_grad()
def cached(model: Any, data: dict[str, Tensor], cuts: Sequence[int], spare: int = 0) -> Tensor:
    """The logits (B, T, V) computed in parts of these lengths, each once, with a cache; the memory's keys and values
    once for all."""
    n_rows, total = len(data["ids"]), sum(cuts)
    memory = model.cross(model.encode(data["ids"], data["mask"]))
    cache = KVCache(model.config.decoder, n_rows, total + spare, dtype=next(model.parameters()).dtype)
    parts, start = [], 0
    for n in cuts:
        pos = torch.arange(start, start + n).expand(n_rows, n)
        view = cache if spare % 2 else cache.first(start + n)  # all slots, or no more than needed
        part = data["decoder_ids"][:, start : start + n]
        parts.append(model.unembed(model.decode(part, memory, data["mask"], pos, view)))
        start += n
    return torch.cat(parts, dim=1)


def assert_agree(ours: Any, theirs: Any, tolerance: float) -> None:
    """Every layer and the logits, with padding and without."""
    data = batch(ours)
    assert max(differences(ours, theirs, data)) < tolerance
    assert ours(**data).std() > 0.1  # weights large enough for a mistake to show
    del data["mask"]
    assert max(differences(ours, theirs, data)) < tolerance
