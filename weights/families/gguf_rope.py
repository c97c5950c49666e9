"""How a GGUF file scales the rotary angles, as the equivalent fields of config.json.

The keys: docs/gguf.md of the ggml project. Llama 3.1's way has no key: the converter writes the divisor of each pair's
angle into a tensor, rope_freqs.weight (llama.cpp, convert_hf_to_gguf.py); its four numbers are found from that.
"""

from collections.abc import Mapping
from math import isclose, log, pi
from typing import Any

from weights.families.family import field

USUAL = [(original, 1.0, 4.0) for original in (8192, 4096, 2048, 16384, 32768, 131072)]  # Llama 3.1's is the first


def rope_scaling(
    values: Mapping[str, Any], arch: str, config: Mapping[str, Any], factors: list[float] | None = None
) -> dict[str, Any] | None:
    """How the rotary angles are scaled, as config.json says it; llama.cpp takes a factor without a type as linear.

    `factors` are those of rope_freqs.weight, which divide the angles of each pair of a head's values.

    >>> rope_scaling({"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}, "llama", {})
    {'rope_type': 'linear', 'factor': 4.0}
    """

    def number(name: str, default: float) -> float:
        return float(field(values, f"{arch}.rope.scaling.{name}", kind=float, default=default)) or default

    kind = values.get(f"{arch}.rope.scaling.type", "linear")
    factor = number("factor", field(values, f"{arch}.rope.scale_linear", kind=float, default=0.0) or 1.0)
    strength = number("attn_factor", 1.0) * number("yarn_attn_factor", 1.0)
    own = {"yarn_log_multiplier": (0,), "yarn_ext_factor": (1, -1)} if kind == "yarn" else {"attn_factor": (0, 1)}
    for name, usual in own.items():
        value = values.get(f"{arch}.rope.scaling.{name}", usual[0])
        if value not in usual:
            raise ValueError(f"{arch}.rope.scaling.{name} is {value!r:.60}, which is not implemented here")
    if factors and any(factor != 1 for factor in factors):
        if kind == "yarn" or (kind == "linear" and factor != 1):
            raise ValueError(
                f"both rope_freqs.weight and {arch}.rope.scaling scale the angles; one is implemented here"
            )
        return llama3_of(factors, config)
    if kind in ("none", "linear"):
        return {"rope_type": "linear", "factor": factor} if kind == "linear" and factor != 1 else None
    if kind != "yarn":
        raise ValueError(f"{arch}.rope.scaling.type is {kind!r:.60}; only none, linear and yarn are implemented here")
    original = field(values, f"{arch}.rope.scaling.original_context_length", default=values[f"{arch}.context_length"])
    scaling = {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
    scaling |= {"beta_fast": number("yarn_beta_fast", 32.0), "beta_slow": number("yarn_beta_slow", 1.0)}
    usual_strength = 0.1 * log(factor) + 1 if factor > 1 else 1.0
    return scaling | ({"attention_factor": strength * usual_strength} if strength != 1 else {})


def llama3_of(factors: list[float], config: Mapping[str, Any]) -> dict[str, Any]:
    """The four numbers from which Llama 3.1's formula makes these factors, all of them checked; a ValueError if
    there are none.

    >>> config = {"head_dim": 8, "rope_theta": 500000.0}
    >>> llama3_of(llama3_factors(32.0, 8192, 1.0, 4.0, config), config)["original_max_position_embeddings"]
    8192
    """
    factor = max(factors)
    if len(factors) == config["head_dim"] // 2 and 1 < factor < 1e6:
        if all(isclose(f, factor, rel_tol=1e-6) for f in factors):
            return {"rope_type": "linear", "factor": factor}
        for original, low, high in [*USUAL, *fitted(factors, factor, config)]:
            made = llama3_factors(factor, original, low, high, config)
            if all(isclose(f, m, rel_tol=2e-6) for f, m in zip(factors, made, strict=True)):
                found = {"rope_type": "llama3", "factor": factor, "original_max_position_embeddings": original}
                return found | {"low_freq_factor": low, "high_freq_factor": high}
    raise ValueError("rope_freqs.weight scales the angles in another way than Llama 3.1, which is not implemented here")


def llama3_factors(factor: float, original: int, low: float, high: float, config: Mapping[str, Any]) -> list[float]:
    """What the formula of Llama 3.1 divides the angle of each pair by: `factor` for slow pairs, 1 for fast ones."""
    turns = (original * frequency / (2 * pi) for frequency in frequencies(config))
    keep = (min(1.0, max(0.0, (turn - low) / (high - low))) for turn in turns)
    return [1 / ((1 - k) / factor + k) for k in keep]


def fitted(factors: list[float], factor: float, config: Mapping[str, Any]) -> list[tuple[int, float, float]]:
    """The original length and the bounds between slow and fast, from the line through two pairs between the bounds."""
    pairs = zip(frequencies(config), factors, strict=True)
    keep = [(f, (1 / divided - 1 / factor) / (1 - 1 / factor)) for f, divided in pairs if divided > 0]
    between = [(f, k) for f, k in keep if 1e-4 < k < 1 - 1e-4]
    if len(between) < 2:
        return []
    (f1, k1), (f2, k2) = between[0], between[-1]
    slope = (k1 - k2) / (f1 - f2)
    bottom = k1 - slope * f1  # where the line meets frequency 0
    if slope <= 0 or bottom >= 0:
        return []
    original = max(1, round(-2 * pi * slope / bottom))  # for a lower bound of one turn; then that, for a whole number
    low = original * -bottom / slope / (2 * pi)
    return [(original, low, low - low / bottom)]


def frequencies(config: Mapping[str, Any]) -> list[float]:
    """How many radians each pair turns from one position to the next, unscaled."""
    return [float(config["rope_theta"]) ** (-2 * i / config["head_dim"]) for i in range(config["head_dim"] // 2)]
