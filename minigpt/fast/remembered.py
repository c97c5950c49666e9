"""Where measurements of a model on this machine are remembered: a small JSON file in the cache for each pair."""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import torch

from tokenizer.fetch.atomic import write_text
from tokenizer.fetch.verify import cache_dir
from weights.formats.folder import weight_files

SAMPLES, LENGTH = 64, 4096  # of a file's bytes, at equal distances: reading all of it would take longer than loading


def place(path: Path, device: torch.device) -> Path:
    """The file for the checkpoint at `path`, a folder or a GGUF file, on this device.

    It is a different one for other weights, machine, number of threads, torch version or code of the fast forms.
    """
    digest = hashlib.sha256((path / "config.json").read_bytes() if path.is_dir() else b"")
    for file in files_of(path):
        n_bytes = file.stat().st_size
        with file.open("rb") as data:
            for start in range(0, n_bytes, max(1, n_bytes // SAMPLES)):
                data.seek(start)
                digest.update(data.read(LENGTH))
        digest.update(str(n_bytes).encode())
    for source in sorted(Path(__file__).parent.iterdir()):
        digest.update(source.read_bytes() if source.is_file() else b"")
    digest.update(repr((machine(device), torch.get_num_threads(), torch.__version__)).encode())
    return cache_dir() / "dtypes" / f"{digest.hexdigest()[:32]}.json"


def machine(device: torch.device) -> str:
    """What does the computing: the processor with the instructions that torch uses, or the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return (
        f"{device.type} {model or platform.processor()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    )


def read(file: Path) -> Any:
    """What is remembered, as it is in the file; nothing if there is none, or it is not JSON."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def keep(file: Path, data: dict[str, Any]) -> None:
    """Remembers it; an OSError if the cache cannot be written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(data, indent=1) + "\n")


def size(path: Path) -> int:
    """The bytes of a checkpoint's weights on disk."""
    return sum(file.stat().st_size for file in files_of(path))


def files_of(path: Path) -> list[Path]:
    """The files with a checkpoint's weights."""
    return weight_files(path) if path.is_dir() else [path]
