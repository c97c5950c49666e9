"""Does this device compute this model right? Stored logits of a short probe are compared with what comes out.

Some devices have given garbage without an error. A few tokens at load show it, for the weights' one reading.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from weights.formats.folder import read_json

if TYPE_CHECKING:
    from weights.checkpoint import Checkpoint
    from weights.fetch.locate import ModelLocation

FILE = "probe.json"
REGISTERED = Path(__file__).parent / "probes.json"
# allowed difference of log-probabilities, in nats: garbage is off by several
TOLERANCE = {torch.float64: 0.02, torch.float32: 0.02, torch.float16: 0.25, torch.bfloat16: 1.0}


@dataclass(frozen=True)
class Probe:
    """A short text, and how likely some tokens are to follow it."""

    ids: list[int]
    logprobs: dict[str, float]  # token id, as JSON writes keys -> natural logarithm of its probability


def probe_of(found: "ModelLocation") -> Probe | None:
    """The probe of a registered model in probes.json or, of another, beside it; None where none is known."""
    data = read_json(REGISTERED).get(found.probe_name) if found.entry else None
    if data:
        return parse(data, REGISTERED)
    path = (found.path if found.path.is_dir() else found.path.parent) / FILE
    return parse(read_json(path), path) if path.exists() else None


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
            f"{path}: expected ids and logprobs, all numbers: write it anew with python -m weights.selfcheck FOLDER"
        ) from None
    return probe


def log_probabilities(model: GPT2 | Llama, ids: list[int]) -> Tensor:
    """The natural logarithms of the probabilities of every next token after `ids`, (V,), float32 on the CPU."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        x = model.hidden(torch.tensor([ids], device=device))[0, -1]  # (C,)
        return torch.log_softmax(model.unembed(x).float().cpu(), dim=-1)


def measure(model: GPT2 | Llama, probe: Probe) -> float:
    """The largest difference from the probe's log-probabilities, in nats; infinite where a number is missing or nan."""
    if max(map(int, probe.logprobs)) >= model.config.vocab_size or max(probe.ids) >= model.config.vocab_size:
        return float("inf")
    found = log_probabilities(model, probe.ids)
    off = torch.stack([(found[int(id)] - value).abs() for id, value in probe.logprobs.items()]).max().item()
    return off if off == off else float("inf")


def check(checkpoint: "Checkpoint", probe: Probe | None, force: bool = False) -> None:
    """Notes the outcome in the checkpoint's report; a ValueError where the device is off, unless `force` is set."""
    report = checkpoint.report
    if probe is None:
        report.self_check = "not possible: no logits are stored for this model"
        return
    dtype = next(checkpoint.model.parameters()).dtype
    off, allowed = measure(checkpoint.model, probe), TOLERANCE.get(dtype, 1.0)
    outcome = f"log-probabilities off by {off:.2g}, allowed {allowed}"
    report.self_check = ("passed: " if off <= allowed else "FAILED, and forced: ") + outcome
    if not off <= allowed and not force:
        blame = "the weights are not those of the probe" if report.device == "cpu" else "use --device cpu"
        raise ValueError(
            f"{checkpoint.name}: wrong numbers on {report.device} in {report.dtype}: {outcome}: {blame}, "
            "or load with force=True"
        )


def make_probe(model: GPT2 | Llama, n_ids: int = 6) -> Probe:
    """A probe of a model whose numbers are right: the best five next tokens, and eight from all over the vocabulary."""
    size = model.config.vocab_size
    ids = [7919 * i % size for i in range(1, 1 + min(n_ids, model.config.n_ctx))]
    found = log_probabilities(model, ids)
    chosen = [*found.topk(min(5, size)).indices.tolist(), *range(0, size, -(-size // 8))]
    return Probe(ids, {str(id): round(found[id].item(), 4) for id in chosen})


def write_probe(folder: str | Path) -> Path:
    """Computes a folder's probe on the CPU in float32 and writes it beside the weights; returns its path.

    Raises ValueError where the model gives no finite numbers.
    """
    from weights.checkpoint import load_checkpoint

    probe = make_probe(load_checkpoint(folder, "cpu", "float32", force=True).model)
    if not all(abs(value) < float("inf") for value in probe.logprobs.values()):
        raise ValueError(f"{folder}: the model's logits are not finite numbers")
    path = Path(folder) / FILE
    part = path.with_name(FILE + ".part")
    part.write_text(json.dumps(asdict(probe)) + "\n", encoding="utf-8")
    part.replace(path)
    return path


if __name__ == "__main__":
    import sys

    for argument in sys.argv[1:] or sys.exit("usage: python -m weights.selfcheck FOLDER …"):
        print(f"wrote {write_probe(argument)}", file=sys.stderr)
