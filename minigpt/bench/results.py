"""The file of a run: machine, versions, commit, every row with every pair; a later run continues it."""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import minigpt
from tokenizer.fetch.atomic import write_text

FORMAT = 1
PACKAGES = (
    *("torch", "numpy", "transformers", "accelerate", "tokenizers", "tiktoken"),
    *("llama-cpp-python", "gguf", "safetensors"),
)
ROOT = Path(__file__).parents[2]
FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "asimdhp", "bf16")


def header(threads: int, text: str) -> dict[str, Any]:
    """What two runs must have in common for their rows to share a file, and what is good to know."""
    return {
        "format": FORMAT,
        "minigpt": minigpt.__version__,
        "commit": commit(),
        "machine": machine(),
        "threads": threads,
        "text": text,
        "versions": versions(),
    }


def commit() -> str:
    """The commit that is measured, with a + if files were changed since; empty outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if (ROOT / ".git").exists() else ""


def versions() -> dict[str, str]:
    """Python's version and those of the packages that take part and are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The processor's name, cores and features, the memory, and the GPU if there is one; not the host's name."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name, flags = (
        re.search(rf"^(?:{keys})\s*: (.*)$", info, re.MULTILINE) for keys in ("model name", "flags|Features")
    )
    found: dict[str, Any] = {
        "cpu": name[1] if name else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "flags": [flag for flag in FLAGS if flags and flag in flags[1].split()],
        "system": f"{platform.system()} {platform.machine()}",
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_gb"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9)
    gpu = gpu_name()
    return found | ({"gpu": gpu} if gpu else {})


def gpu_name() -> str:
    """The first NVIDIA GPU as its driver names it, or nothing."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return ""


def title(run: dict[str, Any]) -> str:
    """The machine and what was measured, in a line.

    >>> title({"machine": {"cpu": "A", "cores": 2}, "threads": 2, "commit": "abc", "minigpt": "0.1"})
    'A, 2 cores, 2 threads; minigpt 0.1, abc'
    """
    machine = run["machine"]
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    made = f"; minigpt {run['minigpt']}" + (f", {run['commit']}" if run["commit"] else "")
    return f"{machine['cpu']}, {machine['cores']} cores{gpu}, {run['threads']} threads{made}"


def read(path: Path) -> dict[str, Any]:
    """A run from its file; a ValueError if the file holds none."""
    try:
        run = json.loads(path.read_text("utf-8"))
        if run["format"] != FORMAT or not all("row" in row for row in run["rows"]):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is not a minigpt bench file, or is from another version: give another one") from None
    return dict(run)


def resume(path: Path, run: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a file has from an earlier part of the same run; none if there is no file.

    Raises ValueError if the file is from another machine, commit, number of threads or text.
    """
    if not path.exists():
        return []
    before = read(path)
    for name in ("machine", "commit", "threads", "text", "versions"):
        if before[name] != run[name]:
            what = f"{name} {json.dumps(before[name])}, this run {json.dumps(run[name])}"
            raise ValueError(f"{path} has {what}: their rows do not belong together, give another --json")
    return list(before["rows"])


def write(path: Path, run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Writes the whole file anew, each row on a line of its own."""
    head = json.dumps(run, indent=1).removesuffix("\n}")
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f'{head},\n "rows": [\n{lines}\n ]\n}}\n')
