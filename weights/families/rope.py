"""The rotary positions in config.json, wherever and however the versions of transformers wrote them."""

from collections.abc import Mapping
from dataclasses import asdict
from math import log
from typing import Any

from minigpt.models.llama_config import LlamaConfig, RopeScaling
from weights.families.family import field, refuse_unless

ORIGINAL = "original_max_position_embeddings"
KINDS = ("default", "linear", "dynamic", "llama3", "yarn")
MORE = {  # fields of one type only
    "llama3": ("low_freq_factor", "high_freq_factor"),
    "yarn": ("beta_fast", "beta_slow", "truncate", "attention_factor"),
}
KNOWN = {"rope_type", "type", "rope_theta", "factor", "partial_rotary_factor", ORIGINAL, *MORE["llama3"], *MORE["yarn"]}
KNOWN |= {"mscale", "mscale_all_dim", "finetuned"}  # the last says how a model was made; others are refused


def read_rope(data: Mapping[str, Any], n_ctx: int) -> tuple[float, RopeScaling | None]:
    """The base of the angles and how they are scaled; a ValueError names what is not implemented here.

    As in transformers 5, a non-empty `rope_scaling` takes precedence over `rope_parameters`, and a rope_theta inside it
    over one beside it; the type decides which of the other fields count.

    >>> read_rope({"rope_theta": 1e6}, 8), read_rope({"rope_scaling": {"rope_type": "default", "rope_theta": 5e5}}, 8)
    ((1000000.0, None), (500000.0, None))
    >>> read_rope({"rope_scaling": {"type": "longrope", "factor": 4.0}}, 8)
    Traceback (most recent call last):
    ValueError: rope_scaling has the type 'longrope'; implemented here are default, linear, dynamic, llama3, yarn
    """
    for name in ("rope_scaling", "rope_parameters"):
        if not isinstance(data.get(name) or {}, dict):
            raise ValueError(f"{name} should be an object with rope_type, not {data[name]!r:.80}")
    name = "rope_scaling" if data.get("rope_scaling") else "rope_parameters"
    rope: dict[str, Any] = data.get(name) or {}
    theta = field({**data, **rope}, "rope_theta", kind=float, default=10000.0)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in KINDS:
        raise ValueError(f"{name} has the type {kind!r:.80}; implemented here are {', '.join(KINDS)}")
    if not rope.keys() & {"rope_type", "type"} and rope.get("factor", 1) != 1:
        raise ValueError(
            f"{name} has the factor {rope['factor']!r:.80} and no rope_type; expected one of {', '.join(KINDS)}"
        )
    refuse_unless({**data, **rope}, partial_rotary_factor=(1, None))
    for unknown in rope.keys() - KNOWN:
        raise ValueError(f"{name} has {unknown} {rope[unknown]!r:.80}, which is not implemented here")
    try:
        return theta, None if kind == "default" else scaling(kind, data, rope, n_ctx)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def scaling(kind: str, data: Mapping[str, Any], rope: Mapping[str, Any], n_ctx: int) -> RopeScaling:
    """How the angles are scaled; null counts as missing."""

    def number(name: str, default: float | None = None) -> float:
        return float(field(rope, name, kind=float, default=default))

    if kind in ("linear", "dynamic"):
        return RopeScaling(kind, number("factor"), n_ctx)
    original = field(data, ORIGINAL, default=field(rope, ORIGINAL, default=n_ctx))  # the one beside takes precedence
    if kind == "llama3":
        low, high = number("low_freq_factor"), number("high_freq_factor")
        return RopeScaling(kind, number("factor"), original, low_freq_factor=low, high_freq_factor=high)
    factor = n_ctx / max(original, 1) if "factor" in rope and rope["factor"] is None else number("factor")
    by = number("attention_factor", default=0.0)
    if rope.get("attention_factor") is not None and by <= 0:
        raise ValueError(f"attention_factor must be a finite number above 0, not {by}")
    mscale, all_dim = number("mscale", default=0.0), number("mscale_all_dim", default=0.0)
    if not by and mscale and all_dim and factor > 1:  # as in DeepSeek; one of the two alone has no effect
        by = (0.1 * mscale * log(factor) + 1) / (0.1 * all_dim * log(factor) + 1)
    return RopeScaling(
        kind,
        factor,
        original,
        beta_fast=number("beta_fast", default=32.0) or 32.0,  # 0 means the default, as in transformers
        beta_slow=number("beta_slow", default=1.0) or 1.0,
        truncate=field(rope, "truncate", kind=bool, default=True),
        attention_factor=by,
    )


def write_rope(config: LlamaConfig) -> dict[str, Any]:
    """The fields of config.json that `read_rope` reads, for transformers 4 and 5."""
    theta = {"rope_theta": config.rope_theta}
    if config.rope_scaling is None:
        return {**theta, "rope_parameters": {"rope_type": "default", **theta}}
    values = asdict(config.rope_scaling)
    written = {name: values[name] for name in ("rope_type", "factor", *MORE.get(values["rope_type"], ()))}
    if values["rope_type"] in MORE:
        written[ORIGINAL] = values["original_n_ctx"]
    return {**theta, "rope_scaling": written, "rope_parameters": {**written, **theta}}
