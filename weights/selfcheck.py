"""Does this device compute this model correctly? Its logits for a short probe are compared with stored ones.

Some devices have computed garbage without an error. A forward pass of a few tokens shows it when a model is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from weights.formats.folder import read_json

FILE = "probe.json"
REGISTERED = Path(__file__).parent / "probes.json"
# allowed difference of log-probabilities, in nats: garbage is off by several
TOLERANCE = {torch.float64: 0.02, torch.float32: 0.02, torch.float16: 0.25, torch.bfloat16: 1.0}


@dataclass(frozen=True)
class Probe:
    """A short text, and how likely some tokens are to follow it."""

    ids: list[int]
    logprobs: dict[str, float]  # token id, as JSON writes keys -> natural logarithm of its probability


def find_probe(path: Path, name: str | None) -> Probe | None:
    """The probe of a registered model, from probes.json, or of another, from a file beside it; None if there is none.

    `path` is a folder or a GGUF file.
    """
    data = read_json(REGISTERED).get(name) if name else None
    if data:
        return parse(data, REGISTERED)
    file = (path if path.is_dir() else path.parent) / FILE
    return parse(read_json(file), file) if file.exists() else None


def parse(data: Mapping[str, object], path: Path) -> Probe:
    """The probe in a JSON object; a ValueError names the file it is from."""
    ids, logprobs = data.get("ids"), data.get("logprobs")
    try:
        if not isinstance(ids, list) or not isinstance(logprobs, dict) or not ids or not logprobs:
            raise ValueError
        probe = Probe([int(id) for id in ids], {str(int(id)): float(value) for id, value in logprobs.items()})
        if min(*probe.ids, *map(int, probe.logprobs), 0) < 0:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise ValueError(
            f"{path}: expected ids and logprobs, all numbers: write it anew with python -m weights.export FOLDER"
        ) from None
    return probe


def log_probabilities(model: GPT2 | Llama, ids: list[int]) -> Tensor:
    """The natural logarithms of the probabilities of every next token after `ids`, (V,), float32 on the CPU."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        x = model.hidden(torch.tensor([ids], device=device))[0, -1]  # (C,)
        return torch.log_softmax(model.unembed(x).float().cpu(), dim=-1)


def measure(model: GPT2 | Llama, probe: Probe) -> float:
    """The largest difference from the probe's log-probabilities, in nats; infinite if a number is missing or nan."""
    if max(map(int, probe.logprobs)) >= model.config.vocab_size or max(probe.ids) >= model.config.vocab_size:
        return float("inf")
    found = log_probabilities(model, probe.ids)
    off = torch.stack([(found[int(id)] - value).abs() for id, value in probe.logprobs.items()]).max().item()
    return off if off == off else float("inf")


def check(model: GPT2 | Llama, probe: Probe | None, name: str, force: bool = False) -> str:
    """The outcome in words; a ValueError if the model's log-probabilities are off, unless `force` is set."""
    if probe is None:
        return "not possible: no logits are stored for this model"
    parameter = next(model.parameters())
    off, allowed = measure(model, probe), TOLERANCE.get(parameter.dtype, 1.0)
    outcome = f"log-probabilities off by {off:.2g}, allowed {allowed}"
    if not off <= allowed and not force:
        device, dtype = parameter.device, str(parameter.dtype).removeprefix("torch.")
        blame = "the weights are not those of the probe" if device.type == "cpu" else "use device='cpu'"
        raise ValueError(f"{name}: wrong numbers on {device} in {dtype}: {outcome}: {blame}, or force=True")
    return ("passed: " if off <= allowed else "FAILED, and forced: ") + outcome
